"""Every failure is a problem body that says what a program needs, and nothing that it should not know."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from structlog.testing import capture_logs

from cpe_manager.api.problem_texts import ELSEWHERE, PROBLEMS, STATUS
from cpe_manager.api.schemas.common import Problem
from cpe_manager.client_http import error_of
from cpe_manager.domain import errors
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.outcomes import http_status
from tests.integration.api.world import World


class Raising:
    """Stands where a service stands, and fails as it is told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def last_id(self) -> int:
        raise self._error


def kinds(root: type[errors.CpeManagerError]) -> Iterator[type[errors.CpeManagerError]]:
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
        yield from kinds(kind)


async def failing(world: World, error: Exception) -> httpx.Response:
    """The answer of a request whose service raises ``error``."""
    object.__setattr__(world.app.state.feed, "_events", Raising(error))
    async with await world.client() as http:
        return await http.get("/api/v1/events/stream")


async def test_every_error_of_the_tree_becomes_the_problem_that_the_tables_say(world: World) -> None:
    for kind in set(kinds(errors.CpeManagerError)):
        error = kind("why", offered="k") if kind is errors.HostKeyChanged else kind("why")  # type: ignore[call-arg]
        answer = await failing(world, error)
        assert answer.status_code == http_status(kind.code), kind
        assert answer.headers["content-type"] == "application/problem+json"
        problem = Problem.model_validate(answer.json())
        assert (problem.code, problem.detail) == (kind.code, "why")
        assert (problem.retryable, problem.device_state) == (kind.retryable, "untouched")
        assert problem.type == f"/api/v1/problems/{kind.code}"
        assert problem.status == answer.status_code
        assert problem.instance == f"urn:cpe-manager:request:{answer.headers['x-request-id']}"


async def test_the_client_raises_the_error_that_the_daemon_met(world: World) -> None:
    for kind in set(kinds(errors.CpeManagerError)):
        error = kind("why", offered="k") if kind is errors.HostKeyChanged else kind("why")  # type: ignore[call-arg]
        answer = await failing(world, error)
        back = error_of(answer.status_code, answer.content)
        assert back.code == kind.code
        assert str(back) == "why"


async def test_every_code_has_a_page_of_its_own_that_its_type_leads_to(http: httpx.AsyncClient) -> None:
    codes = {kind.code for kind in kinds(errors.CpeManagerError)} - ELSEWHERE
    assert codes | STATUS.keys() == PROBLEMS.keys()
    listed = (await http.get("/api/v1/problems")).json()["items"]
    assert {one["code"] for one in listed} == PROBLEMS.keys()
    for one in listed:
        page = await http.get(one["type"])
        assert (page.status_code, page.json()) == (200, one)
        assert one["status"] == STATUS.get(one["code"], http_status(one["code"]))


async def test_the_page_of_a_code_can_be_read_by_people_and_by_whoever_has_a_token(world: World) -> None:
    async with await world.client(Scope.ORIGINALS) as http:
        assert (await http.get("/api/v1/devices")).status_code == 403
        page = await http.get("/api/v1/problems/conflict", headers={"Accept": "text/html,application/xhtml+xml"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert PROBLEMS["conflict"].title in page.text
        unknown = await http.get("/api/v1/problems/nothing")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    async with await world.client(token="") as stranger:
        assert (await stranger.get("/api/v1/problems/conflict")).status_code == 401


async def test_an_unforeseen_error_gives_an_id_and_keeps_the_cause_in_the_log(world: World) -> None:
    with capture_logs() as lines:
        answer = await failing(world, RuntimeError("secret-cause"))
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret-cause" not in answer.text
    logged = next(line for line in lines if line["event"] == "http.internal_error")
    assert logged["request_id"] in answer.json()["detail"]
    assert logged["exc_info"]


async def test_a_busy_database_asks_to_come_back_later(world: World) -> None:
    answer = await failing(world, errors.StoreBusy("locked"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PATCH", "/api/v1/devices", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_a_wrong_path_or_method_is_a_problem_too(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": "x"}', b"\xff\xfe"])
async def test_a_body_that_cannot_be_read_is_a_problem_that_does_not_repeat_it(
    http: httpx.AsyncClient, content: bytes
) -> None:
    answer = await http.post("/api/v1/imports", content=content, headers={"Content-Type": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) in {(422, "input"), (400, "bad_request")}


async def test_a_refused_value_is_not_repeated_in_the_answer(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/tokens", json={"name": ["hunter2-secret"], "scopes": ["read"]})
    assert answer.status_code == 422
    assert "hunter2-secret" not in answer.text


async def test_a_body_beyond_the_limit_is_refused_whether_announced_or_not(http: httpx.AsyncClient) -> None:
    big = json.dumps({"names": ["x" * 2**21]}).encode()

    async def piecemeal() -> object:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    for content in (big, piecemeal()):
        headers = {"Content-Type": "application/json"}
        answer = await http.post("/api/v1/backups", content=content, headers=headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_an_import_may_be_larger_than_other_bodies(http: httpx.AsyncClient) -> None:
    text = "name,address\n" + "#" * 2**21
    answer = await http.post("/api/v1/imports", json={"files": [{"name": "a.csv", "text": text}], "dry_run": True})
    assert answer.status_code != 413


async def test_each_request_leaves_one_line_with_route_status_and_the_tokens_name(world: World) -> None:
    await world.add_devices("r1")
    async with await world.client() as http:
        with capture_logs() as lines:
            answer = await http.get("/api/v1/devices/r1")
    found = [line for line in lines if line["event"] == "http.request"]
    assert len(found) == 1
    line = found[0]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/v1/devices/{name}", 200)
    assert line["token_name"] == "admin+originals+read+write"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["ms"] >= 0


async def test_paths_that_match_nothing_make_one_metric_series(world: World, http: httpx.AsyncClient) -> None:
    for number in range(5):
        await http.get(f"/scan/{number}")
    text = (await http.get("/metrics")).text
    assert 'route="unmatched"' in text
    assert "/scan/" not in text
