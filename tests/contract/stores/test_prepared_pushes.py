"""A push that was prepared comes into being whole, at the moment of its effect, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, FenceLost
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.jobs import JobKind, Outcome, Priority
from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.pushes import Ended, Prepared
from cpe_manager.ports.stores import Claimed, NewWork
from tests.contract.stores.making import (
    NOW,
    a_draft,
    a_job,
    a_push,
    after,
    an_order,
    back_up,
    claim,
    ended,
    fleet,
    kinds,
    run_for,
)

JOURNAL = (
    Entry(Step.PLAN, NOW),
    Entry(Step.PLAN, NOW, Result.DONE),
    Entry(Step.CHECK, NOW),
    Entry(Step.CHECK, NOW, Result.DONE),
    Entry(Step.SNAPSHOT, NOW),
    Entry(Step.SNAPSHOT, NOW, Result.DONE),
    Entry(Step.ARM, NOW, deadline=after(120)),
    Entry(Step.APPLY, NOW),
)


def prepared(device: Device, version: str, **more: Any) -> Prepared:
    job = a_job(kind=JobKind.PUSH, priority=Priority.URGENT)
    draft = more.pop("draft", None)
    push = a_push(device, job, priority=Priority.URGENT, snapshot_id=version, begun_at=NOW, **more)
    return Prepared(push, an_order(), job, JOURNAL, draft)


async def made(db: Database, new: Prepared, *, owner: str = "w1", at: float = 0) -> Claimed:
    return await db.pushes.create_prepared(new, owner=owner, now=after(at), ttl=60)


async def test_it_is_there_at_once_with_job_row_lease_and_journal(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    new = prepared(device, version, key="failover:1")
    row = await made(db, new)
    assert (row.device.id, row.kind, row.lease.owner) == (device.id, JobKind.PUSH, "w1")
    assert row.last_good is not None
    record = await db.pushes.push(new.push.id)
    assert tuple(record.journal) == JOURNAL
    assert (record.push.phase, record.push.snapshot_id, record.push.begun_at) == (Phase.SNAPSHOTTED, version, NOW)
    assert (await db.pushes.of_row(new.job.id, device.id)).order.ciphertext == b"order\x00\xff"
    assert "push.requested" in await kinds(db)
    await db.pushes.record(new.push.id, Entry(Step.APPLY, after(1), Result.DONE), Phase.APPLIED, row.lease)
    await db.pushes.end(new.push, Ended(Phase.CONFIRMED, "", after(2)), row.lease)
    assert await db.jobs.settle([ended(row, Outcome.CONFIRMED)]) == []
    assert (await db.jobs.job(new.job.id)).counts["done"] == 1


async def test_a_backup_under_way_loses_the_device_and_writes_nothing(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    night = await run_for(db, [device])
    (visiting,) = await claim(db, night, owner="w2")
    row = await made(db, prepared(device, version))
    assert row.lease.fence > visiting.lease.fence
    late = ended(visiting)
    assert await db.jobs.settle([late]) == [late]
    assert await db.jobs.renew([visiting.lease], now=after(1), ttl=60) == []
    assert await claim(db, night, owner="w2", now=after(500)) == []  # it is the push's alone until its end


async def test_a_push_that_has_had_no_effect_yet_loses_it_too_and_one_in_its_middle_does_not(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    job = a_job(kind=JobKind.PUSH)
    other: Push = await db.pushes.create(a_push(device, job), an_order(), job, NewWork(device.id, 0, NOW))
    (planning,) = await claim(db, job, owner="w2")
    swift = prepared(device, version)
    row = await made(db, swift)
    with pytest.raises(FenceLost):
        await db.pushes.snapshot(other, version, None, after(2), planning.lease)
    await db.pushes.end(swift.push, Ended(Phase.CONFIRMED, "", after(3)), row.lease)
    assert await db.jobs.settle([ended(row, Outcome.CONFIRMED)]) == []
    (again,) = await claim(db, job, owner="w2", now=after(100))
    await db.pushes.snapshot(other, version, None, after(101), again.lease)
    with pytest.raises(Conflict, match="in the middle"):
        await made(db, prepared(device, version), at=102)


async def test_the_version_to_go_back_to_is_stored_with_it_when_it_is_new(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    new = prepared(device, "f" * 32, draft=a_draft("hostname b"))
    await made(db, new)
    assert (await db.inventory.device(device.id)).status.current_backup_id == "f" * 32
    assert (await db.backups.backup("f" * 32)).number == 2


async def test_nothing_is_written_for_a_key_that_is_known_or_a_stuck_device(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    first = prepared(device, version, key="failover:1")
    row = await made(db, first)
    again = prepared(device, version, key="failover:1")
    with pytest.raises(Conflict, match=first.push.id):
        await made(db, again, at=1)
    await db.pushes.end(first.push, Ended(Phase.STUCK, "lost", after(2)), row.lease)
    with pytest.raises(Conflict, match="stuck"):
        await made(db, prepared(device, version, key="failover:2"), at=3)
    assert [one.id for one in (await db.pushes.pushes()).items] == [first.push.id]
    assert (await db.jobs.jobs()).items[0].id == first.job.id


async def test_after_a_crash_another_worker_finds_it_due_with_its_journal(db: Database) -> None:
    (device,) = await fleet(db, 1)
    new = prepared(device, await back_up(db, device))
    row = await made(db, new)
    assert await claim(db, new.job, owner="w2", now=after(10)) == []
    (again,) = await claim(db, new.job, owner="w2", now=after(61))
    assert again.lease.fence == row.lease.fence + 1
    assert (await db.pushes.of_row(new.job.id, device.id)).record.journal[-1].step is Step.APPLY
