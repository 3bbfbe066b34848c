"""A process that works on an activation dies at any write; another one goes on. And the watch over its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.activation.activation_flow import State, Step
from cpe_manager.domain.activation.activations import (
    Activation,
    ActivationOrder,
    ActivationReport,
    Progress,
    RushAnswer,
    TestResult,
    TestRound,
    Verdict,
)
from cpe_manager.domain.errors import ConnectFailed, StoreBusy
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.working_days import Promise
from cpe_manager.ports.activations import AT_RISK, OVERDUE, TICKET, UNANSWERED, ActivationStore
from cpe_manager.ports.engine import Ticket
from cpe_manager.services.activation.keeper import ActivationWatch, ActivationWork, Hands
from cpe_manager.services.activation.parts import Trip
from cpe_manager.services.backup.attempt import Outside
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.drivers import FAMILY
from tests.support.one_box import enrolled


class Died(StoreBusy):
    """The database is gone in this moment, and so is the process."""


@dataclass
class Mortal:
    """The real store; the process dies at write number ``at``, before it was written or after."""

    real: ActivationStore
    at: int = 0
    after: bool = False
    writes: int = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name not in {"advance", "add_report"}:
            return method

        async def write(*args: Any, **more: Any) -> Any:
            self.writes += 1
            if self.writes == self.at and not self.after:
                raise Died("before the write")
            found = await method(*args, **more)
            if self.writes == self.at:
                raise Died("after the write")
            return found

        return write


@dataclass
class Site:
    """What the steps do to the world. A push or a backup of a name that is there already is followed, not made anew."""

    made: list[str] = field(default_factory=list)
    subscribed: int = 0
    tests: int = 0
    fails: int = 1
    """Rounds of tests that find a port closed."""
    away: int = 0
    """Times that the box does not answer."""

    async def subscribe(self, trip: Trip) -> str:
        await trip.begin()
        self.subscribed = 1
        return "subscribed"

    async def push(self, trip: Trip, step: Step, number: int) -> str:
        if self.away:
            self.away -= 1
            raise ConnectFailed("no route")
        await trip.begin()
        await self._once(trip, f"{step}:{number}")
        return "pushed"

    async def back_up(self, trip: Trip, number: int) -> str:
        await trip.begin()
        await self._once(trip, f"backup:{number}")
        return "version 1"

    async def _once(self, trip: Trip, name: str) -> None:
        if name not in self.made:
            self.made.append(name)
        trip.progress = replace(trip.progress, push_id=name.encode().hex()[:32])
        await trip.save()

    async def activate(self, trip: Trip) -> str:
        await trip.begin()
        at = trip.progress.activated_at or trip.activation.created_at
        trip.progress = replace(trip.progress, activated_at=at)
        return "activated"

    async def run(self, trip: Trip, number: int) -> TestRound:
        bad = number < self.fails
        verdict, redo = (Verdict.FAILED, (Step.CONFIGURE,)) if bad else (Verdict.PASSED, ())
        result = TestResult("ports", "Opened ports", "§3.4", verdict, reason="closed" if bad else "", redo=redo)
        made = TestRound(number + 1, trip.activation.created_at, (result,))
        trip.progress = replace(trip.progress, rounds=(*trip.progress.rounds, made))
        return made

    async def make(self, trip: Trip, number: int, *, passed: bool, reason: str) -> ActivationReport:
        trip.progress = replace(trip.progress, reports=number)
        return ActivationReport(trip.id, number, trip.activation.created_at, passed, {"reason": reason}, "<p></p>")


@dataclass
class Tickets:
    asked: list[Ticket] = field(default_factory=list)

    async def enqueue(self, tickets: Any) -> None:
        self.asked += tickets


@dataclass
class World:
    database: Database
    outside: Outside
    clock: SimulatedClock
    site: Site
    tickets: Tickets = field(default_factory=Tickets)
    processes: int = 0

    async def ordered(self, **more: Any) -> Activation:
        view = await self.database.inventory.device("r1")
        order = ActivationOrder("pro-plus", LineKind.COPPER)
        ids, now = self.outside.ids, self.clock.now()
        values: dict[str, Any] = {
            "promise": Promise(now + timedelta(days=28), now + timedelta(days=21)),
            "progress": Progress(not_before=now),
        } | more  # fmt: skip
        made = Activation(
            ids.new(), view.device.site_id, view.device.site, view.device.id, "r1", "pro-plus", LineKind.COPPER, 1,
            order.shown(), now, "op", **values,
        )  # fmt: skip
        sealed = self.outside.vault.seal_note(ids.new(), '{"formula": "pro-plus", "technology": "copper"}')
        return await self.database.activations.create(made, sealed)

    async def work(self, one: Activation, at: int = 0, *, after: bool = False) -> Mortal:
        """A process of its own that goes as far as it goes, or dies."""
        self.processes += 1
        store = Mortal(self.database.activations, at, after)
        hands = Hands(cast("Any", self.site), cast("Any", self.site), cast("Any", self.site))
        owner = f"p{self.processes}"
        work = ActivationWork(cast("ActivationStore", store), hands, self.outside, owner=owner)
        await work.handle(Ticket(TICKET, one.id))
        return store

    async def journal(self, one: Activation) -> list[str]:
        record = await self.database.activations.activation(one.id)
        return [f"{entry.step} {entry.result}" for entry in record.journal if entry.result is not None]

    async def state(self, one: Activation) -> Progress:
        return (await self.database.activations.activation(one.id)).activation.progress

    async def kinds(self) -> list[str]:
        return [one.kind for one in await self.database.events.after(0, limit=10_000)]

    @property
    def watch(self) -> ActivationWatch:
        store, events = self.database.activations, self.database.events
        return ActivationWatch(store, events, cast("Any", self.tickets), self.outside, "Europe/Brussels")


@asynccontextmanager
async def opened(home: Path, url: str) -> AsyncIterator[World]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(url) as database:
        await enrolled(database, clock, ids, FAMILY)
        nobody = cast("Any", None)
        outside = Outside(nobody, nobody, nobody, Vault(keys), clock, ids)
        yield World(database, outside, clock, Site())


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    async with opened(tmp_path, sqlite_url) as made:
        yield made


WHOLE = [
    "subscribe done", "configure done", "address done", "wifi done", "backup done", "test failed", "configure done",
    "test done", "report done", "activate done",
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
async def test_a_process_that_dies_at_any_write_is_followed_by_one_that_does_nothing_twice(
    world: World, after: bool
) -> None:
    one = await world.ordered()
    writes = (await world.work(one)).writes
    assert await world.journal(one) == WHOLE
    assert writes > 20
    for at in range(1, writes + 1):
        world.site = Site()
        one = await world.ordered()
        before = (await world.kinds()).count("activation.activated")
        await world.work(one, at, after=after)
        await world.work(one)
        where = f"died at write {at}"
        assert await world.journal(one) == WHOLE, where
        assert world.site.made == ["configure:0", "address:0", "wifi:0", "backup:0", "configure:1"], where
        progress = await world.state(one)
        assert (progress.state, progress.reports, len(progress.rounds)) == (State.ACTIVATED, 1, 2), where
        assert (await world.kinds()).count("activation.activated") == before + 1, where
        assert (await world.database.activations.report(one.id)).passed


async def test_a_box_that_does_not_answer_is_waited_for_with_one_line_in_the_journal(world: World) -> None:
    world.site.away = 3
    one = await world.ordered()
    for _ in range(3):
        await world.work(one)
        progress = await world.state(one)
        assert progress.state is State.CONFIGURING
        assert progress.note == "no route"
        assert progress.not_before is not None
        assert progress.not_before > world.clock.now()
        assert await world.journal(one) == ["subscribe done", "configure waits"]
    assert (await world.kinds()).count("activation.step") == 3
    await world.work(one)
    assert (await world.journal(one))[2:] == WHOLE[1:]


async def test_what_is_said_while_nobody_works_counts_from_the_next_step_on(world: World) -> None:
    world.site.away = 1
    one = await world.ordered()
    await world.work(one)
    before = (await world.database.activations.activation(one.id)).activation
    event = NewEvent("activation.cancelling", world.clock.now())
    await world.database.activations.say(before, replace(before.said, cancelled_by="op"), event)
    await world.work(one)
    progress = await world.state(one)
    assert (progress.state, progress.note) == (State.CANCELLED, "called off by op")
    assert world.site.made == []


async def test_a_rush_waits_for_its_answer_and_is_told_when_that_is_late(world: World) -> None:
    now = world.clock.now()
    promise = Promise(now + timedelta(days=28), now + timedelta(days=21), now + timedelta(days=2))
    one = await world.ordered(rush=True, promise=promise)
    await world.work(one)
    await world.work(one)
    progress = await world.state(one)
    assert (progress.state, progress.not_before) == (State.RUSH_ASKED, None)
    assert (await world.kinds()).count("activation.step") == 2
    await world.watch.look()
    assert await world.database.events.alarms() == []
    await world.clock.advance(timedelta(days=2).total_seconds())
    await world.watch.look()
    await world.watch.look()
    (alarm,) = await world.database.events.alarms()
    assert alarm.kind == UNANSWERED
    before = (await world.database.activations.activation(one.id)).activation
    answer = RushAnswer(False, "op", world.clock.now(), reason="no van")
    event = NewEvent("activation.rush_answered", world.clock.now())
    await world.database.activations.say(before, replace(before.said, rush=answer), event)
    assert await world.database.events.alarms() == []
    await world.watch.look()
    assert [ticket.id for ticket in world.tickets.asked] == [one.id]
    await world.work(one)
    assert (await world.state(one)).state is State.ACTIVATED


async def test_a_target_at_risk_is_an_alarm_and_another_one_when_it_has_passed(world: World) -> None:
    world.site.away = 99
    one = await world.ordered()
    await world.work(one)
    for days, kinds in ((20, []), (1, [AT_RISK]), (6, [AT_RISK]), (1, [OVERDUE])):
        await world.clock.advance(timedelta(days=days).total_seconds())
        await world.watch.look()
        found = await world.database.events.alarms()
        assert [alarm.kind for alarm in found] == kinds
    assert "is to be activated by" not in found[0].message
    assert "no route" in found[0].message
    world.site.away = 0
    await world.work(one)
    assert (await world.state(one)).state is State.ACTIVATED
    assert await world.database.events.alarms() == []
