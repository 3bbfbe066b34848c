"""Roll-outs over HTTP: the plan, the beginning, the verbs, the report."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.jobs import Job, JobKind, JobState
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push, PushKind
from cpe_manager.ports.pushes import Ended
from tests.integration.api.world import World

DNS = {"name": "dns", "select": {"all": True}, "change": {"dns": ["9.9.9.9"]}}


@pytest.fixture
async def fleet(world: World) -> World:
    await world.add_devices("r1", "r2", "r3", family="openwrt")
    return world


async def begun(http: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await http.post("/api/v1/rollouts", json=DNS | more)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/rollouts/{made['id']}"
    return made


async def test_a_plan_tells_what_each_device_would_get(fleet: World, http: httpx.AsyncClient) -> None:
    body = {
        "name": "wifi",
        "template": {"text": "uci set wireless.x.key='{{ row.psk }}'\nuci set a.b.c='{{ device.site }}'\n"},
        "table": {name: {"psk": f"wifi-secret-{name}"} for name in ("r1", "r2")},
        "waves": ["50%"],
        "budget": "50%",
    }
    answer = await http.post("/api/v1/rollout-plans", json=body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert [device["device"] for device in plan["devices"]] == ["r1", "r2"]
    assert plan["devices"][1]["order"] == "uci set wireless.x.key='<secret>'\nuci set a.b.c='r2'\n"
    assert (plan["strategy"]["waves"], plan["strategy"]["budget"]) == ([1, 1], 1)
    assert "wifi-secret" not in answer.text
    assert plan["warnings"]
    assert (await http.get("/api/v1/rollouts")).json()["items"] == []


async def test_a_roll_out_is_begun_halted_and_ended(fleet: World, http: httpx.AsyncClient) -> None:
    made = await begun(http)
    assert (made["state"], made["total"], made["counts"]["waiting"]) == ("running", 3, 3)
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        answer = await http.post(f"/api/v1/rollouts/{made['id']}/{verb}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    refused = await http.post(f"/api/v1/rollouts/{made['id']}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    shown = (await http.get(f"/api/v1/rollouts/{made['id']}")).json()
    assert [wave["devices"] for wave in shown["waves"]] == [1, 2]
    assert shown["reason"].startswith("by ")
    assert [one["id"] for one in (await http.get("/api/v1/rollouts?state=cancelled")).json()["items"]] == [made["id"]]


async def test_the_same_key_gives_the_same_roll_out(fleet: World, http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first, again = [(await http.post("/api/v1/rollouts", json=DNS, headers=headers)).json() for _ in range(2)]
    assert first["id"] == again["id"]


async def test_devices_come_by_page_and_the_report_whole(fleet: World, http: httpx.AsyncClient) -> None:
    made = await begun(http, hold=True)
    path = f"/api/v1/rollouts/{made['id']}"
    page = (await http.get(f"{path}/devices?limit=2")).json()
    rest = (await http.get(f"{path}/devices", params={"cursor": page["next_cursor"]})).json()
    assert [one["device"] for one in (*page["items"], *rest["items"])] == ["r1", "r2", "r3"]
    assert (await http.get(f"{path}/devices?outcome=failed")).json()["items"] == []
    report = (await http.get(f"{path}/report")).json()
    assert [one["outcome"] for one in report["devices"]] == ["waiting"] * 3
    answer = await http.get(f"{path}/report.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["device"], row["wave"], row["outcome"]) for row in rows] == [
        ("r1", "0", "waiting"),
        ("r2", "1", "waiting"),
        ("r3", "1", "waiting"),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"select": {}}, "say which devices"),
        ({"select": {"names": ["zz"]}}, "no device zz"),
        ({"select": {"group": "zz"}}, "no group zz"),
        ({"template": {"text": "x"}}, "exactly one"),
        ({"change": None}, "exactly one"),
        ({"change": {"nonsense": 1}}, "no nonsense"),
        ({"budget": "many"}, "percentage"),
        ({"waves": ["0"]}, "at least one device"),
        ({"guard_seconds": 10}, "guard_seconds"),
        ({"name": "a/b"}, "name"),
        ({"unheard": 1}, "unheard"),
        ({"change": None, "template": {"text": "x\n{{ row.y }}"}}, "row.y is not set"),
        ({"change": None, "template": {"text": "{% if %}"}}, "template:1"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_refused_before_any_effect(
    fleet: World, http: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    answer = await http.post("/api/v1/rollouts", json=DNS | body)
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert words in told["detail"] + str(told["errors"])
    assert (await http.get("/api/v1/rollouts")).json()["items"] == []


async def test_a_read_only_family_is_refused(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1", family="netmiko:cisco_s300")
    answer = await http.post("/api/v1/rollouts", json=DNS)
    assert answer.status_code == 422
    assert "read only" in answer.json()["detail"]


async def test_unknown_ones_are_not_found(http: httpx.AsyncClient) -> None:
    for path in ("", "/devices", "/report", "/report.csv"):
        assert (await http.get(f"/api/v1/rollouts/nobody{path}")).status_code == 404
    for verb in ("pause", "resume", "cancel"):
        assert (await http.post(f"/api/v1/rollouts/nobody/{verb}")).status_code == 404


async def test_reading_takes_read_and_the_rest_takes_write(fleet: World, http: httpx.AsyncClient) -> None:
    made = await begun(http)
    async with await fleet.client(Scope.READ) as reader:
        assert (await reader.get(f"/api/v1/rollouts/{made['id']}/report")).status_code == 200
        for path in ("rollouts", "rollout-plans"):
            assert (await reader.post(f"/api/v1/{path}", json=DNS)).status_code == 403
        assert (await reader.post(f"/api/v1/rollouts/{made['id']}/pause")).status_code == 403


async def test_a_devices_words_are_no_formula_in_a_spreadsheet(fleet: World, http: httpx.AsyncClient) -> None:
    made = await begun(http, select={"names": ["r1"]})
    database, now = fleet.database, fleet.clock.now()
    rollout = await database.rollouts.rollout(made["id"])
    (row,) = (await database.rollouts.devices(made["id"])).items
    job = Job(fleet.ids.new(), JobKind.PUSH, JobState.OPEN, "manual", now)
    push = Push(fleet.ids.new(), job.id, row.device_id, "", PushKind.CHANGE, "x", now, "op", "5f0c2a71", 300)
    assert await database.rollouts.start(rollout, 0, job, {row.device_id: push})
    (claimed,) = await database.jobs.claim(job.id, 0, owner="t", now=now, ttl=60, limit=1, per_access_node=0)
    await database.pushes.end(push, Ended(Phase.REVERTED, "=1+1", now), claimed.lease)
    answer = await http.get(f"/api/v1/rollouts/{made['id']}/report.csv")
    assert next(csv.DictReader(io.StringIO(answer.text)))["reason"] == "'=1+1"
