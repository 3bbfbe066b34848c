"""The description of the API is valid and complete, and no route is open that should not be."""

from __future__ import annotations

from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from cpe_manager.api.description import references
from cpe_manager.api.examples import REQUESTS
from cpe_manager.domain.access.access import SYSTEM, Permission, Role
from cpe_manager.domain.access.accounts import GRANTABLE, AccountKind
from cpe_manager.services.access.book import NewAccount, TokenWish
from tests.integration.api.world import World

OPEN = {"/healthz", "/readyz", "/metrics"}
LOG_IN = "logIn"
ONES_OWN = ("/api/v1/me", "/api/v1/session", "/api/v1/problems", "/api/v1/openapi.json")
"""Takes to be known, and no permission."""


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, found) for path, methods in document["paths"].items() for method, found in methods.items()]


async def test_the_description_is_valid_openapi_3_1(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_every_operation_has_its_own_stable_id_a_tag_a_summary_and_its_errors(world: World) -> None:
    found = operations(world.app.openapi())
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(ids) == len(set(ids))
    for path, method, operation in found:
        assert operation["operationId"].isalnum(), (path, method)
        assert operation["tags"], (path, method)
        assert operation["summary"], (path, method)
        if path not in OPEN:
            assert {"401", "403", "422", "500", "503"} <= operation["responses"].keys(), (path, method)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, method, status)


async def test_what_holds_for_every_operation_is_described(world: World) -> None:
    document = world.app.openapi()
    for path, method, operation in operations(document):
        answers = operation["responses"]
        where = (path, method)
        assert all("X-Request-ID" in answer["headers"] for answer in answers.values()), where
        assert ("413" in answers) == ("requestBody" in operation), where
        assert "404" in answers or "{" not in path, where
        names = {(one["in"], one["name"]) for one in operation.get("parameters", ())}
        assert ("412" in answers) == (("header", "If-Match") in names), where
        if ("header", "If-Match") in names:
            assert "ETag" in answers["200"]["headers"], where
        for status in ("201", "202"):
            assert "Location" in answers.get(status, {"headers": ["Location"]})["headers"], where
        assert "WWW-Authenticate" in answers.get("401", {"headers": ["WWW-Authenticate"]})["headers"], where
        assert path in OPEN or "security" in operation, where


async def test_no_schema_is_missing_unused_or_named_after_a_module(world: World) -> None:
    document = world.app.openapi()
    schemas = document["components"]["schemas"]
    used = set(references(document))
    assert used == schemas.keys()
    assert [name for name in schemas if "__" in name] == []


async def test_every_body_has_an_example_that_its_own_schema_allows(world: World) -> None:
    document = world.app.openapi()
    seen = set()
    for path, method, operation in operations(document):
        if "requestBody" not in operation:
            continue
        content = operation["requestBody"]["content"]["application/json"]
        assert content["examples"], (path, method)
        schema = {**content["schema"], "components": document["components"]}
        for example in content["examples"].values():
            OAS31Validator(schema).validate(example["value"])
        seen.add(operation["operationId"])
    assert seen == REQUESTS.keys()


def permissions(operation: dict[str, Any]) -> set[Permission]:
    return {Permission(name) for way in operation["security"] for names in way.values() for name in names}


async def test_every_operation_but_the_three_probes_names_one_permission_by_token_and_by_cookie(world: World) -> None:
    for path, method, operation in operations(world.app.openapi()):
        if path in OPEN:
            assert "security" not in operation
            continue
        if operation["operationId"] == LOG_IN:
            assert operation["security"] == []
            continue
        assert {name for way in operation["security"] for name in way} == {"HTTPBearer", "APIKeyCookie"}, (path, method)
        needed = permissions(operation)
        if path.startswith(ONES_OWN):
            assert needed == set()
            continue
        assert len(needed) == 1, (path, method)
        if method != "get":
            assert not needed & {Permission.SEE, Permission.SEE_CHANGES, Permission.AUDIT}, (path, method)


def _filled(path: str) -> str:
    return path.replace("{version}", "1").replace("{", "").replace("}", "")


async def test_no_route_answers_without_a_token_but_the_three_probes(world: World) -> None:
    async with await world.client(token="") as stranger:
        for path, method, operation in operations(world.app.openapi()):
            answer = await stranger.request(method, _filled(path))
            if path in OPEN:
                assert answer.status_code == 200, path
            elif operation["operationId"] == LOG_IN:
                assert answer.status_code == 422
            else:
                assert answer.status_code == 401, (path, method)
                assert answer.json()["code"] == "unauthorised"
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_route_refuses_a_token_that_may_everything_but_what_it_takes(world: World) -> None:
    everything = frozenset(Permission)
    every_role = frozenset(Role) - {Role.CUSTOMER}
    tokens: dict[Permission, str] = {}
    book = world.services.accounts.book
    await book.add(NewAccount("all", AccountKind.SERVICE, every_role, granted=GRANTABLE), by=SYSTEM)
    for permission in Permission:
        wish = TokenWish(permission.value, everything - {permission})
        tokens[permission] = (await book.make_token("all", wish, by=SYSTEM)).text
    for path, method, operation in operations(world.app.openapi()):
        if path in OPEN or not (needed := permissions(operation)):
            continue
        (permission,) = needed
        async with await world.client(token=tokens[permission]) as client:
            answer = await client.request(method, _filled(path))
        assert answer.status_code == 403, (path, method)
        assert answer.json()["code"] == "forbidden"
        assert permission in answer.json()["detail"]


async def test_a_path_under_api_that_does_not_exist_is_closed_to_strangers_too(world: World) -> None:
    async with await world.client(token="cpem_guess") as stranger:
        assert (await stranger.get("/api/v1/nothing")).status_code == 401
        assert (await stranger.get("/docs")).status_code == 404
