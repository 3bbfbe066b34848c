"""Catalogues over real files and a real database: taken when they change, kept as versions, safe from slips."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cpe_manager.adapters.catalogue_file import CHANGE_FILE, SERVICE_FILE, CatalogueFiles, shipped_text
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES
from cpe_manager.domain.errors import InputError, NotFound
from cpe_manager.ports.catalogue import CATALOGUE_ALARM, SHIPPED
from cpe_manager.services.subscription.catalogues import CatalogueBook
from tests.contract.stores.making import kinds
from tests.fakes.clock import SimulatedClock


@dataclass
class Shop:
    home: Path
    database: Database
    book: CatalogueBook

    def write(self, name: str, old: str = "", new: str = "") -> None:
        text = shipped_text(name)
        assert old in text
        made = self.home / f"{name}.new"
        made.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        made.replace(self.home / name)

    def another(self, home: Path) -> CatalogueBook:
        """Another process, on the same database."""
        files = CatalogueFiles(home / SERVICE_FILE, home / CHANGE_FILE, CHANGE_TYPES)
        return CatalogueBook(files, self.database.catalogues, SimulatedClock())

    async def alarms(self) -> list[str]:
        return [one.message for one in await self.database.events.alarms() if one.kind == CATALOGUE_ALARM]


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    home = tmp_path / "data"
    home.mkdir()
    async with await Database.open(sqlite_url) as database:
        made = Shop(home, database, None)  # type: ignore[arg-type]
        made.book = made.another(home)
        yield made


async def test_the_shipped_catalogues_are_in_force_before_anybody_starts_anything(shop: Shop) -> None:
    assert (await shop.book.current()).version == 1
    assert set(await shop.book.entries()) == set(CHANGE_TYPES)
    assert (await shop.book.in_force()).service_source == SHIPPED
    await shop.book.start()
    assert await kinds(shop.database) == ["catalogue.changed"]


async def test_an_edit_is_a_version_and_what_was_approved_before_finds_its_own(shop: Shop) -> None:
    await shop.book.start()
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = 14")
    await shop.book.look()
    now = await shop.book.current()
    assert (now.version, now.free_days) == (2, 14)
    before = await shop.book.version(1)
    assert (before.version, before.free_days) == (1, 7)
    shop.write(CHANGE_FILE, "fee = true", "fee = false")
    await shop.book.look()
    assert not (await shop.book.entries())["open-port"].fee
    assert (await shop.book.current()).version == 3
    assert [one.number for one in (await shop.book.versions()).items] == [3, 2, 1]
    with pytest.raises(NotFound):
        await shop.book.version(4)


async def test_a_remark_is_no_version(shop: Shop) -> None:
    await shop.book.start()
    shop.write(SERVICE_FILE, "# What the operator sells", "# What we sell")
    await shop.book.look()
    assert (await shop.book.current()).version == 1
    # Nor is another process that finds the same.
    await shop.another(shop.home).start()
    assert (await shop.book.current()).version == 1


async def test_a_slip_of_the_pen_is_an_alarm_with_its_line_and_leaves_what_is_in_force(shop: Shop) -> None:
    await shop.book.start()
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = -7")
    await shop.book.look()
    assert (await shop.book.current()).free_days == 7
    (told,) = await shop.alarms()
    line = shipped_text(SERVICE_FILE).splitlines().index(
        next(one for one in shipped_text(SERVICE_FILE).splitlines() if one.startswith("free_days"))
    )  # fmt: skip
    assert told.startswith(f"{shop.home / SERVICE_FILE}:{line + 1}: free_days: is from 0 to 366, not -7")
    await shop.book.look()
    assert len(await shop.alarms()) == 1
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = 9")
    await shop.book.look()
    assert (await shop.book.current()).free_days == 9
    assert await shop.alarms() == []
    told_of = await kinds(shop.database)
    assert told_of == ["catalogue.changed", "alarm.raised", "catalogue.changed", "alarm.cleared"]


async def test_a_file_that_is_gone_does_not_bring_the_shipped_one_back(shop: Shop) -> None:
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = 9")
    await shop.book.start()
    (shop.home / SERVICE_FILE).unlink()
    await shop.book.look()
    assert (await shop.book.current()).free_days == 9
    (told,) = await shop.alarms()
    assert told == f"{shop.home / SERVICE_FILE} cannot be found; version 1 stays in force"
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = 9")
    await shop.book.look()
    assert await shop.alarms() == []
    assert (await shop.book.current()).version == 1


async def test_a_start_with_a_wrong_file_is_refused_only_when_nothing_is_in_force(shop: Shop, tmp_path: Path) -> None:
    shop.write(CHANGE_FILE, "fee = true", "fee = 40")
    with pytest.raises(InputError, match="change-catalogue"):
        await shop.book.start()
    with pytest.raises(InputError):
        await shop.book.current()
    await shop.another(tmp_path / "elsewhere").start()
    await shop.book.start()
    assert (await shop.book.current()).version == 1
    assert len(await shop.alarms()) == 1


async def test_another_process_sees_a_new_version_at_once(shop: Shop, tmp_path: Path) -> None:
    await shop.book.start()
    worker = shop.another(tmp_path / "nothing-here")
    assert (await worker.current()).version == 1
    shop.write(SERVICE_FILE, "free_days = 7", "free_days = 9")
    await shop.book.look()
    assert (await worker.current()).free_days == 9
