"""Asking boxes by SNMP: what they have, what they refuse, and what it costs to ask again."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import gufo.snmp
import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.snmp.poller import Engines, SnmpPoller
from cpe_manager.domain.errors import AuthFailed, ConnectFailed, CredentialMissing, DeviceTimeout, ProtocolError
from cpe_manager.ports.snmp import SnmpAccess, SnmpTarget
from simulators.fleet import Fleet
from simulators.snmp.families import persona_of
from simulators.spec import DeviceSpec
from tests.fakes.clock import SimulatedClock
from tests.integration.foreign.net_snmp import free_udp_port, snmpd
from tests.integration.snmp.boxes import IF_DESCR, SYS_NAME, SYS_UPTIME, by_community, by_user, target

ACCESSES = pytest.mark.parametrize("access_of", [by_community, by_user])


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def poller() -> SnmpPoller:
    return SnmpPoller(SystemClock())


@ACCESSES
async def test_a_box_tells_what_it_has_and_what_it_has_not_is_left_out(snmp_box, poller, access_of):
    box = await snmp_box()
    got = await poller.get(target(box, access_of(box)), [SYS_NAME, f"{IF_DESCR}.99", "1.3.9.1"])
    assert got == {SYS_NAME: b"GENT-01"}


@ACCESSES
async def test_a_walk_brings_a_subtree_in_order_and_stops_at_its_end(snmp_box, poller, access_of):
    box = await snmp_box()
    got = await poller.walk(target(box, access_of(box)), IF_DESCR)
    ports = [port.name.encode() for port in persona_of("cisco_ios").ports]
    assert list(got.items()) == [(f"{IF_DESCR}.{number}", name) for number, name in enumerate(ports, 1)]
    assert len(await poller.walk(target(box, access_of(box)), "1.3.6")) > 100


async def test_a_walk_that_finds_more_than_it_may_says_so(snmp_box, poller):
    box = await snmp_box()
    with pytest.raises(ProtocolError, match="more than 10 SNMP objects"):
        await poller.walk(target(box, by_community(box)), "1.3.6", most=10)


@pytest.mark.parametrize(
    "wrong", [{"user": "nobody"}, {"auth_password": "not-the-password"}, {"priv_password": "not-the-password"}]
)
async def test_a_user_or_key_that_the_box_does_not_know_is_a_refused_log_in(snmp_box, poller, wrong):
    box = await snmp_box()
    with pytest.raises(AuthFailed, match="GENT-01: SNMP user or keys refused") as caught:
        await poller.get(target(box, by_user(box, **wrong)), [SYS_NAME])
    assert "not-the-password" not in str(caught.value)
    assert (await poller.get(target(box, by_user(box)), [SYS_NAME]))[SYS_NAME] == b"GENT-01"


async def test_silence_is_a_time_out_after_as_many_tries_as_were_wanted(snmp_box, poller):
    box = await snmp_box()
    wrong = target(box, SnmpAccess(community="public"), timeout=0.1, retries=2)
    with pytest.raises(DeviceTimeout, match=r"GENT-01: no SNMP answer within 0.1 s in 3 tries"):
        await poller.get(wrong, [SYS_NAME])
    assert box.snmp.stats.received == 3


async def test_a_question_that_got_lost_is_asked_again(snmp_box, poller):
    box = await snmp_box()
    task = asyncio.create_task(poller.get(target(box, by_community(box), timeout=0.3, retries=5), [SYS_NAME]))
    box.restart(down=0.4)
    assert await task == {SYS_NAME: b"GENT-01"}


async def test_a_name_that_is_none_cannot_be_reached(poller):
    with pytest.raises(ConnectFailed, match="x: SNMP"):
        await poller.get(SnmpTarget("x", "no-such-host.invalid", SnmpAccess(community="c")), [SYS_NAME])


class Babbler(asyncio.DatagramProtocol):
    """Answers everything with the same octets."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(self.said, addr)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes.fromhex("30840fffffff")])
async def test_what_is_no_answer_is_no_answer_or_a_broken_protocol_and_nothing_else(poller, said):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Babbler(said), local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    keyed = SnmpAccess(user="monitor", auth_password="auth-password", priv_password="priv-password")
    try:
        for access in (SnmpAccess(community="c"), keyed):
            with pytest.raises((ProtocolError, DeviceTimeout)):
                await poller.get(SnmpTarget("x", "127.0.0.1", access, port, 0.3, 0), [SYS_NAME])
    finally:
        transport.close()


async def test_nobody_at_a_port_is_no_answer_or_a_refused_connection(poller):
    with pytest.raises((DeviceTimeout, ConnectFailed)):
        await poller.get(SnmpTarget("x", "127.0.0.1", SnmpAccess(community="c"), free_udp_port(), 0.3, 0), [SYS_NAME])


