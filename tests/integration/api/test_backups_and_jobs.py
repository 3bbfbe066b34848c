"""Versions, decisions, runs and jobs over HTTP."""

from __future__ import annotations

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.jobs import Outcome
from tests.integration.api.world import World


@pytest.fixture(autouse=True)
async def two_versions(world: World) -> None:
    await world.add_devices("r1", "r2")
    await world.back_up("r1", "first")
    await world.back_up("r1", "second")


async def test_versions_come_newest_first_and_page_by_page(http: httpx.AsyncClient) -> None:
    first = (await http.get("/api/v1/devices/r1/backups", params={"limit": 1})).json()
    assert [version["number"] for version in first["items"]] == [2]
    second = (await http.get("/api/v1/devices/r1/backups", params={"cursor": first["next_cursor"]})).json()
    assert ([version["number"] for version in second["items"]], second["next_cursor"]) == ([1], None)


async def test_the_view_masks_every_secret_and_the_original_keeps_all_but_the_device_password(
    http: httpx.AsyncClient,
) -> None:
    view = (await http.get("/api/v1/devices/r1/backups/current/text")).json()
    assert (view["redacted"], view["backup"]["number"]) == (True, 2)
    assert "description second" in view["text"]
    assert "peer-secret-2" not in view["text"]
    answer = await http.get("/api/v1/devices/r1/backups/1/original")
    assert answer.headers["cache-control"] == "no-store"
    assert "peer-secret-2" in answer.json()["text"]
    assert "login-secret-1" not in answer.json()["text"]
    events = (await http.get("/api/v1/events")).json()["items"]
    assert [event["kind"] for event in events].count("original.opened") == 1


UCI = """package system

config system
\toption hostname '{name}'

package network

config interface 'wan'
\toption device 'eth1'
\toption proto 'pppoe'
\toption username 'fb1@isp.example'
\toption password 'ppp-secret-3'
"""


async def test_a_version_is_shown_in_neutral_words_without_its_secrets(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("w1", family="openwrt")
    await world.back_up("w1", "first", text=UCI)
    answer = await http.get("/api/v1/devices/w1/backups/current/neutral")
    assert answer.status_code == 200, answer.text
    assert "ppp-secret-3" not in answer.text
    found = answer.json()
    assert found["backup"]["number"] == 1
    assert found["config"]["hostname"] == "w1"
    assert found["config"]["wan"] == {"mode": "pppoe", "username": "fb1@isp.example", "password": "***"}
    events = (await http.get("/api/v1/events")).json()["items"]
    assert "original.opened" not in [event["kind"] for event in events]


async def test_the_difference_is_between_the_last_two_unless_said_otherwise(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/v1/devices/r1/diff")).json()
    assert (found["older"]["number"], found["newer"]["number"]) == (1, 2)
    assert "- description first" in found["text"]
    assert (found["added"], found["removed"]) == (1, 1)
    backwards = (await http.get("/api/v1/devices/r1/diff", params={"from": 2, "to": 1})).json()
    assert "+ description first" in backwards["text"]
    assert (await http.get("/api/v1/devices/r2/diff")).json()["code"] == "input"


async def test_a_device_without_backups_is_a_conflict_and_an_unknown_version_a_404(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/devices/r2/backups/current")).json()["code"] == "conflict"
    assert (await http.get("/api/v1/devices/r1/backups/9/text")).json()["code"] == "not_found"
    assert (await http.get("/api/v1/devices/r1/backups/newest")).json()["code"] == "input"


async def test_a_quarantined_version_is_accepted_or_refused_once(world: World, http: httpx.AsyncClient) -> None:
    for verb, state in (("refuse", "refused"), ("accept", "good")):
        await world.back_up("r1", verb, outcome=Outcome.QUARANTINED, quarantine_reason="shrank")
        path = f"/api/v1/devices/r1/backups/quarantined/{verb}"
        decided = (await http.post(path)).json()
        assert (decided["state"], decided["number"]) == (state, decided["number"])
        assert (await http.post(path)).status_code == 409
    assert (await http.get("/api/v1/devices/r1/backups/current")).json()["number"] == 4


async def test_a_run_answers_202_with_the_job_and_where_to_follow_it(world: World, http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/backups", json={"names": ["r1", "r2", "r1"]})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["counts"]["total"]) == ("backup", "open", 2)
    assert job["requested_by"]
    rows = (await http.get(f"/api/v1/jobs/{job['id']}/devices")).json()["items"]
    assert [row["device"] for row in rows] == ["r1", "r2"]
    cancelled = (await http.post(f"/api/v1/jobs/{job['id']}/cancel")).json()
    assert cancelled["state"] == "cancelled"
    assert (await http.post(f"/api/v1/jobs/{job['id']}/cancel")).status_code == 409
    assert (await http.get("/api/v1/jobs/nothing/devices")).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"all": True, "names": ["r1"]}, {"names": []}, {"names": ["ghost"]}, {"group": "ghost"}, {"al": True}]
)
async def test_a_run_that_says_too_little_or_too_much_is_refused(http: httpx.AsyncClient, body: object) -> None:
    answer = await http.post("/api/v1/backups", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "input")


async def test_a_group_stands_for_the_groups_below_it(world: World, http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/groups/all", json={"family": "frr_linux", "credential": "lab"})
    await http.put("/api/v1/groups/north", json={"parent": "all"})
    await http.post("/api/v1/devices", json={"name": "n1", "address": "203.0.113.1", "group": "north"})
    job = (await http.post("/api/v1/backups", json={"group": "all"})).json()
    assert job["counts"]["total"] == 1


@pytest.mark.parametrize(
    ("path", "kind"), [("/verifications", "verify"), ("/exports", "export"), ("/keys/rotate", "rotate")]
)
async def test_other_long_work_is_a_job_too(world: World, http: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await http.post(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["kind"]) == (202, kind)
    assert world.engine.tickets[-1].id == answer.json()["id"]


async def test_an_open_job_tells_what_hinders_the_daemon_and_an_ended_one_does_not(
    world: World, http: httpx.AsyncClient
) -> None:
    ended = await world.back_up("r2", "x")
    world.worker.hindrance, world.worker.hindrance_code = "no space left", "store_full"
    job = (await http.post("/api/v1/backups", json={"all": True})).json()
    assert (job["hindrance"], job["hindrance_code"]) == ("no space left", "store_full")
    assert (await http.get(f"/api/v1/jobs/{ended}")).json()["hindrance"] is None
    open_jobs = (await http.get("/api/v1/jobs", params={"state": "open"})).json()["items"]
    assert [one["id"] for one in open_jobs] == [job["id"]]


async def test_without_the_scope_for_originals_the_view_is_all_there_is(world: World) -> None:
    async with await world.client(Scope.READ, Scope.WRITE, Scope.ADMIN) as http:
        assert (await http.get("/api/v1/devices/r1/backups/1/text")).status_code == 200
        answer = await http.get("/api/v1/devices/r1/backups/1/original")
    assert answer.status_code == 403
    assert "peer-secret-2" not in answer.text
