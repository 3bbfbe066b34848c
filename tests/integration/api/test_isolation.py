"""What belongs to another customer is, for a customer, not there: by id, name, list, filter, event, stream, or in an
error's words; and what is not there costs the same work whether somebody else has it or nobody does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.access import Role
from cpe_manager.domain.activation.activations import ActivationReport, Progress
from cpe_manager.domain.changes.requests import ChangeState, Shown
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.changes import Turn
from tests.contract.stores.making import an_activation, an_order
from tests.integration.api.world import World
from tests.support.rights_table import TABLE

MINE, THEIRS = "gent", "brugge-geheim"
NEVER = "nergens-geheim"
WIFI = {"type": "wifi-rights", "parameters": {"networks": [{"band": "5", "channel": 36}]}}
NOT_OF_SITES = {"formula", "number", "type", "code", "token"}
"""Parts of paths that name nothing of a customer's."""
SITE_QUERIES = {"site", "device", "bulk", "line"}
OTHER_QUERIES = {"limit", "cursor", "state", "type", "open", "formula", "kind", "after", "number"}


@dataclass(frozen=True)
class Scene:
    """``mine`` and ``theirs``: clients of two customers. ``words``: whatever is the other's and may never be seen."""

    world: World
    mine: httpx.AsyncClient
    theirs: httpx.AsyncClient
    names: Mapping[str, Sequence[tuple[str, str]]]
    """By parameter: what is the other's, and what is nobody's in the same form."""
    words: tuple[str, ...]


@pytest.fixture
async def scene(world: World) -> AsyncIterator[Scene]:
    await world.add_devices(MINE, THEIRS)
    mine = await world.client(token=await world.account("mine", Role.CUSTOMER, sites=[MINE]))
    theirs = await world.client(token=await world.account("theirs", Role.CUSTOMER, sites=[THEIRS]))
    changes, activations = {}, {}
    async with await world.client() as operator:
        for site, client in ((MINE, mine), (THEIRS, theirs)):
            subscription = {"customer": f"Klant {site}", "formula": "pro-plus", "technology": "copper"}
            answer = await operator.put(f"/api/v1/subscriptions/{site}", json=subscription)
            assert answer.status_code == 200, answer.text
            asked = await client.post("/api/v1/changes", json={**WIFI, "site": site, "note": f"nota {site}"})
            assert asked.status_code == 202, asked.text
            changes[site] = asked.json()
            wanted = {"type": "reboot", "parameters": {}, "site": site}
            other = await operator.post("/api/v1/changes", json=wanted)
            assert other.status_code == 202, other.text
            shown = Shown("basis", f"digest-{site}", native=f"text of {site}", at=world.clock.now())
            await world.database.changes.turn(
                Turn(other.json()["id"], 1, ChangeState.ACCEPTED, world.clock.now(), "test", values=(("shown", shown),))
            )
            activations[site] = await an_activation_of(world, site)
        device = (await operator.get(f"/api/v1/devices/{THEIRS}")).json()
        site_id = (await world.database.inventory.device(THEIRS)).device.site_id
    other = changes[THEIRS]
    yield Scene(
        world,
        mine,
        theirs,
        {
            "site": [(THEIRS, NEVER), (site_id, "0" * 32)],
            "change": [(other["id"], "0" * 32), (other["ticket"], "CHG-999999")],
            "activation": [(activations[THEIRS], "0" * 32), (THEIRS, NEVER), (site_id, "0" * 32)],
            "device": [(THEIRS, NEVER), (device["id"], "0" * 32)],
            "bulk": [("0" * 31 + "1", "0" * 31 + "2")],
            "line": [(THEIRS, NEVER), (device["id"], "0" * 32)],
        },
        (
            THEIRS,
            site_id,
            device["id"],
            device["address"],
            other["id"],
            other["ticket"],
            activations[THEIRS],
            "Klant brugge",
            "nota brugge",
        ),
    )
    await mine.aclose()
    await theirs.aclose()


async def an_activation_of(world: World, site: str) -> str:
    """Under way, with a report."""
    device = (await world.database.inventory.device(site)).device
    made = an_activation(device, progress=Progress())
    await world.database.activations.create(made, an_order())
    held = await world.database.activations.hold(made.id, owner="test", now=world.clock.now(), ttl=30)
    assert held is not None
    report = ActivationReport(made.id, 1, world.clock.now(), False, {"site": site}, f"<p>{site}</p>")
    await world.database.activations.add_report(held, report)
    return made.id


