"""One box's SNMP agent: a UDP port that answers v2c by community and v3 by user, and sends traps from that port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto.api import v2c
from pysnmp.proto.api.verdec import decode_message_version
from pysnmp.proto.error import ProtocolError

from simulators.personas.base import Persona
from simulators.snmp import usm
from simulators.snmp.access import engine_id, keys_for, login_of
from simulators.snmp.families import Oid, oid, persona_of
from simulators.snmp.line import LossKind, Ports, Sink
from simulators.snmp.mib import Mib
from simulators.snmp.notify import COLD_START, LINK_DOWN, LINK_UP, Notifier
from simulators.snmp.pdus import Responder, filled
from simulators.state import DeviceState

Address = tuple[str, int]
_V2C, _V3 = 1, 3
_WINDOW = 150
_USM_STATS = oid("1.3.6.1.6.3.15.1.1")
_LEVEL, _NOT_IN_WINDOW, _USER, _ENGINE, _DIGEST, _DECRYPTION = 1, 2, 3, 4, 5, 6


@dataclass(slots=True)
class SnmpStats:
    """Counters since the start. refused counts requests with a wrong community or wrong v3 user or keys."""

    received: int = 0
    answered: int = 0
    refused: int = 0
    malformed: int = 0
    notified: int = 0
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class _Refused(Exception):
    """A v3 request that is answered with a report of one of the usmStats counters."""

    counter: int
    keyed: bool = False


class Agent(asyncio.DatagramProtocol):
    """Answers for one box. Nothing is made before the first request or trap; `port` is 0 until it is open."""

    def __init__(self, state: Callable[[], DeviceState], persona: Persona, down: Callable[[], bool]) -> None:
        self._state = state
        self._persona = persona
        self._down = down
        self._transport: asyncio.DatagramTransport | None = None
        self._made: tuple[Ports, Mib, Responder] | None = None
        self._usm_counters: dict[int, int] = {}
        self.stats = SnmpStats()
        self.port = 0
        self.open_at = ""
        """The address that it answers at, and sends from; empty while it is closed."""
        self.sinks: tuple[Sink, ...] = ()
        self.notifier = Notifier(self)

    @property
    def state(self) -> DeviceState:
        return self._state()

    @property
    def ports(self) -> Ports:
        return self._parts[0]

    @property
    def mib(self) -> Mib:
        return self._parts[1]

    @property
    def engine(self) -> bytes:
        return engine_id(self.state.spec)

    @property
    def engine_time(self) -> int:
        return int(self.state.uptime)

    @property
    def _parts(self) -> tuple[Ports, Mib, Responder]:
        if self._made is None:
            state = self.state
            ports = Ports(persona_of(state.spec.family), state.spec.rng("snmp"), state.clock)
            mib = Mib(state, lambda: self._persona.hostname(state), ports)
            self._made = ports, mib, Responder(mib, ports)
        return self._made

    async def start(self, address: str, port: int = 0) -> None:
        """Open the port. Raises OSError when it cannot be bound."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(address, port))
        self.open_at, self.port = transport.get_extra_info("sockname")[:2]

    async def move(self, address: str) -> None:
        """Answer at another address of the box from now on, at the same port; traps come from there, too."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
            await asyncio.sleep(0)
            await self.start(address, self.port)

    async def stop(self) -> None:
        await self.notifier.stop()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self.open_at = ""

    def lose_line(self, kind: LossKind = "carrier") -> None:
        """Lose the fixed line. `carrier`: the link goes down and linkDown is sent; `silent`: nobody is told."""
        if self.ports.lose(kind):
            self._tell(self.ports.line_index)

    def restore_line(self) -> None:
        """Bring the fixed line back; linkUp is sent when the link was down."""
        if self.ports.restore():
            self._tell(self.ports.line_index)

    def started(self) -> None:
        """The box has come up: coldStart."""
        self.notify(COLD_START, [])

    def send(self, data: bytes, address: Address) -> None:
        """Put a datagram on the wire from the agent's own port; nothing happens once the agent is closed."""
        if self._transport is not None and not self._down():
            self._transport.sendto(data, address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._down():
            return
        self.stats.received += 1
        try:
            version = int(decode_message_version(data))
            answer = self._answer_v3(data) if version == _V3 else self._answer_v2c(data, version)
        except (ValueError, PyAsn1Error, ProtocolError):
            # A port of a box in the internet hears all kinds of noise.
            self.stats.malformed += 1
            return
        if answer:
            self.stats.answered += 1
            self.send(answer, addr)
        self._tell_of_sets()

    def error_received(self, exc: Exception) -> None:
        """ICMP says that nobody listens where we sent to: as on a real box, nothing follows."""

    def _tell_of_sets(self) -> None:
        responder = self._parts[2]
        flipped, responder.flipped = responder.flipped, []
        for index in flipped:
            self._tell(index)

    def _tell(self, index: int) -> None:
        kind = LINK_UP if self.ports.states[index].oper == 1 else LINK_DOWN
        self.notify(kind, self.mib.row(index))

    def notify(self, kind: Oid, pairs: Iterable[tuple[Oid, Any]]) -> None:
        """Send a notification to every sink."""
        self.notifier.send(kind, list(pairs), self.sinks)

    def _answer_v2c(self, data: bytes, version: int) -> bytes | None:
        if version != _V2C:
            return None
        message, _ = decoder.decode(data, asn1Spec=v2c.Message())
        community = bytes(v2c.apiMessage.get_community(message))
        pdu = v2c.apiMessage.get_pdu(message)
        if pdu.isSameTypeWith(v2c.ResponsePDU(), matchConstraints=False):
            self.notifier.answered(int(v2c.apiPDU.get_request_id(pdu)))
            return None
        spec = self.state.spec
        if community != spec.secrets.snmp.encode():
            self.stats.refused += 1
            return None
        answer = self._parts[2].answer(pdu, may_write=spec.options.get("snmp_write", "user") == "community")
        if answer is None:
            return None
        v2c.apiMessage.set_pdu(message, answer)
        return bytes(encoder.encode(message))

    def _answer_v3(self, data: bytes) -> bytes | None:
        packet = usm.parse(data)
        if self.notifier.heard(packet):
            return None
        header = packet.header
        keys = keys_for(login_of(self.state.spec), self.engine)
        flags = header.flags & (usm.AUTH | usm.PRIV)
        try:
            self._check(packet)
            pdu = usm.pdu_of(self._opened(packet))
        except _Refused as refused:
            if refused.counter not in (_ENGINE, _NOT_IN_WINDOW):
                self.stats.refused += 1
            return self._report(packet, refused) if header.flags & usm.REPORTABLE else None
        answer = self._parts[2].answer(pdu, may_write=True)
        return None if answer is None else usm.seal(self._header(packet, flags), self._scoped(answer), keys)

    def _check(self, packet: usm.Packet) -> None:
        """RFC 3414 3.2 up to the decryption. Raises _Refused."""
        header, login = packet.header, login_of(self.state.spec)
        if header.engine != self.engine:
            raise _Refused(_ENGINE)
        if header.user != login.user.encode():
            raise _Refused(_USER)
        if not header.flags & usm.PRIV or not header.flags & usm.AUTH:
            raise _Refused(_LEVEL)
        if not packet.genuine(keys_for(login, self.engine)):
            raise _Refused(_DIGEST)
        if header.boots != self.state.boots or abs(header.time - self.engine_time) > _WINDOW:
            raise _Refused(_NOT_IN_WINDOW, keyed=True)

    def _opened(self, packet: usm.Packet) -> Any:
        try:
            return packet.opened(keys_for(login_of(self.state.spec), self.engine))
        except ValueError:
            raise _Refused(_DECRYPTION) from None

    def _report(self, packet: usm.Packet, refused: _Refused) -> bytes:
        count = self._usm_counters[refused.counter] = self._usm_counters.get(refused.counter, 0) + 1
        report = v2c.ReportPDU()
        v2c.apiPDU.set_defaults(report)
        # The request id is within what may not have been opened; RFC 3412 7.1.3 allows 0 then.
        v2c.apiPDU.set_request_id(report, 0)
        filled(report, [((*_USM_STATS, refused.counter, 0), v2c.Counter32(count))])
        flags = usm.AUTH if refused.keyed else 0
        keys = keys_for(login_of(self.state.spec), self.engine) if refused.keyed else None
        return usm.seal(self._header(packet, flags), self._scoped(report), keys)

    def _header(self, packet: usm.Packet, flags: int) -> usm.Header:
        return usm.Header(
            packet.header.msg_id, flags, self.engine, self.state.boots, self.engine_time, packet.header.user
        )

    def _scoped(self, pdu: Any) -> Any:
        return usm.scoped(self.engine, pdu)
