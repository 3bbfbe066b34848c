from __future__ import annotations

import asyncio
from dataclasses import replace

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import JobState, Outcome, WorkState
from cpe_manager.ports.stores import InventoryChanges
from tests.contract.stores.making import (
    NOW,
    a_device,
    after,
    back_up,
    claim,
    doubt,
    doubted,
    ended,
    fleet,
    kinds,
    run_for,
    stored,
)


async def test_a_draft_becomes_the_current_version_with_its_contents(db: Database) -> None:
    (device,) = await fleet(db, 1)
    job = await run_for(db, [device])
    settled = stored((await claim(db, job))[0], "hostname a")
    assert await db.jobs.settle([settled]) == []
    assert settled.backup_id is not None
    assert settled.draft is not None
    version = await db.backups.backup(settled.backup_id)
    assert (version.number, version.state, version.captured_at) == (1, BackupState.GOOD, after(5))
    assert (version.device, version.device_id, version.position_id) == ("cpe0000", device.id, device.position_id)
    assert (version.job_id, version.fingerprint) == (job.id, settled.draft.fingerprint)
    assert await db.backups.sealed(version.id) == settled.draft.sealed
    assert await db.backups.redacted(version.id) == settled.draft.redacted
    status = (await db.inventory.device(device.id)).status
    assert (status.current_backup_id, status.last_success_at, status.failures) == (version.id, after(5), 0)


