from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from tests.integration.api.world import World

PRO: dict[str, Any] = {
    "customer": "Bakkerij Peeters",
    "formula": "pro-plus",
    "technology": "copper",
    "options": ["mobile-backup"],
    "activated_at": "2026-01-05T09:00:00Z",
    "representatives": [{"name": "An Peeters", "email": "an@bakkerij.example"}],
    "language": "nl",
}


@pytest.fixture(autouse=True)
async def sites(world: World) -> None:
    await world.add_devices("gent", "brugge")


async def test_the_catalogue_in_force_is_shown_whole_and_by_version(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/v1/catalogue")).json()
    assert (found["number"], found["service_source"]) == (1, "shipped")
    assert len(found["components"]) == 23
    assert [one["type"] for one in found["entries"]][:2] == ["open-port", "close-port"]
    assert found["port_presets"]["web"] == [80, 443]
    formulas = (await http.get("/api/v1/catalogue/formulas")).json()
    assert formulas == found["formulas"]
    one = (await http.get("/api/v1/catalogue/formulas/pro")).json()
    assert one["technologies"]["fibre"]["title"] == "Internet Pro FullFiber"
    assert one["technologies"]["fibre"]["speed"] == {"down": 350, "up": 50}
    assert one["technologies"]["fibre"]["boosts"] == {"fullfiber-boost-pro": {"down": 500, "up": 100}}
    assert one["terms"]["fixed-ipv4"] == "OPT"
    assert (await http.get("/api/v1/catalogue/formulas/dial-up")).status_code == 404
    versions = (await http.get("/api/v1/catalogue/versions")).json()["items"]
    assert [one["number"] for one in versions] == [1]
    assert (await http.get("/api/v1/catalogue/versions/1")).json() == found
    assert (await http.get("/api/v1/catalogue/versions/2")).status_code == 404
    assert (await http.get("/api/v1/catalogue/versions/0")).status_code == 422


async def test_a_subscription_is_put_read_and_written_over_what_was_read_alone(http: httpx.AsyncClient) -> None:
    made = await http.put("/api/v1/subscriptions/gent", json=PRO, headers={"If-Match": '"0"'})
    assert (made.status_code, made.headers["ETag"]) == (200, '"1"'), made.text
    found = await http.get("/api/v1/subscriptions/gent")
    assert (found.json(), found.headers["ETag"]) == (made.json(), '"1"')
    assert {name: found.json()[name] for name in PRO} == PRO
    site_id = found.json()["site_id"]
    assert (await http.get(f"/api/v1/subscriptions/{site_id}")).json() == found.json()
    stale = await http.put("/api/v1/subscriptions/gent", json=PRO, headers={"If-Match": '"0"'})
    assert stale.status_code in {409, 412}
    assert (await http.put("/api/v1/subscriptions/gent", json=PRO, headers={"If-Match": "x"})).status_code == 422
    less = {name: PRO[name] for name in ("customer", "formula", "technology")}
    again = (await http.put("/api/v1/subscriptions/gent", json=less, headers={"If-Match": '"1"'})).json()
    assert (again["options"], again["representatives"], again["activated_at"]) == ([], [], PRO["activated_at"])
    assert (await http.put("/api/v1/subscriptions/gent", json={**less, "activated_at": None})).json()[
        "activated_at"
    ] is None
    assert (await http.put("/api/v1/subscriptions/nowhere", json=PRO)).status_code == 404
    assert (await http.get("/api/v1/subscriptions/brugge")).status_code == 404
    events = (await http.get("/api/v1/events?kind=subscription.changed")).json()["items"]
    assert [one["data"]["revision"] for one in events] == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"formula": "dial-up"}, "formula"),
        ({"technology": "cable"}, "technology"),
        ({"options": ["pigeons"]}, "options"),
        ({"options": "mobile-backup"}, "options"),
        ({"activated_at": "2026-01-05T09:00:00"}, "activated_at"),
        ({"representatives": [{"name": "An", "email": "an"}]}, "representatives"),
        ({"language": "de"}, "language"),
        ({"price": 40}, "price"),
        ({"customer": ""}, "customer"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_field_and_nothing_is_kept(
    http: httpx.AsyncClient, values: dict[str, Any], word: str
) -> None:
    refused = await http.put("/api/v1/subscriptions/gent", json={**PRO, **values})
    assert refused.status_code == 422
    assert word in refused.json()["detail"]
    assert (await http.get("/api/v1/subscriptions/gent")).status_code == 404


async def test_subscriptions_are_listed_by_site_and_formula(http: httpx.AsyncClient) -> None:
    for site, formula in (("gent", "pro-plus"), ("brugge", "pro")):
        body = {**PRO, "formula": formula, "options": []}
        assert (await http.put(f"/api/v1/subscriptions/{site}", json=body)).status_code == 200
    first = (await http.get("/api/v1/subscriptions?limit=1")).json()
    assert [one["site"] for one in first["items"]] == ["brugge"]
    rest = (await http.get(f"/api/v1/subscriptions?cursor={first['next_cursor']}")).json()
    assert [one["site"] for one in rest["items"]] == ["gent"]
    found = (await http.get("/api/v1/subscriptions?formula=pro")).json()["items"]
    assert [one["site"] for one in found] == ["brugge"]
    assert (await http.get("/api/v1/subscriptions?cursor=xx")).status_code == 422


async def test_entitlements_say_yes_or_the_section(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/subscriptions/gent", json={**PRO, "technology": "fibre"})
    found = (await http.get("/api/v1/subscriptions/gent/entitlements")).json()
    assert (found["title"], found["speed"], found["end_users"]) == (
        "Internet Pro+ FullFiber", {"down": 350, "up": 50}, 253,
    )  # fmt: skip
    said = {one["operation"]: one for one in found["operations"]}
    assert said["failover"]["allowed"]
    assert said["rush"] == {
        "operation": "rush",
        "allowed": False,
        "component": "rush-installation",
        "section": "§4.3",
        "reason": "rush installation does not exist on fibre, so not with Internet Pro+ FullFiber (§4.3)",
    }
    assert (await http.get("/api/v1/subscriptions/brugge/entitlements")).status_code == 404


async def test_many_are_written_from_rows_of_which_each_has_its_result(http: httpx.AsyncClient) -> None:
    rows = [
        {"number": 2, "site": "gent", "values": {"customer": "B", "formula": "pro", "technology": "copper"}},
        {"number": 3, "site": "nowhere", "values": {"customer": "B", "formula": "pro", "technology": "copper"}},
        {"number": 4, "site": "brugge", "values": {"formula": 7}},
        {"number": 5, "site": "", "values": {}},
    ]
    dry = (await http.post("/api/v1/subscription-imports", json={"rows": rows, "dry_run": True})).json()
    assert (await http.get("/api/v1/subscriptions/gent")).status_code == 404
    found = (await http.post("/api/v1/subscription-imports", json={"rows": rows})).json()
    assert [one["result"] for one in found["results"]] == ["new", "refused", "refused", "refused"]
    assert dry["results"] == found["results"]
    people = [{"name": "An", "email": "an@x.example"}]
    rows = [{"number": 1, "site": "gent", "values": {"representatives": people, "options": ["fixed-ipv4"]}}]
    (one,) = (await http.post("/api/v1/subscription-imports", json={"rows": rows})).json()["results"]
    assert one["result"] == "changed"
    assert (await http.get("/api/v1/subscriptions/gent")).json()["representatives"] == people


async def test_who_may_look_may_not_write(world: World) -> None:
    async with await world.client(Scope.READ) as reader:
        assert (await reader.get("/api/v1/catalogue")).status_code == 200
        assert (await reader.get("/api/v1/subscriptions")).status_code == 200
        assert (await reader.put("/api/v1/subscriptions/gent", json=PRO)).status_code == 403
        assert (await reader.post("/api/v1/subscription-imports", json={"rows": []})).status_code == 403
    async with await world.client(token="") as stranger:
        assert (await stranger.get("/api/v1/catalogue")).status_code == 401


async def test_a_replacement_without_a_restore_in_the_subscription_says_so_unless_it_was_ordered(
    http: httpx.AsyncClient,
) -> None:
    await http.put("/api/v1/subscriptions/gent", json={**PRO, "formula": "pro", "options": []})
    body = {"device": "gent", "serial": "NEW-1"}
    refused = await http.post("/api/v1/replacements", json=body)
    assert refused.status_code == 409
    assert "restoring the configuration is not part of Internet Pro (§5.1.2.4)" in refused.json()["detail"]
    made = await http.post("/api/v1/replacements", json={**body, "on_demand": "An, by telephone, 2 March"})
    assert made.status_code == 202, made.text
    (told,) = (await http.get("/api/v1/events?kind=replacement.answered")).json()["items"]
    assert told["data"]["words"] == "An, by telephone, 2 March"
    await http.put("/api/v1/subscriptions/brugge", json={**PRO, "formula": "pro-plus-essential", "options": []})
    refused = await http.post(
        "/api/v1/replacements", json={"device": "brugge", "serial": "N", "on_demand": "An, today"}
    )
    assert refused.status_code == 409
    assert "§5.1.3" in refused.json()["detail"]
