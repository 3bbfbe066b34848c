"""The backup files that boxes make themselves: one beside a version, gone with it."""

from __future__ import annotations

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.jobs import Outcome
from tests.contract.stores.making import BOX_FILE, a_file, back_up, claim, ended, fleet, new_id, run_for, stored


async def test_a_file_is_stored_with_its_version_and_the_next_claim_knows(db: Database) -> None:
    (device,) = await fleet(db, 1)
    (claimed,) = await claim(db, await run_for(db, [device]))
    settled = stored(claimed)
    assert settled.backup_id is not None
    made = a_file(settled.backup_id)
    settled = ended(claimed, Outcome.STORED, backup_id=settled.backup_id, draft=settled.draft, file=made)
    assert await db.jobs.settle([settled]) == []
    assert await db.backups.file(made.backup_id) == BOX_FILE
    assert await db.backups.sealed_file(made.backup_id) == made.sealed
    (batch,) = [batch async for batch in db.backups.each_file()]
    assert [(backup.id, info, sealed) for backup, info, sealed in batch] == [(made.backup_id, BOX_FILE, made.sealed)]
    (again,) = await claim(db, await run_for(db, [device]))
    assert again.last_good is not None
    assert again.last_good.archived


async def test_a_file_can_come_later_and_the_first_one_stays(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    first, second = a_file(version), a_file(version)
    for made in (first, second):
        (claimed,) = await claim(db, await run_for(db, [device]))
        assert claimed.last_good is not None
        assert claimed.last_good.archived == (made is second)
        assert await db.jobs.settle([ended(claimed, file=made)]) == []
    assert await db.backups.sealed_file(version) == first.sealed
    assert await db.backups.key_ids() == {"key1": 2}


async def test_a_file_for_a_version_that_is_gone_is_not_stored(db: Database) -> None:
    (device,) = await fleet(db, 1)
    (claimed,) = await claim(db, await run_for(db, [device]))
    assert await db.jobs.settle([ended(claimed, file=a_file(new_id()))]) == []
    assert [batch async for batch in db.backups.each_file()] == []
    assert await db.backups.key_ids() == {}


async def test_a_version_takes_its_file_with_it_and_a_rotation_sees_both(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname first")  # is the confirmed one, and stays
    old = await back_up(db, device, "hostname a")
    (claimed,) = await claim(db, await run_for(db, [device]))
    await db.jobs.settle([ended(claimed, file=a_file(old))])
    assert [len(part) async for part in db.backups.each_other_sealed(key_id_not="key2")] == [1]
    await back_up(db, device, "hostname b")
    assert await db.backups.delete([old]) == 1
    assert await db.backups.file(old) is None
    assert await db.backups.key_ids() == {"key1": 2}
