"""`cpe-sim` as a process of its own: started, steered over its socket, stopped."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import tomllib

import asyncssh
import pytest

from simulators.cli import main
from simulators.control import ControlClient, ControlError

SIM = (sys.executable, "-c", "from simulators.cli import main; main()")


@pytest.fixture
def sim(capsys):
    """Run `cpe-sim` in this process: exit status and output. For commands that end by themselves."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out + captured.err

    return run


@pytest.fixture
async def running(tmp_path):
    """A fleet of three in a process of its own, and its folder."""
    files = {name: str(tmp_path / name) for name in ("inventory", "credentials", "control", "ready")}
    process = await asyncio.create_subprocess_exec(
        *SIM, "fleet", "--count", "3", "--seed", "7", "--port", "0", "--base", "127.0.0.1",
        "--inventory", files["inventory"], "--credentials", files["credentials"], "--control", files["control"],
        "--ready-file", files["ready"], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert line.startswith(b"cpe-sim: ready, 1 cisco_ios, 1 frr_linux, 1 openwrt at 127.0.0.1:")
    yield process, tmp_path
    if process.returncode is None:
        process.terminate()
        await asyncio.wait_for(process.wait(), 60)


async def test_both_ways_of_a_box_are_lost_and_found_from_another_process(running):
    _, folder = running
    login = tomllib.loads((folder / "credentials").read_text())["credentials"]["cpe-0001"]
    with ControlClient(folder / "control") as client:
        box = client.devices()[0]
        client.change("cpe-0001", "interface Cellular0/2/0\nno shutdown\nexit")
        key = asyncssh.import_known_hosts(f"[{box['address']}]:{box['port']} {box['host_key']}\n")

        async def way():
            async with asyncssh.connect(
                box["address"],
                box["port"],
                username=login["username"],
                password=login["password"],
                known_hosts=key,
            ) as connection:
                route = (await connection.run("show ip route 0.0.0.0")).stdout
                echo = (await connection.run("ping 198.51.100.7 repeat 1 timeout 2")).stdout
            found = re.search(r"connected, via (\S+)", route)
            return found[1] if found else "", "Success rate is 100" in echo

        assert await way() == ("Dialer1", True)
        client.lose_line("cpe-0001", "silent")
        assert await way() == ("Dialer1", False)
        client.restore_line("cpe-0001")
        client.lose_line("cpe-0001")
        assert await way() == ("Cellular0/2/0", True)
        client.lose_mobile("cpe-0001")
        assert await way() == ("", False)
        client.restore_mobile("cpe-0001")
        client.restore_line("cpe-0001")
        assert await way() == ("Dialer1", True)


async def test_a_fleet_is_steered_from_another_process_and_stops_cleanly(running):
    process, folder = running
    with ControlClient(folder / "control") as client:
        boxes = {box["name"]: box for box in client.devices()}
        assert sorted(boxes) == ["cpe-0001", "cpe-0002", "cpe-0003"]
        lines = client.change("cpe-0001")
        assert lines in client.show("cpe-0001")
        login = tomllib.loads((folder / "credentials").read_text())["credentials"]["cpe-0002"]
        box = boxes["cpe-0002"]
        client.set_fault("cpe-0002", "truncate", at=0.5, times=1)
        assert client.devices()[1]["faults"] == ["truncate"]
        async with asyncssh.connect(
            box["address"],
            box["port"],
            username=login["username"],
            password=login["password"],
            known_hosts=asyncssh.import_known_hosts(f"[{box['address']}]:{box['port']} {box['host_key']}\n"),
        ) as connection:
            short = (await connection.run("uci export")).stdout
            whole = (await connection.run("uci export")).stdout
        assert whole == client.show("cpe-0002")
        assert len(short) < len(whole)
        assert client.stats()["total"]["sessions"] == 2
        assert client.secrets("cpe-0002")["login"] == login["password"]
        assert client.rotate_host_key("cpe-0002") != box["host_key"]
        client.set_fault("cpe-0003", "refuse")
        client.clear()
        assert [box["faults"] for box in client.devices()] == [[], [], []]
        for wrong in (
            {"op": "nope"},
            {"op": "show", "name": "nobody"},
            {"op": "fault", "name": "cpe-0001", "fault": "nope"},
            {"op": "change", "name": "cpe-0001", "text": "frobnicate"},
        ):
            with pytest.raises(ControlError):
                client.call(**wrong)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["credentials", "inventory"]


async def test_the_control_command_does_what_the_client_does(running, sim):
    process, folder = running
    socket = ("ctl", "--control", str(folder / "control"))
    assert sim(*socket, "fault", "cpe-0001", "drop_at", "at=0.3", "times=2")[0] == 0
    status, text = sim(*socket, "list")
    assert status == 0
    assert "drop_at" in text
    status, text = sim(*socket, "fault", "cpe-0001", "drop_at", "speed=3")
    assert status != 0
    assert "no parameter" in text
    assert sim(*socket, "change", "cpe-0001", "--text", "interface gi0/1\\ndescription by hand")[0] == 0
    assert " description by hand\n" in sim(*socket, "show", "cpe-0001")[1]
    assert sim(*socket, "clear", "cpe-0001")[0] == 0
    status, text = sim(*socket, "stats", "--json")
    assert json.loads(text)["total"]["connections"] == 0
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0


def test_the_lists_name_every_family_and_fault(sim):
    status, text = sim("personas")
    assert (status, [name for name in ("cisco_ios", "openwrt", "frr_linux") if name not in text]) == (0, [])
    status, text = sim("faults")
    assert (status, [name for name in ("drop_at", "truncate", "wrong_prompt") if name not in text]) == (0, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("fleet", "--mix", "nope"),
        ("one", "--family", "openwrt", "--option", "openwrt.nope=1"),
        ("ctl", "--control", "/nope", "list"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(sim, arguments):
    status, text = sim(*arguments)
    assert status == 2
    assert text.startswith("cpe-sim: ")
    assert len(text.splitlines()) == 1