def customers_operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in world.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if "C" in TABLE[operation["operationId"]] and operation.get("security"):
                yield method.upper(), path, operation


def parameters(operation: dict[str, Any], place: str) -> list[str]:
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == place]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement that the database is given meanwhile, without its values."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        found.append(re.sub(r"\(\?(, \?)*\)", "(?)", statement))

    engine = database._connections._reader.sync_engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def told(answer: httpx.Response, *names: str) -> tuple[int, str]:
    """An answer without what names the occurrence, and without what was asked for."""
    body = answer.text
    if answer.headers.get("content-type", "").startswith("application/problem"):
        problem = answer.json()
        problem.pop("instance", None)
        body = json.dumps(problem, sort_keys=True)
    body = re.sub(r'"bulk_id":"\w+"', "", body)
    for name in names:
        body = body.replace(name, "NAME")
    return answer.status_code, body


async def alike(scene: Scene, method: str, there: str, nowhere: str, names: tuple[str, str], **more: Any) -> int:
    """That both requests are answered in the same words after the same work; the status."""
    bodies = more.pop("bodies", (None, None))
    found = []
    for path, name, body in zip((there, nowhere), names, bodies, strict=True):
        with statements(scene.world.database) as asked:
            answer = await scene.mine.request(method, path, json=body, **more)
        found.append((told(answer, name), asked))
    (one, work), (other, other_work) = found
    assert one == other, (method, there, nowhere)
    assert work == other_work, (method, there, nowhere)
    return one[0]


async def test_every_parameter_of_what_customers_may_ask_is_known_to_be_of_a_site_or_not(world: World) -> None:
    for _, path, operation in customers_operations(world):
        found = set(parameters(operation, "path")) - NOT_OF_SITES
        assert found <= {"site", "change", "device", "activation", "webhook"}, (path, found)
        queries = set(parameters(operation, "query"))
        assert queries <= SITE_QUERIES | OTHER_QUERIES, (path, queries)


async def test_by_name_and_by_id_what_is_anothers_is_like_what_is_nobodys(scene: Scene) -> None:
    bodies = {
        "approveChange": {"digest": f"digest-{THEIRS}"},
        "declineChange": {"reason": "no"},
        "withdrawChange": {"reason": "no"},
    }
    looked = 0
    for method, path, operation in customers_operations(scene.world):
        for name in set(parameters(operation, "path")) & scene.names.keys():
            for theirs, nobodys in scene.names[name]:
                there, nowhere = (path.replace(f"{{{name}}}", one) for one in (theirs, nobodys))
                body = bodies.get(operation["operationId"])
                status = await alike(scene, method, there, nowhere, (theirs, nobodys), bodies=(body, body))
                assert status == 404, (path, status)
                looked += 1
    assert looked >= 12


async def test_a_change_of_another_site_is_refused_as_one_of_no_site_and_none_is_made(scene: Scene) -> None:
    before = [one async for one in scene.world.database.maintenance.dump() if one[0].startswith("change")]
    for field in ("site", "device"):
        for theirs, nobodys in scene.names[field]:
            bodies = ({**WIFI, field: theirs}, {**WIFI, field: nobodys})
            path = "/api/v1/changes"
            assert await alike(scene, "POST", path, path, (theirs, nobodys), bodies=bodies) == 404
    rows = [{"rows": [{"number": 1, **WIFI, "site": one}]} for one in (THEIRS, NEVER)]
    path = "/api/v1/change-imports"
    assert await alike(scene, "POST", path, path, (THEIRS, NEVER), bodies=(rows[0], rows[1])) in {200, 404}
    both = {**WIFI, "site": MINE, "device": THEIRS}, {**WIFI, "site": MINE, "device": NEVER}
    path = "/api/v1/changes"
    assert await alike(scene, "POST", path, path, (THEIRS, NEVER), bodies=both) in {404, 422}
    after = [one async for one in scene.world.database.maintenance.dump() if one[0].startswith("change")]
    assert after == before


