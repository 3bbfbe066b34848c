"""Subscriptions over the real database, and whoever asks what they entitle to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.access import SYSTEM, Principal, Role
from cpe_manager.domain.errors import Conflict, Forbidden, InputError, NotFound
from cpe_manager.domain.failover.lines import LineSetup
from cpe_manager.domain.fleet.inventory import Device, LineKind
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.subscription.entitlement import Component
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.services.failover.subscribed import SubscribedLines
from cpe_manager.services.subscription.entitling import Entitling
from cpe_manager.services.subscription.subscriptions import SubscriptionRow, Subscriptions
from tests.contract.stores.making import NOW, a_device, add
from tests.fakes.catalogues import MemoryCatalogues
from tests.fakes.clock import SimulatedClock

FIRST: dict[str, Any] = {"customer": "Bakkerij", "formula": "pro-plus", "technology": "copper"}


def customer(*sites: str) -> Principal:
    return Principal("c1", "An", "user", frozenset({Role.CUSTOMER}), frozenset(sites))


@dataclass
class Desk:
    database: Database
    catalogues: MemoryCatalogues
    service: Subscriptions
    entitling: Entitling

    @property
    def lines(self) -> SubscribedLines:
        return SubscribedLines(self.database.lines, self.entitling)

    async def put(self, site: str, **more: Any) -> None:
        await self.service.put(site, {**FIRST, **more}, SYSTEM)

    async def device(self, site: str) -> Device:
        return (await self.database.inventory.device(f"cpe-{site}")).device


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with await Database.open(sqlite_url) as database:
        await add(database, *(a_device(f"cpe-{site}", site=site) for site in ("gent", "brugge")))
        catalogues = MemoryCatalogues()
        service = Subscriptions(database.subscriptions, catalogues, SimulatedClock())
        yield Desk(database, catalogues, service, Entitling(catalogues, database.subscriptions))


async def test_it_is_made_changed_and_written_whole(desk: Desk) -> None:
    made = await desk.service.put("gent", {**FIRST, "options": ["ip-pack"], "activated_at": "2026-01-05"}, SYSTEM)
    assert (made.revision, made.catalogue_version, made.site) == (1, 1, "gent")
    changed = await desk.service.put("gent", {"language": "nl"}, SYSTEM, revision=1)
    assert (changed.options, changed.language, changed.revision) == ({"ip-pack"}, "nl", 2)
    whole = await desk.service.put("gent", FIRST, SYSTEM, whole=True)
    assert (whole.options, whole.language, whole.activated_at) == (frozenset(), "en", made.activated_at)
    with pytest.raises(InputError, match="customer of a subscription: missing"):
        await desk.service.put("gent", {**FIRST, "customer": None}, SYSTEM, whole=True)
    with pytest.raises(Conflict):
        await desk.service.put("gent", {"language": "fr"}, SYSTEM, revision=1)
    with pytest.raises(NotFound):
        await desk.service.put("nowhere", FIRST, SYSTEM)
    with pytest.raises(InputError, match="site"):
        await desk.service.put(" ", FIRST, SYSTEM)


async def test_a_customer_sees_the_own_sites_and_writes_nothing(desk: Desk) -> None:
    await desk.put("gent")
    await desk.put("brugge")
    an = customer("gent")
    assert (await desk.service.show("gent", an)).site == "gent"
    assert [one.site for one in (await desk.service.list(an)).items] == ["gent"]
    assert len((await desk.service.list(SYSTEM)).items) == 2
    brugge = await desk.service.show("brugge", SYSTEM)
    refusals = []
    for other in ("brugge", brugge.site_id, "nowhere"):
        with pytest.raises(NotFound) as caught:
            await desk.service.entitlements(other, an)
        refusals.append(str(caught.value))
    # Nothing tells a site that there is from one that there is not.
    assert refusals[0].replace("brugge", "X") == refusals[2].replace("nowhere", "X")
    with pytest.raises(Forbidden):
        await desk.service.put("gent", {"language": "nl"}, an)
    with pytest.raises(Forbidden):
        await desk.service.import_rows([], an)
    nobody = Principal("n", "n", "user", frozenset())
    with pytest.raises(Forbidden):
        await desk.service.list(nobody)


async def test_rows_are_judged_one_by_one(desk: Desk) -> None:
    await desk.put("brugge", language="fr")
    rows = [
        SubscriptionRow(2, "gent", {**FIRST, "options": "mobile-backup ip-pack"}),
        SubscriptionRow(3, "nowhere", FIRST),
        SubscriptionRow(4, "brugge", {"language": "nl"}),
        SubscriptionRow(5, "gent", {"language": "nl"}),
        SubscriptionRow(6, "", FIRST),
    ]
    dry = await desk.service.import_rows(rows, SYSTEM, dry_run=True)
    assert await desk.database.subscriptions.of_site("gent") is None
    found = await desk.service.import_rows(rows, SYSTEM)
    assert [one.result for one in found] == ["new", "refused", "changed", "refused", "refused"]
    assert [one.result for one in dry] == ["new", "refused", "changed", "refused", "refused"]
    assert "no such site" in found[1].reason
    assert found[3].reason == "row 2 is of this site already"
    again = await desk.service.import_rows([rows[0], rows[2]], SYSTEM)
    assert [one.result for one in again] == ["unchanged", "unchanged"]
    (refused,) = await desk.service.import_rows([SubscriptionRow(9, "gent", {"options": "pigeons"})], SYSTEM)
    assert "options: there is no 'pigeons'" in refused.reason
    assert (await desk.service.show("gent", SYSTEM)).options == {"mobile-backup", "ip-pack"}


async def test_what_it_entitles_to_is_told_with_the_catalogue_that_judged(desk: Desk) -> None:
    await desk.put("gent", formula="pro")
    found = await desk.service.entitlements("gent", SYSTEM)
    assert found.operations[Operation.WIFI_RIGHTS].allowed
    assert found.operations[Operation.OPEN_PORT].section == "§5.2.2.1"
    assert (found.catalogue_version, found.formula.id if found.formula else "") == (1, "pro")
    catalogue = await desk.catalogues.current()
    without = {name: one for name, one in catalogue.formulas.items() if name != "pro"}
    desk.catalogues.take(replace(catalogue, formulas=without))
    found = await desk.service.entitlements("gent", SYSTEM)
    assert (found.formula, found.speed, found.catalogue_version) == (None, None, 2)
    assert not any(one.allowed for one in found.operations.values())


async def test_a_push_brings_nothing_into_use_that_was_not_ordered(desk: Desk) -> None:
    device = await desk.device("gent")
    (told,) = await desk.entitling.judge(device, [Component.MOBILE_BACKUP])
    assert (told.check, told.refuses) == (Check.NOT_JUDGED, False)
    assert await desk.entitling.judge(device, []) == []
    await desk.put("gent")
    both = [Component.FIREWALL, Component.MOBILE_BACKUP]
    (told,) = await desk.entitling.judge(device, both)
    assert (told.check, told.refuses) == (Check.ENTITLEMENT, True)
    assert told.reason == "mobile backup is an option of Internet Pro+ that was not ordered (§3.8)"
    await desk.service.put("gent", {"options": "mobile-backup"}, SYSTEM)
    assert await desk.entitling.judge(device, both) == []


async def test_nothing_is_pushed_onto_a_customers_own_router(desk: Desk) -> None:
    await desk.put("gent", formula="pro-plus-essential")
    for components in ([], [Component.FIXED_IPV4, Component.FIREWALL]):
        (told,) = await desk.entitling.judge(await desk.device("gent"), components)
        assert told.refuses
        assert "the router is the customer's own" in told.reason


async def test_lines_go_by_the_subscription_where_there_is_one(desk: Desk) -> None:
    setup = LineSetup("", formula="pro-plus", ordered=True, coverage="passed")
    for site in ("gent", "brugge"):
        await desk.lines.set_up(f"cpe-{site}", setup, NOW, "ann")
    assert {one.line.setup.entitled for one in await desk.lines.watched()} == {""}
    await desk.put("gent")
    said = {one.line.site: one.line.setup.entitled for one in await desk.lines.watched()}
    refusal = "mobile backup is an option of Internet Pro+ that was not ordered (§3.8)"
    assert said == {"gent": refusal, "brugge": ""}
    record = await desk.lines.line("cpe-gent")
    assert record.line.setup.entitled == refusal
    assert (await desk.lines.lines(limit=1)).items[0].line.site == "brugge"
    assert (await desk.lines.want(record.line.id, "hold", by="ann", at=NOW)).line.setup.entitled == refusal
    assert [one.line.setup.entitled for one in await desk.lines.asked()] == [refusal]
    await desk.service.put("gent", {"options": ["mobile-backup"]}, SYSTEM)
    assert (await desk.lines.line("cpe-gent")).line.setup.entitled == ""
    # What the line itself says does not matter any more, but its coverage does.
    bare = LineSetup("", coverage="refused", coverage_reason="a cellar")
    changed = await desk.lines.set_up("cpe-gent", bare, NOW, "ann")
    assert changed.line.setup.entitled == "coverage check refused: a cellar (§3.8)"


async def test_a_formula_without_mobile_backup_cites_the_section(desk: Desk) -> None:
    await desk.lines.set_up("cpe-gent", LineSetup("", coverage="passed"), NOW, "ann")
    await desk.put("gent", formula="maxi", technology=LineKind.FIBRE.value)
    said = (await desk.lines.line("cpe-gent")).line.setup.entitled
    assert said == "mobile backup is not part of Internet Maxi Fiber with Bizz Services (§3.8)"
