"""How a virtual CPE speaks Telnet: options, commands in the data, and its log-in dialogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from simulators.telnet.protocol import DO, DONT, ECHO, IAC, NAWS, SB, SE, SGA, TTYPE, WILL, WONT, Options, escaped

BINARY = 0


def told(*parts: int) -> bytes:
    return bytes((IAC, *parts))


@pytest.fixture
def sent() -> list[bytes]:
    return []


@pytest.fixture
def options(sent: list[bytes]) -> Options:
    made = Options(sent.append)
    made.start()
    assert sent == [told(WILL, ECHO), told(WILL, SGA), told(DO, TTYPE), told(DO, NAWS)]
    sent.clear()
    return made


def test_answers_to_its_own_wishes_are_not_answered_again(options: Options, sent: list[bytes]) -> None:
    assert options.feed(told(DO, ECHO) + told(DO, SGA) + told(WILL, NAWS) + told(WONT, TTYPE)) == b""
    assert sent == []
    assert options.agreed == {("ours", ECHO), ("ours", SGA), ("theirs", NAWS)}


def test_what_it_does_not_know_is_refused_and_what_it_knows_agreed_to(options: Options, sent: list[bytes]) -> None:
    options.feed(told(DO, BINARY) + told(WILL, BINARY) + told(WILL, SGA))
    assert sent == [told(WONT, BINARY), told(DONT, BINARY), told(DO, SGA)]


def test_the_width_and_the_terminal_are_learned(options: Options, sent: list[bytes]) -> None:
    options.feed(told(WILL, TTYPE))
    assert sent == [told(SB, TTYPE, 1, IAC, SE)]
    options.feed(told(SB, TTYPE, 0) + b"VT100" + told(SE) + told(SB, NAWS, 1, 255, 255, 0, 24, IAC, SE))
    assert (options.terminal, options.width) == ("VT100", 511)


def test_a_stream_means_the_same_wherever_it_is_cut(sent: list[bytes]) -> None:
    stream = b"a" + told(DO, ECHO) + b"b" + told(IAC) + b"c\r\0d\r\n" + told(SB, NAWS, 0, 80, 0, 24, IAC, SE) + b"e"
    whole = Options(sent.append).feed(stream)
    assert whole == b"ab\xffc\rd\r\ne"
    for cut in range(len(stream)):
        options = Options(sent.append)
        assert options.feed(stream[:cut]) + options.feed(stream[cut:]) == whole


def test_a_byte_of_255_in_the_data_is_sent_twice() -> None:
    assert escaped(b"a\xffb") == b"a\xff\xffb"


@pytest.fixture
async def box() -> AsyncIterator[Device]:
    async with Fleet([DeviceSpec("GENT-01", "cisco_ios", seed=5)], telnet=True) as fleet:
        yield fleet.device("GENT-01")


class Hand:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def until(self, text: str) -> str:
        async with asyncio.timeout(30):
            return (await self.reader.readuntil(text.encode())).decode("utf-8", "replace")

    def type(self, line: str) -> None:
        self.writer.write(line.encode() + b"\r\0")


async def test_three_wrong_passwords_end_the_connection(box: Device) -> None:
    hand = Hand(*await asyncio.open_connection(box.address, box.telnet_port))
    for _ in range(3):
        await hand.until("Username: ")
        hand.type("noc")
        await hand.until("noc\r\nPassword: ")
        hand.type("wrong")
        assert "wrong" not in await hand.until("% Login invalid")
    async with asyncio.timeout(30):
        await hand.reader.read()
    hand.writer.close()
    assert (box.stats.passwords_refused, box.stats.sessions) == (3, 0)


async def test_a_restart_cuts_telnet_sessions_too(box: Device) -> None:
    hand = Hand(*await asyncio.open_connection(box.address, box.telnet_port))
    await hand.until("Username: ")
    hand.type(box.spec.username)
    await hand.until("Password: ")
    hand.type(box.spec.secrets.login)
    await hand.until("GENT-01>")
    assert box.stats.open_sessions == 1
    box.restart(0.0)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await hand.until("nothing of the kind")
    hand.writer.close()
    while box.stats.open_sessions or box.stats.open_connections:
        await asyncio.sleep(0.01)
