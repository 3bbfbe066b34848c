from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.stores import InventoryChanges
from tests.contract.stores.making import NOW, after, back_up, claim, doubt, fleet, new_id, run_for, stored


async def current_of(db: Database, device_id: str) -> str | None:
    return (await db.inventory.device(device_id)).status.current_backup_id


async def test_versions_are_listed_newest_first_in_pages_that_stay_put(db: Database) -> None:
    (device,) = await fleet(db, 1)
    for number in range(5):
        await back_up(db, device, f"text {number}")
    first = await db.backups.versions(device.position_id, limit=3)
    await back_up(db, device, "one more")
    second = await db.backups.versions(device.position_id, after=first.next, limit=3)
    assert [version.number for version in (*first.items, *second.items)] == [5, 4, 3, 2, 1]
    assert second.next is None


async def test_versions_are_found_by_id_number_and_state(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    doubtful = await doubt(db, device)
    assert (await db.backups.number(device.position_id, 1)).id == version
    waiting = await db.backups.versions(device.position_id, state=BackupState.QUARANTINED)
    assert [one.id for one in waiting.items] == [doubtful]
    for missing in (
        db.backups.number(device.position_id, 9),
        db.backups.backup(new_id()),
        db.backups.redacted(new_id()),
        db.backups.sealed(new_id()),
        db.backups.decide(new_id(), accept=True, at=NOW, by="anna"),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_an_accepted_newest_version_becomes_current_and_counts_as_success(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device)
    doubtful = await doubt(db, device, at=after(60))
    assert doubtful is not None
    accepted = await db.backups.decide(doubtful, accept=True, at=after(90), by="anna")
    assert (accepted.state, accepted.reason) == (BackupState.GOOD, None)
    status = (await db.inventory.device(device.id)).status
    assert (status.current_backup_id, status.last_success_at, status.last_error) == (doubtful, after(60), None)


async def test_an_accepted_older_version_does_not_replace_a_newer_good_one(db: Database) -> None:
    (device,) = await fleet(db, 1)
    doubtful = await doubt(db, device)
    assert doubtful is not None
    newer = await back_up(db, device, at=after(60))
    assert (await db.backups.decide(doubtful, accept=True, at=NOW, by="anna")).state is BackupState.GOOD
    assert await current_of(db, device.id) == newer


async def test_a_refused_version_keeps_its_reason_and_changes_nothing_else(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    doubtful = await doubt(db, device)
    assert doubtful is not None
    refused = await db.backups.decide(doubtful, accept=False, at=NOW, by="anna")
    assert (refused.state, refused.reason) == (BackupState.REFUSED, "half the size of the last one")
    assert await current_of(db, device.id) == version


async def test_a_version_is_decided_on_once_however_many_try(db: Database, other: Database) -> None:
    (device,) = await fleet(db, 1)
    doubtful = await doubt(db, device)
    assert doubtful is not None
    tries = [
        store.backups.decide(doubtful, accept=accept, at=NOW, by="anna")
        for store, accept in ((db, True), (other, False), (db, False), (other, True))
    ]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(end, Conflict) for end in ends) == 3
    good = (await db.backups.backup(doubtful)).state is BackupState.GOOD
    assert await current_of(db, device.id) == (doubtful if good else None)


async def test_deleting_skips_current_and_confirmed_versions_and_takes_the_sealed_objects_along(db: Database) -> None:
    one, two = await fleet(db, 2)
    old = [await back_up(db, one, f"text {number}") for number in range(3)]
    kept = await back_up(db, one, "now")
    other_kept = await back_up(db, two)
    assert await db.backups.delete([*old, kept, other_kept, new_id()]) == 2
    assert [version.id for version in (await db.backups.versions(one.position_id)).items] == [kept, old[0]]
    assert await db.backups.key_ids() == {"key1": 3}
    assert await current_of(db, two.id) == other_kept
    with pytest.raises(NotFound):
        await db.backups.redacted(old[1])
    assert await db.backups.delete([]) == 0


async def test_a_version_that_becomes_current_while_it_is_deleted_stays(db: Database, other: Database) -> None:
    for device in await fleet(db, 6):
        doubtful = await doubt(db, device)
        assert doubtful is not None
        ends = await asyncio.gather(
            db.backups.decide(doubtful, accept=True, at=NOW, by="anna"),
            other.backups.delete([doubtful]),
            return_exceptions=True,
        )
        current = await current_of(db, device.id)
        if isinstance(ends[0], NotFound | Conflict):
            assert (ends[1], current) == (1, None)
        else:
            assert (ends[1], current) == (0, doubtful)


async def test_each_sealed_brings_every_version_once_also_while_they_are_rewrapped(db: Database) -> None:
    devices = await fleet(db, 450)
    rows = await claim(db, await run_for(db, devices))
    await db.jobs.settle([stored(row, row.device.name) for row in rows])
    seen: set[str] = set()
    async for batch in db.backups.each_sealed(key_id_not="key2"):
        assert len(batch) < 450
        for version, sealed, redacted in batch:
            assert redacted == b"redacted " + version.device.encode()
            assert sealed.ciphertext == version.device.encode() + b"\x00\xff"
            seen.add(version.id)
        await db.backups.rewrap([(sealed.id, "key2", b"new") for _, sealed, _ in batch])
    assert len(seen) == 450
    assert await db.backups.key_ids() == {"key2": 450}
    assert [batch async for batch in db.backups.each_sealed(key_id_not="key2")] == []
    assert sum([len(batch) async for batch in db.backups.each_sealed()]) == 450


async def test_positions_are_those_with_versions(db: Database) -> None:
    devices = await fleet(db, 4)
    for device in devices[:3]:
        await back_up(db, device)
    first = await db.backups.positions(limit=2)
    second = await db.backups.positions(after=first.next, limit=2)
    assert [*first.items, *second.items] == [device.position_id for device in devices[:3]]


async def test_current_lists_devices_in_place_with_their_current_version(db: Database) -> None:
    devices = await fleet(db, 5)
    versions = {device.id: await back_up(db, device, device.name) for device in devices[:4]}
    await doubt(db, devices[0])
    gone = replace(devices[3], state=LifeState.DECOMMISSIONED)
    paused = replace(devices[2], state=LifeState.SUSPENDED)
    await db.inventory.apply(InventoryChanges(at=NOW, update=(gone, paused)))
    first = await db.backups.current(limit=2)
    second = await db.backups.current(after=first.next, limit=2)
    found = [*first.items, *second.items]
    assert [(device.name, version.id) for device, version, _ in found] == [
        (device.name, versions[device.id]) for device in devices[:3]
    ]
    assert found[0][2] == b"redacted cpe0000"
    assert found[0][1].device == "cpe0000"
