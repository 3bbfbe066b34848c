"""Drift over HTTP: who is out of step, in what, and the ways back into step."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.domain.jobs import Outcome
from tests.integration.api.world import World

UCI = """package network

config interface 'wan'
\toption device 'eth1'
\toption proto 'pppoe'
\toption username '{note}@isp.example'
\toption password 'ppp-secret-{note}'

package system

config system
\toption hostname '{name}'

"""


@pytest.fixture(autouse=True)
async def drifted(world: World) -> None:
    """``w1`` was changed by somebody, ``w2`` was not."""
    await world.add_devices("w1", "w2", "w3", family="openwrt")
    for name in ("w1", "w2"):
        await world.back_up(name, "first", text=UCI)
    change = LastChange("jdoe", "10:00:00 UTC Mon Nov 23 2026", "the box")
    await world.back_up("w1", "second", text=UCI, change=change, saved=False)


async def shown(http: httpx.AsyncClient, name: str) -> Any:
    answer = await http.get(f"/api/v1/drift/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_list_has_who_is_out_of_step_and_on_demand_everybody(http: httpx.AsyncClient) -> None:
    (one,) = (await http.get("/api/v1/drift")).json()["items"]
    assert (one["device"], one["confirmed"], one["running"]) == ("w1", 1, 2)
    assert one["standing"]["verdict"] == "changed_unsaved"
    assert one["standing"]["last_change"]["by"] == "jdoe"
    everybody = (await http.get("/api/v1/drift", params={"all": True})).json()["items"]
    assert [device["device"] for device in everybody] == ["w1", "w2"]
    narrowed = await http.get("/api/v1/drift", params={"verdict": ["in_step", "unsaved"]})
    assert [device["device"] for device in narrowed.json()["items"]] == ["w2"]
    assert (await http.get("/api/v1/drift", params={"verdict": "crooked"})).status_code == 422
    pages = await http.get("/api/v1/drift", params={"all": True, "limit": 1})
    again = await http.get("/api/v1/drift", params={"all": True, "cursor": pages.json()["next_cursor"]})
    assert [device["device"] for device in again.json()["items"]] == ["w2"]


async def test_the_differences_are_shown_in_both_languages_without_secrets(http: httpx.AsyncClient) -> None:
    found = await shown(http, "w1")
    assert [part["part"] for part in found["changed"]["neutral"]] == ["wan"]
    assert found["changed"]["neutral"][0]["after"]["username"] == "second@isp.example"
    assert "+\toption username 'second@isp.example'" in found["changed"]["native"]
    assert "version 1, confirmed" in found["changed"]["native"]
    assert "ppp-secret" not in str(found)
    assert (found["live"], found["unsaved"], found["tells_startup"]) == (False, None, True)
    in_step = await shown(http, "w2")
    assert (in_step["verdict"], in_step["changed"]) == ("in_step", None)


async def test_adopting_is_bound_to_what_was_looked_at(world: World, http: httpx.AsyncClient) -> None:
    found = await shown(http, "w1")
    await world.back_up("w1", "third", text=UCI)
    refused = await http.post("/api/v1/drift/w1/adopt", json={"basis": found["basis"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    done = await http.post("/api/v1/drift/w1/adopt", json={"basis": (await shown(http, "w1"))["basis"]})
    assert done.status_code == 200, done.text
    assert (done.json()["confirmed"], done.json()["standing"]["how"]) == (3, "adopted")
    assert done.json()["standing"]["verdict"] == "unsaved"
    kinds = [event["kind"] for event in (await http.get("/api/v1/events")).json()["items"]]
    assert kinds[-2:] == ["drift.adopted", "drift.gone"]
    nothing = await http.post("/api/v1/drift/w2/adopt", json={"basis": (await shown(http, "w2"))["basis"]})
    assert nothing.status_code == 409


async def test_remediating_is_a_push_of_the_confirmed_version_and_the_same_key_gives_the_same_one(
    http: httpx.AsyncClient,
) -> None:
    basis = (await shown(http, "w1"))["basis"]
    body = {"basis": basis, "guard_seconds": 180}
    first = await http.post("/api/v1/drift/w1/remediate", json=body, headers={"Idempotency-Key": "k1"})
    assert first.status_code == 202, first.text
    assert first.headers["location"] == f"/api/v1/pushes/{first.json()['id']}"
    assert (first.json()["kind"], first.json()["guard_seconds"]) == ("restore", 180)
    assert first.json()["summary"] == "restore of version 1"
    again = await http.post("/api/v1/drift/w1/remediate", json=body, headers={"Idempotency-Key": "k1"})
    assert again.json()["id"] == first.json()["id"]
    assert len((await http.get("/api/v1/pushes")).json()["items"]) == 1
    # What the device runs is now neither before nor after.
    assert (await http.post("/api/v1/drift/w1/look")).status_code == 409


async def test_what_is_only_not_saved_is_saved(world: World, http: httpx.AsyncClient) -> None:
    basis = (await shown(http, "w1"))["basis"]
    await http.post("/api/v1/drift/w1/adopt", json={"basis": basis})
    made = await http.post("/api/v1/drift/w1/remediate")
    assert (made.status_code, made.json()["kind"]) == (202, "save")
    nothing = await http.post("/api/v1/drift/w2/remediate")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "conflict")
    # A live look may have shown more than is known here.
    more = await http.post("/api/v1/drift/w2/remediate", json={"basis": "f" * 64})
    assert (more.status_code, more.json()["kind"]) == (202, "restore")


async def test_a_device_shows_how_it_stands(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/devices/w1")).json()["drift"]["verdict"] == "changed_unsaved"
    assert (await http.get("/api/v1/devices/w3")).json()["drift"] is None


async def test_what_has_no_backup_or_no_device_says_so(world: World, http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/drift/nobody")).status_code == 404
    for answer in (
        await http.get("/api/v1/drift/w3"),
        await http.post("/api/v1/drift/w3/look"),
        await http.post("/api/v1/drift/w3/adopt", json={"basis": "0"}),
        await http.post("/api/v1/drift/w3/remediate"),
    ):
        assert answer.status_code == 409, answer.text
        assert "no backup yet" in answer.json()["detail"]
    await world.back_up("w3", "odd", outcome=Outcome.QUARANTINED, quarantine_reason="half", text=UCI)
    assert (await http.get("/api/v1/drift/w3")).status_code == 409


async def test_who_was_never_visited_is_not_looked_at(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/drift/w2/look")
    assert answer.status_code == 409, answer.text
    assert "never visited" in answer.json()["detail"]


@pytest.mark.parametrize("verb", ["look", "adopt", "remediate"])
async def test_whoever_may_only_read_changes_nothing(world: World, verb: str) -> None:
    async with await world.client(Scope.READ) as reader:
        assert (await reader.get("/api/v1/drift")).status_code == 200
        assert (await reader.post(f"/api/v1/drift/w1/{verb}", json={"basis": "0"})).status_code == 403
