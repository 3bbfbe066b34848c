"""Many boxes at once, the plan that makes them, and the files that describe them."""

from __future__ import annotations

import asyncio
import csv
import stat
import tomllib
from dataclasses import replace

import asyncssh
import pytest

from simulators.faults import kinds
from simulators.fleet import Fleet
from simulators.inventory import COLUMNS, FleetPlan, specs_for, write_credentials, write_inventory
from simulators.spec import DeviceSpec

MIX = ("cisco_ios", "openwrt", "frr_linux")
SHOW = {"cisco_ios": "show running-config", "openwrt": "uci export", "frr_linux": "show running-config"}


async def test_a_thousand_boxes_in_one_process_answer(login):
    async with Fleet(specs_for(FleetPlan(1000, MIX, seed=3))) as fleet:

        async def greets(device):
            reader, writer = await asyncio.open_connection(device.address, device.port)
            line = await reader.readline()
            writer.close()
            return line.startswith(b"SSH-2.0-")

        async def shows_its_own_name(device):
            async with login(device) as connection:
                result = await connection.run(SHOW[device.spec.family], check=True)
                return device.name in result.stdout

        async with asyncio.timeout(60):
            assert await asyncio.gather(*map(greets, fleet.devices)) == [True] * 1000
            assert await asyncio.gather(*map(shows_its_own_name, fleet.devices[::10])) == [True] * 100
        assert sum(device.stats.connections for device in fleet.devices) == 1100
        assert sum(device.stats.sessions for device in fleet.devices) == 100


async def test_each_box_can_have_an_address_of_its_own_on_one_port(login):
    async with Fleet([DeviceSpec("a", "openwrt", address="127.9.8.7")]) as first:
        port = first.devices[0].port
        boxes = [DeviceSpec(f"b{i}", "openwrt", address=f"127.9.8.{i}", port=port) for i in (8, 9)]
        async with Fleet(boxes) as second, login(second.device("b9")) as connection:
            assert (await connection.run("hostname")).stdout == "b9\n"


async def test_an_address_in_use_fails_the_start_and_leaves_nothing_open():
    async with Fleet([DeviceSpec("a", "openwrt")]) as running:
        free, taken = DeviceSpec("b", "openwrt"), DeviceSpec("c", "openwrt", port=running.devices[0].port)
        failing = Fleet([free, taken])
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await failing.start()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", failing.device("b").port)


async def test_counters_tell_what_the_box_has_seen(start_box, login):
    box = await start_box("openwrt")
    async with login(box) as connection:
        async with connection.create_process(term_type="vt100"), connection.create_process(term_type="vt100"):
            await connection.run("hostname")
            assert box.stats.open_sessions == 2
        wrong = DeviceSpec(box.name, "openwrt", username="intruder")
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(box.address, box.port, username=wrong.username, password="x", known_hosts=None)
    stats = box.stats
    assert (stats.connections, stats.auth_completed, stats.passwords_accepted, stats.passwords_refused) == (2, 1, 1, 1)
    assert (stats.sessions, stats.max_open_sessions) == (3, 3)
    assert list(stats.commands) == ["hostname"]


async def test_stopping_is_quick_with_sessions_hanging_and_boxes_mute(login):
    fleet = Fleet([DeviceSpec("a", "openwrt"), DeviceSpec("b", "openwrt")])
    await fleet.start()
    fleet.device("a").set_fault(kinds.HangAt(at=1))
    fleet.device("b").set_fault(kinds.BannerHang())
    mute, writer = await asyncio.open_connection(fleet.device("b").address, fleet.device("b").port)
    async with login(fleet.device("a")) as connection:
        process = await connection.create_process("uci export")
        await process.stdout.readexactly(1)
        async with asyncio.timeout(60):
            await fleet.stop()
            await connection.wait_closed()
            assert await mute.read() == b""
    writer.close()


def test_a_plan_takes_families_in_turns_and_counts_addresses_up():
    specs = specs_for(FleetPlan(5, MIX, seed=1, base="127.1.0.254", port=2200))
    assert [spec.family for spec in specs] == [*MIX, *MIX[:2]]
    assert [spec.address for spec in specs][:3] == ["127.1.0.254", "127.1.0.255", "127.1.1.0"]
    assert len({spec.secrets.login for spec in specs}) == 5


@pytest.mark.parametrize(
    "plan",
    [
        FleetPlan(1, ("nope",)),
        FleetPlan(0, MIX),
        FleetPlan(1, ()),
        FleetPlan(1, MIX, base="192.0.2.1"),
        FleetPlan(600, MIX, base="127.255.255.1", port=22),
    ],
)
def test_an_impossible_plan_is_refused(plan):
    with pytest.raises(ValueError, match=r".+"):
        specs_for(plan)


async def test_the_files_say_where_the_boxes_are_and_how_to_log_in(tmp_path):
    async with Fleet(specs_for(FleetPlan(12, MIX))) as fleet:
        write_inventory(tmp_path / "i.csv", fleet.devices)
        write_credentials(tmp_path / "c.toml", [device.spec for device in fleet.devices])
        ports = [device.port for device in fleet.devices]
    with (tmp_path / "i.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["port"]) for row in rows] == ports
    assert [row["access_node"] for row in rows] == ["node-001"] * 10 + ["node-002"] * 2
    assert len({row["line"] for row in rows} | {row["site"] for row in rows}) == 24
    tables = tomllib.loads((tmp_path / "c.toml").read_text())["credentials"]
    assert set(tables) == {row["credential"] for row in rows}
    assert set(tables["cpe-0001"]) == {"username", "password", "enable_password"}
    assert stat.S_IMODE((tmp_path / "c.toml").stat().st_mode) == 0o600


def test_odd_passwords_survive_the_credentials_file(tmp_path):
    odd = 'a"b\\c\n#\x01é'
    from simulators.spec import Secrets

    spec = DeviceSpec("x y", "openwrt", given=Secrets(login=odd))
    write_credentials(tmp_path / "c.toml", [spec])
    assert tomllib.loads((tmp_path / "c.toml").read_text())["credentials"]["x y"]["password"] == odd


@pytest.mark.parametrize(("base", "count"), [("10.255.1.3", 1), ("127.255.255.250", 30)])
def test_addresses_outside_loopback_are_refused_unless_they_were_asked_for(base: str, count: int) -> None:
    plan = FleetPlan(count, ("openwrt",), base=base, port=2200)
    with pytest.raises(ValueError, match="not within 127"):
        specs_for(plan)
    assert len(specs_for(replace(plan, beyond_loopback=True))) == count