async def test_lists_filters_and_cursors_show_nothing_of_another_site(scene: Scene) -> None:
    scene.world.app.state.feed.close()
    for method, path, operation in customers_operations(scene.world):
        if method != "GET" or "{" in path:
            continue
        whole = await scene.mine.get(path, params={"limit": 1000} if "limit" in str(operation) else None)
        assert whole.status_code == 200, (path, whole.text)
        seen = [word for word in scene.words if word in whole.text]
        assert seen == [], path
        for name in set(parameters(operation, "query")) & SITE_QUERIES:
            for theirs, nobodys in scene.names[name]:
                found = [told(await scene.mine.get(path, params={name: one}), one) for one in (theirs, nobodys)]
                assert found[0] == found[1], (path, name)
    mine = (await scene.mine.get("/api/v1/changes")).json()["items"]
    assert {one["site"] for one in mine} == {MINE}
    assert len(mine) == 2
    theirs = await scene.theirs.get("/api/v1/changes", params={"limit": 1})
    cursor = theirs.json()["next_cursor"]
    carried = await scene.mine.get("/api/v1/changes", params={"cursor": cursor})
    assert all(one["site"] == MINE for one in carried.json().get("items", ()))
    assert [one["site"] for one in (await scene.mine.get("/api/v1/subscriptions")).json()["items"]] == [MINE]
    assert {one["site"] for one in (await scene.mine.get("/api/v1/approvals")).json()["items"]} == {MINE}


async def test_an_idempotency_key_of_another_customer_means_nothing(scene: Scene) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await scene.theirs.post("/api/v1/changes", json={**WIFI, "site": THEIRS}, headers=key)
    again = await scene.mine.post("/api/v1/changes", json={**WIFI, "site": THEIRS}, headers=key)
    mine = await scene.mine.post("/api/v1/changes", json={**WIFI, "site": MINE}, headers=key)
    assert (first.status_code, again.status_code, mine.status_code) == (202, 404, 202)
    assert (await scene.mine.post("/api/v1/changes", json={**WIFI, "site": MINE}, headers=key)).json() == mine.json()


async def test_events_and_the_stream_tell_of_ones_own_site_alone(scene: Scene) -> None:
    world = scene.world
    events = (await scene.mine.get("/api/v1/events", params={"limit": 1000})).json()["items"]
    assert events
    assert {one["data"]["site"] for one in events} == {MINE}
    assert {one["kind"].partition(".")[0] for one in events} <= {"change", "subscription", "activation"}
    for params in ({"kind": "*"}, {"kind": "line.*"}, {"kind": "change.*"}):
        found = await scene.mine.get("/api/v1/events", params=params)
        assert all(word not in found.text for word in scene.words)
    for name in ("device", "line"):
        for asked in (MINE, THEIRS, NEVER):
            assert (await scene.mine.get("/api/v1/events", params={name: asked})).status_code == 403
    streamed = asyncio.create_task(scene.mine.get("/api/v1/events/stream", params={"after": 0}))
    now = world.clock.now()
    await world.database.events.add(
        [
            NewEvent("change.done", now, message="of theirs", data={"site": THEIRS}),
            NewEvent("line.mobile", now, message="of the fleet", data={"site": MINE}),
            NewEvent("change.done", now, message="the last of mine", data={"site": MINE}),
        ]
    )
    await asyncio.sleep(0.5)
    world.app.state.feed.close()
    text = (await streamed).text
    assert "the last of mine" in text
    assert "of the fleet" not in text
    assert all(word not in text for word in (*scene.words, "of theirs"))


async def test_what_an_account_is_bound_to_counts_from_the_next_request_on(scene: Scene) -> None:
    async with await scene.world.client() as admin:
        await admin.patch("/api/v1/accounts/mine", json={"sites": [MINE, THEIRS]})
        found = (await scene.mine.get("/api/v1/subscriptions")).json()["items"]
        assert {one["site"] for one in found} == {MINE, THEIRS}
        await admin.patch("/api/v1/accounts/mine", json={"sites": []})
        assert (await scene.mine.get("/api/v1/subscriptions")).json()["items"] == []
        assert (await scene.mine.get(f"/api/v1/subscriptions/{MINE}")).status_code == 404
        assert (await scene.mine.get("/api/v1/events")).json()["items"] == []


async def test_whoever_asks_for_changes_alone_is_told_of_them_and_of_nothing_else(scene: Scene) -> None:
    """An executor is bound to no site, and does not see the fleet."""
    token = await scene.world.account("program", Role.EXECUTOR)
    async with await scene.world.client(token=token) as program:
        events = (await program.get("/api/v1/events", params={"limit": 1000})).json()["items"]
        assert {one["data"]["site"] for one in events} == {MINE, THEIRS}
        assert {one["kind"].partition(".")[0] for one in events} <= {"change", "subscription", "activation"}
        assert (await program.get("/api/v1/devices")).status_code == 403
