from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.failover.lines import LineSetup
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.subscriptions import Representative, Subscription
from tests.contract.stores.making import NOW, a_device, add, after
from tests.support.catalogues import a_subscription


def of(site: str, **more: object) -> Subscription:
    return a_subscription(site, **{"site_id": "", "catalogue_version": 3, **more})


async def put(db: Database, one: Subscription, revision: int | None = None) -> Subscription:
    return await db.subscriptions.put(one, at=after(1), by="ann", revision=revision)


async def sites(db: Database, *names: str) -> None:
    await add(db, *(a_device(f"cpe-{name}", site=name) for name in names))


async def test_a_subscription_is_kept_whole_and_found_by_name_and_id_of_its_site(db: Database) -> None:
    await sites(db, "gent")
    options = frozenset({"mobile-backup", "ip-pack"})
    people = (Representative("An", "an@x.example"), Representative("Bo", "bo@x.example"))
    wanted = of("gent", technology=LineKind.FIBRE, options=options, representatives=people, language="nl")
    made = await put(db, wanted)
    assert made == replace(wanted, site_id=made.site_id, revision=1)
    assert len(made.site_id) == 32
    assert await db.subscriptions.of_site("gent") == made == await db.subscriptions.of_site(made.site_id)
    assert await db.subscriptions.of_site("brugge") is None
    assert await db.subscriptions.of_sites([made.site_id, "0" * 32]) == [made]
    assert await db.subscriptions.of_sites([]) == []


async def test_a_site_that_there_is_none_of_has_none(db: Database) -> None:
    with pytest.raises(NotFound):
        await put(db, of("nowhere"))
    await sites(db, "gent")
    assert await db.subscriptions.knows("gent")
    assert not await db.subscriptions.knows("nowhere")


async def test_it_is_written_over_what_was_read_alone(db: Database) -> None:
    await sites(db, "gent")
    with pytest.raises(Conflict):
        await put(db, of("gent"), revision=1)
    made = await put(db, of("gent"), revision=0)
    with pytest.raises(Conflict):
        await put(db, of("gent", language="fr"), revision=0)
    changed = await put(db, of("gent", language="fr"), revision=1)
    assert (changed.revision, changed.language) == (2, "fr")
    assert (await put(db, of("gent", language="nl"))).revision == 3
    assert made.revision == 1


async def test_what_is_so_already_is_no_change_and_no_news(db: Database) -> None:
    await sites(db, "gent")
    made = await put(db, of("gent"))
    last = await db.events.last_id()
    assert await put(db, of("gent", catalogue_version=4)) == made
    assert await db.events.last_id() == last


async def test_an_event_tells_what_changed_and_no_mail_address(db: Database) -> None:
    await sites(db, "gent")
    last = await db.events.last_id()
    made = await put(db, of("gent"))
    await put(db, of("gent", options=frozenset({"ip-pack"}), representatives=()))
    first, second = await db.events.after(last)
    assert {first.kind, second.kind} == {"subscription.changed"}
    assert first.data["site"] == "gent"
    assert (first.data["new"], first.data["changed"], first.data["revision"]) == (True, {}, 1)
    assert second.data["changed"] == {"options": [[], ["ip-pack"]], "representatives": [1, 0]}
    assert (second.data["site_id"], second.data["by"], second.data["formula"]) == (made.site_id, "ann", "pro-plus")
    assert "@" not in f"{first} {second}"


async def test_they_are_listed_by_site_within_bounds_page_by_page(db: Database) -> None:
    await sites(db, "a", "b", "c", "d")
    for name, formula in (("c", "pro"), ("a", "pro-plus"), ("b", "pro"), ("d", "pro")):
        await put(db, of(name, formula=formula))
    first = await db.subscriptions.list(limit=3)
    assert [one.site for one in first.items] == ["a", "b", "c"]
    assert [one.site for one in (await db.subscriptions.list(after=first.next, limit=3)).items] == ["d"]
    assert [one.site for one in (await db.subscriptions.list(formula="pro", sites=["a", "b"])).items] == ["b"]
    assert (await db.subscriptions.list(sites=[])).items == ()


async def test_the_activation_date_is_set_once(db: Database) -> None:
    await sites(db, "gent")
    made = await put(db, of("gent", activated_at=None))
    last = await db.events.last_id()
    await db.subscriptions.activated(made.site_id, NOW)
    await db.subscriptions.activated(made.site_id, NOW + timedelta(days=3))
    found = await db.subscriptions.of_site("gent")
    assert found == replace(made, activated_at=NOW, revision=2)
    (told,) = await db.events.after(last)
    assert told.data["changed"] == {"activated_at": [None, NOW.isoformat()]}
    assert told.data["revision"] == 2
    with pytest.raises(NotFound):
        await db.subscriptions.activated("0" * 32, NOW)
    await sites(db, "brugge")
    with pytest.raises(NotFound):
        await db.subscriptions.activated("brugge", NOW)


async def test_of_two_that_write_at_once_over_the_same_revision_one_does(db: Database, other: Database) -> None:
    await sites(db, "gent")
    await put(db, of("gent"))
    tries = (put(db, of("gent", language="nl"), revision=1), put(other, of("gent", language="fr"), revision=1))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in found) == 1
    stands = await db.subscriptions.of_site("gent")
    assert stands in found


async def test_whoever_watches_the_lines_of_a_site_sees_that_its_subscription_changed(db: Database) -> None:
    await sites(db, "gent", "brugge")
    for name in ("gent", "brugge"):
        await db.lines.set_up(f"cpe-{name}", LineSetup(""), NOW, "ann")
    before = await db.lines.revisions()
    await put(db, of("gent"))
    lines = {one.line.site: one for one in (await db.lines.lines()).items}
    assert lines["gent"].revision == before[lines["gent"].line.id] + 1
    assert lines["brugge"].revision == before[lines["brugge"].line.id]
    stands = await db.subscriptions.of_site("gent")
    assert stands is not None
    assert lines["gent"].line.site_id == stands.site_id
