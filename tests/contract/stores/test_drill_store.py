"""What every store of drills promises, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.drills import DrillResult, Verdict
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.stores import InventoryChanges
from tests.contract.stores.making import NOW, a_device, add, after, back_up, fleet, kinds, new_id

PROVEN, DIFFERS, FAILED = Verdict.PROVEN, Verdict.DIFFERS, Verdict.FAILED
KEY = "drill.below_target"


def a_result(backup_id: str, device_id: str, verdict: Verdict = PROVEN, at: datetime = NOW, **more: Any) -> DrillResult:
    return DrillResult(backup_id, device_id, verdict, at, **({"seconds": 2.5} | more))


async def test_a_result_is_kept_with_its_version_the_latest_alone(db: Database) -> None:
    [one] = await fleet(db, 1)
    version = await back_up(db, one)
    assert await db.drills.of([version]) == {}
    bad = a_result(version, one.id, DIFFERS, lines=3, reason="3 lines differ", job_id=new_id())
    assert await db.drills.record(bad)
    assert await db.drills.of([version, new_id()]) == {version: bad}
    good = a_result(version, one.id, at=after(60))
    assert await db.drills.record(good)
    assert await db.drills.of([version]) == {version: good}
    events = [event for event in await db.events.after(0) if event.kind == "drill.failed"]
    assert [(event.device_id, event.severity, event.data["verdict"]) for event in events] == [
        (one.id, "error", "differs")
    ]
    assert "version 1" in events[0].message
    assert "3 lines differ" in events[0].message


async def test_a_new_version_is_unproven_and_the_device_keeps_its_place_in_the_queue(db: Database) -> None:
    [one] = await fleet(db, 1)
    first = await back_up(db, one, "one")
    await db.drills.record(a_result(first, one.id))
    (seen,) = await db.drills.candidates()
    assert (seen.device_id, seen.backup_id, seen.verdict, seen.last_drill_at) == (one.id, first, PROVEN, NOW)
    second = await back_up(db, one, "two")
    (seen,) = await db.drills.candidates()
    assert (seen.backup_id, seen.family, seen.verdict, seen.last_drill_at) == (second, "acme", None, NOW)
    assert seen.device == one.name


async def test_only_active_devices_with_a_version_are_candidates_and_count(db: Database) -> None:
    here, empty, away = a_device("here"), a_device("empty"), a_device("away")
    await add(db, here, empty, away)
    for device in (here, away):
        await back_up(db, device)
    await db.inventory.apply(InventoryChanges(at=NOW, update=(replace(away, state=LifeState.SUSPENDED),)))
    assert [one.device for one in await db.drills.candidates()] == ["here"]
    assert [(one.family, one.verdict, one.devices) for one in await db.drills.counts(NOW)] == [("acme", None, 1)]


async def test_counts_are_by_family_and_verdict_of_current_versions(db: Database) -> None:
    devices = await fleet(db, 5)
    versions = [await back_up(db, device, device.name) for device in devices]
    for number, verdict in enumerate((PROVEN, PROVEN, FAILED)):
        await db.drills.record(a_result(versions[number], devices[number].id, verdict, after(number)))
    await back_up(db, devices[0], "another")  # its proof is of an older version now
    found = {one.verdict: (one.devices, one.waiting, one.oldest) for one in await db.drills.counts(after(3600))}
    assert found == {None: (3, 3, None), PROVEN: (1, 0, after(1)), FAILED: (1, 0, after(2))}
    assert {one.waiting for one in await db.drills.counts(after(-3600))} == {0}


async def test_results_are_listed_newest_first_page_by_page(db: Database) -> None:
    devices = await fleet(db, 5)
    versions = [await back_up(db, device, device.name) for device in devices]
    for number, version in enumerate(versions):
        verdict = FAILED if number == 2 else PROVEN
        await db.drills.record(a_result(version, devices[number].id, verdict, after(number // 2)))
    seen, cursor = [], None
    while True:
        page = await db.drills.results(after=cursor, limit=2)
        seen += [one.result.backup_id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    ordered = sorted(range(5), key=lambda number: (number // 2, versions[number]), reverse=True)
    assert seen == [versions[number] for number in ordered]
    (bad,) = (await db.drills.results(verdict=FAILED)).items
    assert (bad.device, bad.family, bad.number, bad.current) == (devices[2].name, "acme", 1, True)
    assert [one.device for one in (await db.drills.results(device_id=devices[0].id)).items] == [devices[0].name]
    assert (await db.drills.results(family="other")).items == ()
    await back_up(db, devices[2], "another")
    assert not (await db.drills.results(verdict=FAILED)).items[0].current


async def test_a_result_goes_with_its_version_and_none_is_made_for_a_version_that_is_gone(db: Database) -> None:
    [one] = await fleet(db, 1)
    await back_up(db, one, "first")  # what was confirmed last stays
    old = await back_up(db, one, "old")
    await back_up(db, one, "new")
    job = new_id()
    assert await db.drills.record(a_result(old, one.id, job_id=job))
    assert await db.drills.drilled_in(job) == {old}
    assert await db.backups.delete([old]) == 1
    assert await db.drills.of([old]) == {}
    assert await db.drills.drilled_in(job) == frozenset()
    assert not await db.drills.record(a_result(old, one.id, FAILED))
    assert "drill.failed" not in await kinds(db)


async def test_an_alarm_is_raised_once_keeps_its_words_up_to_date_and_is_cleared_once(db: Database) -> None:
    assert not await db.drills.alarm(KEY, None, at=NOW)
    assert await db.drills.alarm(KEY, "3 of 10", at=NOW)
    assert not await db.drills.alarm(KEY, "4 of 10", at=after(5))
    (raised,) = await db.events.alarms()
    assert (raised.key, raised.kind, raised.device, raised.raised_at, raised.message) == (
        KEY, KEY, None, NOW, "4 of 10",
    )  # fmt: skip
    assert await db.drills.alarm(KEY, None, at=after(9))
    assert not await db.drills.alarm(KEY, None, at=after(10))
    assert await db.events.alarms() == []
    assert [kind for kind in await kinds(db) if kind.startswith("alarm.")] == ["alarm.raised", "alarm.cleared"]
