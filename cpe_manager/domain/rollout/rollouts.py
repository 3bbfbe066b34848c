"""Roll-outs: one change over many devices, as single pushes, a few at a time and never further than the budget allows.

::

    planned -> running -> done
                 |  ^  '-> stopped     too much went wrong: nothing new starts, what is in flight ends by itself
                 v  |  '-> cancelled   by a person
               paused

A roll-out begins with its *canaries*, goes on in *waves*, and waits (*soaks*) after each of them. Which push starts
next is decided by `move` from what the pushes themselves say, so that it can be asked again after a crash.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import PushKind

T = TypeVar("T")
CANARIES: Final = 0
"""Number of the wave of canaries; the others count from 1."""
MOST_DEVICES: Final = 20_000
LONGEST_SOAK: Final = 7 * 24 * 3600
"""Seconds."""


class RolloutState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    CANCELLED = "cancelled"


OVER: Final = frozenset({RolloutState.STOPPED, RolloutState.DONE, RolloutState.CANCELLED})


class DeviceEnd(StrEnum):
    """Where one device of a roll-out stands, as its push says."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    CONFIRMED = "confirmed"
    UNCHANGED = "unchanged"
    """It was what was wanted already."""
    FAILED = "failed"
    """Its push ended reverted, stuck, or withdrawn for another reason; only these count against the budget."""
    SKIPPED = "skipped"
    """It left service before its turn came; nothing was begun."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So many devices, or a percentage of the roll-out's."""

    number: float
    percent: bool = False

    @classmethod
    def of(cls, given: int | str) -> Amount:
        """From ``25`` or ``"10%"``. Raises ``InputError``."""
        text = str(given).strip()
        if re.fullmatch(r"\d{1,6}", text):
            return cls(int(text))
        if re.fullmatch(r"\d{1,3}(\.\d{1,3})?%", text) and float(text[:-1]) <= 100:
            return cls(float(text[:-1]), percent=True)
        raise InputError(f"{text!r} is neither a number of devices nor a percentage such as 10%")

    def among(self, total: int) -> int:
        """In devices; a percentage is rounded down, to the safe side."""
        return int(total * self.number / 100 + 1e-9) if self.percent else int(self.number)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How fast and how far. ``waves``: devices in each wave, the canaries' first (it may be empty)."""

    waves: tuple[int, ...]
    budget: int = 0
    """Devices that may go wrong; with one more the roll-out stops. A canary that goes wrong stops it in any case."""
    soak_seconds: int = 0
    """Pause after the last push of a wave before the next wave begins."""
    max_in_flight: int = 32
    per_access_node: int = 4
    """Pushes in flight behind one access node; 0 is no limit. Devices of which no node is known have none."""

    def __post_init__(self) -> None:
        if not self.waves or sum(self.waves) < 1 or min(self.waves) < 0 or self.budget < 0:
            raise InputError("a roll-out has at least one device, and no count below zero")
        if not 1 <= self.max_in_flight <= 1000:
            raise InputError("1 to 1000 pushes may be in flight")
        if not 0 <= self.per_access_node <= 1000:
            raise InputError("0 (no limit) to 1000 pushes may be in flight behind one access node")
        if not 0 <= self.soak_seconds <= LONGEST_SOAK:
            raise InputError(f"a soak lasts 0 to {LONGEST_SOAK} seconds")

    @property
    def total(self) -> int:
        return sum(self.waves)


def wave_sizes(total: int, canaries: int, waves: Sequence[Amount], wave_size: Amount | None = None) -> tuple[int, ...]:
    """Devices in each wave, the canaries' first. What the ``waves`` leave over is a last wave, or waves of
    ``wave_size``. Raises ``InputError`` for a wave without devices."""
    sizes = [min(canaries, total)]
    left = total - sizes[0]
    wanted = [amount.among(total) or int(amount.percent and amount.number > 0) for amount in waves]
    every = left if wave_size is None else wave_size.among(total) or int(wave_size.percent and wave_size.number > 0)
    if 0 in wanted or (wave_size is not None and every < 1):
        raise InputError("a wave has at least one device")
    while left:
        size = min(wanted.pop(0) if wanted else every, left)
        sizes.append(size)
        left -= size
    return tuple(sizes)


def in_order(devices: Iterable[T], key: Callable[[T], Hashable], canaries: int) -> list[T]:
    """The devices with the canaries in front: in the order given, but one of each kind (``key``, the family) before
    the second of any, since what breaks breaks on a family first."""
    left = list(devices)
    front: list[T] = []
    while len(front) < canaries and left:
        seen: set[Hashable] = set()
        for one in list(left):
            if len(front) < canaries and key(one) not in seen:
                seen.add(key(one))
                front.append(one)
                left.remove(one)
    return front + left


