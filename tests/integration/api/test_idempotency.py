"""The same Idempotency-Key again starts nothing new; with another body it is told that this is a mistake."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from tests.integration.api.world import World

STARTING: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {
    "/backups": ({"names": ["w1"]}, {"names": ["w2"]}),
    "/verifications": (None, None),
    "/exports": (None, None),
    "/schedules/nightly/run": (None, None),
    "/keys/rotate": (None, None),
    "/drills": ({"devices": ["w1"]}, {"devices": ["w2"]}),
    "/pushes": ({"device": "w1", "change": {"dns": ["9.9.9.9"]}}, {"device": "w1", "change": {"dns": ["9.9.9.10"]}}),
    "/rollouts": (
        {"name": "a", "select": {"all": True}, "change": {"dns": ["9.9.9.9"]}},
        {"name": "b", "select": {"all": True}, "change": {"dns": ["9.9.9.9"]}},
    ),
    "/replacements": ({"device": "w1", "serial": "N1"}, {"device": "w2", "serial": "N2"}),
}


@pytest.fixture(autouse=True)
async def fleet(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("w1", "w2", family="openwrt")
    for name in ("w1", "w2"):
        await world.back_up(name, "one", text="package network\n")
    assert (await http.post("/api/v1/schedules", json={"name": "nightly", "cron": "0 1 * * *"})).status_code == 201


@pytest.mark.parametrize("path", STARTING)
async def test_a_key_starts_one_thing(http: httpx.AsyncClient, path: str) -> None:
    body, other = STARTING[path]
    key = {"Idempotency-Key": "k1"}
    first = await http.post(f"/api/v1{path}", json=body, headers=key)
    assert first.status_code == 202, first.text
    again = await http.post(f"/api/v1{path}", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["location"] == first.headers["location"]
    if other is not None:
        late = await http.post(f"/api/v1{path}", json=other, headers=key)
        assert (late.status_code, late.json()["code"]) == (409, "conflict")
        assert "Idempotency-Key was used for another request" in late.json()["detail"]


async def test_the_same_in_another_order_is_the_same(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    texts = ('{"device":"w1","change":{"dns":["9.9.9.9"]}}', '{ "change": {"dns": ["9.9.9.9"]}, "device": "w1" }')
    made = [(await http.post("/api/v1/pushes", content=text, headers=headers)).json() for text in texts]
    assert made[0]["id"] == made[1]["id"]


async def test_a_key_of_what_was_refused_can_be_used_for_what_was_meant(http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    wrong = await http.post("/api/v1/backups", json={"names": ["nobody"]}, headers=key)
    assert wrong.status_code == 422
    assert (await http.post("/api/v1/backups", json={"names": ["w1"]}, headers=key)).status_code == 202


async def test_keys_of_two_callers_or_two_paths_have_nothing_to_do_with_each_other(world: World) -> None:
    key = {"Idempotency-Key": "k1"}
    async with await world.client(Scope.READ, Scope.WRITE) as one, await world.client() as two:
        first = await one.post("/api/v1/backups", json={"names": ["w1"]}, headers=key)
        second = await two.post("/api/v1/backups", json={"names": ["w2"]}, headers=key)
        third = await two.post("/api/v1/verifications", headers=key)
    assert (first.status_code, second.status_code, third.status_code) == (202, 202, 202)
    assert len({answer.json()["id"] for answer in (first, second, third)}) == 3
