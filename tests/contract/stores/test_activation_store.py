"""Activations, their journals and reports, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.activation.activation_flow import Entry, Result, State, Step
from cpe_manager.domain.activation.activations import (
    Activation,
    ActivationReport,
    Progress,
    RushAnswer,
    Said,
    TestResult,
    TestRound,
    Verdict,
)
from cpe_manager.domain.errors import Conflict, FenceLost, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.working_days import Promise
from cpe_manager.ports.activations import AT_RISK, UNANSWERED, ActivationFilter, Hold, alarm_key
from tests.contract.stores.making import NOW, a_device, add, after, an_activation, an_order, kinds, new_id

SAID = NewEvent("activation.rush_answered", after(9))
DUE = Progress(not_before=NOW)


async def sites(db: Database, *names: str) -> list[Device]:
    """A device on a site of its own for each name, as the inventory has them."""
    for name in names:
        await add(db, a_device(f"cpe-{name}", site=name))
    return [(await db.inventory.device(f"cpe-{name}")).device for name in names]


async def ordered(db: Database, device: Device, **more: Any) -> Activation:
    return await db.activations.create(an_activation(device, **({"progress": DUE} | more)), an_order())


async def held(db: Database, one: Activation, owner: str = "w1", at: float = 0) -> Hold:
    hold = await db.activations.hold(one.id, owner=owner, now=after(at), ttl=30)
    assert hold is not None
    return hold


async def test_what_was_ordered_is_found_by_id_by_site_and_by_device(db: Database) -> None:
    gent, ieper = await sites(db, "gent", "ieper")
    answer = RushAnswer(True, "op", after(1), date(2026, 3, 9), "a van is free")
    promise = Promise(after(9), after(8), after(7))
    one = an_activation(gent, rush=True, router=False, key="op:k1", said=Said(answer, 2), promise=promise)
    sealed = an_order()
    assert await db.activations.create(one, sealed) == one
    other = await ordered(db, ieper, created_at=after(1))
    for ref in (one.id, "gent", "cpe-gent"):
        assert (await db.activations.activation(ref)).activation == one
    assert await db.activations.order(one.id) == sealed
    assert "activation.ordered" in await kinds(db)
    assert [found.id for found in (await db.activations.activations(ActivationFilter())).items] == [other.id, one.id]
    page = await db.activations.activations(ActivationFilter(), limit=1)
    rest = await db.activations.activations(ActivationFilter(), limit=1, after=page.next)
    assert [found.id for found in rest.items] == [one.id]
    with pytest.raises(NotFound):
        await db.activations.activation(new_id())
    with pytest.raises(NotFound):
        await db.activations.order(new_id())


async def test_what_lies_outside_the_sites_of_whoever_looks_does_not_exist(db: Database) -> None:
    gent, ieper = await sites(db, "gent", "ieper")
    one, other = await ordered(db, gent), await ordered(db, ieper)
    mine = await db.activations.activations(ActivationFilter(sites={"gent"}))
    assert [found.id for found in mine.items] == [one.id]
    assert (await db.activations.activations(ActivationFilter(sites=()))).items == ()
    for ref in (other.id, "ieper"):
        with pytest.raises(NotFound):
            await db.activations.activation(ref, {"gent"})
    by_device = await db.activations.activations(ActivationFilter(device_id=ieper.id, states=(State.ORDERED,)))
    assert [found.id for found in by_device.items] == [other.id]


async def test_the_same_key_gives_the_one_that_is_there_and_a_site_has_one_at_a_time(db: Database) -> None:
    (device,) = await sites(db, "gent")
    one = await ordered(db, device, key="op:k1")
    assert (await ordered(db, device, key="op:k1")).id == one.id
    assert (await kinds(db)).count("activation.ordered") == 1
    with pytest.raises(Conflict, match="being activated already"):
        await ordered(db, device, key="op:k2")
    await db.activations.advance(await held(db, one), Progress(State.CANCELLED, ended_at=NOW))
    again = await ordered(db, device, key="op:k2", created_at=after(1))
    assert again.id != one.id
    assert (await db.activations.activation("gent")).activation.id == again.id
    open_ones = await db.activations.activations(ActivationFilter(open_only=True))
    assert [found.id for found in open_ones.items] == [again.id]


async def test_what_the_work_comes_to_is_written_with_its_journal_in_order(db: Database) -> None:
    (device,) = await sites(db, "gent")
    one = await ordered(db, device)
    hold = await held(db, one)
    result = TestResult("nat", "NAT", "§3.3", Verdict.FAILED, "1", "2", "é", (Step.CONFIGURE,), {"a": [None, 1.5]})
    progress = Progress(
        State.CORRECTING,
        1,
        "once more",
        after(60),
        new_id(),
        new_id(),
        new_id(),
        (TestRound(1, after(3), (result,)),),
        2,
    )
    entries = (
        Entry(Step.TEST, after(1)),
        Entry(Step.TEST, after(2), Result.FAILED, "NAT: é", (Step.CONFIGURE,)),
    )
    for entry in entries:
        await db.activations.advance(hold, progress, entry, [NewEvent("activation.step", after(2))])
    record = await db.activations.activation(one.id)
    assert record.journal == entries
    assert record.activation == replace(one, progress=progress)
    assert (await kinds(db)).count("activation.step") == 2


async def test_one_holder_at_a_time_and_who_lost_the_hold_writes_nothing(db: Database, other: Database) -> None:
    (device,) = await sites(db, "gent")
    one = await ordered(db, device)
    first = await held(db, one)
    assert await other.activations.hold(one.id, owner="w2", now=after(29), ttl=30) is None
    assert await db.activations.due(after(29)) == []
    second = await held(other, one, "w2", at=31)
    assert second.fence == first.fence + 1
    assert not await db.activations.renew(first, now=after(32), ttl=30)
    assert await other.activations.renew(second, now=after(32), ttl=30)
    report = ActivationReport(one.id, 1, NOW, True, {}, "")
    with pytest.raises(FenceLost):
        await db.activations.advance(first, DUE)
    with pytest.raises(FenceLost):
        await db.activations.add_report(first, report)
    await db.activations.release(first)
    assert await db.activations.hold(one.id, owner="w1", now=after(33), ttl=30) is None
    await other.activations.release(second)
    assert await db.activations.due(after(33)) == [one.id]
    await held(db, one, at=34)
    await db.activations.release_all()
    assert await db.activations.due(after(35)) == [one.id]
    await db.activations.advance(await held(db, one, at=36), Progress(State.ACTIVATED, ended_at=NOW))
    assert await db.activations.hold(one.id, owner="w1", now=after(99), ttl=30) is None


async def test_what_people_say_is_written_once_and_makes_it_due(db: Database) -> None:
    (device,) = await sites(db, "gent")
    one = await ordered(db, device, rush=True, promise=Promise(after(99), after(98), after(2)), progress=Progress())
    assert await db.activations.due(after(99)) == []
    late = Alarm(alarm_key(UNANSWERED, one.id), UNANSWERED, device.id, device.name, after(3), "not answered")
    await db.activations.alarm([late], [], after(3))
    answer = Said(RushAnswer(False, "op", after(9), reason="no van"))
    told = await db.activations.say(one, answer, SAID, Promise(after(50), after(40), after(2)))
    assert told.said == answer
    assert told.promise == Promise(after(50), after(40), after(2))
    assert await db.events.alarms() == []
    assert await db.activations.due(after(9)) == [one.id]
    with pytest.raises(Conflict, match="meanwhile"):
        await db.activations.say(one, Said(retries=1), SAID)
    await db.activations.advance(await held(db, one), Progress(State.CANCELLED, ended_at=NOW))
    with pytest.raises(Conflict, match="ended"):
        await db.activations.say(told, Said(answer.rush, retries=1), SAID)


async def test_reports_are_numbered_and_the_latest_is_given(db: Database) -> None:
    (device,) = await sites(db, "gent")
    one = await ordered(db, device)
    hold = await held(db, one)
    with pytest.raises(NotFound):
        await db.activations.report(one.id)
    first = ActivationReport(one.id, 1, after(1), False, {"tests": [{"é": None}]}, "<p>é</p>")
    second = ActivationReport(one.id, 2, after(2), True, {}, "<p>2</p>")
    for report in (first, second, replace(second, html="<p>once more</p>")):
        await db.activations.add_report(hold, report)
    assert await db.activations.report(one.id) == replace(second, html="<p>once more</p>")
    assert await db.activations.report(one.id, 1) == first


async def test_what_is_late_is_found_and_its_alarm_is_over_when_it_has_ended(db: Database) -> None:
    gent, ieper, brugge = await sites(db, "gent", "ieper", "brugge")
    risky = await ordered(db, gent, promise=Promise(after(200), after(100)))
    asked = await ordered(db, ieper, promise=Promise(after(900), after(800), after(100)))
    await ordered(db, brugge, promise=Promise(after(900), after(800)))
    assert await db.activations.late(after(99)) == []
    assert {one.id for one in await db.activations.late(after(100))} == {risky.id, asked.id}
    key = alarm_key(AT_RISK, risky.id)
    alarm = Alarm(key, AT_RISK, gent.id, gent.name, after(100), "at risk")
    for at in (100, 101):
        await db.activations.alarm([replace(alarm, raised_at=after(at))], [], after(at))
    assert [(one.key, one.raised_at) for one in await db.events.alarms()] == [(key, after(100))]
    assert (await kinds(db)).count("alarm.raised") == 1
    await db.activations.advance(await held(db, risky), Progress(State.ACTIVATED, ended_at=after(101)))
    assert await db.events.alarms() == []
    assert [one.id for one in await db.activations.late(after(100))] == [asked.id]
    counts = await db.activations.counts()
    assert (counts[State.ORDERED], counts[State.ACTIVATED]) == (2, 0)
