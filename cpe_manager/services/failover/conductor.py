"""Executes what was decided for a line: moves box and platform, proves it end to end, and takes it back when it does
not hold (§3.8).

A switch moves both sides side by side when the fixed way is dead, else the box first. A return moves the box first,
then the edge: what the box sends over the fixed line is welcome there all the time, so nothing is lost. Every act is
named by the switch it belongs to, and right to do twice: after a crash it is simply done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from cpe_manager.domain.errors import ConnectFailed, CpeManagerError, DeviceError
from cpe_manager.domain.failover.failover import Outcome
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverPolicy, LineRecord, LineSetup
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import Platform, Platforms, Routed
from cpe_manager.ports.sensing import Echoes
from cpe_manager.services.failover.asking import Asking, Dumb, Pauses
from cpe_manager.services.failover.box import Box, Moving

log = structlog.get_logger()

VERIFY_SECONDS: Final = 8.0
"""What the new way gets to show that it carries: routes spread, neighbours are learned."""
ECHO_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """``push_id``: the push that moved the box, if one did."""

    outcome: Outcome
    push_id: str = ""


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why something did not come about. ``defective``: the mobile backup itself is at fault."""

    reason: str
    defective: bool = False


def routed_of(record: LineRecord) -> Routed:
    setup, line = record.line.setup, record.line
    return Routed(
        line.id, line.site, setup.fixed_ipv4, setup.fixed_ipv6, setup.fixed_gateway, setup.mobile_gateway
    )  # fmt: skip


