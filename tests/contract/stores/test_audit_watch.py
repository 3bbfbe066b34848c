"""The audit log looks after itself: what somebody edits or takes out is found within the hour, or within the week."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from structlog.testing import capture_logs

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.audit import Fault, Link, NewAuditEntry
from cpe_manager.domain.access.audit_watch import ALARM, EVERY, WHOLE, Watched, due
from cpe_manager.services.access.audit import AuditBook
from cpe_manager.services.access.audit_watch import AuditWatch
from tests.contract.stores.making import NOW
from tests.contract.stores.test_audit_tampering import intruder
from tests.fakes.audit import KEY, FixedKeys, Remembering
from tests.fakes.clock import SimulatedClock

LINK = Link(KEY, FixedKeys().secret, NOW)
EDIT = "UPDATE audit_entry SET actor = 'nobody' WHERE number = :n"


@dataclass
class Gauges:
    said: list[tuple[float, float | None, bool]] = field(default_factory=list)

    def audit(self, verified_at: float, whole_at: float | None, *, fault: bool) -> None:
        self.said.append((verified_at, whole_at, fault))


@dataclass
class Desk:
    db: Database
    clock: SimulatedClock
    part: int = 1000
    witness: Remembering = field(default_factory=Remembering)
    gauges: Gauges = field(default_factory=Gauges)

    def __post_init__(self) -> None:
        book = AuditBook(self.db.audit, FixedKeys(), self.clock, self.witness)
        self.watch = AuditWatch(book, self.db.audit_watch, self.clock, self.gauges, self.part)

    async def write(self, count: int) -> None:
        one = NewAuditEntry(self.clock.now(), "anna", "a1", "change.approved")
        await self.db.audit.append([one] * count, LINK)

    async def later(self, by: timedelta = EVERY) -> Watched:
        await self.clock.advance(by.total_seconds())
        await self.watch.look()
        found = await self.watch.last()
        assert found is not None
        return found

    async def told(self) -> list[str]:
        kinds = [one.kind for one in await self.db.events.after(0, limit=100)]
        return [kind for kind in kinds if kind.startswith("audit.")]

    async def alarms(self) -> list[str]:
        return [one.message for one in await self.db.events.alarms()]


def desk(db: Database, **more: object) -> Desk:
    return Desk(db, SimulatedClock(), **more)  # type: ignore[arg-type]


async def test_all_of_it_is_looked_at_first_then_what_came_since_and_after_a_week_all_of_it_again(db: Database) -> None:
    at = desk(db)
    assert await at.watch.last() is None
    await at.write(5)
    first = await at.later(timedelta())
    assert (first.number, first.whole_at, first.fault) == (5, at.clock.now(), None)
    assert await at.later(EVERY - timedelta(seconds=1)) == first
    await at.write(3)
    second = await at.later(timedelta(seconds=1))
    assert (second.number, second.whole_at) == (8, first.whole_at)
    assert second.at > first.at
    assert (await at.later(WHOLE)).whole_at == at.clock.now()
    assert at.gauges.said[-1] == (at.clock.now().timestamp(), at.clock.now().timestamp(), False)
    assert (await at.told(), await at.alarms()) == ([], [])


async def test_an_edit_of_what_came_since_is_told_within_the_hour(db: Database, database_url: str) -> None:
    at = desk(db)
    await at.write(5)
    await at.later(timedelta())
    await at.write(5)
    with intruder(database_url) as run:
        run(EDIT, n=7)
    with capture_logs() as logs:
        found = await at.later()
    assert found.fault is not None
    assert (found.number, found.fault.number, found.fault.what) == (5, 7, "edited")
    assert [(one["event"], one["log_level"], one["number"]) for one in logs if one["event"] == ALARM] == [
        (ALARM, "error", 7)
    ]
    assert at.gauges.said[-1][2] is True
    assert await at.told() == [ALARM]
    (alarm,) = await at.alarms()
    assert "entry 7 is wrong (edited)" in alarm
    # It is said once, however often it is found, and by whichever process.
    assert (await desk(db).later()).fault == found.fault
    assert (await at.later()).fault == found.fault
    assert (await at.told(), len(await at.alarms())) == ([ALARM], 1)


async def test_an_edit_of_what_was_whole_is_found_by_the_weekly_look(db: Database, database_url: str) -> None:
    at = desk(db)
    await at.write(9)
    await at.later(timedelta())
    with intruder(database_url) as run:
        run(EDIT, n=2)
    assert (await at.later()).fault is None
    found = await at.later(WHOLE)
    assert found.fault is not None
    assert (found.fault.number, found.fault.what) == (2, "edited")


async def test_a_gap_a_cut_and_an_emptied_log_are_told(db: Database, database_url: str) -> None:
    at = desk(db)
    await at.write(6)
    await at.later(timedelta())
    await at.write(6)
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number = 9")
    found = await at.later()
    assert found.fault == Fault(9, "missing", "entry 9 is not there")
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry WHERE number > 4")
    found = await at.later()
    assert found.fault is not None
    assert found.fault.what == "cut"
    with intruder(database_url) as run:
        run("DELETE FROM audit_entry")
        run("DELETE FROM audit_head")
    found = await at.later()
    assert found.fault is not None
    assert found.fault.what == "cut", "nothing is left of it, and the end that was noted is missed"


async def test_a_log_that_is_put_right_is_told_as_whole(db: Database, database_url: str) -> None:
    at = desk(db)
    await at.write(5)
    (row,) = await db.audit.rows(3, 1)
    with intruder(database_url) as run:
        run(EDIT, n=3)
    assert (await at.later(timedelta())).fault is not None
    with intruder(database_url) as run:
        run("UPDATE audit_entry SET actor = :actor WHERE number = 3", actor=row.actor)
    found = await at.later()
    assert (found.fault, found.number) == (None, 5)
    assert (await at.told(), await at.alarms()) == ([ALARM, "audit.whole"], [])


async def test_a_long_log_is_looked_at_in_parts(db: Database, database_url: str) -> None:
    at = desk(db, part=10)
    await at.write(35)
    for _ in range(3):
        await at.watch.look()
        assert await at.watch.last() is None
    assert (await at.later(timedelta())).number == 35
    with intruder(database_url) as run:
        run(EDIT, n=33)
    await at.clock.advance(WHOLE.total_seconds())
    assert [(await at.later(timedelta())).fault for _ in range(3)] == [None] * 3
    found = await at.later(timedelta())
    assert found.fault is not None
    assert found.fault.number == 33


async def test_of_two_processes_that_look_at_once_one_writes_it_down(db: Database) -> None:
    known = Watched(NOW, 3, "ab" * 32, NOW)
    assert await db.audit_watch.note(None, known)
    assert not await db.audit_watch.note(None, replace(known, number=4))
    later = replace(known, at=NOW + EVERY, fault=Fault(2, "edited", "é"))
    assert await db.audit_watch.note(known, later)
    assert not await db.audit_watch.note(known, replace(known, at=NOW + WHOLE))
    assert await db.audit_watch.watched() == later


def test_after_a_fault_all_of_it_is_looked_at_each_hour() -> None:
    known = Watched(NOW, 3, "ab" * 32, NOW, Fault(2, "edited", ""))
    assert due(None, NOW) == "whole"
    assert due(known, NOW + EVERY - timedelta(seconds=1)) is None
    assert due(known, NOW + EVERY) == "whole"
    assert due(replace(known, fault=None), NOW + EVERY) == "rest"
