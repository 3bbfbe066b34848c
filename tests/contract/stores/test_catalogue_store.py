from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.events import Alarm
from cpe_manager.domain.failover.lines import LineSetup
from cpe_manager.domain.subscription.catalogue_data import digest_of
from cpe_manager.ports.catalogue import CATALOGUE_ALARM, SHIPPED, CatalogueFound, CatalogueVersion
from tests.contract.stores.making import NOW, a_device, add, after, kinds
from tests.support.catalogues import shipped_catalogue, shipped_entries


def found(free_days: int = 7, source: str = SHIPPED) -> CatalogueFound:
    return CatalogueFound(
        replace(shipped_catalogue(), version=0, free_days=free_days), shipped_entries(), source, source
    )


async def take(db: Database, free_days: int = 7, source: str = SHIPPED) -> CatalogueVersion:
    new = found(free_days, source)
    return await db.catalogues.take(new, digest_of(new.service, new.entries), NOW)


async def test_the_first_one_is_version_1_and_comes_back_whole(db: Database) -> None:
    assert await db.catalogues.latest() is None
    assert await db.catalogues.latest_number() == 0
    made = await take(db)
    assert (made.number, made.service, made.entries) == (1, shipped_catalogue(), shipped_entries())
    assert await db.catalogues.latest() == made == await db.catalogues.version(1)
    assert await db.catalogues.latest_number() == 1
    with pytest.raises(NotFound):
        await db.catalogues.version(2)
    assert (await kinds(db)) == ["catalogue.changed"]


async def test_each_change_is_a_version_and_the_same_again_is_none(db: Database) -> None:
    await take(db)
    assert (await take(db)).number == 1
    second = await take(db, free_days=9, source="/etc/x.toml")
    assert (second.number, second.service.free_days, second.service_source) == (2, 9, "/etc/x.toml")
    assert (await take(db)).number == 3
    first = await db.catalogues.versions(limit=2)
    assert [one.number for one in first.items] == [3, 2]
    assert [one.number for one in (await db.catalogues.versions(after=first.next, limit=2)).items] == [1]
    assert (await db.catalogues.version(1)).service.free_days == 7
    told = [one.data["version"] for one in await db.events.after(0)]
    assert told == [1, 2, 3]


async def test_of_two_processes_that_take_at_once_both_are_told_of_the_same_versions(
    db: Database, other: Database
) -> None:
    made = await asyncio.gather(take(db, 7), take(other, 7), take(db, 8), take(other, 8))
    numbers = sorted(one.number for one in (await db.catalogues.versions()).items)
    assert numbers == list(range(1, len(numbers) + 1))
    for one in made:
        assert await db.catalogues.version(one.number) == one


async def test_a_complaint_is_one_alarm_until_it_says_something_else_or_is_over(db: Database) -> None:
    def alarm(message: str) -> Alarm:
        return Alarm(CATALOGUE_ALARM, CATALOGUE_ALARM, None, None, NOW, message)

    assert not await db.catalogues.complain(None, NOW)
    assert await db.catalogues.complain(alarm("line 3"), NOW)
    assert not await db.catalogues.complain(alarm("line 3"), after(5))
    assert await db.catalogues.complain(alarm("line 4"), after(5))
    assert [one.message for one in await db.events.alarms()] == ["line 4"]
    assert await db.catalogues.complain(None, after(9))
    assert await db.events.alarms() == []
    assert await kinds(db) == ["alarm.raised", "alarm.cleared", "alarm.raised", "alarm.cleared"]


async def test_whoever_watches_lines_sees_that_the_catalogue_changed(db: Database) -> None:
    await add(db, a_device("cpe1"))
    await db.lines.set_up("cpe1", LineSetup(""), NOW, "ann")
    await take(db)
    (before,) = (await db.lines.revisions()).values()
    await take(db)
    assert list((await db.lines.revisions()).values()) == [before]
    await take(db, free_days=9)
    assert list((await db.lines.revisions()).values()) == [before + 1]
