"""Lines as people and programs see them: set one up, look at it, ask for a switch or a return, check the coverage.

Nothing is moved here: what is asked for is written down, and whoever watches the lines does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from cpe_manager.domain.errors import Conflict, CpeManagerError, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.coverage import CoverageGoals, CoverageReading, judged
from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.line_outlook import outlook
from cpe_manager.domain.failover.line_setup import gaps, setup_of, with_coverage
from cpe_manager.domain.failover.lines import (
    Carrier,
    Coverage,
    FailoverPolicy,
    FailoverState,
    Incident,
    LineRecord,
    LineSetup,
    Transition,
)
from cpe_manager.domain.failover.mobile_volume import at_this_time
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.coverage import CoverageMeter
from cpe_manager.ports.lines import LineStore, Wanted
from cpe_manager.ports.platform import Platforms
from cpe_manager.ports.stores import EventStore, InventoryStore

_TRIES = 5
RECENT = 10
"""Steps of history that are shown with a line."""
_MOVING = frozenset({FailoverState.SWITCHING, FailoverState.RETURNING})


@dataclass(frozen=True, slots=True)
class LineStores:
    lines: LineStore
    inventory: InventoryStore
    events: EventStore


@dataclass(frozen=True, slots=True)
class LineHouse:
    """What the installation brings. ``platforms`` None: no platform file, so that no line can name one. ``freezes``: as
    ``domain.push.push_windows`` writes them."""

    platforms: Platforms | None = None
    meter: CoverageMeter | None = None
    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    goals: CoverageGoals = field(default_factory=CoverageGoals)
    freezes: str = ""
    news: Callable[[], None] = lambda: None
    """Called when something was asked for or set up, so that whoever watches in this process looks at once."""


@dataclass(frozen=True, slots=True)
class LineShown:
    """A line with all that somebody at night needs. ``outlook``: what happens next, line by line; ``last_change``: the
    last confirmed change of the box, before the loss where there was one; ``gaps``: what its set-up lacks."""

    record: LineRecord
    policy: FailoverPolicy
    incidents: tuple[Incident, ...]
    recent: tuple[Transition, ...]
    last_change: str
    outlook: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """The whole: watched lines by state, open incidents by priority, who watches and until when it has said so."""

    states: Mapping[FailoverState, int]
    incidents: Mapping[int, int]
    leader: tuple[str, datetime] | None


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asks for. ``key``: of idempotency."""

    what: Wanted
    reason: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class CoverageChecked:
    """What came of a check. ``reading`` None: somebody else's verdict was written down."""

    record: LineRecord
    verdict: Coverage
    reason: str
    reading: CoverageReading | None
    at: datetime


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row of a bulk set-up."""

    number: int
    device: str
    result: Literal["new", "changed", "unchanged", "refused"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetupRow:
    """``number``: for messages, such as the line of the file."""

    number: int
    device: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Lines:
    def __init__(self, stores: LineStores, clock: Clock, house: LineHouse | None = None) -> None:
        self._lines, self._inventory, self._events = stores.lines, stores.inventory, stores.events
        self._clock, self._house = clock, house or LineHouse()

    # Looking

    async def list(
        self, *, state: FailoverState | None = None, node: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[LineRecord]:
        """Lines that were set up, by the names of their devices."""
        found = await self._lines.lines(state=state, node=node, after=after, limit=limit)
        return Page(tuple(self._now(one) for one in found.items), found.next)

    async def line(self, name: str) -> LineRecord:
        """By id, device or ref. Raises ``NotFound``."""
        return self._now(await self._lines.line(name))

    async def show(self, name: str) -> LineShown:
        """Raises ``NotFound``."""
        record = await self.line(name)
        incidents = await self._lines.incidents(line_id=record.line.id, open_only=True)
        recent = (await self._lines.history(record.line.id, limit=RECENT)).items
        policy = self.policy_of(record)
        told = next((one.last_change for one in recent if one.last_change), "")
        lost = record.state not in {FailoverState.FIXED, FailoverState.HELD}
        change = told if lost and told else await self._lines.last_change(record.line.device_id)
        now = self._clock.now().timestamp()
        return LineShown(
            record=record,
            policy=policy,
            incidents=incidents.items,
            recent=recent,
            last_change=change,
            outlook=outlook(record, policy, now, self._house.freezes),
            gaps=gaps(record.line.setup),
        )

    async def summary(self) -> Watch:
        lines = self._lines
        return Watch(await lines.counts(), await lines.open_incidents(), await lines.leader(self._clock.now()))

    def policy_of(self, record: LineRecord) -> FailoverPolicy:
        """What is in force for a line; the installation's where its own does not hold any more."""
        try:
            return policy_of(record.line.setup.policy, self._house.policy)
        except InputError:
            return self._house.policy

    async def history(self, name: str | None, *, after: str | None = None, limit: int = 50) -> Page[Transition]:
        """Steps of a line, or of all, newest first. Raises ``NotFound``."""
        line_id = None if name is None else (await self._lines.line(name)).line.id
        return await self._lines.history(line_id, after=after, limit=limit)

    async def incidents(
        self, *, name: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Incident]:
        """Newest first. Raises ``NotFound``."""
        line_id = None if name is None else (await self._lines.line(name)).line.id
        return await self._lines.incidents(line_id=line_id, open_only=open_only, after=after, limit=limit)

    # Setting up

    async def set_up(
        self, device: str, values: Mapping[str, object], *, by: str, revision: int | None = None, whole: bool = False
    ) -> LineRecord:
        """Make or change what is known of a device's line. ``values`` as ``domain.failover.line_setup.setup_of`` reads
        them; ``whole``: what is not given is as for a new line, else as it was. ``device`` may be its line as well,
        once it is set up. The verdict on coverage is kept.

        Raises ``NotFound``, ``InputError``, ``PreconditionFailed`` when ``revision`` (0: not set up) is not the line's,
        and ``Conflict`` when traffic is being moved at this moment and the line would no longer be watched.
        """
        before = await self._known(device)
        base = LineSetup("") if before is None else before.line.setup
        if whole:
            base = replace(LineSetup(""), coverage=base.coverage, coverage_reason=base.coverage_reason)
        setup = setup_of(values, base)
        self._check(setup)
        if before is not None and not setup.watched and before.line.setup.watched:
            _refuse_to_leave(before)
        name = device if before is None else before.line.device_id
        return self._told(await self._lines.set_up(name, setup, self._clock.now(), by, revision=revision))

    async def import_rows(self, rows: Sequence[SetupRow], *, by: str, dry_run: bool = False) -> Sequence[RowResult]:
        """Set up many; what is wrong with one row stops no other. What a row does not say stays as it was."""
        results = [await self._row(row, by=by, dry_run=dry_run) for row in rows]
        if not dry_run:
            self._house.news()
        return results

    async def _row(self, row: SetupRow, *, by: str, dry_run: bool) -> RowResult:
        try:
            before = await self._known(row.device)
            if dry_run:
                after = await self._tried(row, before)
            else:
                after = await self._written_row(row, before, by)
        except CpeManagerError as error:
            if error.retryable:  # the database: nothing that is wrong with this row
                raise
            return RowResult(row.number, row.device, "refused", str(error))
        if before is None:
            return RowResult(row.number, row.device, "new")
        same = replace(after, line_id=before.line.id) == before.line.setup
        return RowResult(row.number, row.device, "unchanged" if same else "changed")

    async def _written_row(self, row: SetupRow, before: LineRecord | None, by: str) -> LineSetup:
        setup = await self._tried(row, before)
        if before is not None and not setup.watched and before.line.setup.watched:
            _refuse_to_leave(before)
        name = row.device if before is None else before.line.device_id
        made = await self._lines.set_up(name, setup, self._clock.now(), by)
        return made.line.setup

    async def _tried(self, row: SetupRow, before: LineRecord | None) -> LineSetup:
        if before is None and (await self._inventory.device(row.device)).device.state is LifeState.DECOMMISSIONED:
            raise NotFound(f"no such device in service: {row.device}")
        setup = with_coverage(row.values, LineSetup("") if before is None else before.line.setup)
        self._check(setup)
        return setup

    async def _known(self, name: str) -> LineRecord | None:
        try:
            return await self._lines.line(name)
        except NotFound:
            return None

    def _check(self, setup: LineSetup) -> None:
        names = self._house.platforms.names() if self._house.platforms is not None else ()
        if setup.platform and setup.platform not in names:
            known = f"it has {', '.join(names)}" if names else "there is none in it, or no such file"
            raise InputError(f"the platform file has no {setup.platform!r}; {known}")
        policy_of(setup.policy, self._house.policy)

    # Asking

    async def want(self, name: str, order: Order, *, by: str) -> LineRecord:
        """Ask for a switch, a return, a hold, its release or a test; whoever watches the line does it, and the last
        word counts. Asking for what is so already changes nothing.

        Raises ``NotFound``, and ``Conflict`` when the line is not watched, or for a switch or a test of a line that is
        not entitled to it or has no other way.
        """
        record = await self._lines.line(name)
        if not record.line.setup.watched:
            raise Conflict(f"the line of {record.line.device} is not watched: nobody would do it")
        if order.what in {"switch", "test"} and (why := record.line.setup.entitled):
            raise Conflict(f"the line of {record.line.device} is not moved: {why}")
        if order.what == "test" and record.state is not FailoverState.FIXED:
            raise Conflict(f"the line of {record.line.device} is {record.state}: only a line that is well is tested")
        if not record.wanted and _is_so(record, order.what):
            return self._now(record)
        key = None if order.key is None else f"{by}:{order.key}"
        now = self._clock.now()
        return self._told(
            await self._lines.want(record.line.id, order.what, by=by, at=now, reason=order.reason, key=key)
        )

    def _told(self, record: LineRecord) -> LineRecord:
        self._house.news()
        return self._now(record)

    def _now(self, record: LineRecord) -> LineRecord:
        """What was counted over mobile in another month is nothing in this one."""
        return at_this_time(record, self._clock.now().timestamp())

    # Coverage (§3.8)

    async def check_coverage(self, name: str, *, by: str) -> CoverageChecked:
        """Measure signal, registration and throughput over mobile at the box, and write the verdict down: without a
        passed check no line is moved. Raises ``NotFound``, ``InputError`` and ``Conflict`` when it cannot be measured,
        and a ``DeviceError`` when no session comes about."""
        record = await self._lines.line(name)
        if self._house.meter is None:
            raise InputError("coverage is not measured from here; record a verdict that was found on site")
        reading = await self._house.meter.measure(record.line)
        verdict, reason = judged(reading, self._house.goals)
        return await self._recorded(record, (verdict, reason), reading, by)

    async def record_coverage(self, name: str, verdict: Coverage, reason: str, *, by: str) -> CoverageChecked:
        """Write down a verdict that somebody else came to, such as a technician on site. Raises ``NotFound``, and
        ``InputError`` without a reason."""
        if not reason.strip():
            raise InputError("say how the verdict was come to: who measured what, where")
        return await self._recorded(await self._lines.line(name), (verdict, reason.strip()), None, by)

    async def _recorded(
        self, record: LineRecord, found: tuple[Coverage, str], reading: CoverageReading | None, by: str
    ) -> CoverageChecked:
        verdict, reason = found
        now = self._clock.now()
        record = await self._written(record.line.id, verdict, reason, by)
        data: dict[str, Any] = {"line_id": record.line.id, "line": record.line.ref, "verdict": verdict}
        data |= {"reason": reason, "by": by, "activation": "refused" if verdict == "refused" else "allowed"}
        if reading is not None:
            names = ("signal_dbm", "registered", "down_mbps", "up_mbps")
            data |= {name: getattr(reading, name) for name in names}
        message = f"{record.line.device}: coverage {verdict}: {reason}"
        if verdict == "refused":
            message += "; mobile backup is not activated (§3.8)"
        severity: Literal["info", "warning"] = "warning" if verdict == "refused" else "info"
        event = NewEvent("line.coverage", now, severity, device_id=record.line.device_id, message=message, data=data)
        await self._events.add([event])
        return CoverageChecked(record, verdict, reason, reading, now)

    async def _written(self, line_id: str, verdict: Coverage, reason: str, by: str) -> LineRecord:
        """Read again: a measurement takes a while, and somebody may set the line up meanwhile."""
        for _ in range(_TRIES):
            record = await self._lines.line(line_id)
            setup = replace(record.line.setup, coverage=verdict, coverage_reason=reason)
            with suppress(Conflict):
                device, now = record.line.device_id, self._clock.now()
                return self._told(await self._lines.set_up(device, setup, now, by, revision=record.revision))
        raise Conflict(f"line {line_id} changes all the time; the verdict was {verdict}: {reason}")


def _refuse_to_leave(record: LineRecord) -> None:
    if record.state in _MOVING or record.carrier is Carrier.MOBILE:
        raise Conflict(f"traffic of {record.line.device} is on mobile or on its way; ask for its return first")


def _is_so(record: LineRecord, what: Wanted) -> bool:
    """Whether a line stands already as it is asked to."""
    if what == "hold":
        return record.state is FailoverState.HELD
    if what == "release":
        return record.state is not FailoverState.HELD
    if what == "switch":
        return record.state in {FailoverState.SWITCHING, FailoverState.MOBILE}
    if what == "return":
        return record.state in {FailoverState.FIXED, FailoverState.RETURNING}
    return False
