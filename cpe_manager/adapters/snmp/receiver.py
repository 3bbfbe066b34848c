"""The port that traps and informs come in at.

Datagrams are taken off the socket as soon as the loop turns and wait here, up to a bound; reading them is dearer and
follows behind. A burst that the loop cannot meet at once waits in the socket's buffer, which is asked to be 8 MB:
with the default 200 KB a burst of 10,000 loses nearly all.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.messages import AUTH, PRIV, REPORTABLE, Header, Pdu, Secured
from cpe_manager.adapters.snmp.usm import Keys, keys_for
from cpe_manager.domain.errors import AddressInUse
from cpe_manager.kit import ber
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.snmp import Datagram, Hint, Notification, Sender, TrapRefused, Value

log = structlog.get_logger(__name__)

BUFFER: Final = 8 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_READ_AT_ONCE = 1000
_WINDOW = 150
_LARGEST = 65535
_SYS_UPTIME, _TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"
_SYS_NAME = "1.3.6.1.2.1.1.5.0"
_USM_STATS = "1.3.6.1.6.3.15.1.1."
_NOT_IN_WINDOW, _UNKNOWN_USER, _UNKNOWN_ENGINE, _WRONG_DIGEST, _DECRYPTION = 2, 3, 4, 5, 6
_LEVEL = AUTH | PRIV


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """This receiver as an SNMP engine: the authority for informs. ``engine`` stays, ``boots`` counts the starts."""

    engine: bytes
    boots: int


def new_engine() -> bytes:
    """An snmpEngineID unlike any other (RFC 3411 §5: octets of the maker's choice), under RFC 5612's enterprise."""
    return bytes.fromhex("80007ed905") + secrets.token_bytes(8)


class TrapPort:
    """Implements ``ports.snmp.TrapIntake``. ``most``: datagrams that may wait."""

    def __init__(self, host: str, port: int, local: LocalEngine, clock: Clock, *, most: int = 50_000) -> None:
        self._host, self._wanted, self._local, self._clock, self._most = host, port, local, clock, most
        self._started = clock.monotonic()
        self._socket: socket.socket | None = None
        self._waiting: deque[Datagram] = deque()
        self._something = asyncio.Event()
        self._heard: OrderedDict[bytes, tuple[int, int, float]] = OrderedDict()
        self._counts: dict[int, int] = {}
        self.overflowed = 0
        self.port = 0

    async def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.bind((self._host, self._wanted))
        except OSError as error:
            opened.close()
            reason = (error.strerror or str(error)).lower()
            raise AddressInUse(f"cannot listen for traps on {self._host}:{self._wanted}: {reason}") from error
        self._socket, self.port = opened, int(opened.getsockname()[1])
        got = _enlarge(opened)
        if got < BUFFER:
            log.warning("traps.small_buffer", bytes=got, wanted=BUFFER, advice="sysctl -w net.core.rmem_max=8388608")
        asyncio.get_running_loop().add_reader(opened.fileno(), self._readable)
        log.info("traps.listening", host=self._host, port=self.port)

    async def stop(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    async def take(self, most: int) -> Sequence[Datagram]:
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def lost_in_kernel(self) -> int:
        """Datagrams that the socket's buffer had no room for, since it was opened (Linux)."""
        if self._socket is None:
            return 0
        inode = str(os.fstat(self._socket.fileno()).st_ino)
        table = Path("/proc/net/udp6" if self._socket.family == socket.AF_INET6 else "/proc/net/udp")
        with contextlib.suppress(OSError, ValueError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[9] == inode:
                    return int(fields[-1])
        return 0

    def _readable(self) -> None:
        opened = self._socket
        if opened is None:
            return
        at = self._clock.now()
        for _ in range(_READ_AT_ONCE):
            try:
                data, address = opened.recvfrom(_LARGEST)
            except OSError:
                break  # nothing more for now, or word of an earlier answer that nobody took
            if len(self._waiting) >= self._most:
                self.overflowed += 1
                continue
            self._waiting.append(Datagram(data, _plain(address[0]), address[1], at))
        self._something.set()

    def hint(self, datagram: Datagram) -> Hint:
        try:
            version, place, end = messages.version_of(datagram.data)
            if version == messages.V3:
                return Hint(messages.read_v3(datagram.data, place, end).header.engine)
            if version != messages.V2C:
                return Hint()
            _, pdu = messages.read_v2c(datagram.data, place, end)
        except ValueError:
            return Hint()
        said = next((value for name, value in pdu.values if name == _SYS_NAME and isinstance(value, bytes)), b"")
        return Hint(name=said.decode("utf-8", "replace")[:255])

    def read(self, datagram: Datagram, senders: Sequence[Sender]) -> Notification:
        if not senders:
            raise TrapRefused("unknown_source")
        try:
            version, place, end = messages.version_of(datagram.data)
            if version == messages.V3:
                return self._read_v3(datagram, messages.read_v3(datagram.data, place, end), senders)
            if version != messages.V2C:
                raise TrapRefused("version")
            community, pdu = messages.read_v2c(datagram.data, place, end)
        except ValueError:
            raise TrapRefused("malformed") from None
        sender = _only([each for each in senders if each.access.community.encode() == community != b""], "community")
        found = _notification(datagram, sender, pdu)
        if pdu.kind == messages.TRAP:
            return found
        answer = messages.pdu(messages.RESPONSE, pdu.number, pdu.octets)
        return replace(found, number=pdu.number, receipt=messages.v2c(community, answer))

    def acknowledge(self, notification: Notification) -> None:
        if notification.receipt:
            self._send(notification.receipt, notification.host, notification.port)

    def _read_v3(self, datagram: Datagram, message: Secured, senders: Sequence[Sender]) -> Notification:
        """RFC 3414 §3.2. Raises ``TrapRefused``, ``ValueError``."""
        header = message.header
        ours = header.engine == self._local.engine
        if not ours and header.flags & REPORTABLE:
            # An inform, or the question before it: this engine is the authority then.
            self._report(datagram, message, _UNKNOWN_ENGINE)
            raise TrapRefused(None)
        fitting = [each for each in senders if header.user and each.access.user.encode() == header.user]
        if not fitting:
            self._report(datagram, message, _UNKNOWN_USER)
            raise TrapRefused("user")
        genuine = [
            (each, keys)
            for each in fitting
            if header.flags & _LEVEL == _LEVEL and (keys := keys_for(each.access, header.engine)).genuine(message)
        ]
        if not genuine:
            self._report(datagram, message, _WRONG_DIGEST)
            raise TrapRefused("authentication")
        sender = _only([each for each, _ in genuine], "authentication")
        keys = genuine[0][1]
        self._check_clock(datagram, message, keys, ours=ours)
        return self._opened(datagram, message, sender, keys)

    def _opened(self, datagram: Datagram, message: Secured, sender: Sender, keys: Keys) -> Notification:
        try:
            context, pdu = messages.read_scoped(keys.opened(message))
        except ValueError:
            self._report(datagram, message, _DECRYPTION)
            raise TrapRefused("decryption") from None
        found = _notification(datagram, sender, pdu)
        if pdu.kind == messages.TRAP:
            return replace(found, engine=message.header.engine)
        answer = messages.scoped(context, messages.pdu(messages.RESPONSE, pdu.number, pdu.octets))
        receipt = keys.sealed(self._header(message.header, _LEVEL), answer)
        return replace(found, number=pdu.number, receipt=receipt)

    def _check_clock(self, datagram: Datagram, message: Secured, keys: Keys, *, ours: bool) -> None:
        """RFC 3414 §3.2.7: an inform must know our clock, a trap must not be older than what its engine sent before."""
        header, now = message.header, self._clock.monotonic()
        if ours:
            if header.boots != self._local.boots or abs(header.time - self._time()) > _WINDOW:
                self._report(datagram, message, _NOT_IN_WINDOW, keys)
                raise TrapRefused(None)
            return
        boots, time, at = self._heard.get(header.engine, (0, 0, now))
        if header.boots < boots or (header.boots == boots and header.time < time + (now - at) - _WINDOW):
            raise TrapRefused("replayed")
        if (header.boots, header.time) > (boots, time):
            self._heard[header.engine] = (header.boots, header.time, now)
            self._heard.move_to_end(header.engine)
            if len(self._heard) > self._most:
                self._heard.popitem(last=False)

    def _report(self, datagram: Datagram, message: Secured, counter: int, keys: Keys | None = None) -> None:
        """Say why, in the clear, or signed where the sender must be able to believe it."""
        count = self._counts[counter] = self._counts.get(counter, 0) + 1
        if not message.header.flags & REPORTABLE:
            return
        said = messages.binding(f"{_USM_STATS}{counter}.0", ber.integer(count, ber.COUNTER))
        body = messages.scoped(self._local.engine, messages.pdu(messages.REPORT, 0, said))
        if keys is not None:
            data = keys.sealed(self._header(message.header, AUTH), body)
        else:
            data, _ = messages.v3(self._header(message.header, 0), body)
        self._send(data, datagram.host, datagram.port)

    def _header(self, asked: Header, flags: int) -> Header:
        return Header(asked.number, flags, self._local.engine, self._local.boots, self._time(), asked.user)

    def _time(self) -> int:
        return int(self._clock.monotonic() - self._started)

    def _send(self, data: bytes, host: str, port: int) -> None:
        if self._socket is not None:
            if self._socket.family == socket.AF_INET6 and ":" not in host:
                host = f"::ffff:{host}"
            # A full buffer: the sender of an inform repeats it.
            with contextlib.suppress(OSError):
                self._socket.sendto(data, (host, port))


def _enlarge(opened: socket.socket) -> int:
    """Ask for the large buffer, past the machine's limit where this process may; what it is now, in bytes."""
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, option, BUFFER)
            break
    # Linux doubles what is asked for, for its own book-keeping, and tells the double.
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def _plain(host: str) -> str:
    """IPv4 that came to an IPv6 socket as IPv4, and link-local addresses without their zone."""
    host = host.partition("%")[0]
    if ":" not in host:
        return host
    mapped = ipaddress.IPv6Address(host).ipv4_mapped
    return str(mapped) if mapped is not None else host


def _only(proven: Sequence[Sender], otherwise: str) -> Sender:
    if len(proven) == 1:
        return proven[0]
    if proven:
        raise TrapRefused("ambiguous")
    raise TrapRefused("community" if otherwise == "community" else "authentication")


def _notification(datagram: Datagram, sender: Sender, pdu: Pdu) -> Notification:
    if pdu.kind not in {messages.TRAP, messages.INFORM}:
        raise TrapRefused("not_a_notification")
    values: dict[str, Value] = dict(pdu.values)
    kind, ticks = values.pop(_TRAP_OID, None), values.pop(_SYS_UPTIME, 0)
    if not isinstance(kind, str):
        raise TrapRefused("malformed")
    uptime = ticks / 100 if isinstance(ticks, int) else 0.0
    return Notification(sender, kind, values, datagram.at, datagram.host, datagram.port, uptime)
