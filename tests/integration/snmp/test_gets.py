"""Thousands of questions over one socket: each gets its own answer, and nobody else's."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.gets import SnmpGets, _head, _swift_head
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.domain.errors import ConnectFailed, CredentialMissing, DeviceTimeout, ProtocolError
from cpe_manager.kit import ber
from cpe_manager.ports.snmp import SnmpAccess, SnmpTarget
from tests.integration.snmp.boxes import IF_DESCR, IF_OPER, SYS_NAME, SYS_UPTIME, by_community, by_user, target

NAMES = [SYS_UPTIME, SYS_NAME, f"{IF_DESCR}.1", f"{IF_OPER}.1", f"{IF_DESCR}.99", "1.3.9.1"]


@pytest.fixture
async def gets() -> AsyncIterator[SnmpGets]:
    opened = SnmpGets(SnmpPoller(SystemClock()))
    yield opened
    opened.close()


class Odd(asyncio.DatagramProtocol):
    """An agent that answers a question with whatever a test makes of it."""

    def __init__(self, answers: Callable[[bytes], list[bytes]]) -> None:
        self._answers = answers
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        for answer in self._answers(data):
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]


def answered(data: bytes) -> bytes:
    """The question turned into its own answer, all values being NULL."""
    return data.replace(b"\xa0", b"\xa2", 1)


@pytest.fixture
async def odd() -> AsyncIterator[Any]:
    """Start an odd agent; what it is asked at lasts 0.3 s, once."""
    opened: list[asyncio.DatagramTransport] = []

    async def start(answers: Callable[[bytes], list[bytes]], retries: int = 0) -> tuple[Odd, SnmpTarget]:
        transport, agent = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Odd(answers), local_addr=("127.0.0.1", 0)
        )
        opened.append(transport)
        port = transport.get_extra_info("sockname")[1]
        return agent, SnmpTarget("odd", "127.0.0.1", SnmpAccess("c0mmunity"), port, 0.3, retries)

    yield start
    for transport in opened:
        transport.close()
    await asyncio.sleep(0)


async def test_it_says_the_same_as_a_session_does(snmp_box, gets):
    box = await snmp_box()
    place = target(box, by_community(box))
    told, usual = await gets.get(place, NAMES), await SnmpPoller(SystemClock()).get(place, NAMES)
    assert told.keys() == usual.keys() == {*NAMES[:4]}
    assert {name: value for name, value in told.items() if name != SYS_UPTIME} == {
        name: value for name, value in usual.items() if name != SYS_UPTIME
    }


async def test_version_three_and_walks_are_the_pollers(snmp_box, gets):
    box = await snmp_box()
    assert await gets.get(target(box, by_user(box)), [SYS_NAME]) == {SYS_NAME: b"GENT-01"}
    assert len(await gets.walk(target(box, by_community(box)), IF_DESCR)) == 5


async def test_hundreds_of_questions_at_once_get_each_their_own_answer(snmp_box, gets):
    box = await snmp_box()
    place = target(box, by_community(box), timeout=30.0)
    names = [f"{IF_DESCR}.{1 + number % 5}" for number in range(300)]
    got = await asyncio.gather(*(gets.get(place, [name]) for name in names))
    assert [list(each) for each in got] == [[name] for name in names]
    assert len({tuple(each.values()) for each in got}) == 5


async def test_what_is_no_answer_to_an_open_question_is_refused(gets, odd):
    def forged(data: bytes) -> list[bytes]:
        right = answered(data)
        at = right.index(b"\x02\x04")
        return [
            right.replace(right[at + 2 : at + 6], bytes((1, 2, 3, 4)), 1),  # another number
            right.replace(b"c0mmunity", b"C0mmunity", 1),
            right.replace(b"\x02\x01\x01", b"\x02\x01\x00", 1),  # version 1
            right[:-2], right + b"more", b"", b"\x30", data,
            right.replace(bytes.fromhex("2b06010201"), bytes.fromhex("2b06010301"), 1),  # another object
        ]  # fmt: skip

    agent, place = await odd(forged)
    with pytest.raises(DeviceTimeout):
        await gets.get(place, [SYS_NAME])
    assert len(agent.asked) == 1
    assert (
        gets.refused == 8
    )  # what follows behind a whole message is not looked at: that one came with its number used up


async def test_an_answer_from_another_address_is_none(gets):
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.66", 0))
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.setblocking(False)
    place = SnmpTarget("x", "127.0.0.1", SnmpAccess("c"), listening.getsockname()[1], 0.5, 0)
    task = asyncio.create_task(gets.get(place, [SYS_NAME]))
    data, sender = await asyncio.get_running_loop().sock_recvfrom(listening, 2048)
    other.sendto(answered(data), sender)
    with pytest.raises(DeviceTimeout):
        await task
    assert gets.refused == 1
    other.close()
    listening.close()


async def test_a_lost_question_is_asked_again_and_a_late_answer_is_not_taken_for_the_next(gets, odd):
    kept: list[bytes] = []

    def late(data: bytes) -> list[bytes]:
        kept.append(answered(data))
        return [kept[0], kept[-1]] if len(kept) == 2 else []

    agent, place = await odd(late, retries=1)
    assert await gets.get(place, [SYS_NAME]) == {SYS_NAME: None}
    assert len(agent.asked) == 2
    assert gets.refused == 1


async def test_an_error_status_is_a_broken_protocol_and_no_access_is_said_to_be_missing(gets, odd):
    _, place = await odd(
        lambda data: [answered(data).replace(b"\x02\x01\x00\x02\x01\x00", b"\x02\x01\x01\x02\x01\x00", 1)]
    )
    with pytest.raises(ProtocolError, match="status 1"):
        await gets.get(place, [SYS_NAME])
    with pytest.raises(CredentialMissing):
        await gets.get(SnmpTarget("x", "127.0.0.1", SnmpAccess(), 161), [SYS_NAME])
    with pytest.raises(ConnectFailed):
        await gets.get(SnmpTarget("x", "no.such.name.invalid", SnmpAccess("c"), 161), [SYS_NAME])


async def test_a_cancelled_question_leaves_nothing_behind(gets, odd):
    agent, place = await odd(lambda _data: [])
    tasks = [asyncio.create_task(gets.get(place, [SYS_NAME])) for _ in range(20)]
    while len(agent.asked) < 20:
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert gets._asked == {}


def test_the_swift_way_of_reading_says_what_the_rules_say_or_nothing():
    chance, read = random.Random(11), 0
    for size in (0, 5, 200):
        pdu = messages.pdu(messages.RESPONSE, 2**30 + 5, messages.binding(SYS_NAME, ber.tlv(ber.OCTETS, bytes(size))))
        for name in (b"", b"c0mmunity", b"x" * 127, b"x" * 130):
            whole = messages.v2c(name, pdu)
            for _ in range(2000):
                octets = bytearray(whole)
                for _ in range(chance.randrange(3)):
                    octets[chance.randrange(min(len(octets), 180))] = chance.randrange(256)
                data = bytes(octets[: len(octets) - chance.randrange(2)])
                try:
                    swift = _swift_head(data)
                except IndexError:
                    with pytest.raises(ValueError, match=r"cut off|a length|type|message"):
                        _head(data)
                    continue
                if swift is not None:
                    read += 1
                    assert swift == _head(data)
    assert read > 5000


async def test_mangled_answers_break_nothing(snmp_box, gets, odd):
    chance = random.Random(7)

    def mangled(data: bytes) -> list[bytes]:
        out = []
        for _ in range(2000):
            octets = bytearray(answered(data))
            for _ in range(chance.randrange(1, 4)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            out.append(bytes(octets[: chance.randrange(len(octets) + 1)]))
        return out

    _, place = await odd(mangled)
    with pytest.raises((DeviceTimeout, ProtocolError)):
        await gets.get(place, NAMES)
    box = await snmp_box()
    assert await gets.get(target(box, by_community(box)), [SYS_NAME]) == {SYS_NAME: b"GENT-01"}
