"""Asking thousands of agents by community over one socket: a third of what a session with each costs, and no descriptor
for each.

A question is made once and sent again with another number. Its answer is believed when it comes from where the question
went, under that number (31 bits, from a random start) and the community; what it says is then compared with what was
asked, octet by octet, instead of being read from the beginning. Whatever is rarer (walks, v3) is left to the poller.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.poller import numeric
from cpe_manager.domain.errors import ConnectFailed, DeviceTimeout, ProtocolError
from cpe_manager.kit import ber
from cpe_manager.ports.snmp import SnmpReader, SnmpTarget, Value

BUFFER: Final = 8 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_LEAST, _MOST = 2**24, 2**31
"""Numbers that take four octets, all of them."""
_LARGEST = 65535
_AT_ONCE = 500
_MOST_PLACES = 50_000
_NULL = b"\x05\x00"

_Found = dict[str, Value]
_Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """A question, but for its number. ``names``: with their encoding, in order."""

    before: bytes
    after: bytes
    community: bytes
    names: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class _Asked:
    answer: asyncio.Future[_Found | int | None]
    """Values, RFC 3416's error-status, or None when the time is over."""
    host: str
    port: int
    form: _Form


class SnmpGets:
    """Implements ``ports.snmp.SnmpReader``; ``rest`` is who does what is not a get by community."""

    def __init__(self, rest: SnmpReader) -> None:
        self._rest = rest
        self._sockets: dict[int, socket.socket] = {}
        self._asked: dict[int, _Asked] = {}
        self._places: dict[tuple[str, int], tuple[int, _Place]] = {}
        self._number = _LEAST + secrets.randbelow(_MOST - _LEAST)
        self.refused = 0
        """Datagrams that were no answer to an open question."""

    async def walk(self, target: SnmpTarget, root: str, *, most: int = 2000) -> Mapping[str, Value]:
        return await self._rest.walk(target, root, most=most)

    async def get(self, target: SnmpTarget, names: Sequence[str]) -> Mapping[str, Value]:
        access = target.access
        if access.user or not access.community:
            return await self._rest.get(target, names)
        family, place = self._places.get((target.host, target.port)) or await self._place(target)
        form = _form(access.community, tuple(names))
        for _ in range(target.retries + 1):
            found = await self._once(target, family, place, form)
            if isinstance(found, int):
                raise ProtocolError(f"{target.name}: SNMP: error status {found}")
            if found is not None:
                return found
        said = f" in {target.retries + 1} tries" if target.retries else ""
        raise DeviceTimeout(f"{target.name}: no SNMP answer within {target.timeout:g} s{said}")

    def close(self) -> None:
        """Questions that are open end with their time."""
        for opened in self._sockets.values():
            asyncio.get_running_loop().remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()

    async def _once(
        self, target: SnmpTarget, family: int, place: _Place, form: _Form
    ) -> _Found | int | None:  # fmt: skip
        loop = asyncio.get_running_loop()
        opened = self._sockets.get(family) or self._open(family)
        number = self._number
        while number in self._asked:
            number = number + 1 if number + 1 < _MOST else _LEAST
        self._number = number + 1 if number + 1 < _MOST else _LEAST
        answer: asyncio.Future[_Found | int | None] = loop.create_future()
        self._asked[number] = _Asked(answer, str(place[0]), target.port, form)
        timer = loop.call_later(target.timeout, _over, answer)
        try:
            # No room to send: the next try comes after the same wait as after a loss.
            with contextlib.suppress(BlockingIOError):
                opened.sendto(form.before + number.to_bytes(4, "big") + form.after, place)
            return await answer
        except OSError as error:
            raise ConnectFailed(f"{target.name}: SNMP: {error.strerror or error}") from error
        finally:
            timer.cancel()
            del self._asked[number]

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
        version, at, end = messages.version_of(data)
        if end != len(data):
            raise ValueError("more than a message")
        community, at = ber.octets(data, at, end)
        start, end = ber.expect(data, at, end, messages.RESPONSE)
        number, at = ber.number(data, start, end)
        asked = self._asked.get(number)
        if asked is None or version != messages.V2C or (asked.host, asked.port) != (host, port):
            raise ValueError("not an answer to a question of ours")
        if community != asked.form.community or asked.answer.done():
            raise ValueError("not an answer to a question of ours")
        status, at = ber.number(data, at, end)
        _, at = ber.number(data, at, end)
        start, end = ber.expect(data, at, end, ber.SEQUENCE)
        asked.answer.set_result(status or _values(data, start, end, asked.form.names))


def _over(answer: asyncio.Future[_Found | int | None]) -> None:
    if not answer.done():
        answer.set_result(None)


@lru_cache(maxsize=4096)
def _form(community: str, names: tuple[str, ...]) -> _Form:
    encoded = tuple((name, ber.identifier(name)) for name in names)
    bindings = b"".join(messages.binding(name, _NULL) for name in names)
    whole = messages.v2c(community.encode(), messages.pdu(messages.GET, _LEAST, bindings))
    # Behind the number: error-status and error-index of three octets each, and the bindings.
    place = len(whole) - len(ber.tlv(ber.SEQUENCE, bindings)) - 6
    return _Form(whole[: place - 4], whole[place:], community.encode(), encoded)


def _values(data: bytes, at: int, end: int, names: tuple[tuple[str, bytes], ...]) -> _Found:
    """What there is of each name. Agents answer in the order of the question (RFC 3416 §4.2.1)."""
    found: _Found = {}
    for name, encoded in names:
        start, stop = ber.expect(data, at, end, ber.SEQUENCE)
        if not data.startswith(encoded, start):
            raise ValueError("an answer to something else")
        tag, start, last = ber.header(data, start + len(encoded), stop)
        if tag not in ber.ABSENT:
            found[name] = ber.value(tag, data[start:last])
        at = stop
    return found
