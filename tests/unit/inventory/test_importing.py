"""Importing into a store: one transaction, repeatable, dry runs, first backups."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.inventory import LifeState, LineKind
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.fleet.importing import ImportRequest
from tests.unit.inventory.world import World

HEAD = "site,name,address,family,group,line,line_kind,access_node,serial\n"
FLEET = HEAD + (
    "Shop,r1,10.0.0.1,cisco_ios,shops,L1,fibre,N1,S1\n"
    "Shop,r2,10.0.0.2,openwrt,shops,L1,fibre,N1,S2\n"
    "Bar,r3,10.0.0.3,frr_linux,,,,,\n"
)  # fmt: skip
ASK = ImportRequest((), by="ann")


@pytest.fixture
def w() -> World:
    return World()


async def names(w: World, *states: LifeState) -> list[str]:
    return [d.name for d in await w.store.all_devices(DeviceFilter(states=states or None))]


async def test_an_import_is_one_transaction_with_sites_lines_groups_and_events(w: World) -> None:
    report = await w.load(FLEET)
    assert report.format == "csv"
    assert report.counts == {
        "added": 3, "changed": 0, "suspended": 0, "resumed": 0, "replaced": 0, "unchanged": 0, "groups": 1,
    }  # fmt: skip
    assert len(w.store.applied) == 1
    assert sorted(w.store.sites) == ["Bar", "Shop"]
    assert w.store.lines == {("Shop", "L1"): (LineKind.FIBRE, "N1")}
    assert [event.kind for event in w.store.events] == ["group.changed", *["device.added"] * 3]
    assert sorted(w.backed_up) == sorted(w.store.rows)
    assert report.warnings == ("group 'shops' did not exist and is made, without settings",)


async def test_the_same_file_again_changes_nothing(w: World) -> None:
    await w.load(FLEET)
    rows, events = dict(w.store.rows), list(w.store.events)
    report = await w.load(FLEET)
    assert (report.counts["unchanged"], report.rows) == (3, ())
    assert (w.store.rows, w.store.events) == (rows, events)
    assert len(w.backed_up) == 3


async def test_an_import_without_changes_writes_nothing(w: World) -> None:
    plain = "name,address,family\nr1,10.0.0.1,openwrt\n"
    await w.load(plain)
    await w.load(plain)
    assert len(w.store.applied) == 1


async def test_a_dry_run_tells_everything_and_does_nothing(w: World) -> None:
    report = await w.load(FLEET, replace(ASK, dry_run=True))
    assert [(row.action, row.name, row.site) for row in report.rows] == [
        ("added", "r1", "Shop"), ("added", "r2", "Shop"), ("added", "r3", "Bar"),
    ]  # fmt: skip
    assert (w.store.rows, w.store.applied, w.backed_up) == ({}, [], [])


async def test_one_bad_row_means_that_nothing_is_imported(w: World) -> None:
    with pytest.raises(ImportErrors) as caught:
        await w.load(FLEET.replace("10.0.0.2", "10.0.0.222222").replace("frr_linux", "abacus"))
    assert [(p.file, p.line) for p in caught.value.problems] == [("fleet.csv", 3), ("fleet.csv", 4)]
    assert (w.store.rows, w.store.applied) == ({}, [])


async def test_a_swap_in_the_file_keeps_site_and_position_and_backs_the_new_unit_up(w: World) -> None:
    await w.load(FLEET)
    old = (await w.store.device("r1")).device
    report = await w.load(FLEET.replace(",S1", ",S9"))
    new = (await w.store.device("r1")).device
    assert [row.action for row in report.rows] == ["replaced"]
    assert (new.position_id, new.site_id, new.line, new.access_node) == (old.position_id, old.site_id, "L1", "N1")
    assert new.id != old.id
    assert w.store.rows[old.id].state is LifeState.DECOMMISSIONED
    assert w.backed_up[-1] == new.id


async def test_missing_devices_are_suspended_on_request_and_resumed_when_they_are_back(w: World) -> None:
    await w.load(FLEET)
    short = "\n".join(FLEET.splitlines()[:2])
    await w.load(short, replace(ASK, suspend_missing=True, scope=("shops",)))
    assert await names(w, LifeState.SUSPENDED) == ["r2"]
    await w.load(short, replace(ASK, suspend_missing=True))
    assert await names(w, LifeState.SUSPENDED) == ["r2", "r3"]
    report = await w.load(FLEET)
    assert [row.action for row in report.rows] == ["resumed", "resumed"]
    assert len(w.backed_up) == 5


async def test_a_site_keeps_its_id_also_when_all_its_hardware_has_left(w: World) -> None:
    await w.load(FLEET)
    site = w.store.sites["Bar"]
    await w.inventory.remove("r3", by="ann")
    await w.load(FLEET)
    assert (await w.store.device("r3")).device.site_id == site


async def test_a_moved_device_gets_the_id_of_its_new_site(w: World) -> None:
    await w.load(FLEET)
    await w.load(FLEET.replace("Bar,r3", "Cafe,r3"))
    moved = (await w.store.device("r3")).device
    assert (moved.site, moved.site_id) == ("Cafe", w.store.sites["Cafe"])


async def test_groups_are_refused_instead_of_made_when_that_is_asked(w: World) -> None:
    with pytest.raises(ImportErrors, match="'shops' does not exist"):
        await w.load(FLEET, replace(ASK, make_groups=False))


async def test_no_backup_is_asked_for_when_the_request_says_so(w: World) -> None:
    await w.load(FLEET, replace(ASK, backup=False))
    assert w.backed_up == []


async def test_a_first_backup_that_cannot_be_started_is_a_warning(w: World) -> None:
    w.refuse_backups = True
    report = await w.load(FLEET)
    assert len(w.store.rows) == 3
    assert "the first backup could not be started (the database is locked)" in report.warnings[-1]


async def test_the_format_may_be_named_and_a_request_without_files_is_refused(w: World) -> None:
    file = SourceFile("list", "r1;ios;up\n")
    report = await w.importer.run(ImportRequest((file,), by="ann", format="router_db"))
    assert (report.format, await names(w)) == ("router_db", ["r1"])
    with pytest.raises(InputError, match="no file"):
        await w.importer.run(ASK)


async def test_two_imports_at_once_do_not_undo_each_other(w: World) -> None:
    other = HEAD + "Pub,r4,10.0.0.4,openwrt,,,,,\n"
    await asyncio.gather(w.load(FLEET), w.load(other), w.load(FLEET))
    assert await names(w) == ["r1", "r2", "r3", "r4"]
