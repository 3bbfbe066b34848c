"""ICMP and ICMPv6 echo for all lines over one socket of each kind, some tens of microseconds each.

A raw socket where this process may have one (CAP_NET_RAW), else Linux' unprivileged ping socket (the group has to be
within ``net.ipv4.ping_group_range``). The kernel throws away everything but echo replies. An answer is believed when
it comes from the address that was asked, under our identifier and an open sequence number, and brings back the random
token that was sent: who has not seen the question cannot answer it.

There is no task, future or timer for each echo: ``send`` takes a callback, and all share one timer (``deadlines``).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cpe_manager.adapters.deadlines import Deadlines
from cpe_manager.domain.errors import ConnectFailed
from cpe_manager.ports.sensing import Answered

log = structlog.get_logger(__name__)

BUFFER: Final = 8 * 1024 * 1024
TICK: Final = 0.005
"""Seconds that a deadline may be late."""
MOST_WAITING: Final = 60_000
"""Echoes that may be under way at once, of 65,536 sequence numbers."""
_MOST_HOSTS = 50_000
_READ_AT_ONCE = 2000
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_ICMP_FILTER, _ICMPV6_FILTER = 1, 1
_SOL_RAW, _SOL_ICMPV6 = 255, 58
_IP_PKTINFO = 8
_TOKEN = 8
_TOKENS = 512 * _TOKEN
_HEAD = struct.Struct("!BBHHH")
_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
"""Types of request and reply (RFC 792, RFC 4443)."""
_OURS_TO_WAIT = frozenset({errno.EAGAIN, errno.ENOBUFS})

_Place = tuple[Any, ...]
_Waiting = tuple[bytes, str, float, Answered]
"""Token, address that has to answer, monotonic time of sending, and who is told."""


@dataclass(slots=True)
class _Host:
    """An address as the kernel wants it. ``name``: as it stands in what comes back."""

    place: _Place
    name: str
    family: int


class _Wire:
    """One socket. ``raw``: it shows whole IPv4 packets, and we choose the identifier and make the checksum."""

    def __init__(self, family: int, heard: Callable[[int, str, bytes], None]) -> None:
        self.family = family
        self._heard = heard
        self._socket, self.raw = _opened(family)
        self._request, self._reply = _ECHO[socket.AddressFamily(family)]
        self._identifier = secrets.randbits(16)
        if self.raw:
            _only_replies(self._socket, family, self._reply)
        else:
            # The kernel's own: it is the socket's port.
            self._socket.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104 - replies from anywhere
            self._identifier = int(self._socket.getsockname()[1])
        _enlarge(self._socket)
        self._whole = self.raw and family == socket.AF_INET
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self.read)

    @property
    def buffer(self) -> int:
        """Octets; Linux tells the double of what it grants."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    def send(self, host: _Host, number: int, token: bytes, source: Sequence[tuple[int, int, bytes]]) -> None:
        """Raises ``OSError``."""
        head = _HEAD.pack(self._request, 0, 0, self._identifier, number)
        if self._whole:
            head = _HEAD.pack(self._request, 0, _checksum(head + token), self._identifier, number)
        if source:
            self._socket.sendmsg([head + token], source, 0, host.place)
        else:
            self._socket.sendto(head + token, host.place)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def read(self) -> None:
        receive, whole, reply, ours, heard = (
            self._socket.recvfrom, self._whole, self._reply, self._identifier, self._heard
        )  # fmt: skip
        for _ in range(_READ_AT_ONCE):
            try:
                data, place = receive(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # word of an earlier echo that could not be delivered: silence says the same
            start = (data[0] & 0x0F) * 4 if whole and data else 0
            if len(data) != start + _HEAD.size + _TOKEN:
                continue
            kind, _code, _sum, identifier, number = _HEAD.unpack_from(data, start)
            if kind == reply and identifier == ours:
                heard(number, place[0], data[start + _HEAD.size :])


class IcmpEchoes:
    """Implements ``ports.sensing.Echoes``. Sockets are opened with the first echo of their kind; ``close`` shuts them
    and calls nobody back. Everything happens in one event loop."""

    def __init__(self) -> None:
        self._wires: dict[int, _Wire] = {}
        self._hosts: dict[str, _Host] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._number = secrets.randbits(16)
        self._deadlines = Deadlines[tuple[int, _Waiting]](TICK, self._over)
        self._tokens, self._spent = b"", 0
        self._sources: dict[tuple[str, int], Sequence[tuple[int, int, bytes]]] = {}
        self.refused = 0
        """Replies under our identifier that nobody had waited for: late, doubled or forged."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def raw(self) -> bool | None:
        """Whether the sockets in use are raw ones; None: there is none yet."""
        return all(wire.raw for wire in self._wires.values()) if self._wires else None

    async def ping(self, host: str, seconds: float, *, source: str = "") -> float | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[float | None] = loop.create_future()

        def answered(took: float | None) -> None:
            if not future.done():
                future.set_result(took)

        number = self._send(await self._resolved(host), seconds, answered, source)
        if number is None:
            raise ConnectFailed(f"{host}: echo not sent: this machine has no room for it at this moment")
        try:
            return await future
        finally:
            # After a cancellation the number is free again, and its answer a stranger's.
            waits = self._waiting.get(number)
            if waits is not None and waits[3] is answered:
                del self._waiting[number]

    def send(self, host: str, seconds: float, answered: Answered, *, source: str = "") -> bool:
        return self._send(self._hosts.get(host) or self._known(host), seconds, answered, source) is not None

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()
        self._waiting.clear()
        self._deadlines.clear()

    def _send(self, host: _Host, seconds: float, answered: Answered, source: str) -> int | None:
        """The sequence number; None when there is no room."""
        wire = self._wires.get(host.family)
        if wire is None:
            wire = self._wires[host.family] = self._opened(host.family)
        if len(self._waiting) >= MOST_WAITING:
            return None
        number = self._number
        while number in self._waiting:
            number = number + 1 & 0xFFFF
        self._number = number + 1 & 0xFFFF
        if self._spent >= len(self._tokens):
            # One call of the system for some hundreds of echoes.
            self._tokens, self._spent = os.urandom(_TOKENS), 0
        token = self._tokens[self._spent : self._spent + _TOKEN]
        self._spent += _TOKEN
        now = time.monotonic()
        try:
            wire.send(host, number, token, self._from(source, host.family) if source else ())
        except OSError as error:
            if error.errno in _OURS_TO_WAIT:
                return None
            said = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ConnectFailed(f"{host.name}: echo not sent: {said}") from error
        waits = (token, host.name, now, answered)
        self._waiting[number] = waits
        self._deadlines.put((number, waits), now + seconds)
        return number

    def _heard(self, number: int, host: str, token: bytes) -> None:
        waits = self._waiting.get(number)
        if waits is None or waits[0] != token or waits[1] != host:
            self.refused += 1
            return
        del self._waiting[number]
        waits[3](time.monotonic() - waits[2])

    def _over(self, ended: list[tuple[int, _Waiting]]) -> None:
        """Tell those whose time is over."""
        # What has come, but was not read yet since the loop was busy elsewhere, is no silence.
        for wire in self._wires.values():
            wire.read()
        for number, waits in ended:
            if self._waiting.get(number) is waits:
                del self._waiting[number]
                waits[3](None)

    def _opened(self, family: int) -> _Wire:
        try:
            wire = _Wire(family, self._heard)
        except OSError as error:
            kind = "ICMPv6" if family == socket.AF_INET6 else "ICMP"
            said = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ConnectFailed(
                f"this process may not send {kind} echoes ({said}): give it CAP_NET_RAW, or put its group within "
                "net.ipv4.ping_group_range"
            ) from error
        log.info("echoes.open", family="ipv6" if family == socket.AF_INET6 else "ipv4", raw=wire.raw)
        if wire.buffer < BUFFER:
            log.warning("echoes.small_buffer", bytes=wire.buffer, wanted=BUFFER)
        return wire

    async def _resolved(self, host: str) -> _Host:
        with contextlib.suppress(ConnectFailed):
            return self._hosts.get(host) or self._known(host)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ConnectFailed(f"{host}: its name is not found") from error
        # Names are not kept: what is behind them may change.
        return _host(found[0][0], found[0][4])

    def _known(self, host: str) -> _Host:
        """Raises ``ConnectFailed`` for what is no address."""
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        except OSError as error:
            raise ConnectFailed(f"{host}: not an address") from error
        if len(self._hosts) >= _MOST_HOSTS:
            self._hosts.clear()
        known = self._hosts[host] = _host(found[0][0], found[0][4])
        return known

    def _from(self, source: str, family: int) -> Sequence[tuple[int, int, bytes]]:
        """The control message that names where a packet goes out (RFC 3542 §6; ip(7) IP_PKTINFO). Raises
        ``ConnectFailed``."""
        kept = self._sources.get((source, family))
        if kept is None:
            kept = self._sources[(source, family)] = _control(source, family)
        return kept


def _opened(family: int) -> tuple[socket.socket, bool]:
    """Raises ``OSError`` of the second kind when neither is allowed."""
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        opened, raw = socket.socket(family, socket.SOCK_RAW, protocol), True
    except PermissionError:
        opened, raw = socket.socket(family, socket.SOCK_DGRAM, protocol), False
    opened.setblocking(False)
    return opened, raw


def _only_replies(opened: socket.socket, family: int, reply: int) -> None:
    """Have the kernel keep everything else away: on loopback our own questions come back to us, too."""
    if family == socket.AF_INET:
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ (1 << reply)))
        return
    blocked = [0xFFFFFFFF] * 8
    blocked[reply >> 5] ^= 1 << (reply & 31)
    opened.setsockopt(_SOL_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *blocked))


def _enlarge(opened: socket.socket) -> None:
    wanted = ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF))
    for forced, plain in wanted:
        for option in (forced, plain):
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, option, BUFFER)
                break


def _host(family: int, place: _Place) -> _Host:
    return _Host((*place[:1], 0, *place[2:]), str(place[0]), int(family))


def _control(source: str, family: int) -> Sequence[tuple[int, int, bytes]]:
    index, address = 0, source
    with contextlib.suppress(OSError):
        index, address = socket.if_nametoindex(source), ""
    try:
        if family == socket.AF_INET6:
            packed = socket.inet_pton(socket.AF_INET6, address) if address else bytes(16)
            return ((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + struct.pack("=I", index)),)
        packed = socket.inet_pton(socket.AF_INET, address) if address else bytes(4)
    except OSError:
        raise ConnectFailed(f"{source}: neither an interface of this machine nor an address of that kind") from None
    # struct in_pktinfo: interface, address to send from, and one that only counts on receipt.
    return ((socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I", index) + packed + bytes(4)),)


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of octets that are not all zero: the sum of ones' complement is the remainder by
    65535, which one long division gives faster than a loop."""
    return 0xFFFF - (int.from_bytes(data) % 0xFFFF or 0xFFFF)
