"""Roll-outs as people and programs see them: look at what each device would get, begin, follow, halt, report.

Beginning writes rows; `rollout_keeper` takes a roll-out from one decision to the next, one push for each device.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from backups.vault import Vault
from cpe_manager.domain.errors import Conflict, InputError
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import PushKind
from cpe_manager.domain.rollout.rollouts import (
    OVER,
    Amount,
    DeviceEnd,
    Rollout,
    RolloutDevice,
    RolloutState,
    Standing,
    Strategy,
    in_order,
    wave_sizes,
)
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.rollouts import NewRolloutDevice, RolloutStore, Turn
from cpe_manager.services.push.pushes import GUARD_SECONDS, LONGEST_GUARD, SHORTEST_GUARD
from cpe_manager.services.rollout.rollout_orders import Content, RolloutOrders, Selection, Wanted

NONE: Final = Amount(0)
BATCH: Final = 250
"""Devices written in one transaction."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how far, as somebody says it; see ``Strategy`` for the meaning."""

    canary: int = 1
    waves: tuple[Amount, ...] = ()
    wave_size: Amount | None = None
    soak_seconds: int = 0
    budget: Amount = NONE
    max_in_flight: int = 32
    per_access_node: int = 4

    def strategy(self, total: int) -> Strategy:
        """For so many devices. Raises ``InputError``."""
        if self.canary < 0:
            raise InputError("there cannot be fewer than no canaries")
        return Strategy(
            wave_sizes(total, self.canary, self.waves, self.wave_size),
            self.budget.among(total),
            self.soak_seconds,
            self.max_in_flight,
            self.per_access_node,
        )


@dataclass(frozen=True, slots=True)
class RolloutAsked:
    name: str
    where: Selection
    content: Content
    pace: Pace = field(default_factory=Pace)
    overrides: frozenset[Lockout] = frozenset()
    guard_seconds: int = GUARD_SECONDS
    key: str | None = None
    hold: bool = False
    """Only written down; ``resume`` begins it."""


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """What one device would get, without secrets."""

    device: str
    family: str
    wave: int
    access_node: str | None
    order: str


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    name: str
    kind: PushKind
    strategy: Strategy
    devices: Sequence[PlannedDevice]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A device's order with its place in the roll-out."""

    wanted: Wanted
    wave: int
    position: int


