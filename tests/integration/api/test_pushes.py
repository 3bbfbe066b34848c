"""Pushes over HTTP: what may be asked, what it waits for, how a stuck one is settled."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import Settled
from tests.integration.api.world import World

CHANGE: dict[str, Any] = {"device": "w1", "change": {"dns": ["9.9.9.9"]}}


@pytest.fixture(autouse=True)
async def devices(world: World) -> None:
    await world.add_devices("w1", family="openwrt")


async def asked(http: httpx.AsyncClient, **more: Any) -> Any:
    answer = await http.post("/api/v1/pushes", json=CHANGE | more)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def ended(world: World, made: Any, phase: Phase) -> None:
    (row,) = await world.database.jobs.claim(
        made["job_id"], 0, owner="test", now=world.clock.now(), ttl=60, limit=1, per_access_node=0
    )
    push = (await world.database.pushes.push(made["id"])).push
    await world.database.pushes.end(push, Ended(phase, "because", world.clock.now(), "timeout"), row.lease)
    settled = Settled(made["job_id"], row.lease, world.clock.now(), Outcome(phase.value))
    assert not await world.database.jobs.settle([settled])


async def test_what_goes_along_with_a_push_is_shown(http: httpx.AsyncClient) -> None:
    made = await asked(
        http, urgent=True, probes=["tcp:10.0.0.1:443", "ping:2001:db8::1"], accepted=["address-in-use"], basis="b1"
    )
    found = (await http.get(f"/api/v1/pushes/{made['id']}")).json()
    assert (found["priority"], found["probes"]) == ("urgent", ["tcp:10.0.0.1:443", "ping:2001:db8::1"])
    assert (found["accepted"], found["waiting"], found["offer"], found["settled"]) == (
        ["address-in-use"],
        None,
        None,
        None,
    )
    assert (await http.get(f"/api/v1/jobs/{made['job_id']}")).json()["priority"] == "urgent"


@pytest.mark.parametrize(
    "wrong",
    [
        {"probes": ["exec:reboot"]}, {"probes": ["config:wan.password=x"]}, {"accepted": ["port-reserved"]},
        {"accepted": ["anything"]}, {"probes": [f"ping:10.0.0.{n}" for n in range(1, 30)]},
    ],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused_and_nothing_is_made(
    http: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    answer = await http.post("/api/v1/pushes", json=CHANGE | wrong)
    assert answer.status_code in (400, 422), answer.text
    assert (await http.get("/api/v1/pushes")).json()["items"] == []


async def test_a_push_of_a_frozen_device_waits_unless_it_is_to_begin_now(http: httpx.AsyncClient) -> None:
    frozen = {"name": "w2", "address": "198.51.100.99", "family": "openwrt", "credential": "lab", "backup": False}
    bad = await http.post("/api/v1/devices", json={**frozen, "settings": {"push_windows": "whenever"}})
    assert bad.status_code in (400, 422), bad.text
    settings = {"push_freezes": "2020-01-01..2099-01-01"}
    assert (await http.post("/api/v1/devices", json={**frozen, "settings": settings})).status_code == 201
    made = await asked(http, device="w2")
    assert made["waiting"]["hold"] == "window"
    assert made["waiting"]["until"] is not None
    assert (await asked(http, device="w2", now=True))["waiting"] is None


async def test_what_came_to_nothing_is_asked_for_again(world: World, http: httpx.AsyncClient) -> None:
    made = await asked(http, probes=["ping:10.0.0.1"])
    early = await http.post(f"/api/v1/pushes/{made['id']}/again", json={})
    assert early.status_code == 409
    await ended(world, made, Phase.WITHDRAWN)
    headers = {"Idempotency-Key": "once"}
    answers = [
        await http.post(f"/api/v1/pushes/{made['id']}/again", json={"basis": "b2"}, headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    first, second = (answer.json() for answer in answers)
    assert first["id"] == second["id"] != made["id"]
    assert first["probes"] == ["ping:10.0.0.1"]
    assert (await world.database.pushes.push(first["id"])).push.basis == "b2"


async def test_a_stuck_push_shuts_the_device_until_it_is_settled(world: World, http: httpx.AsyncClient) -> None:
    made = await asked(http)
    await ended(world, made, Phase.STUCK)
    assert [alarm["kind"] for alarm in (await http.get("/api/v1/alarms")).json()["items"]] == ["push.stuck"]
    refused = await http.post("/api/v1/pushes", json=CHANGE)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    where = f"/api/v1/pushes/{made['id']}/settle"
    assert (await http.post(where, json={"settled_as": "later", "note": "x"})).status_code == 422
    assert (await http.post(where, json={"settled_as": "before", "note": ""})).status_code == 422
    done = await http.post(where, json={"settled_as": "before", "note": "seen on site"})
    assert done.status_code == 200, done.text
    assert (done.json()["settled"]["how"], done.json()["code"]) == ("before", "timeout")
    assert (await http.get("/api/v1/alarms")).json()["items"] == []
    assert (await http.post(where, json={"settled_as": "before", "note": "again"})).status_code == 409
    await asked(http)


async def test_who_may_only_read_neither_settles_nor_asks_again(world: World) -> None:
    async with await world.client(Scope.READ) as reader:
        for verb, body in (("again", {}), ("settle", {"settled_as": "before", "note": "x"})):
            assert (await reader.post(f"/api/v1/pushes/{'0' * 32}/{verb}", json=body)).status_code == 403


async def test_a_push_may_leave_the_device_at_another_address(http: httpx.AsyncClient) -> None:
    made = await asked(http, managed_at="203.0.113.77")
    assert made["managed_at"] == "203.0.113.77"
    assert (await http.get(f"/api/v1/pushes/{made['id']}")).json()["managed_at"] == "203.0.113.77"
    assert (await asked(http))["managed_at"] is None
    for wrong in ("300.1.2.3", "0.0.0.0", "a b", "224.0.0.1", ""):
        answer = await http.post("/api/v1/pushes", json=CHANGE | {"managed_at": wrong})
        assert (answer.status_code, "managed_at" in answer.text) == (422, True), answer.text


async def test_a_push_may_be_a_restart_and_nothing_beside(world: World, http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/pushes", json={"device": "w1", "reboot": True, "guard_seconds": 600})
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["kind"], made["summary"], made["guard_seconds"]) == ("reboot", "restart", 600)
    for more in ({"change": {"dns": []}}, {"lines": ["x"]}, {"version": 0}, {"managed_at": "203.0.113.77"}):
        refused = await http.post("/api/v1/pushes", json={"device": "w1", "reboot": True, **more})
        assert refused.status_code == 422, refused.text
    await ended(world, made, Phase.WITHDRAWN)
    again = await http.post(f"/api/v1/pushes/{made['id']}/again", json={})
    assert (again.status_code, again.json()["kind"]) == (202, "reboot"), again.text
