"""Replacements of hardware and their journals, on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, FenceLost, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.replacement.replacements import Answers, Ask, Entry, Progress, Replacement, Result, Stage, Step
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.replacements import PUSH_KEY, Hold
from cpe_manager.ports.stores import NewWork
from tests.contract.stores.making import (
    NOW,
    a_draft,
    a_job,
    a_push,
    a_replacement,
    after,
    an_order,
    back_up,
    claim,
    fleet,
    kinds,
    new_id,
)

SAID = NewEvent("replacement.answered", after(9))


async def ordered(db: Database, device: Device) -> Replacement:
    return await db.replacements.create(a_replacement(device, progress=Progress(not_before=NOW)))


async def held(db: Database, one: Replacement, owner: str = "w1", at: float = 0) -> Hold:
    hold = await db.replacements.hold(one.id, owner=owner, now=after(at), ttl=30)
    assert hold is not None
    return hold


async def test_what_was_ordered_is_found_by_id_and_in_the_list(db: Database) -> None:
    first, second = await fleet(db, 2)
    answers = Answers("SHA256:a", "abc123", {"eth0": "wan"}, "the owner, by telephone", "op", NOW, 2, None)
    one = a_replacement(first, version=7, key="op:k1", answers=answers)
    other = a_replacement(second, created_at=after(1))
    assert await db.replacements.create(one) == one
    await db.replacements.create(other)
    assert (await db.replacements.replacement(one.id)).replacement == one
    assert [found.id for found in (await db.replacements.replacements()).items] == [other.id, one.id]
    page = await db.replacements.replacements(limit=1)
    assert [found.id for found in (await db.replacements.replacements(limit=1, after=page.next)).items] == [one.id]
    assert (await db.replacements.replacements(position_id=second.position_id)).items == (other,)
    assert "replacement.ordered" in await kinds(db)
    with pytest.raises(NotFound):
        await db.replacements.replacement(new_id())


async def test_the_same_key_gives_the_one_that_is_there_and_a_position_has_one_at_a_time(db: Database) -> None:
    (device,) = await fleet(db, 1)
    one = await db.replacements.create(a_replacement(device, key="op:k1"))
    assert (await db.replacements.create(a_replacement(device, key="op:k1"))).id == one.id
    with pytest.raises(Conflict, match="replaced already"):
        await db.replacements.create(a_replacement(device, key="op:k2"))
    hold = await held(db, one)
    await db.replacements.advance(hold, Progress(Stage.CANCELLED, ended_at=NOW))
    assert (await db.replacements.create(a_replacement(device, key="op:k2"))).id != one.id
    assert [found.id for found in (await db.replacements.replacements(open_only=True)).items] != [one.id]


async def test_what_the_work_comes_to_is_written_with_its_journal_in_order(db: Database) -> None:
    (device,) = await fleet(db, 1)
    one = await ordered(db, device)
    hold = await held(db, one)
    progress = Progress(
        Stage.PLANNED, (Ask.PLAN,), 3, "ssh-ed25519 AAAA", {"losses": [{"part": "wifi"}]}, {"tests": [True]}, new_id(),
        new_id(), new_id(), "look at it", after(60), "because", None,
    )  # fmt: skip
    entries = [
        Entry(Step.KEY, after(1), Result.ASKS, "SHA256:x"),
        Entry(Step.SWAP, after(2)),
        Entry(Step.SWAP, after(3), Result.DONE, "serial"),
    ]
    for entry in entries:
        await db.replacements.advance(hold, progress, entry)
    found = await db.replacements.replacement(one.id)
    assert found.replacement.progress == progress
    assert list(found.journal) == entries


async def test_only_one_works_on_it_and_a_passed_fence_writes_nothing(db: Database, other: Database) -> None:
    (device,) = await fleet(db, 1)
    one = await ordered(db, device)
    assert await db.replacements.due(after(1)) == [one.id]
    hold = await held(db, one)
    assert await db.replacements.due(after(1)) == []
    assert await other.replacements.hold(one.id, owner="w2", now=after(5), ttl=30) is None
    assert await db.replacements.renew(hold, now=after(20), ttl=30)
    assert await db.replacements.due(after(49)) == []
    assert await db.replacements.due(after(51)) == [one.id]
    taken = await held(other, one, "w2", 51)
    assert taken.fence > hold.fence
    assert not await db.replacements.renew(hold, now=after(52), ttl=30)
    with pytest.raises(FenceLost):
        await db.replacements.advance(hold, Progress(Stage.CLOSED), Entry(Step.CLOSE, after(52)))
    await db.replacements.release(hold)
    assert await other.replacements.hold(one.id, owner="w3", now=after(53), ttl=30) is None
    await other.replacements.release(taken)
    await held(db, one, "w3", 54)
    await db.replacements.release_all()
    again = await held(db, one, "w4", 55)
    assert again.fence > taken.fence


async def test_who_waits_for_a_person_is_not_due_until_the_person_has_spoken(db: Database) -> None:
    (device,) = await fleet(db, 1)
    one = await ordered(db, device)
    hold = await held(db, one)
    await db.replacements.advance(hold, Progress(asks=(Ask.KEY,), questions=1, not_before=None))
    await db.replacements.release(hold)
    assert await db.replacements.due(after(1000)) == []
    answers = replace(one.answers, key="SHA256:x", answered=1)
    answered = await db.replacements.answer(one.id, answers, SAID)
    assert (answered.answers, answered.progress.asks, answered.progress.questions) == (answers, (), 1)
    assert await db.replacements.due(after(10)) == [one.id]
    assert (await kinds(db))[-1] == "replacement.answered"
    hold = await held(db, one, at=10)
    await db.replacements.advance(hold, Progress(Stage.CLOSED, ended_at=after(11)))
    assert await db.replacements.due(after(1000)) == []
    assert await db.replacements.hold(one.id, owner="w1", now=after(12), ttl=30) is None
    with pytest.raises(Conflict, match="closed"):
        await db.replacements.answer(one.id, answers, SAID)


async def test_what_new_hardware_came_with_is_never_what_is_restored(db: Database) -> None:
    old, new = await fleet(db, 2)
    assert await db.replacements.restorable(old.position_id) is None
    first = await back_up(db, old, "hostname a")
    await back_up(db, new, "hostname b")
    assert await db.replacements.restorable(old.position_id) == first
    swap = await ordered(db, old)
    hold = await held(db, swap)
    await db.replacements.advance(hold, replace(swap.progress, new_device_id=old.id))
    job = a_job(kind=JobKind.PUSH)
    push = a_push(old, job, key=f"op:{PUSH_KEY}{swap.id}:0")
    await db.pushes.create(push, an_order(), job, NewWork(old.id, 0, NOW))
    (row,) = await claim(db, job)
    factory = new_id()
    await db.pushes.snapshot(push, factory, a_draft("hostname factory"), NOW, row.lease)
    assert (await db.backups.backup(factory)).number == 2
    assert await db.replacements.restorable(old.position_id) == first


async def test_releases_are_those_of_devices_in_service_that_told_one(db: Database) -> None:
    told, silent = await fleet(db, 2)
    await db.facts.put(
        [
            DeviceFacts(told.id, Facts(os_release="7.15"), "session", NOW),
            DeviceFacts(silent.id, Facts(model="M"), "session", NOW),
        ]
    )
    assert await db.replacements.releases() == [(told.id, "7.15")]
