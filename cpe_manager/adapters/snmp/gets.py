"""Asking thousands of agents by community over one socket: a third of what a session with each costs, and no descriptor
for each.

There is no task, future or timer for each question (``ask`` takes a callback). A question is made once and sent again
with another number. Its answer is believed when it comes from where the question went, under that number (31 bits, from
a random start) and the community; what it says is then compared with what was asked, octet by octet, instead of being
read from the beginning. Whatever is rarer (walks, v3) is left to the poller.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog

from cpe_manager.adapters.deadlines import Deadlines
from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.poller import numeric
from cpe_manager.domain.errors import ConnectFailed, DeviceError, DeviceTimeout, ProtocolError
from cpe_manager.kit import ber
from cpe_manager.ports.snmp import SnmpReader, SnmpTarget, Told, Value

log = structlog.get_logger(__name__)

BUFFER: Final = 8 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_LEAST, _MOST = 2**24, 2**31
"""Numbers that take four octets, all of them."""
_LARGEST = 65535
_AT_ONCE = 500
_MOST_PLACES = 50_000
_NULL = b"\x05\x00"
_V2C = bytes.fromhex("02010104")
"""Version 1, which is v2c, and the tag of a community."""
_TICK = 0.05
"""Seconds that a deadline may be late."""
_NUMBERS: Final = frozenset({ber.INTEGER, ber.COUNTER, ber.GAUGE, ber.TICKS, ber.COUNTER64})
_LONGEST = 9

_Found = dict[str, Value]
_Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """A question, but for its number. ``names``: with their encoding and its length, in order."""

    before: bytes
    after: bytes
    community: bytes
    names: tuple[tuple[str, bytes, int], ...]


@dataclass(slots=True, eq=False)
class _Asked:
    """An open question. ``left``: how often it is asked again when nothing comes."""

    told: Told
    target: SnmpTarget
    family: int
    place: _Place
    host: str
    form: _Form
    left: int
    number: int = 0


class SnmpGets:
    """Implements ``ports.snmp.SnmpReader`` and ``SnmpAsking``; ``rest`` is who does what is not a get by community."""

    def __init__(self, rest: SnmpReader) -> None:
        self._rest = rest
        self._sockets: dict[int, socket.socket] = {}
        self._asked: dict[int, _Asked] = {}
        self._places: dict[tuple[str, int], tuple[int, _Place]] = {}
        self._number = _LEAST + secrets.randbelow(_MOST - _LEAST)
        self._deadlines = Deadlines[tuple[int, _Asked]](_TICK, self._over)
        self.refused = 0
        """Datagrams that were no answer to an open question."""

    async def walk(self, target: SnmpTarget, root: str, *, most: int = 2000) -> Mapping[str, Value]:
        return await self._rest.walk(target, root, most=most)

    async def get(self, target: SnmpTarget, names: Sequence[str]) -> Mapping[str, Value]:
        access = target.access
        if access.user or not access.community:
            return await self._rest.get(target, names)
        family, place = self._places.get((target.host, target.port)) or await self._place(target)
        answer: asyncio.Future[Mapping[str, Value] | DeviceError] = asyncio.get_running_loop().create_future()

        def told(got: Mapping[str, Value] | DeviceError) -> None:
            if not answer.done():
                answer.set_result(got)

        asked = self._begin(target, tuple(names), family, place, told)
        try:
            got = await answer
        finally:
            # After a cancellation its answer is a stranger's.
            if self._asked.get(asked.number) is asked:
                del self._asked[asked.number]
        if isinstance(got, DeviceError):
            raise got
        return got

    def ask(self, target: SnmpTarget, names: tuple[str, ...], told: Told) -> bool:
        access = target.access
        known = None if access.user or not access.community else self._places.get((target.host, target.port))
        if known is None:
            return False
        self._begin(target, names, *known, told)
        return True

    def close(self) -> None:
        """Questions that are open end with their time."""
        for opened in self._sockets.values():
            asyncio.get_running_loop().remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()

    def _begin(self, target: SnmpTarget, names: tuple[str, ...], family: int, place: _Place, told: Told) -> _Asked:
        form = _form(target.access.community, names)
        asked = _Asked(told, target, family, place, str(place[0]), form, target.retries)
        self._send(asked)
        return asked

    def _send(self, asked: _Asked) -> None:
        """Under a number of its own each time: a late answer is not taken for the next one's. Raises
        ``ConnectFailed``."""
        number = self._number
        while number in self._asked:
            number = number + 1 if number + 1 < _MOST else _LEAST
        self._number = number + 1 if number + 1 < _MOST else _LEAST
        opened = self._sockets.get(asked.family) or self._open(asked.family)
        try:
            opened.sendto(asked.form.before + number.to_bytes(4, "big") + asked.form.after, asked.place)
        except BlockingIOError:
            pass  # no room to send: the next try comes after the same wait as after a loss
        except OSError as error:
            raise ConnectFailed(f"{asked.target.name}: SNMP: {error.strerror or error}") from error
        asked.number = number
        self._asked[number] = asked
        self._deadlines.put((number, asked), time.monotonic() + asked.target.timeout)

    def _over(self, ended: list[tuple[int, _Asked]]) -> None:
        # What has come, but was not read yet since the loop was busy elsewhere, is no silence.
        for opened in self._sockets.values():
            self._readable(opened)
        for number, asked in ended:
            if self._asked.get(number) is not asked:
                continue
            del self._asked[number]
            target = asked.target
            if not asked.left:
                said = f" in {target.retries + 1} tries" if target.retries else ""
                asked.told(DeviceTimeout(f"{target.name}: no SNMP answer within {target.timeout:g} s{said}"))
                continue
            asked.left -= 1
            try:
                self._send(asked)
            except ConnectFailed as error:
                asked.told(error)

    async def _place(self, target: SnmpTarget) -> tuple[int, _Place]:
        try:
            host = await numeric(target.host)
            found = socket.getaddrinfo(host, target.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        except OSError as error:
            raise ConnectFailed(f"{target.name}: SNMP: {error.strerror or error}") from error
        place: tuple[int, _Place] = int(found[0]), found[4]
        if host == target.host:  # what is behind a name may change
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            self._places[(target.host, target.port)] = place
        return place

    def _open(self, family: int) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, option, BUFFER)
                break
        self._sockets[family] = opened
        asyncio.get_running_loop().add_reader(opened.fileno(), self._readable, opened)
        return opened

    def _readable(self, opened: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, place = opened.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # word of an earlier question that could not be delivered
            try:
                self._heard(data, place[0], place[1])
            except (ValueError, IndexError):
                self.refused += 1

    def _heard(self, data: bytes, host: str, port: int) -> None:
        """Raises ``ValueError`` or ``IndexError`` for what is no answer."""
        number, community, at, end = _swift_head(data) or _head(data)
        asked = self._asked.get(number)
        if asked is None or (asked.host, asked.target.port) != (host, port) or community != asked.form.community:
            raise ValueError("not an answer to a question of ours")
        status, at = ber.number(data, at, end)
        _, at = ber.number(data, at, end)
        start, end = ber.expect(data, at, end, ber.SEQUENCE)
        found: _Found | DeviceError
        if status:
            found = ProtocolError(f"{asked.target.name}: SNMP: error status {status}")
        else:
            found = _values(data, start, end, asked.form.names)
        del self._asked[number]
        self._told(asked, found)

    @staticmethod
    def _told(asked: _Asked, got: Mapping[str, Value] | DeviceError) -> None:
        try:
            asked.told(got)
        except Exception as error:  # a defect of whoever asked must not cost the others their answers
            log.error("snmp.answer_not_taken", target=asked.target.name, exc_info=error)


@lru_cache(maxsize=4096)
def _form(community: str, names: tuple[str, ...]) -> _Form:
    encoded = tuple((name, (octets := ber.identifier(name)), len(octets)) for name in names)
    bindings = b"".join(messages.binding(name, _NULL) for name in names)
    whole = messages.v2c(community.encode(), messages.pdu(messages.GET, _LEAST, bindings))
    # Behind the number: error-status and error-index of three octets each, and the bindings.
    place = len(whole) - len(ber.tlv(ber.SEQUENCE, bindings)) - 6
    return _Form(whole[: place - 4], whole[place:], community.encode(), encoded)


def _head(data: bytes) -> tuple[int, bytes, int, int]:
    """Number and community of an answer in v2c, and from where to where the rest of it is. Raises ``ValueError``."""
    version, at, end = messages.version_of(data)
    if end != len(data) or version != messages.V2C:
        raise ValueError("not a message of v2c")
    community, at = ber.octets(data, at, end)
    start, end = ber.expect(data, at, end, messages.RESPONSE)
    number, at = ber.number(data, start, end)
    return number, community, at, end


def _swift_head(data: bytes) -> tuple[int, bytes, int, int] | None:
    """The same of the usual form, lengths as short as they can be; None for any other."""
    end, size = len(data), data[1]
    at = 2 if size < 0x80 else size - 0x7E
    if data[0] != ber.SEQUENCE or not data.startswith(_V2C, at) or _size(data, 1, at) != end - at:
        return None
    first = at + len(_V2C) + 1
    last = first + data[first - 1]
    size = data[last + 1]
    at = last + 2 if size < 0x80 else last + size - 0x7E
    if data[first - 1] >= 0x80 or data[last] != messages.RESPONSE or _size(data, last + 1, at) != end - at:
        return None
    if not data.startswith(b"\x02\x04", at):
        return None
    return int.from_bytes(data[at + 2 : at + 6], "big", signed=True), data[first:last], at + 6, end


def _size(data: bytes, at: int, end: int) -> int:
    """What is written between: a length in the short form, or in the long one behind its first octet."""
    return data[at] if end == at + 1 else int.from_bytes(data[at + 1 : end], "big") if end - at <= 5 else -1


def _values(data: bytes, at: int, end: int, names: tuple[tuple[str, bytes, int], ...]) -> _Found:
    """What there is of each name. Agents answer in the order of the question (RFC 3416 §4.2.1). Nearly all that comes
    is short numbers and texts, which are read in place; whatever else, by the rules."""
    found: _Found = {}
    for name, encoded, octets in names:
        place = at + 2 + octets
        size = data[at + 1]
        if data[at] == ber.SEQUENCE and size < 0x80 and data.startswith(encoded, at + 2):
            tag, start, stop = data[place], place + 2, at + 2 + size
            if start + data[place + 1] == stop <= end and data[place + 1] < 0x80:
                if tag in _NUMBERS and 0 < stop - start <= _LONGEST:
                    found[name] = int.from_bytes(data[start:stop], "big", signed=tag == ber.INTEGER)
                    at = stop
                    continue
                if tag == ber.OCTETS:
                    found[name] = data[start:stop]
                    at = stop
                    continue
        at = _value(data, at, end, (name, encoded), found)
    return found


def _value(data: bytes, at: int, end: int, asked: tuple[str, bytes], found: _Found) -> int:
    """Any binding, and the place behind it. Raises ``ValueError``."""
    name, encoded = asked
    start, stop = ber.expect(data, at, end, ber.SEQUENCE)
    if not data.startswith(encoded, start):
        raise ValueError("an answer to something else")
    tag, start, last = ber.header(data, start + len(encoded), stop)
    if tag not in ber.ABSENT:
        found[name] = ber.value(tag, data[start:last])
    return stop