class Rollouts:
    def __init__(self, store: RolloutStore, orders: RolloutOrders, vault: Vault, clock: Clock, ids: Ids) -> None:
        self._store, self._orders, self._vault = store, orders, vault
        self._clock, self._ids = clock, ids

    async def plan(self, asked: RolloutAsked) -> RolloutPlan:
        """What each device would get and when. Renders and checks everything; no device is asked, nothing is written.

        Raises as ``create``.
        """
        strategy, placed = await self._prepared(asked)
        devices = [
            PlannedDevice(p.wanted.device.name, p.wanted.family, p.wave, p.wanted.device.access_node, p.wanted.shown)
            for p in placed
        ]
        return RolloutPlan(asked.name, asked.content.kind, strategy, devices, _warnings(asked, placed))

    async def create(self, asked: RolloutAsked, *, by: str) -> Rollout:
        """The roll-out, running unless it is held; the one that has the same key already, if any.

        Everything is checked before anything is written: raises ``ImportErrors`` with all that is wrong.
        """
        key = f"{by}:{asked.key}" if asked.key else None
        known = await self._store.keyed(key) if key else None
        if known is not None and not _half_written(known):
            return known
        strategy, placed = await self._prepared(asked)
        new = Rollout(
            id=self._ids.new(),
            name=asked.name,
            kind=asked.content.kind,
            summary=_summary(asked, placed),
            strategy=strategy,
            created_at=self._clock.now(),
            requested_by=by,
            guard_seconds=asked.guard_seconds,
            overrides=asked.overrides,
            key=key,
        )
        made = await self._store.create(new)
        if (made.strategy, made.kind, made.summary) != (new.strategy, new.kind, new.summary):
            raise Conflict("this key belongs to another roll-out")
        try:
            for start in range(0, len(placed), BATCH):
                await self._store.add(made.id, await self._sealed(placed[start : start + BATCH]))
            if not asked.hold:
                return await self._turn(made.id, RolloutState.RUNNING, by=by)
        except Conflict:  # the same request, made twice at once: the other one has written it whole, and begun it
            if made.id == new.id:
                raise
        return await self._store.rollout(made.id)

    async def _prepared(self, asked: RolloutAsked) -> tuple[Strategy, Sequence[Placed]]:
        if not asked.name.strip():
            raise InputError("a roll-out needs a name")
        if not SHORTEST_GUARD <= asked.guard_seconds <= LONGEST_GUARD:
            raise InputError(f"a device takes a change back after {SHORTEST_GUARD} to {LONGEST_GUARD} seconds")
        wanted = await self._orders.prepare(asked.where, asked.content)
        strategy = asked.pace.strategy(len(wanted))
        ordered = in_order(wanted, lambda one: one.family, strategy.waves[0])
        wave_of = [number for number, size in enumerate(strategy.waves) for _ in range(size)]
        return strategy, [Placed(one, wave_of[position], position) for position, one in enumerate(ordered)]

    async def _sealed(self, placed: Sequence[Placed]) -> Sequence[NewRolloutDevice]:
        """In a thread: sealing thousands of orders would hold every session up."""

        def seal() -> Sequence[NewRolloutDevice]:
            return [
                NewRolloutDevice(
                    one.wanted.device.id,
                    one.wave,
                    one.position,
                    one.wanted.device.access_node,
                    self._vault.seal_note(self._ids.new(), one.wanted.order.to_text()),
                )
                for one in placed
            ]

        return await asyncio.to_thread(seal)

    async def show(self, rollout_id: str) -> Rollout:
        return await self._store.rollout(rollout_id)

    async def standing(self, rollout: Rollout) -> Standing:
        return await self._store.standing(rollout)

    async def list(
        self, *, state: RolloutState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Rollout]:
        return await self._store.rollouts(state=state, after=after, limit=limit)

    async def devices(
        self, rollout_id: str, *, end: DeviceEnd | None = None, after: str | None = None, limit: int = 200
    ) -> Page[RolloutDevice]:
        """Raises ``NotFound``."""
        await self._store.rollout(rollout_id)
        return await self._store.devices(rollout_id, end=end, after=after, limit=limit)

    async def every_device(self, rollout_id: str) -> AsyncIterator[Sequence[RolloutDevice]]:
        """All of them, some hundreds at a time."""
        after: str | None = None
        while True:
            page = await self._store.devices(rollout_id, after=after, limit=500)
            yield page.items
            after = page.next
            if after is None:
                return

    async def pause(self, rollout_id: str, *, by: str) -> Rollout:
        """Nothing new starts; what is in flight ends by itself. Raises ``Conflict`` when it does not run."""
        return await self._turn(rollout_id, RolloutState.PAUSED, by=by)

    async def resume(self, rollout_id: str, *, by: str) -> Rollout:
        """Also begins one that was held. Raises ``Conflict`` for one that runs or is over."""
        return await self._turn(rollout_id, RolloutState.RUNNING, by=by)

    async def cancel(self, rollout_id: str, *, by: str, give_up: bool = False) -> Rollout:
        """For good. ``give_up``: what is in flight is taken back, as far as it is not confirmed yet."""
        return await self._turn(rollout_id, RolloutState.CANCELLED, by=by, give_up=give_up)

    async def _turn(self, rollout_id: str, to: RolloutState, *, by: str, give_up: bool = False) -> Rollout:
        reason = f"by {by}" if to in OVER or to is RolloutState.PAUSED else ""
        return await self._store.turn(rollout_id, Turn(to, self._clock.now(), reason, by, give_up))


def _half_written(found: Rollout) -> bool:
    """Whoever wrote it died over it."""
    return found.state is RolloutState.PLANNED and sum(found.counts.values()) != found.total


def _summary(asked: RolloutAsked, placed: Sequence[Placed]) -> str:
    content = asked.content
    if content.template is not None:
        return f"template to {content.kind}, {len(placed)} devices"
    return f"change of {', '.join(sorted(content.change or ()))}, {len(placed)} devices"


def _warnings(asked: RolloutAsked, placed: Sequence[Placed]) -> tuple[str, ...]:
    warnings = []
    if asked.content.kind is PushKind.LINES:
        warnings.append("what lines in the devices' own language do to the way to them cannot be predicted")
    unused = len(asked.content.table.keys() - {one.wanted.device.name for one in placed})
    if unused:
        warnings.append(f"{unused} rows of the table are of devices that are not chosen")
    if not placed or asked.pace.strategy(len(placed)).waves[0] == 0:
        warnings.append("there is no canary: the first wave is the first to find out")
    return tuple(warnings)