class Conductor:
    """Holds no state between acts. Its methods raise nothing but cancellation and ``StoreError``."""

    def __init__(self, box: Box, platforms: Platforms, echoes: Echoes, clock: Clock) -> None:
        self._box, self._platforms, self._echoes, self._clock = box, platforms, echoes, clock

    async def switch(self, record: LineRecord, policy: FailoverPolicy) -> Done:
        """Traffic over mobile. What came of it when it did not succeed is for ``roll_back`` to take back."""
        box_moved, edge_moved = await self._by_itself(record, Carrier.MOBILE, policy)
        by = "cpe" if box_moved else ""
        moving, fault = await self._both(record, box_moved=box_moved, edge_moved=edge_moved)
        if fault is None:
            fault = await self._verified(record, Carrier.MOBILE)
        if fault is None and (failed := await self._box.end(moving)):
            fault = _Fault(failed)
        if fault is None:
            words = "the box moved by itself" if box_moved else "box and platform were moved"
            return Done(Outcome(True, f"{words}; traffic over mobile is proven", by=by), moving.push_id)
        _warn("failover.switch_failed", record, fault)
        return Done(Outcome(False, fault.reason, fault.defective, by), moving.push_id)

    async def give_back(self, record: LineRecord, policy: FailoverPolicy) -> Done:
        """Traffic over the fixed line again: the box, then the edge."""
        key = f"{record.switch_id}:return:{int(record.since)}"
        box_moved, _ = await self._by_itself(record, Carrier.FIXED, policy)
        moving, fault = Moving(), None
        if not box_moved:
            moving, fault = await self._box_over(record, Carrier.FIXED, key)
            if fault is None and (failed := await self._box.end(moving)):
                fault = _Fault(failed)
        if fault is None:
            fault = await self._edge_over(record, Carrier.FIXED)
        if fault is None:
            fault = await self._verified(record, Carrier.FIXED)
        if fault is None:
            return Done(Outcome(True, "traffic over the fixed line is proven"), moving.push_id)
        log.warning(
            "failover.return_failed", device=record.line.device, switch_id=record.switch_id, reason=fault.reason
        )
        undone = await self._undone(
            record,
            [
                ("platform", lambda: self._edge_over(record, Carrier.MOBILE)),
                ("box", lambda: self._box_back(record, Carrier.MOBILE, key, f"{key}:back")),
            ],
        )
        return Done(Outcome(False, _joined(fault.reason, undone)), moving.push_id)

    async def roll_back(self, record: LineRecord, policy: FailoverPolicy) -> Done:
        """Everything as before the switch, whatever of it was done."""
        del policy
        key = f"{record.switch_id}:back:{int(record.since)}"
        undone = await self._undone(
            record,
            [
                ("platform", lambda: self._edge_over(record, Carrier.FIXED)),
                ("box", lambda: self._box_back(record, Carrier.FIXED, record.switch_id, key)),
            ],
        )
        return Done(Outcome(not undone, undone or "the switch was taken back"), record.push_id)

    # The two sides.

    async def _both(
        self, record: LineRecord, *, box_moved: bool, edge_moved: bool
    ) -> tuple[Moving, _Fault | None]:  # fmt: skip
        """Box and edge to mobile: side by side when nothing gets through anyway, else the box first."""

        async def box() -> tuple[Moving, _Fault | None]:
            if box_moved:
                return Moving(), None
            return await self._box_over(record, Carrier.MOBILE, record.switch_id)

        async def edge() -> _Fault | None:
            return None if edge_moved else await self._edge_over(record, Carrier.MOBILE)

        if record.condition in {Condition.LINE_DOWN, Condition.NODE_DOWN}:
            (moving, fault), edge_fault = await asyncio.gather(box(), edge())
            return moving, fault or edge_fault
        moving, fault = await box()
        return moving, fault or await edge()

    async def _box_over(self, record: LineRecord, over: Carrier, key: str) -> tuple[Moving, _Fault | None]:
        try:
            moving = await self._box.move(record, over, key)
        except CpeManagerError as error:
            return Moving(), _Fault(f"the box could not be moved: {error}")
        return moving, _Fault(f"the box was not moved: {moving.failed}") if moving.failed else None

    async def _edge_over(self, record: LineRecord, over: Carrier) -> _Fault | None:
        setup = record.line.setup
        if not setup.platform:
            return None
        routed = routed_of(record)
        try:
            platform = self._platforms.get(setup.platform)
        except CpeManagerError as error:
            return _Fault(f"the platform is not known: {error}")
        try:
            await platform.carry(routed, over)
        except CpeManagerError as error:
            if isinstance(error, DeviceError) and await _carried(platform, routed) is over:
                return None  # nobody had told us, but it has moved
            return _Fault(f"the platform did not move the addresses: {error}")
        return None

    async def _by_itself(self, record: LineRecord, over: Carrier, policy: FailoverPolicy) -> tuple[bool, bool]:
        """Whether box and platform have moved without us, within the grace of a box that does."""
        if record.line.setup.moves != "cpe":
            return False, False
        until, pauses = self._clock.monotonic() + policy.self_switch_grace, Pauses()
        box = edge = False
        async with self._asking(record) as asking:
            while True:
                box = box or await _box_carries(record, asking) is over
                edge = edge or await self._edge_carries(record) is over
                left = until - self._clock.monotonic()
                if (box and (edge or not record.line.setup.platform)) or left <= 0:
                    return box, edge
                await self._clock.sleep(pauses.next(left))

    @asynccontextmanager
    async def _asking(self, record: LineRecord) -> AsyncIterator[Asking]:
        async with AsyncExitStack() as held:
            asking: Asking = Dumb()
            try:
                asking = await held.enter_async_context(self._box.asking(record))
            except CpeManagerError as error:
                _not_told(record, error)
            yield asking

    async def _edge_carries(self, record: LineRecord) -> Carrier | None:
        if not record.line.setup.platform:
            return None
        try:
            platform = self._platforms.get(record.line.setup.platform)
        except CpeManagerError:
            return None
        return await _carried(platform, routed_of(record))

    # The proof.

    async def _verified(self, record: LineRecord, over: Carrier) -> _Fault | None:
        """Why traffic over a way is not proven; None when it is. Asked again for a while: routes spread."""
        until, pauses = self._clock.monotonic() + VERIFY_SECONDS, Pauses()
        async with self._asking(record) as asking:
            while True:
                faults = await asyncio.gather(
                    self._echo(record.line.setup, over), self._routed(record, over), _own_route(record, asking, over)
                )
                found = [fault for fault in faults if fault is not None]
                if not found:
                    return None
                left = until - self._clock.monotonic()
                if left <= 0:
                    return _Fault("; ".join(one.reason for one in found), any(one.defective for one in found))
                await self._clock.sleep(pauses.next(left))

    async def _echo(self, setup: LineSetup, over: Carrier) -> _Fault | None:
        host = setup.mobile_address if over is Carrier.MOBILE else setup.line_address
        if not host:
            return None
        try:
            answered = await self._echoes.ping(host, ECHO_SECONDS)
        except ConnectFailed as error:
            log.warning("failover.no_echo_from_here", host=host, reason=str(error))
            return None  # that this machine cannot ask says nothing of the line
        if answered is not None:
            return None
        return _Fault(f"no echo over {over.value} ({host})", defective=over is Carrier.MOBILE)

    async def _routed(self, record: LineRecord, over: Carrier) -> _Fault | None:
        """What the platform says: over what it reaches the addresses, and whether they answer from outside."""
        setup, routed = record.line.setup, routed_of(record)
        if not setup.platform:
            return None
        try:
            platform = self._platforms.get(setup.platform)
            carried = await platform.carried(routed)
            if carried is not over:
                return _Fault(f"the platform reaches the addresses over {carried.value if carried else 'neither way'}")
            if await platform.reachable(routed) is False:
                return _Fault("the fixed address does not answer from outside", defective=over is Carrier.MOBILE)
        except CpeManagerError as error:
            return _Fault(f"the platform could not be asked: {error}")
        return None

    # The way back.

    async def _box_back(self, record: LineRecord, over: Carrier, given_up: str, key: str) -> _Fault | None:
        """A push that has not ended is given up, and the device takes it back; one that is in force needs another one.
        A box that was never moved by us is left alone: it goes back by itself, if it has moved by itself."""
        try:
            in_force = await self._box.give_up(record, given_up)
        except CpeManagerError as error:
            return _Fault(f"the push could not be given up: {error}")
        if not in_force:
            return None
        moving, fault = await self._box_over(record, over, key)
        if fault is None and (failed := await self._box.end(moving)):
            fault = _Fault(failed)
        return fault

    async def _undone(self, record: LineRecord, sides: list[tuple[str, Callable[[], Awaitable[_Fault | None]]]]) -> str:
        """Undo one side after the other, the second also when the first failed. Why it is not undone, loudly."""
        left = []
        for name, undo in sides:
            fault = await undo()
            if fault is not None:
                left.append(f"the {name} was not put back: {fault.reason}")
                log.error(
                    "failover.undo_failed", device=record.line.device, line_id=record.line.id, side=name,
                    switch_id=record.switch_id, reason=fault.reason,
                )  # fmt: skip
        return "; ".join(left)


async def _own_route(record: LineRecord, asking: Asking, over: Carrier) -> _Fault | None:
    carrier = await _box_carries(record, asking)
    if carrier in (None, over):
        return None
    assert carrier is not None
    return _Fault(f"the box's own route goes over {carrier.value}", defective=over is Carrier.MOBILE)


async def _box_carries(record: LineRecord, asking: Asking) -> Carrier | None:
    try:
        return await asking.carrying()
    except CpeManagerError as error:
        _not_told(record, error)
        return None


def _not_told(record: LineRecord, error: CpeManagerError) -> None:
    log.info("failover.box_not_told", device=record.line.device, code=error.code, reason=str(error))


def _warn(event: str, record: LineRecord, fault: _Fault) -> None:
    log.warning(event, device=record.line.device, switch_id=record.switch_id, reason=fault.reason)


async def _carried(platform: Platform, routed: Routed) -> Carrier | None:
    try:
        return await platform.carried(routed)
    except CpeManagerError:
        return None


def _joined(reason: str, undone: str) -> str:
    return f"{reason}; taken back" if not undone else f"{reason}; NOT taken back: {undone}"
