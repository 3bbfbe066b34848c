"""The port that traps come in at: nothing of a burst is lost, informs are acknowledged, strangers are told apart."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.snmp.receiver import LocalEngine, TrapPort
from cpe_manager.domain.errors import AddressInUse
from cpe_manager.ports.snmp import Datagram, Notification, Sender, SnmpAccess, TrapRefused
from simulators.snmp.line import Sink
from tests.integration.foreign.net_snmp import run, snmptrapd
from tests.integration.snmp import burst
from tests.integration.snmp.boxes import IF_DESCR, IF_OPER, by_community, by_user, sender

LINK_DOWN, LINK_UP, COLD_START = (f"1.3.6.1.6.3.1.1.5.{number}" for number in (3, 4, 1))
ENGINE = LocalEngine(bytes.fromhex("80007ed9") + b"\x05receiver", 7)


@pytest.fixture
async def port() -> AsyncIterator[TrapPort]:
    opened = TrapPort("127.0.0.1", 0, ENGINE, SystemClock())
    await opened.start()
    yield opened
    await opened.stop()


async def heard(port: TrapPort, *senders: Sender, within: float = 20) -> Notification:
    """The next notification that is taken, and acknowledged; questions before it are answered on the way."""
    async with asyncio.timeout(within):
        while True:
            for datagram in await port.take(1):
                try:
                    found = port.read(datagram, senders)
                except TrapRefused as refused:
                    if refused.reason is not None:
                        raise
                    continue
                port.acknowledge(found)
                return found


async def refused(port: TrapPort, *senders: Sender) -> str | None:
    with pytest.raises(TrapRefused) as caught:
        await heard(port, *senders)
    return caught.value.reason


@pytest.mark.parametrize("inform", [False, True], ids=["trap", "inform"])
@pytest.mark.parametrize(("version", "access_of"), [("2c", by_community), ("3", by_user)])
@pytest.mark.parametrize("hash_name", ["SHA", "SHA-256"])
async def test_a_box_tells_of_its_line_and_an_inform_is_acknowledged(
    snmp_box, port, version, access_of, inform, hash_name
):
    box = await snmp_box(options={"snmp_auth": hash_name})
    box.snmp.sinks = (Sink("127.0.0.1", port.port, version, inform),)
    box.lose_line()
    got = await heard(port, sender(box, access_of(box)))
    assert (got.kind, got.sender.name, got.inform) == (LINK_DOWN, "GENT-01", inform)
    assert got.values[f"{IF_DESCR}.1"] == b"VDSL0"
    assert got.values[f"{IF_OPER}.1"] == 2
    assert got.uptime == pytest.approx(box.state.uptime, abs=60)
    box.restore_line()
    assert (await heard(port, sender(box, access_of(box)))).kind == LINK_UP
    if inform:
        async with asyncio.timeout(10):
            while box.snmp.stats.acknowledged < 2:
                await asyncio.sleep(0.02)


async def test_an_inform_that_nobody_acknowledges_comes_again_under_the_same_number(snmp_box, port):
    box = await snmp_box()
    box.snmp.sinks = (Sink("127.0.0.1", port.port, "2c", inform=True, timeout=0.1),)
    box.lose_line()
    known = (sender(box, by_community(box)),)
    first, second = [port.read((await port.take(1))[0], known) for _ in range(2)]
    assert first.number == second.number
    assert box.snmp.stats.acknowledged == 0


async def test_a_sender_is_known_by_its_community_or_its_keys_alone(snmp_box, port):
    box = await snmp_box()
    box.snmp.sinks = (Sink("127.0.0.1", port.port, "2c"),)
    box.lose_line()
    assert await refused(port) == "unknown_source"
    box.restore_line()
    assert await refused(port, Sender("id", "x", SnmpAccess(community="other"))) == "community"
    box.lose_line()
    # Nobody without a community of their own is spoken for by an empty one.
    assert await refused(port, Sender("id", "x", SnmpAccess())) == "community"
    box.restore_line()
    twice = sender(box, by_community(box))
    assert await refused(port, twice, twice) == "ambiguous"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"user": "nobody"}, "user"),
        ({"auth_password": "not-the-password"}, "authentication"),
        ({"auth_protocol": "SHA-512"}, "authentication"),
        ({"priv_password": "not-the-password"}, "decryption"),
    ],
)
async def test_a_trap_that_the_keys_do_not_fit_is_not_taken(snmp_box, port, wrong, reason):
    box = await snmp_box()
    box.snmp.sinks = (Sink("127.0.0.1", port.port, "3"),)
    box.lose_line()
    assert await refused(port, sender(box, by_user(box, **wrong))) == reason


async def test_two_boxes_behind_one_address_are_told_apart_by_their_keys(snmp_box, port):
    one, two = await snmp_box(), await snmp_box(name="GENT-02")
    both = (sender(one, by_user(one)), sender(two, by_user(two)))
    two.snmp.sinks = (Sink("127.0.0.1", port.port, "3"),)
    two.lose_line()
    assert (await heard(port, *both)).sender.name == "GENT-02"


async def test_a_trap_from_before_the_restart_of_its_box_is_a_replay(snmp_box, port):
    box = await snmp_box()
    box.snmp.sinks = (Sink("127.0.0.1", port.port, "3"),)
    known = sender(box, by_user(box))
    box.lose_line()
    old = (await port.take(1))[0]
    assert port.read(old, [known]).kind == LINK_DOWN
    box.restart(down=0)
    box.restore_line()
    assert (await heard(port, known)).kind == LINK_UP
    with pytest.raises(TrapRefused) as caught:
        port.read(old, [known])
    assert caught.value.reason == "replayed"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"\x30\x84\xff\xff\xff\xff", "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (bytes.fromhex("3003020100"), "version"),
        (burst.template("c0mmunity")[:-3], "malformed"),
        (burst.template("c0mmunity").replace(b"\xa7\x81", b"\xa0\x81", 1), "not_a_notification"),
    ],
)
def test_what_is_no_trap_is_counted_as_what_it_is(data, reason):
    clock = SystemClock()
    port = TrapPort("127.0.0.1", 0, ENGINE, clock)
    with pytest.raises(TrapRefused) as caught:
        port.read(Datagram(data, "127.0.0.1", 1, clock.now()), [Sender("id", "x", SnmpAccess(community="c0mmunity"))])
    assert caught.value.reason == reason


async def test_ten_thousand_traps_within_two_seconds_all_arrive(port):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(burst.__file__ or "")), str(port.port), "10000", "5000", "c0mmunity",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    known = [Sender("id", "x", SnmpAccess(community="c0mmunity"))]
    seen: set[bytes] = set()
    async with asyncio.timeout(60):
        while len(seen) < 10_000:
            for datagram in await port.take(200):
                number = port.read(datagram, known).values[burst.NUMBER]
                assert isinstance(number, bytes)
                seen.add(number)
            await asyncio.sleep(0)
    out, _ = await process.communicate()
    assert float(out) < 10
    assert (port.overflowed, port.lost_in_kernel()) == (0, 0)


async def test_what_waits_is_bounded_and_the_rest_is_counted(snmp_box):
    small = TrapPort("127.0.0.1", 0, ENGINE, SystemClock(), most=3)
    await small.start()
    try:
        box = await snmp_box()
        box.snmp.sinks = (Sink("127.0.0.1", small.port),)
        for _ in range(5):
            box.lose_line()
            box.restore_line()
        await asyncio.sleep(0.2)
        assert len(await small.take(100)) == 3
        assert small.overflowed == 7
    finally:
        await small.stop()


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_a_port_for_both_internets_acknowledges_a_sender_of_the_old_one(snmp_box, version):
    both = TrapPort("::", 0, ENGINE, SystemClock())
    await both.start()
    try:
        box = await snmp_box()
        box.snmp.sinks = (Sink("127.0.0.1", both.port, version, inform=True),)
        box.lose_line()
        got = await heard(both, sender(box, by_community(box) if version == "2c" else by_user(box)))
        assert got.host == "127.0.0.1"
        async with asyncio.timeout(10):
            while not box.snmp.stats.acknowledged:
                await asyncio.sleep(0.02)
    finally:
        await both.stop()


async def test_a_port_in_use_is_said_in_one_line(port):
    second = TrapPort("127.0.0.1", port.port, ENGINE, SystemClock())
    with pytest.raises(AddressInUse, match=f"cannot listen for traps on 127.0.0.1:{port.port}"):
        await second.start()


USER = ("-l", "authPriv", "-u", "debian", "-a", "SHA-256", "-A", "auth-password", "-x", "AES", "-X", "priv-password")
DEBIAN = Sender("id", "debian", SnmpAccess("c0mmunity", "debian", "auth-password", "SHA-256", "priv-password"))


@pytest.mark.parametrize("inform", [False, True], ids=["snmptrap", "snmpinform"])
@pytest.mark.parametrize("version", ["2c", "3"])
async def test_net_snmp_is_heard_and_its_informs_end_well(port, version, inform):
    access = ("-v2c", "-c", "c0mmunity") if version == "2c" else ("-v3", *USER)
    engine = () if inform or version == "2c" else ("-e", "0x8000000001020304")
    program = "snmpinform" if inform else "snmptrap"
    words = ("12345", COLD_START, "1.3.6.1.2.1.1.5.0", "s", "debian")
    task = asyncio.create_task(
        run(program, *access, *engine, "-m", "", "-t", "5", f"udp:127.0.0.1:{port.port}", *words)
    )
    got = await heard(port, DEBIAN)
    said = await task
    assert said.status == 0, said.err
    assert (got.kind, got.inform, got.uptime) == (COLD_START, inform, 123.45)
    assert got.values == {"1.3.6.1.2.1.1.5.0": b"debian"}


async def test_net_snmp_is_told_that_its_key_is_wrong(port):
    wrong = [word.replace("auth-password", "not-the-password") for word in USER]
    task = asyncio.create_task(run("snmpinform", "-v3", *wrong, "-m", "", "-t", "2", "-r", "0",
                                   f"udp:127.0.0.1:{port.port}", "1", COLD_START))  # fmt: skip
    assert await refused(port, DEBIAN) == "authentication"
    assert "Authentication failure" in (await task).err


async def test_a_sender_sees_the_same_of_snmptrapd_and_of_this_port(snmp_box, port, tmp_path):
    box = await snmp_box()
    async with snmptrapd(tmp_path, box) as trapd:
        box.snmp.sinks = tuple(Sink("127.0.0.1", to, "3", inform=True) for to in (trapd.port, port.port))
        box.lose_line()
        got = await heard(port, sender(box, by_user(box)))
        await trapd.wait_for(got.kind)
        async with asyncio.timeout(10):
            while box.snmp.stats.acknowledged < 2:
                await asyncio.sleep(0.02)
