"""Replacements over HTTP: what is ordered, asked, answered and called off; the work itself is done elsewhere."""

from __future__ import annotations

from dataclasses import replace

import httpx

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.replacement.replacements import Ask, Entry, Progress, Result, Stage, Step
from tests.integration.api.world import World

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mGkZtZfB0kVwXq3yQd2mJbq1bq9kQ0l1nT6tqkq3p"
UNIT = {"device": "r1", "serial": "NEW-1", "address": "198.51.100.77"}
AT = "/api/v1/replacements"


async def ordered(world: World, http: httpx.AsyncClient, **more: object) -> str:
    await world.add_devices("r1")
    made = await http.post(AT, json={**UNIT, **more})
    assert made.status_code == 202, made.text
    assert made.headers["location"] == f"{AT}/{made.json()['id']}"
    return str(made.json()["id"])


async def comes_to(world: World, replacement_id: str, progress: Progress, entry: Entry) -> None:
    store = world.database.replacements
    hold = await store.hold(replacement_id, owner="w", now=world.clock.now(), ttl=30)
    assert hold is not None
    await store.advance(hold, progress, entry)
    await store.release(hold)


async def test_one_is_ordered_shown_listed_and_called_off(world: World, http: httpx.AsyncClient) -> None:
    made = await ordered(world, http, model="M2")
    assert [ticket.id for ticket in world.engine.tickets if ticket.kind == "replacement"] == [made]
    shown = (await http.get(f"{AT}/{made}")).json()
    assert (shown["device"], shown["serial"], shown["stage"], shown["asks"]) == ("r1", "NEW-1", "ordered", [])
    assert (shown["plan"], shown["journal"]) == (None, [])
    assert [one["id"] for one in (await http.get(AT, params={"device": "r1", "open": True})).json()["items"]] == [made]
    again = await http.post(AT, json=UNIT)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await http.post(f"{AT}/{made}/cancel")).json()["cancelled_by"] == shown["requested_by"]
    kinds = [event["kind"] for event in (await http.get("/api/v1/events")).json()["items"]]
    assert {"replacement.ordered", "replacement.cancelling"} <= set(kinds)


async def test_the_same_key_again_gives_the_one_that_is_there(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    first, again = [await http.post(AT, json=UNIT, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]


async def test_what_is_shown_can_be_accepted_and_nothing_else(world: World, http: httpx.AsyncClient) -> None:
    made = await ordered(world, http)
    asks = f"{AT}/{made}/accept"
    assert (await http.post(asks, json={"host_key": "SHA256:x"})).status_code == 409
    assert (await http.post(asks, json={})).status_code == 422
    now = world.clock.now()
    asking = Progress(asks=(Ask.KEY,), questions=1, offered_key=KEY)
    await comes_to(world, made, asking, Entry(Step.KEY, now, Result.ASKS))
    shown = (await http.get(f"{AT}/{made}")).json()
    assert shown["asks"] == ["key"]
    assert (await http.post(asks, json={"host_key": "SHA256:other"})).status_code == 409
    assert (await http.post(asks, json={"losses": "0" * 12})).status_code == 409
    answered = await http.post(asks, json={"host_key": shown["host_key"]})
    assert answered.status_code == 202
    assert (answered.json()["accepted_host_key"], answered.json()["asks"]) == (shown["host_key"], [])
    plan = {
        "way": "model", "version": 3, "from_family": "cisco_ios", "to_family": "vyos", "fingerprint": "abc123abc123",
        "losses": [{"part": "router bgp", "reason": "outside", "lines": ["router bgp 1"]}], "renamed": {},
        "unmapped": [], "lockouts": [],
    }  # fmt: skip
    asking = replace(asking, asks=(Ask.PLAN,), questions=2, plan=plan)
    await comes_to(world, made, asking, Entry(Step.PLAN, now, Result.ASKS))
    assert (await http.get(f"{AT}/{made}")).json()["plan"] == plan
    assert (await http.post(asks, json={"losses": "def456def456"})).status_code == 409
    assert (await http.post(asks, json={"losses": "abc123abc123"})).status_code == 202


async def test_consent_is_recorded_with_name_and_time(world: World, http: httpx.AsyncClient) -> None:
    made = await ordered(world, http)
    asks = f"{AT}/{made}/accept"
    assert (await http.post(asks, json={"retry": True})).status_code == 409
    failed = Progress(Stage.FAILED, (Ask.CONSENT, Ask.RETRY), 1)
    await comes_to(world, made, failed, Entry(Step.RESTORE, world.clock.now(), Result.REFUSED))
    assert (await http.post(asks, json={"factory_consent": "owner, today, by telephone"})).status_code == 202
    shown = (await http.get(f"{AT}/{made}")).json()
    assert (shown["factory_consent"], shown["consent_recorded_by"]) == (
        "owner, today, by telephone",
        shown["requested_by"],
    )
    assert shown["consent_recorded_at"] is not None


async def test_what_cannot_be_ordered_is_refused_with_its_reason(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    for body, status in (
        ({**UNIT, "device": "ghost"}, 404),
        ({**UNIT, "family": "abacus"}, 422),
        ({**UNIT, "bootstrap_credential": "nobody"}, 409),
        ({**UNIT, "address": "not an address"}, 422),
        ({**UNIT, "version": 9}, 404),
        ({**UNIT, "colour": "red"}, 422),
    ):
        assert (await http.post(AT, json=body)).status_code == status, body
    assert (await http.get(f"{AT}/ghost")).status_code == 404
    assert (await http.post(f"{AT}/ghost/cancel")).status_code == 404


async def test_a_token_without_the_scope_orders_nothing(world: World, http: httpx.AsyncClient) -> None:
    made = await ordered(world, http)
    async with await world.client(Scope.READ) as reader:
        assert (await reader.get(f"{AT}/{made}")).status_code == 200
        assert (await reader.post(AT, json=UNIT)).status_code == 403
        assert (await reader.post(f"{AT}/{made}/accept", json={"retry": True})).status_code == 403
        assert (await reader.post(f"{AT}/{made}/cancel")).status_code == 403
