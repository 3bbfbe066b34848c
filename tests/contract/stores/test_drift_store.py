"""Who is out of step with what was confirmed, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

import pytest
from sqlalchemy import text as sql

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.db.engine import migrator, target
from cpe_manager.domain.backup.drift import Confirmation, LastChange, Verdict
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Event
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import JobKind, Outcome
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import Claimed, InventoryChanges, NewWork
from tests.contract.stores.making import (
    NOW,
    a_device,
    a_draft,
    a_job,
    a_push,
    after,
    an_order,
    back_up,
    claim,
    doubt,
    ended,
    fleet,
    new_id,
    run_for,
    stored,
)

SEED: str = import_module("cpe_manager.adapters.db.migrations.versions.0005_drift").SEED


async def drift_events(db: Database) -> list[Event]:
    return [event for event in await db.events.after(0, limit=10_000) if event.kind.startswith("drift.")]


async def taken_up(db: Database, device: Device) -> tuple[Claimed, str]:
    job = a_job(kind=JobKind.PUSH)
    push = a_push(device, job)
    await db.pushes.create(push, an_order(), job, NewWork(device.id, 0, NOW))
    (row,) = await claim(db, job)
    return row, push.id


async def confirmed_push(db: Database, device: Device, text: str) -> str:
    row, push_id = await taken_up(db, device)
    push = (await db.pushes.push(push_id)).push
    await db.pushes.end(push, Ended(Phase.CONFIRMED, "", after(30)), row.lease)
    version = new_id()
    result = ended(row, Outcome.CONFIRMED, backup_id=version, draft=a_draft(text), at=after(31))
    assert await db.jobs.settle([result]) == []
    return version


async def test_the_first_backup_is_what_is_confirmed(db: Database) -> None:
    (device,) = await fleet(db, 1)
    with pytest.raises(NotFound):
        await db.drift.drift(device.id)
    version = await back_up(db, device)
    row = await db.drift.drift(device.id)
    assert (row.standing.confirmed_id, row.standing.how) == (version, Confirmation.FIRST)
    assert (row.standing.verdict, row.confirmed, row.running) == (Verdict.IN_STEP, 1, 1)
    assert await drift_events(db) == []


async def test_a_version_that_no_push_made_is_drift_until_it_is_gone(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    change = LastChange("admin", "10:11:12 UTC Mon Nov 23 2026", "header")
    await back_up(db, device, "hostname b", change=change, saved=False, at=after(10))
    row = await db.drift.drift(device.id)
    assert row.standing.verdict is Verdict.CHANGED_UNSAVED
    assert row.standing.change == change
    assert (row.standing.changed_since, row.confirmed, row.running) == (after(10), 1, 2)
    await back_up(db, device, "hostname c", at=after(20), saved=True)
    row = await db.drift.drift(device.id)
    assert row.standing.verdict is Verdict.CHANGED
    assert (row.standing.changed_since, row.standing.change) == (after(10), None)
    await back_up(db, device, "hostname a", at=after(30))
    assert (await db.drift.drift(device.id)).standing.verdict is Verdict.IN_STEP
    told = [(event.kind, event.data["about"]) for event in await drift_events(db)]
    assert told == [
        ("drift.found", "changed"), ("drift.found", "unsaved"), ("drift.gone", "unsaved"), ("drift.gone", "changed")
    ]  # fmt: skip
    assert "admin" in (await drift_events(db))[0].message


async def test_what_is_unsaved_is_known_to_whoever_visits_next(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    await back_up(db, device, "hostname b", saved=False)
    (row,) = await claim(db, await run_for(db, [device]))
    assert row.unsaved
    assert await db.jobs.settle([ended(row, Outcome.UNCHANGED, saved=True)]) == []
    (row,) = await claim(db, await run_for(db, [device]))
    assert not row.unsaved
    assert (await db.drift.drift(device.id)).standing.verdict is Verdict.CHANGED


async def test_a_doubtful_capture_says_nothing_until_it_is_accepted(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    version = await doubt(db, device, "short")
    assert version is not None
    assert (await db.drift.drift(device.id)).standing.verdict is Verdict.IN_STEP
    await db.backups.decide(version, accept=True, at=after(40), by="op")
    row = await db.drift.drift(device.id)
    assert (row.standing.verdict, row.standing.changed_since) == (Verdict.CHANGED, after(40))


async def test_a_confirmed_push_moves_what_is_confirmed(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    await back_up(db, device, "hostname b", saved=False)
    version = await confirmed_push(db, device, "hostname c")
    row = await db.drift.drift(device.id)
    assert row.standing.verdict is Verdict.IN_STEP
    assert (row.standing.confirmed_id, row.standing.how, row.standing.confirmed_by) == (
        version, Confirmation.PUSH, "op"
    )  # fmt: skip
    assert row.standing.change is None


async def test_what_a_push_finds_before_it_begins_is_drift_as_well(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    row, push_id = await taken_up(db, device)
    push = (await db.pushes.push(push_id)).push
    await db.pushes.snapshot(push, new_id(), a_draft("hostname by hand"), after(9), row.lease)
    assert (await db.drift.drift(device.id)).standing.changed_since == after(9)


async def test_adopting_takes_what_was_looked_at_and_nothing_else(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device, "hostname a")
    with pytest.raises(Conflict, match="nothing to adopt"):
        await db.drift.adopt(device.id, a_draft("hostname a").fingerprint, at=after(1), by="op")
    version = await back_up(db, device, "hostname b", saved=False)
    with pytest.raises(Conflict, match="look again"):
        await db.drift.adopt(device.id, a_draft("hostname a").fingerprint, at=after(1), by="op")
    row = await db.drift.adopt(device.id, a_draft("hostname b").fingerprint, at=after(2), by="op")
    assert (row.standing.confirmed_id, row.standing.how, row.standing.confirmed_by) == (
        version, Confirmation.ADOPTED, "op"
    )  # fmt: skip
    assert (row.standing.verdict, row.confirmed) == (Verdict.UNSAVED, 2)
    assert row == await db.drift.drift(device.id)
    kinds = [event.kind for event in await drift_events(db)][2:]
    assert kinds == ["drift.adopted", "drift.gone"]
    with pytest.raises(NotFound):
        await db.drift.adopt(new_id(), "", at=after(1), by="op")


async def test_what_a_live_look_says_of_the_startup_is_noted(db: Database) -> None:
    (device,) = await fleet(db, 1)
    await back_up(db, device)
    row = await db.drift.startup(device.id, saved=False, at=after(50))
    assert (row.standing.verdict, row.standing.unsaved_since) == (Verdict.UNSAVED, after(50))
    row = await db.drift.startup(device.id, saved=False, at=after(60))
    assert (row.standing.unsaved_since, row.standing.startup_at) == (after(50), after(60))
    assert (await db.drift.startup(device.id, saved=True, at=after(70))).standing.verdict is Verdict.IN_STEP
    assert len(await drift_events(db)) == 2


async def _several(db: Database) -> Sequence[Device]:
    devices = await fleet(db, 4)
    for device in devices:
        await back_up(db, device, "hostname a")
    await back_up(db, devices[1], "hostname b")
    await db.drift.startup(devices[2].id, saved=False, at=after(60))
    await back_up(db, devices[3], "hostname b", saved=False)
    return devices


async def test_the_list_is_by_name_page_by_page_and_can_be_narrowed(db: Database) -> None:
    devices = await _several(db)
    first = await db.drift.drifts(limit=3)
    assert [row.device for row in first.items] == [device.name for device in devices[:3]]
    second = await db.drift.drifts(limit=3, after=first.next)
    assert ([row.device for row in second.items], second.next) == ([devices[3].name], None)
    for verdict, device in zip(Verdict, devices, strict=True):
        assert [row.device_id for row in (await db.drift.drifts(verdicts=[verdict])).items] == [device.id]
    out = await db.drift.drifts(verdicts=[verdict for verdict in Verdict if verdict is not Verdict.IN_STEP])
    assert [row.device_id for row in out.items] == [device.id for device in devices[1:]]
    assert await db.drift.counts() == dict.fromkeys(Verdict, 1)
    gone = replace(devices[1], state=LifeState.DECOMMISSIONED)
    await db.inventory.apply(InventoryChanges(at=after(20), update=(gone,)))
    assert (await db.drift.counts())[Verdict.CHANGED] == 0
    assert len((await db.drift.drifts()).items) == 3


async def test_the_hardware_that_takes_over_a_position_is_held_to_what_was_confirmed_there(db: Database) -> None:
    (old,) = await fleet(db, 1)
    await back_up(db, old, "hostname a")
    new = a_device(old.name, position_id=old.position_id, serial="S2")
    gone = replace(old, state=LifeState.DECOMMISSIONED, removed_at=after(10))
    await db.inventory.apply(InventoryChanges(at=after(10), update=(gone,), add=(new,)))
    await back_up(db, new, "factory")
    row = await db.drift.drift(new.id)
    assert (row.standing.verdict, row.confirmed, row.running) == (Verdict.CHANGED, 1, 2)


async def test_a_version_adopted_while_another_one_is_stored_is_not_lost(db: Database, other: Database) -> None:
    for device in await fleet(db, 6):
        await back_up(db, device, "hostname a")
        await back_up(db, device, "hostname b")
        (row,) = await claim(db, await run_for(db, [device]))
        adopting = other.drift.adopt(device.id, a_draft("hostname b").fingerprint, at=after(50), by="op")
        ends = await asyncio.gather(db.jobs.settle([stored(row, "hostname c")]), adopting, return_exceptions=True)
        assert ends[0] == []
        standing = (await db.drift.drift(device.id)).standing
        assert standing.verdict is Verdict.CHANGED
        taken = not isinstance(ends[1], Conflict)
        assert standing.fingerprint == a_draft("hostname b" if taken else "hostname a").fingerprint


async def test_retention_leaves_what_is_confirmed(db: Database) -> None:
    (device,) = await fleet(db, 1)
    first = await back_up(db, device, "hostname a")
    second = await back_up(db, device, "hostname b")
    third = await back_up(db, device, "hostname c")
    assert await db.backups.delete([first, second, third]) == 1
    assert (await db.drift.drift(device.id)).standing.confirmed_id == first


async def test_a_whole_batch_is_judged_at_once(db: Database) -> None:
    devices = await fleet(db, 60)
    for text in ("hostname a", "hostname b"):
        rows = await claim(db, await run_for(db, devices))
        assert await db.jobs.settle([stored(row, text) for row in rows]) == []
    assert (await db.drift.counts())[Verdict.CHANGED] == 60
    assert len(await drift_events(db)) == 60


@pytest.mark.postgres
async def test_an_installation_that_knew_no_drift_begins_with_what_runs(
    sqlite_url: str, postgres_url: str
) -> None:  # fmt: skip
    for url in (sqlite_url, postgres_url):
        async with await Database.open(url) as db:
            (device, other) = await fleet(db, 2)
            await back_up(db, device, "hostname a")
            current = await back_up(db, device, "hostname b")
            await back_up(db, other)
        engine = migrator(target(url))
        with engine.begin() as connection:
            connection.execute(sql("DELETE FROM drift"))
            connection.execute(sql(SEED))
        engine.dispose()
        async with await Database.open(url) as db:
            row = await db.drift.drift(device.id)
            assert (row.standing.confirmed_id, row.standing.how) == (current, Confirmation.UPGRADE)
            assert row.standing.verdict is Verdict.IN_STEP