def test_every_error_of_the_library_is_one_of_ours():
    """A class that it gets one day has to be mapped, too."""
    classes = [each for each in vars(gufo.snmp).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(classes) >= 5
    assert all(issubclass(each, gufo.snmp.SnmpError) for each in classes)


async def test_an_access_without_community_and_user_is_said_to_be_missing(poller):
    with pytest.raises(CredentialMissing, match="neither snmp_community nor snmp_user"):
        await poller.get(SnmpTarget("x", "127.0.0.1", SnmpAccess()), [SYS_NAME])


async def test_a_box_that_restarted_is_followed_to_its_new_clock(snmp_box, poller):
    box = await snmp_box()
    asked = target(box, by_user(box), retries=0)
    await poller.get(asked, [SYS_NAME])
    box.restart(down=0.05)
    await asyncio.sleep(0.1)
    assert (await poller.get(asked, [SYS_UPTIME]))[SYS_UPTIME] < 1000


async def test_a_swapped_box_with_another_engine_and_the_same_user_is_followed(snmp_box, poller):
    old = await snmp_box()
    shared = by_user(old)
    await poller.get(target(old, shared), [SYS_NAME])
    port = old.snmp.port
    await old.snmp.stop()
    new = Fleet([DeviceSpec("GENT-02", "cisco_ios", 5)], snmp=True, snmp_port=port)
    async with new:
        # The first try goes to the engine that was there.
        again = SnmpTarget("GENT-01", old.address, by_user(new.device("GENT-02")), port, 1.0, 4)
        assert await poller.get(again, [SYS_NAME]) == {SYS_NAME: b"GENT-02"}


async def test_an_engine_is_asked_for_once_and_its_clock_only_when_it_may_be_stale(snmp_box):
    box, clock = await snmp_box(), SimulatedClock()
    engines = Engines()
    poller = SnmpPoller(clock, engines)
    asked = target(box, by_user(box))
    await poller.get(asked, [SYS_NAME])
    first = box.snmp.stats.received
    for _ in range(10):
        await poller.get(asked, [SYS_NAME])
    assert box.snmp.stats.received == first + 10
    await clock.advance(120)
    await poller.get(asked, [SYS_NAME])
    assert box.snmp.stats.received == first + 12
    # Another poller with the same memory of engines: the clock, and then the question.
    await SnmpPoller(clock, engines).get(asked, [SYS_NAME])
    assert box.snmp.stats.received == first + 14


class Slow(asyncio.DatagramProtocol):
    """A way to a box on which the first answer takes long."""

    def __init__(self, box, delay):
        self.box, self.delay, self.client, self.transport = box, delay, None, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        there = (self.box.address, self.box.snmp.port)
        if addr != there:
            self.client = addr
            self.transport.sendto(data, there)
            return
        asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, data, self.client)
        self.delay = 0


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_answer_to_the_next_question(snmp_box, poller):
    box = await snmp_box()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Slow(box, 0.4), local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        asked = SnmpTarget("GENT-01", "127.0.0.1", by_community(box), port, 0.2, 0)
        with pytest.raises(DeviceTimeout):
            await poller.get(asked, [SYS_NAME])
        await asyncio.sleep(0.4)
        for number in (1, 2, 3):
            assert list(await poller.get(asked, [f"{IF_DESCR}.{number}"])) == [f"{IF_DESCR}.{number}"]
    finally:
        transport.close()


async def test_questions_to_one_box_at_once_get_each_their_own_answer(snmp_box, poller):
    box = await snmp_box()
    asked = target(box, by_user(box))
    names = [f"{IF_DESCR}.{number}" for number in range(1, 6)] * 8
    answers = await asyncio.gather(*(poller.get(asked, [name]) for name in names))
    assert [next(iter(answer)) for answer in answers] == names
    assert poller.sessions == 1


async def test_sessions_that_stay_open_are_bounded_and_their_sockets_are_closed():
    specs = [DeviceSpec(f"R{number}", "frr_linux", 5) for number in range(40)]
    poller = SnmpPoller(SystemClock(), most_sessions=10)
    async with Fleet(specs, snmp=True) as fleet:
        before = open_files()
        for _ in range(2):
            asked = [target(box, by_community(box)) for box in fleet.devices]
            answers = await asyncio.gather(*(poller.get(each, [SYS_NAME]) for each in asked))
            assert [answer[SYS_NAME] for answer in answers] == [box.name.encode() for box in fleet.devices]
        for box in fleet.devices:
            await poller.get(target(box, by_community(box)), [SYS_NAME])
        gc.collect()
        assert poller.sessions <= 11
        assert open_files() - before <= 11


def test_engines_are_remembered_up_to_a_bound():
    engines = Engines(most=2)
    for port in (1, 2):
        engines.learn(("h", port), b"engine")
    engines.get(("h", 1))
    engines.learn(("h", 3), b"engine")
    assert engines.get(("h", 2)) is None
    assert engines.get(("h", 1)) == b"engine"
    assert len(engines) == 2


@pytest.mark.parametrize(
    ("auth", "priv"),
    [
        ("MD5", "DES"), ("MD5", "AES"), ("SHA", "DES"), ("SHA", "AES"), ("SHA-224", "AES-192"), ("SHA-256", "AES"),
        ("SHA-256", "AES-256"), ("SHA-384", "AES-256"), ("SHA-512", "AES"), ("SHA-512", "AES-256"),
    ],
)  # fmt: skip
async def test_debians_snmpd_answers_with_every_pair_of_protocols(tmp_path: Path, poller, auth, priv):
    user = f"createUser monitor {auth} auth-password {priv} priv-password"
    async with snmpd(tmp_path, "sysName debian", user, "rouser monitor priv") as agent:
        access = SnmpAccess("", "monitor", "auth-password", auth, "priv-password", priv)
        got = await poller.get(SnmpTarget("snmpd", "127.0.0.1", access, agent.port, 5.0), [SYS_NAME])
    assert got == {SYS_NAME: b"debian"}


async def test_a_cancellation_that_comes_together_with_the_answer_is_heeded(snmp_box, poller):
    box = await snmp_box()
    place = target(box, by_community(box))

    async def for_ever() -> None:
        while True:
            await poller.get(place, [SYS_NAME])

    for turns in range(150):
        task = asyncio.create_task(for_ever())
        await asyncio.sleep(0.0001 * turns)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=20)
        assert done
        assert task.cancelled()
