"""Pushes and their journals, on every database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, FenceLost, NotFound
from cpe_manager.domain.failover.lines import LineSetup
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome, WorkState
from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import Claimed, InventoryChanges, NewWork
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
    new_id,
    run_for,
)


async def asked(db: Database, device: Device, **more: Any) -> tuple[Push, Job]:
    job = a_job(kind=JobKind.PUSH)
    push = await db.pushes.create(a_push(device, job, **more), an_order(), job, NewWork(device.id, 0, NOW))
    return push, job


async def taken_up(db: Database, device: Device, **more: Any) -> tuple[Push, Claimed]:
    push, job = await asked(db, device, **more)
    (row,) = await claim(db, job)
    return push, row


async def test_what_was_asked_for_is_found_by_id_by_row_and_in_the_list(db: Database) -> None:
    (device,) = await fleet(db, 1)
    overrides = frozenset({Lockout.ROUTE, Lockout.ADDRESS})
    push, job = await asked(db, device, basis="abc", overrides=overrides, key="op:k1")
    assert (await db.pushes.push(push.id)).push == push
    found = await db.pushes.of_row(job.id, device.id)
    assert found.record.push == push
    assert found.order.ciphertext == b"order\x00\xff"
    assert [one.id for one in (await db.pushes.pushes()).items] == [push.id]
    assert "push.requested" in await kinds(db)
    with pytest.raises(NotFound):
        await db.pushes.push(new_id())
    with pytest.raises(NotFound):
        await db.pushes.of_row(job.id, new_id())


async def test_the_same_key_again_gives_the_push_that_is_there(db: Database) -> None:
    (device,) = await fleet(db, 1)
    first, _ = await asked(db, device, key="op:k1")
    again, job = await asked(db, device, key="op:k1")
    assert again == first
    assert await db.pushes.keyed("op:k1") == first
    assert await db.pushes.keyed("op:k2") is None
    with pytest.raises(NotFound):
        await db.jobs.job(job.id)


async def test_the_journal_keeps_its_order_and_the_push_its_phase(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    entries = [
        Entry(Step.PLAN, after(1)),
        Entry(Step.PLAN, after(2), Result.DONE),
        Entry(Step.ARM, after(3), None, "", after(303)),
        Entry(Step.ARM, after(4), Result.FAILED, "no room"),
    ]
    for entry in entries:
        await db.pushes.record(push.id, entry, Phase.CHECKED, row.lease)
    record = await db.pushes.push(push.id)
    assert list(record.journal) == entries
    assert record.push.phase is Phase.CHECKED


async def test_whoever_lost_the_lease_writes_nothing_any_more(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    (newer,) = await claim(db, a_job(id=push.job_id), owner="w2", now=after(120))
    assert newer.lease.fence > row.lease.fence
    for late in (
        db.pushes.record(push.id, Entry(Step.APPLY, after(130)), Phase.ARMED, row.lease),
        db.pushes.snapshot(push, new_id(), a_draft(), after(130), row.lease),
        db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(130)), row.lease),
    ):
        with pytest.raises(FenceLost):
            await late
    record = await db.pushes.push(push.id)
    assert record.push == push
    assert record.journal == []


async def test_a_snapshot_becomes_the_current_version(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    push, row = await taken_up(db, device)
    draft, backup_id = a_draft("hostname b"), new_id()
    await db.pushes.snapshot(push, backup_id, draft, after(9), row.lease)
    assert (await db.pushes.push(push.id)).push.snapshot_id == backup_id
    assert (await db.inventory.device(device.id)).status.current_backup_id == backup_id
    assert (await db.backups.backup(backup_id)).number == 2
    assert await db.backups.sealed(backup_id) == draft.sealed


async def test_in_the_middle_of_a_push_nobody_else_gets_the_device(db: Database) -> None:
    """Not even when its lease has run out: what the device runs then is neither before nor after."""
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    push, row = await taken_up(db, device)
    night = await run_for(db, [device])
    _, other = await asked(db, device)
    await db.pushes.snapshot(push, version, None, after(9), row.lease)
    for job in (night, other):
        assert await claim(db, job, owner="w2", now=after(500)) == []
    (again,) = await claim(db, a_job(id=push.job_id), owner="w2", now=after(500))
    await db.pushes.end(push, Ended(Phase.REVERTED, "no", after(501)), again.lease)
    assert await db.jobs.settle([ended(again, Outcome.REVERTED, at=after(502))]) == []
    assert len(await claim(db, night, owner="w2", now=after(503))) == 1


async def test_a_push_that_has_begun_goes_on_when_the_device_is_suspended(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, _ = await taken_up(db, device)
    gone = replace(device, state=LifeState.SUSPENDED)
    await db.inventory.apply(InventoryChanges(at=after(20), update=(gone,)))
    assert len(await claim(db, a_job(id=push.job_id), owner="w2", now=after(500))) == 1


@pytest.mark.parametrize(
    ("phase", "outcome", "state", "job_state"),
    [
        (Phase.CONFIRMED, Outcome.CONFIRMED, WorkState.DONE, JobState.DONE),
        (Phase.REVERTED, Outcome.REVERTED, WorkState.FAILED, JobState.FAILED),
        (Phase.STUCK, Outcome.STUCK, WorkState.FAILED, JobState.FAILED),
        (Phase.WITHDRAWN, Outcome.WITHDRAWN, WorkState.CANCELLED, JobState.CANCELLED),
    ],
)
async def test_an_end_is_written_once_and_closes_the_job(
    db: Database, phase: Phase, outcome: Outcome, state: WorkState, job_state: JobState
) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    before = (await db.inventory.device(device.id)).status
    push, row = await taken_up(db, device)
    await db.pushes.end(push, Ended(phase, "because", after(30)), row.lease)
    await db.pushes.end(push, Ended(phase, "because of something else", after(31)), row.lease)
    assert await db.jobs.settle([ended(row, outcome, at=after(32))]) == []
    found = (await db.pushes.push(push.id)).push
    assert (found.phase, found.reason, found.ended_at) == (phase, "because", after(30))
    (work,) = (await db.jobs.work(push.job_id)).items
    assert (work.state, work.outcome) == (state, outcome)
    assert (await db.jobs.job(push.job_id)).state is job_state
    assert (await kinds(db)).count(f"push.{phase.value}") == 1
    assert [alarm.kind for alarm in await db.events.alarms()] == (["push.stuck"] if phase is Phase.STUCK else [])
    status = (await db.inventory.device(device.id)).status
    assert status.current_backup_id == version
    if phase is not Phase.CONFIRMED:
        assert status == before


async def test_a_push_is_withdrawn_until_it_has_ended_and_its_job_is_never_cancelled(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    with pytest.raises(Conflict, match="withdrawing"):
        await db.jobs.cancel(push.job_id, at=after(1), by="op")
    assert not await db.pushes.withdrawn(push.id)
    asked_back = await db.pushes.withdraw(push.id, at=after(2), by="somebody")
    assert asked_back.withdrawn_by == "somebody"
    assert await db.pushes.withdrawn(push.id)
    await db.pushes.end(push, Ended(Phase.WITHDRAWN, "withdrawn", after(3)), row.lease)
    with pytest.raises(Conflict, match="ended"):
        await db.pushes.withdraw(push.id, at=after(4), by="somebody")
    with pytest.raises(NotFound):
        await db.pushes.withdraw(new_id(), at=after(4), by="somebody")


async def test_the_list_comes_newest_first_page_by_page_and_can_be_narrowed(db: Database) -> None:
    one, two = await fleet(db, 2)
    made = [(await asked(db, device, created_at=after(n)))[0] for n, device in enumerate((one, two, one))]
    first = await db.pushes.pushes(limit=2)
    assert [push.id for push in first.items] == [made[2].id, made[1].id]
    second = await db.pushes.pushes(after=first.next, limit=2)
    assert [push.id for push in second.items] == [made[0].id]
    assert second.next is None
    assert [push.id for push in (await db.pushes.pushes(device_id=two.id)).items] == [made[1].id]
    (row,) = await claim(db, a_job(id=made[1].job_id))
    await db.pushes.end(made[1], Ended(Phase.CONFIRMED, "", after(30)), row.lease)
    assert {push.id for push in (await db.pushes.pushes(open_only=True)).items} == {made[0].id, made[2].id}


async def test_orders_are_rewrapped_after_a_rotation(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device)
    await asked(db, device)
    found = [sealed async for batch in db.backups.each_other_sealed(key_id_not="key2") for sealed in batch]
    assert [sealed.ciphertext for sealed in found] == [b"order\x00\xff"]
    await db.backups.rewrap([(found[0].id, "key2", b"anew")])
    assert [batch async for batch in db.backups.each_other_sealed(key_id_not="key2")] == []


async def test_two_workers_never_get_the_same_push(db: Database) -> None:
    (device,) = await fleet(db, 1)
    _, job = await asked(db, device)
    got = await asyncio.gather(*(claim(db, job, owner=f"w{n}") for n in range(4)))
    assert sum(map(len, got)) == 1


MOVED_TO = "198.51.100.77"


async def moving(db: Database) -> tuple[Device, Push, Claimed]:
    """A push in its middle that leaves the device at another address."""
    (made,) = await fleet(db, 1)
    device = (await db.inventory.device(made.id)).device
    push, row = await taken_up(db, device, managed_at=MOVED_TO, requested_by="ann")
    assert (await db.pushes.push(push.id)).push.managed_at == MOVED_TO
    return device, push, row


async def test_the_address_changes_with_the_confirmation_and_with_nothing_else(db: Database) -> None:
    device, push, row = await moving(db)
    for phase in (Phase.PROBED, Phase.CONFIRMED):
        await db.pushes.record(push.id, Entry(Step.CONFIRM, after(3), Result.DONE), phase, row.lease)
    assert (await db.inventory.device(device.id)).device == device
    await db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(4)), row.lease)
    assert (await db.inventory.device(device.id)).device == replace(device, address=MOVED_TO)
    told = [one for one in await db.events.after(0) if one.kind == "device.changed"]
    changes = {"address": {"before": device.address, "after": MOVED_TO}}
    assert [(one.device_id, one.data["changes"], one.data["by"]) for one in told] == [(device.id, changes, "ann")]
    # Twice is once.
    await db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(5)), row.lease)
    assert (await kinds(db)).count("device.changed") == 1


@pytest.mark.parametrize("phase", [Phase.REVERTED, Phase.STUCK, Phase.WITHDRAWN])
async def test_without_a_confirmation_the_device_is_where_it_was(db: Database, phase: Phase) -> None:
    device, push, row = await moving(db)
    await db.pushes.end(push, Ended(phase, "no", after(4)), row.lease)
    assert (await db.inventory.device(device.id)).device == device
    assert "device.changed" not in await kinds(db)


async def test_whoever_lost_the_lease_moves_nothing(db: Database) -> None:
    device, push, row = await moving(db)
    await claim(db, a_job(id=push.job_id), owner="w2", now=after(120))
    with pytest.raises(FenceLost):
        await db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(130)), row.lease)
    assert (await db.inventory.device(device.id)).device == device


async def test_what_the_line_knew_by_the_old_address_follows(db: Database) -> None:
    (device,) = await fleet(db, 1)
    old = device.address
    other = IPv4Network("203.0.113.8/29")
    for number, (setup, after_it) in enumerate(
        [
            (LineSetup("", line_address=old, fixed_ipv4=other), (MOVED_TO, other)),
            (LineSetup("", fixed_ipv4=IPv4Network(old)), ("", IPv4Network(MOVED_TO))),
            (LineSetup("", line_address="192.0.2.201", fixed_ipv4=other), ("192.0.2.201", other)),
        ]
    ):
        await db.inventory.apply(InventoryChanges(at=NOW, update=(device,)))
        await db.lines.set_up(device.id, setup, after(10 * number), "op")
        push, row = await taken_up(db, device, managed_at=MOVED_TO)
        await db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(10 * number + 1)), row.lease)
        assert await db.jobs.settle([ended(row, Outcome.CONFIRMED, at=after(10 * number + 2))]) == []
        found = (await db.lines.line(device.name)).line.setup
        assert (found.line_address, found.fixed_ipv4) == after_it