@dataclass(frozen=True, slots=True)
class Rollout:
    """A roll-out without its orders, which are sealed per device."""

    id: str
    name: str
    kind: PushKind
    summary: str
    """What is rolled out, in words without secrets."""
    strategy: Strategy
    created_at: datetime
    requested_by: str
    guard_seconds: int
    overrides: frozenset[Lockout] = frozenset()
    key: str | None = None
    """Idempotency key of whoever asked."""
    state: RolloutState = RolloutState.PLANNED
    wave: int | None = None
    """The last wave that has begun."""
    reason: str | None = None
    """Why it is stopped, paused or cancelled."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    give_up: bool = False
    """Cancelled so that what is in flight is taken back, too."""
    revision: int = 0
    """Counts up with every change: a decision made of an older one is void."""
    counts: Mapping[DeviceEnd, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.strategy.total

    @property
    def ended(self) -> int:
        return sum(n for end, n in self.counts.items() if end not in (DeviceEnd.WAITING, DeviceEnd.IN_FLIGHT))


@dataclass(frozen=True, slots=True)
class RolloutDevice:
    """One device of a roll-out, and what became of it."""

    device_id: str
    device: str
    wave: int
    position: int
    """Its place in the order of the whole roll-out, from 0."""
    access_node: str | None
    end: DeviceEnd = DeviceEnd.WAITING
    push_id: str | None = None
    phase: str | None = None
    reason: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WaveStanding:
    """How far one wave is. ``last_end``: when the last of its pushes that have ended did."""

    counts: Mapping[DeviceEnd, int]
    last_end: datetime | None = None

    def of(self, end: DeviceEnd) -> int:
        return self.counts.get(end, 0)

    @property
    def waiting(self) -> int:
        return self.of(DeviceEnd.WAITING)

    @property
    def in_flight(self) -> int:
        return self.of(DeviceEnd.IN_FLIGHT)

    @property
    def failed(self) -> int:
        return self.of(DeviceEnd.FAILED)

    @property
    def over(self) -> bool:
        return not self.waiting and not self.in_flight


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a roll-out is, as its pushes say.

    ``candidates`` are (device id, access node) of devices that wait in the first wave that has any, in their order;
    enough of them to fill what may be in flight, though not more of one node than may be in flight behind it.
    """

    waves: Sequence[WaveStanding]
    busy: Mapping[str, int] = field(default_factory=dict)
    """Pushes of this roll-out in flight by access node."""
    candidates: Sequence[tuple[str, str | None]] = ()

    def total(self, end: DeviceEnd) -> int:
        return sum(wave.of(end) for wave in self.waves)


@dataclass(frozen=True, slots=True)
class Move:
    """What happens next: ``start`` these devices of this ``wave``, or end in ``to``, or neither: wait, maybe
    ``until``."""

    start: tuple[str, ...] = ()
    wave: int = CANARIES
    to: RolloutState | None = None
    reason: str = ""
    until: datetime | None = None


def move(strategy: Strategy, standing: Standing, now: datetime) -> Move:
    """The next step of a running roll-out. Total, and without effect when asked twice of the same standing.

    More than ``budget`` devices can only go wrong together with what was in flight when the budget was reached.
    """
    failed = standing.total(DeviceEnd.FAILED)
    if standing.waves[CANARIES].failed:
        return Move(to=RolloutState.STOPPED, reason="a canary did not take the change")
    if failed > strategy.budget:
        reason = f"{failed} devices did not take the change, {strategy.budget} may"
        return Move(to=RolloutState.STOPPED, reason=reason)
    number = next((number for number, wave in enumerate(standing.waves) if not wave.over), None)
    if number is None:
        return Move(to=RolloutState.DONE)
    wave = standing.waves[number]
    if not wave.waiting:
        return Move(wave=number)
    if wave.waiting == sum(wave.counts.values()):
        soaked = _soaked(strategy, standing.waves[:number])
        if soaked is not None and now < soaked:
            return Move(wave=number, until=soaked)
    return Move(start=tuple(_chosen(strategy, standing)), wave=number)


def _soaked(strategy: Strategy, before: Sequence[WaveStanding]) -> datetime | None:
    ends = [wave.last_end for wave in before if wave.last_end is not None]
    return max(ends) + timedelta(seconds=strategy.soak_seconds) if ends else None


def _chosen(strategy: Strategy, standing: Standing) -> Iterable[str]:
    room = strategy.max_in_flight - standing.total(DeviceEnd.IN_FLIGHT)
    busy = Counter(standing.busy)
    for device_id, node in standing.candidates:
        if room <= 0:
            return
        if node is not None and strategy.per_access_node and busy[node] >= strategy.per_access_node:
            continue
        if node is not None:
            busy[node] += 1
        room -= 1
        yield device_id
