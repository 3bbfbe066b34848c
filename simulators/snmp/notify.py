"""Traps and informs from a box: v2c and v3, an inform repeated until somebody says that it came."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyasn1.codec.ber import encoder
from pysnmp.proto.api import v2c

from simulators.snmp import usm
from simulators.snmp.access import keys_for, login_of
from simulators.snmp.families import Oid, oid
from simulators.snmp.line import Sink
from simulators.snmp.mib import SYS_UPTIME
from simulators.snmp.pdus import filled

if TYPE_CHECKING:
    from simulators.snmp.agent import Agent

Pairs = list[tuple[Oid, Any]]
LINK_DOWN = oid("1.3.6.1.6.3.1.1.5.3")
COLD_START = oid("1.3.6.1.6.3.1.1.5.1")
LINK_UP = oid("1.3.6.1.6.3.1.1.5.4")
COLD_START = oid("1.3.6.1.6.3.1.1.5.1")
_TRAP_OID = oid("1.3.6.1.6.3.1.1.4.1.0")
_ENGINE_ASKED = usm.REPORTABLE
_log = logging.getLogger(__name__)


class Notifier:
    """Sends for one agent, from its port. Informs under way end with `stop`."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[usm.Packet | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, kind: Oid, pairs: Pairs, sinks: Sequence[Sink]) -> None:
        """Tell every sink. Traps leave at once, informs by tasks of their own."""
        ticks = v2c.TimeTicks(self._agent.mib.ticks())
        bindings: Pairs = [(SYS_UPTIME, ticks), (_TRAP_OID, v2c.ObjectIdentifier(kind)), *pairs]
        for sink in sinks:
            self._agent.stats.notified += 1
            if not sink.inform:
                self._agent.send(self._trap(sink, bindings), (sink.host, sink.port))
                continue
            task = asyncio.get_running_loop().create_task(self._inform(sink, bindings), name="cpe-sim-inform")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def answered(self, number: int) -> None:
        """A v2c response came."""
        self._settle(number, None)

    def heard(self, packet: usm.Packet) -> bool:
        """Whether a v3 message was an answer to one of ours."""
        return self._settle(packet.header.msg_id, packet)

    def _settle(self, number: int, packet: usm.Packet | None) -> bool:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(packet)
        return True

    def _trap(self, sink: Sink, bindings: Pairs) -> bytes:
        pdu, number = self._pdu(v2c.SNMPv2TrapPDU(), bindings)
        if sink.version == "2c":
            return self._v2c(sink, pdu)
        agent, login = self._agent, login_of(self._agent.state.spec)
        # Of a trap the sender is the authority: its engine, its clock.
        header = usm.Header(
            number, usm.AUTH | usm.PRIV, agent.engine, agent.state.boots, agent.engine_time, login.user.encode()
        )
        return usm.seal(header, usm.scoped(agent.engine, pdu), keys_for(login, agent.engine))

    async def _inform(self, sink: Sink, bindings: Pairs) -> None:
        pdu, number = self._pdu(v2c.InformRequestPDU(), bindings)
        try:
            if sink.version == "2c":
                acknowledged = await self._ask(sink, number, self._v2c(sink, pdu)) is not False
            else:
                acknowledged = await self._inform_v3(sink, pdu)
        except ValueError as error:
            _log.warning("inform to %s:%s got nonsense: %s", sink.host, sink.port, error)
            return
        self._agent.stats.acknowledged += acknowledged

    async def _inform_v3(self, sink: Sink, pdu: Any) -> bool:
        """Of an inform the receiver is the authority: its engine is asked for first."""
        number = next(self._ids)
        empty, _ = self._pdu(v2c.GetRequestPDU(), [])
        found = await self._ask(sink, number, usm.seal(usm.Header(number, _ENGINE_ASKED), usm.scoped(b"", empty)))
        login = login_of(self._agent.state.spec)
        # The second report, if any, is the receiver's clock (notInTimeWindows).
        for _ in range(3):
            if not isinstance(found, usm.Packet):
                return False
            theirs, number = found.header, next(self._ids)
            keys = keys_for(login, theirs.engine)
            flags = usm.AUTH | usm.PRIV | usm.REPORTABLE
            header = usm.Header(number, flags, theirs.engine, theirs.boots, theirs.time, login.user.encode())
            found = await self._ask(sink, number, usm.seal(header, usm.scoped(self._agent.engine, pdu), keys))
            if isinstance(found, usm.Packet) and found.header.flags & usm.PRIV and found.genuine(keys):
                answer = usm.pdu_of(found.opened(keys))
                return bool(answer.isSameTypeWith(v2c.ResponsePDU(), matchConstraints=False))
        return False

    async def _ask(self, sink: Sink, number: int, data: bytes) -> usm.Packet | bool | None:
        """Send until something comes back under that number; False when nothing ever did."""
        wait = sink.timeout
        waiting: asyncio.Future[usm.Packet | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            for _ in range(sink.retries + 1):
                self._agent.send(data, (sink.host, sink.port))
                done, _ = await asyncio.wait({waiting}, timeout=wait)
                if done:
                    return waiting.result()
                wait *= 2
        finally:
            del self._waiting[number]
        return False

    def _pdu(self, pdu: Any, bindings: Pairs) -> tuple[Any, int]:
        number = next(self._ids)
        v2c.apiPDU.set_defaults(pdu)
        v2c.apiPDU.set_request_id(pdu, number)
        return filled(pdu, bindings), number

    def _v2c(self, sink: Sink, pdu: Any) -> bytes:
        message = v2c.Message()
        v2c.apiMessage.set_defaults(message)
        v2c.apiMessage.set_community(message, sink.community or self._agent.state.spec.secrets.snmp)
        v2c.apiMessage.set_pdu(message, pdu)
        return bytes(encoder.encode(message))