async def test_unchanged_is_a_success_that_keeps_the_current_version(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    (row,) = await claim(db, await run_for(db, [device]))
    await db.jobs.settle([ended(row, Outcome.UNCHANGED, at=after(99))])
    status = (await db.inventory.device(device.id)).status
    assert (status.current_backup_id, status.last_success_at) == (version, after(99))


async def test_failures_count_until_a_success_and_keep_the_last_good_version(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    job = await run_for(db, [device])
    for attempt in (1, 2):
        (row,) = await claim(db, job, now=after(100 * attempt))
        assert row.attempts == attempt - 1
        at = after(100 * attempt + 5)
        retry = ended(row, None, at=at, retry_at=after(100 * attempt + 50), error_code="timeout", error="no\x00answer")
        await db.jobs.settle([retry])
        assert await claim(db, job, now=after(100 * attempt + 49)) == []
    status = (await db.inventory.device(device.id)).status
    assert (status.failures, status.last_error_code, status.last_error) == (2, "timeout", "no\ufffdanswer")
    assert (status.last_attempt_at, status.last_success_at, status.current_backup_id) == (after(205), after(5), version)
    (row,) = await claim(db, job, now=after(300))
    await db.jobs.settle([ended(row, Outcome.FAILED, at=after(305), error_code="auth_failed", error="refused")])
    (line,) = (await db.jobs.work(job.id)).items
    assert (line.state, line.attempts, line.error_code, line.finished_at) == (
        WorkState.FAILED,
        3,
        "auth_failed",
        after(305),
    )
    assert (await db.jobs.job(job.id)).state is JobState.FAILED
    await back_up(db, device, "hostname b", at=after(400))
    status = (await db.inventory.device(device.id)).status
    assert (status.failures, status.last_error, status.last_error_code) == (0, None, None)


async def test_quarantine_is_no_success_and_the_last_good_version_stays_current(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    doubtful = await doubt(db, device, at=after(60))
    assert doubtful is not None
    status = (await db.inventory.device(device.id)).status
    assert (status.current_backup_id, status.last_success_at, status.last_attempt_at) == (version, after(5), after(60))
    found = await db.backups.backup(doubtful)
    assert (found.state, found.reason, found.number) == (BackupState.QUARANTINED, "half the size of the last one", 2)


async def test_the_same_doubtful_text_is_stored_once(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device)
    first = await doubt(db, device)
    assert await doubt(db, device) == first
    assert first is not None
    await db.backups.decide(first, accept=False, at=NOW, by="anna")
    assert await doubt(db, device) == first
    assert await doubt(db, device, "another short one") != first
    assert [version.number for version in (await db.backups.versions(device.position_id)).items] == [3, 2, 1]


async def test_the_same_doubtful_text_of_another_device_is_another_version(db: Database) -> None:
    one, two = await fleet(db, 2)
    assert await doubt(db, one) != await doubt(db, two)


async def test_a_text_that_was_doubted_once_is_stored_when_nobody_doubts_it_any_more(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await doubt(db, device, "short")
    version = await back_up(db, device, "short")
    assert (await db.inventory.device(device.id)).status.current_backup_id == version


async def test_numbers_go_on_when_hardware_is_swapped_and_the_new_one_starts_without_history(db: Database) -> None:
    (old,) = await fleet(db, 1)
    await back_up(db, old)
    await back_up(db, old, "hostname b", first_host_key="ssh-ed25519 AAAA")
    new = a_device("cpe0000", position_id=old.position_id)
    gone = replace(old, state=LifeState.DECOMMISSIONED, removed_at=NOW)
    await db.inventory.apply(InventoryChanges(at=NOW, update=(gone,), add=(new,)))
    (row,) = await claim(db, await run_for(db, [new]))
    assert (row.last_good, row.pinned_keys) == (None, ())
    await db.jobs.settle([stored(row)])
    versions = (await db.backups.versions(old.position_id)).items
    assert [(version.number, version.device_id) for version in versions] == [(3, new.id), (2, old.id), (1, old.id)]


async def test_numbers_are_never_used_twice_even_after_deletion(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device)
    doubtful = await doubt(db, device)
    assert doubtful is not None
    assert await db.backups.delete([doubtful]) == 1
    version = await back_up(db, device, "hostname b")
    assert (await db.backups.backup(version)).number == 3


async def test_devices_of_one_position_get_different_numbers_from_two_workers(db: Database, other: Database) -> None:
    devices = [*(await fleet(db, 1))]
    twins = [a_device(f"twin{number}", position_id=devices[0].position_id) for number in range(7)]
    await db.inventory.apply(InventoryChanges(at=NOW, add=tuple(twins)))
    rows = await claim(db, await run_for(db, [*devices, *twins]))
    assert len(rows) == 8
    pairs = zip((db, other) * 2, rows[:4], rows[4:], strict=True)
    await asyncio.gather(*(store.jobs.settle([stored(one), stored(two)]) for store, one, two in pairs))
    versions = (await db.backups.versions(devices[0].position_id)).items
    assert [version.number for version in versions] == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_a_refused_result_writes_nothing_and_the_others_are_written(db: Database, other: Database) -> None:
    job = await run_for(db, await fleet(db, 2))
    old = await claim(db, job, ttl=1)
    (taken,) = await claim(other, job, "w2", now=after(2), limit=1)
    events = [NewEvent("backup.stored", NOW, device_id=row.device.id) for row in old]
    key = "ssh-ed25519 AAAA"
    results = [stored(row, first_host_key=key, events=(event,)) for row, event in zip(old, events, strict=True)]
    (refused,) = await db.jobs.settle(results)
    assert refused.lease.device_id == taken.device.id
    untouched = await db.inventory.device(taken.device.id)
    assert (untouched.status.last_attempt_at, untouched.host_keys) == (None, ())
    assert (await db.backups.versions(taken.device.position_id)).items == ()
    written = [event.device_id for event in await db.events.after(0) if event.kind == "backup.stored"]
    assert written == [row.device.id for row in old if row.device.id != taken.device.id]


async def test_a_result_for_a_job_without_such_a_row_is_refused(db: Database) -> None:
    devices = await fleet(db, 2)
    (row,) = await claim(db, await run_for(db, devices[:1]))
    elsewhere = await run_for(db, devices[1:])
    wrong = replace(ended(row), job_id=elsewhere.id)
    assert await db.jobs.settle([wrong]) == [wrong]


async def test_giving_a_row_back_leaves_attempts_and_status_alone(db: Database) -> None:
    (device,) = await fleet(db, 1)
    job = await run_for(db, [device])
    (row,) = await claim(db, job)
    await db.jobs.settle([ended(row, None, attempted=False, retry_at=after(30))])
    assert await claim(db, job, now=after(29)) == []
    (again,) = await claim(db, job, now=after(30))
    assert again.attempts == 0
    assert (await db.inventory.device(device.id)).status.last_attempt_at is None


async def test_the_first_host_key_is_pinned_and_a_later_first_one_only_offered(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, first_host_key="ssh-ed25519 AAAA")
    await back_up(db, device, "hostname b", first_host_key="ssh-ed25519 BBBB", at=after(9))
    await back_up(db, device, "hostname c", offered_host_key="ssh-ed25519 CCCC", at=after(10))
    await back_up(db, device, "hostname d", offered_host_key="ssh-ed25519 AAAA", at=after(11))
    keys = (await db.inventory.device(device.id)).host_keys
    assert [(key.key[-4:], key.state) for key in keys] == [("AAAA", "pinned"), ("BBBB", "offered"), ("CCCC", "offered")]


async def test_hundreds_of_results_settle_in_one_call(db: Database) -> None:
    devices = await fleet(db, 1100)
    job = await run_for(db, devices)
    rows = await claim(db, job, limit=2000)
    results = [
        stored(row, row.device.name) if number % 3 else doubted(row, row.device.name) for number, row in enumerate(rows)
    ]
    assert await db.jobs.settle(results) == []
    counts = (await db.jobs.job(job.id)).counts
    assert (counts["stored"], counts["quarantined"], counts["due"]) == (733, 367, 0)
    page = await db.backups.current(limit=1000)
    assert len(page.items) == 733
    assert await db.backups.key_ids() == {"key1": 1100}


async def test_an_odd_byte_from_one_device_does_not_fail_the_batch(db: Database) -> None:
    rows = await claim(db, await run_for(db, await fleet(db, 2)))
    event = NewEvent("backup.failed", NOW, message="\udcff\x00", data={"said": "\x00\ud800"})
    odd = ended(rows[0], Outcome.FAILED, error_code="prompt", error="\x00\udcff>", events=(event,))
    assert await db.jobs.settle([odd, ended(rows[1])]) == []
    assert "backup.failed" in await kinds(db)
