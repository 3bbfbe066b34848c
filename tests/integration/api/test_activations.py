"""Activations over HTTP: ordered, looked at, answered, retried, called off; whoever works on them is stood for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.activation.activation_flow import Entry, Result, State, Step
from cpe_manager.domain.activation.activations import (
    Activation,
    ActivationReport,
    Progress,
    TestResult,
    TestRound,
    Verdict,
)
from tests.integration.api.world import World, opened

ALL = "/api/v1/activations"
ORDER: dict[str, Any] = {
    "device": "r1",
    "formula": "pro-plus",
    "technology": "copper",
    "wan": {"mode": "pppoe", "address": "203.0.113.7/32", "username": "ab@isp", "password": "s3cret-ppp"},
    "wifi": {"on": True, "networks": [{"band": "5", "ssid": "Bakery", "key": "s3cret-wifi"}]},
    "ports": [{"protocol": "tcp", "ports": "80-81", "inside": "192.168.1.10", "inside_port": 8080}],
    "dns": ["192.0.2.53"],
    "customer": "Bakery bv",
    "representatives": [{"name": "An", "email": "an@bakery.example"}],
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.add_devices("r1", "r2")
    async with await world.client() as client:
        yield client


async def ordered(http: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await http.post(ALL, json=ORDER | more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{ALL}/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


async def comes_to(world: World, ref: str, state: State, *, passed: bool = False) -> Activation:
    """As whoever works on it would write it."""
    store = world.database.activations
    one = (await store.activation(ref)).activation
    hold = await store.hold(one.id, owner="test", now=world.clock.now(), ttl=60)
    assert hold is not None
    result = TestResult("ports", "Opened ports", "§3.4", Verdict.FAILED, "0 of 1 open", "1 open", "silent")
    rounds = (TestRound(1, world.clock.now(), (result,)),)
    progress = Progress(state, 1, "Opened ports: silent", None, rounds=rounds, reports=1)
    await store.advance(hold, progress, Entry(Step.TEST, world.clock.now(), Result.FAILED, "silent"))
    data = {"site": one.site, "tests": [result.to_data()]}
    await store.add_report(hold, ActivationReport(one.id, 1, world.clock.now(), passed, data, "<!DOCTYPE html><p>"))
    await store.release(hold)
    return one


async def test_an_order_is_taken_once_and_shown_without_its_secrets(http: httpx.AsyncClient) -> None:
    answers = [await http.post(ALL, json=ORDER, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    first, second = (one.json() for one in answers)
    assert first == second
    assert (first["state"], first["formula"], first["rush_answer"]) == ("ordered", "pro-plus", None)
    for ref in (first["id"], "r1", first["site"]):
        shown = await http.get(f"{ALL}/{ref}")
        assert shown.json()["id"] == first["id"]
        assert "s3cret" not in shown.text
    assert shown.json()["order"]["wan"]["password"] == "***"
    assert shown.json()["journal"] == []
    listed = (await http.get(ALL, params={"device": "r1", "state": "ordered", "open": True})).json()
    assert [one["id"] for one in listed["items"]] == [first["id"]]
    assert (await http.get(ALL, params={"device": "r2"})).json()["items"] == []
    other = await http.post(ALL, json=ORDER)
    assert other.status_code == 409
    assert "being activated already" in other.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"formula": "gold"}, "formula"),
        ({"technology": "radio"}, "technology"),
        ({"colour": "red"}, "colour"),
        ({"wan": {"mode": "static", "address": "203.0.113.7/29", "gateway": "203.0.114.1"}}, "on-link"),
        ({"wan": {"mode": "pppoe"}}, "user name"),
        ({"ports": [{"protocol": "tcp", "ports": "81-80", "inside": "192.168.1.10", "inside_port": 1}]}, "ports"),
        ({"ports": [{"protocol": "tcp", "ports": True, "inside": "192.168.1.10", "inside_port": 1}]}, "ports"),
        ({"lan": {"address": "fe80::1/64"}}, "lan.address"),
        ({"dns": ["::ffff:192.0.2.1"]}, "dns"),
        ({"customer": "a\u0007b"}, "customer"),
        ({"representatives": [{"name": "An", "email": "nobody"}]}, "e-mail"),
        ({"rush": True}, "rush"),
        ({"ready_for_service": "tomorrow"}, "ready_for_service"),
        ({"options": ["mobile-backup"], "mobile": {"apn": "a b"}}, "mobile"),
    ],
)
async def test_what_is_wrong_with_an_order_is_named_and_nothing_is_stored(
    http: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    answer = await http.post(ALL, json=ORDER | changes)
    assert answer.status_code == 422, answer.text
    assert field in answer.text
    assert (await http.get(ALL)).json()["items"] == []


async def test_a_device_that_is_not_there_or_not_in_service_is_told(http: httpx.AsyncClient, world: World) -> None:
    assert (await http.post(ALL, json=ORDER | {"device": "r9"})).status_code == 404
    await world.services.inventory.suspend("r1", by="test")
    assert (await http.post(ALL, json=ORDER)).status_code == 409
    for path in (f"{ALL}/r1", f"{ALL}/r1/report.json", f"{ALL}/r1/report.html"):
        assert (await http.get(path)).status_code == 404


async def test_a_rush_is_answered_once(http: httpx.AsyncClient) -> None:
    day = "2026-03-09"
    one = await ordered(http, rush=True, ready_for_service=day)
    assert one["answer_by"] is not None
    path = f"{ALL}/{one['id']}/rush-answer"
    assert (await http.post(path, json={"feasible": False})).status_code == 422
    assert (await http.post(path, json={"feasible": True, "day": "2020-01-01"})).status_code == 422
    answer = await http.post(path, json={"feasible": True})
    assert answer.status_code == 202, answer.text
    assert answer.json()["rush_answer"]["day"] == day
    assert answer.json()["due_at"].startswith(day)
    assert (await http.post(path, json={"feasible": True})).json() == answer.json()
    assert (await http.post(path, json={"feasible": False, "reason": "no van"})).status_code == 409
    plain = await ordered(http, device="r2")
    assert (await http.post(f"{ALL}/{plain['id']}/rush-answer", json={"feasible": True})).status_code == 409


async def test_one_that_failed_is_retried_once_and_one_under_way_is_called_off(
    http: httpx.AsyncClient, world: World
) -> None:
    one = await ordered(http)
    assert (await http.post(f"{ALL}/r1/retry")).status_code == 409
    await comes_to(world, one["id"], State.FAILED)
    shown = (await http.get(f"{ALL}/r1")).json()
    assert (shown["state"], shown["note"], shown["rounds"]) == ("failed", "Opened ports: silent", 1)
    assert shown["tests"][0]["verdict"] == "failed"
    assert shown["journal"][0]["step"] == "test"
    assert (await http.post(f"{ALL}/r1/retry")).status_code == 202
    assert (await http.post(f"{ALL}/r1/retry")).status_code == 409
    called = await http.post(f"{ALL}/r1/cancel")
    assert called.status_code == 202
    assert called.json()["cancelled_by"]
    kinds = [event.kind for event in await world.database.events.after(0, limit=1000)]
    assert [kind for kind in kinds if kind.startswith("activation.")] == [
        "activation.ordered", "activation.retried", "activation.cancelling",
    ]  # fmt: skip
    store = world.database.activations
    hold = await store.hold(one["id"], owner="test", now=world.clock.now(), ttl=60)
    assert hold is not None
    ended = replace((await store.activation(one["id"])).activation.progress, state=State.CANCELLED)
    await store.advance(hold, replace(ended, ended_at=world.clock.now()))
    assert (await http.post(f"{ALL}/r1/cancel")).status_code == 409


async def test_a_report_is_read_as_data_and_as_a_page_that_may_do_nothing(
    http: httpx.AsyncClient, world: World
) -> None:
    one = await ordered(http)
    await comes_to(world, one["id"], State.FAILED)
    found = await http.get(f"{ALL}/r1/report.json")
    assert found.json()["data"]["tests"][0]["name"] == "ports"
    assert found.json()["passed"] is False
    page = await http.get(f"{ALL}/r1/report.html", params={"number": 1})
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.text.startswith("<!DOCTYPE html>")
    assert (await http.get(f"{ALL}/r1/report.html", params={"number": 2})).status_code == 404


async def test_who_may_read_may_not_order(world: World) -> None:
    await world.add_devices("r1")
    async with await world.client(Scope.READ) as reader:
        assert (await reader.get(ALL)).status_code == 200
        for path in (ALL, f"{ALL}/r1/cancel", f"{ALL}/r1/retry"):
            assert (await reader.post(path, json=ORDER)).status_code == 403
