"""Webhooks over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from cpe_manager.domain.access.access import Role
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.events import NewEvent
from tests.integration.api.world import World
from tests.support.hook_server import HookServer

HOOKS = "/api/v1/webhooks"
OWN = "/api/v1/own-webhooks"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with HookServer() as running:
        yield running


def a_hook(server: HookServer, **more: object) -> dict[str, object]:
    return {"name": "desk", "url": server.url, "kinds": ["line.*"], **more}


async def test_a_webhook_is_made_looked_at_and_removed_and_its_secret_is_shown_once(
    http: httpx.AsyncClient, server: HookServer
) -> None:
    made = await http.post(HOOKS, json=a_hook(server, url=f"{server.url}?key=secret-in-url"))
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert made.json()["secret"].startswith("whsec_")
    shown = await http.get(made.headers["location"])
    listed = await http.get(HOOKS)
    assert shown.json() == {**listed.json()["items"][0], "behind": 1, "attempts": []}
    for answer in (shown, listed, await http.get("/api/v1/events")):
        assert "secret-in-url" not in answer.text
        assert made.json()["secret"] not in answer.text
    assert (await http.delete(f"{HOOKS}/desk")).status_code == 204
    assert (await http.get(f"{HOOKS}/desk")).status_code == 404
    assert (await http.get(HOOKS)).json()["items"] == []


async def test_the_receivers_own_secret_is_taken(http: httpx.AsyncClient, server: HookServer) -> None:
    made = await http.post(HOOKS, json=a_hook(server, secret=SECRET))
    assert made.json()["secret"] == SECRET


async def test_a_test_and_a_replay_say_what_came_of_them(
    http: httpx.AsyncClient, world: World, server: HookServer
) -> None:
    await http.post(HOOKS, json=a_hook(server))
    tested = await http.post(f"{HOOKS}/desk/test")
    assert (tested.status_code, tested.json()["ok"], tested.json()["status"]) == (200, True, 200)
    server.answer = lambda document, headers: (500, {"what": "is not kept"})
    tested = await http.post(f"{HOOKS}/desk/test")
    assert (tested.json()["ok"], tested.json()["reason"]) == (False, "HTTP 500")
    assert "not kept" not in tested.text
    await world.database.events.add([NewEvent("line.mobile", world.clock.now())])
    await world.services.webhooks.look()
    await world.services.webhooks.idle()
    failing = (await http.get(f"{HOOKS}/desk")).json()
    assert (failing["failures"], failing["state"], failing["attempts"][0]["status"]) == (1, "active", 500)
    replayed = await http.post(f"{HOOKS}/desk/replay", json={"since": "2026-01-01T00:00:00Z"})
    assert (replayed.status_code, replayed.json()["failures"]) == (202, 0)
    assert replayed.json()["cursor"] < failing["behind"] + failing["cursor"]
    assert (await http.post(f"{HOOKS}/desk/replay")).status_code == 202


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "ftp://x/"}, "URL"),
        ({"url": "https://user:pass@x/"}, "password"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["no kind"]}, "no kind of event"),
        ({"secret": "short"}, "whsec_"),
        ({"name": "a/b"}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_makes_no_webhook_is_refused_with_a_reason(
    http: httpx.AsyncClient, server: HookServer, changes: dict[str, object], words: str
) -> None:
    answer = await http.post(HOOKS, json=a_hook(server, **changes))
    assert answer.status_code == 422
    assert words in answer.text
    assert "user:pass" not in answer.text


async def test_a_name_is_one_webhooks(http: httpx.AsyncClient, server: HookServer) -> None:
    await http.post(HOOKS, json=a_hook(server))
    again = await http.post(HOOKS, json=a_hook(server))
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_what_is_not_there_is_not_found(http: httpx.AsyncClient) -> None:
    for method, path in (("GET", "x"), ("DELETE", "x"), ("POST", "x/test"), ("POST", "x/replay")):
        assert (await http.request(method, f"{HOOKS}/{path}")).status_code == 404


async def test_each_verb_takes_its_scope(world: World, http: httpx.AsyncClient, server: HookServer) -> None:
    await http.post(HOOKS, json=a_hook(server))
    async with await world.client(Scope.READ) as reader:
        assert (await reader.get(f"{HOOKS}/desk")).status_code == 200
        assert (await reader.post(f"{HOOKS}/desk/test")).status_code == 403
        assert (await reader.post(f"{HOOKS}/desk/replay")).status_code == 403
    async with await world.client(Scope.READ, Scope.WRITE) as operator:
        assert (await operator.post(f"{HOOKS}/desk/test")).status_code == 200
        assert (await operator.post(HOOKS, json=a_hook(server, name="b"))).status_code == 403
        assert (await operator.delete(f"{HOOKS}/desk")).status_code == 403
    assert (await http.get(f"{HOOKS}/desk")).status_code == 200


async def test_a_customer_has_webhooks_of_its_own_and_knows_of_no_others(
    http: httpx.AsyncClient, world: World, server: HookServer
) -> None:
    await world.add_devices("gent", "luik")
    await http.post(HOOKS, json=a_hook(server))
    an, bo = [await world.account(name, Role.CUSTOMER, sites=[site]) for name, site in (("an", "gent"), ("bo", "luik"))]
    ours = {"name": "desk", "url": "https://desk.example/x", "kinds": ["*"]}
    async with await world.client(token=an) as customer, await world.client(token=bo) as stranger:
        made = await customer.post(OWN, json=ours)
        assert made.status_code == 201, made.text
        view = made.json()["webhook"]
        assert (view["name"], view["customer"], view["sites"]) == ("an.desk", True, None)
        assert (await stranger.post(OWN, json=ours)).json()["webhook"]["name"] == "bo.desk"
        assert [one["name"] for one in (await customer.get(OWN)).json()["items"]] == ["an.desk"]
        assert (await customer.get(f"{OWN}/an.desk")).status_code == 200
        for name in ("desk", "bo.desk", view["id"].replace("0", "1")):
            assert (await customer.get(f"{OWN}/{name}")).status_code == 404
            assert (await customer.delete(f"{OWN}/{name}")).status_code == 404
            for verb in ("test", "replay"):
                assert (await customer.post(f"{OWN}/{name}/{verb}")).status_code == 404
        assert (await customer.get(HOOKS)).status_code == 403
        refused = await customer.post(OWN, json=ours | {"name": "x", "sites": ["luik"]})
        assert refused.status_code == 422
        assert (await customer.post(OWN, json=ours | {"name": "x", "url": server.url})).status_code == 422
        assert (await customer.post(f"{OWN}/an.desk/replay")).status_code == 202
        assert (await customer.delete(f"{OWN}/an.desk")).status_code == 204
    assert [one["name"] for one in (await http.get(HOOKS)).json()["items"]] == ["bo.desk", "desk"]
    assert (await http.post(OWN, json=ours)).status_code == 409


async def test_an_administrator_binds_a_webhook_to_sites(http: httpx.AsyncClient, server: HookServer) -> None:
    made = await http.post(HOOKS, json=a_hook(server, kinds=["change.*"], sites=["gent", "gent", "luik"]))
    assert made.json()["webhook"]["sites"] == ["gent", "luik"]
    assert (await http.post(HOOKS, json=a_hook(server, name="x", sites=[]))).status_code == 422
