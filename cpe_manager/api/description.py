"""The description of the API (OpenAPI 3.1): what FastAPI reads off the routes, and what holds for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cpe_manager.api.examples import REQUESTS
from cpe_manager.api.problem_texts import title
from cpe_manager.api.problems import problem_of
from cpe_manager.api.schemas.common import Problem

DESCRIPTION: Final = """Runs an operator's fleet of business CPEs: sealed backups, changes that lock nobody out, \
fail-over, change requests of customers.

Every error is an `application/problem+json` body (RFC 9457) whose `code` is stable; its `type` leads to a page about
it. Anything long answers 202 with the address of what was started in `Location`. Whatever starts something takes an
`Idempotency-Key`: the same request again with the same key gives what is there already. Lists have `limit` and
`cursor` where they can be long. What is written as a whole has an `ETag`, and takes it in `If-Match`.

A body is JSON in which every key is there once and every number is finite; an unknown field is refused."""

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "RequestId": {
        "description": "Names the request; the daemon's log has it",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Location": {
        "description": "Where what was made or started can be followed",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "RetryAfter": {"description": "Seconds", "schema": {"type": "integer", "minimum": 0}},
    "Challenge": {"description": "How to say who asks", "required": True, "schema": {"type": "string"}},
}
_ALWAYS: Final = {
    "201": {"Location": "Location"},
    "202": {"Location": "Location"},
    "401": {"WWW-Authenticate": "Challenge"},
    "429": {"Retry-After": "RetryAfter"},
    "503": {"Retry-After": "RetryAfter"},
}
"""Headers by status, beside the request's id: what the header is called, and its name in ``HEADERS``."""
METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_MODULE: Final = re.compile(r"^(?:[a-z_]+?__)*([a-z_]+)__([A-Za-z]\w*)$")


def describe(app: FastAPI) -> dict[str, Any]:
    """Complete: every answer with its headers, every body with an example, no schema that nothing uses."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": "/", "description": "The daemon that serves this description"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document["components"]
    components["headers"] = HEADERS
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"].update(problem.pop("$defs", {}))
    components["schemas"]["Problem"] = problem
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                _complete(path, operation)
    document = _shortly_named(document)
    _drop_unused(document)
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    answers: dict[str, Any] = operation["responses"]
    if "{" in path:
        answers.setdefault("404", problem_of(f"`not_found`: {title('not_found')}"))
    body = operation.get("requestBody")
    if body is not None:
        answers.setdefault("413", problem_of(f"`too_large`: {title('too_large')}"))
        example = REQUESTS.get(operation["operationId"])
        if example is not None:
            body["content"]["application/json"]["examples"] = {"usual": {"value": example}}
    if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())):
        answers.setdefault("409", problem_of(f"`conflict`: {title('conflict')}"))
    for status, answer in answers.items():
        headers = answer.setdefault("headers", {})
        headers["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
        for name, header in _ALWAYS.get(status, {}).items():
            headers[name] = {"$ref": f"#/components/headers/{header}"}
    operation["responses"] = dict(sorted(answers.items()))


def _shortly_named(document: dict[str, Any]) -> dict[str, Any]:
    """Two schemas of one name are told apart by their whole modules: ``DrillsVerdict`` is enough."""
    schemas = document["components"]["schemas"]
    text, given = json.dumps(document), []
    for name in schemas:
        found = _MODULE.match(name)
        if found is None:
            continue
        module, own = found.groups()
        short = "".join(part.capitalize() for part in module.split("_")) + own
        if short not in schemas:
            text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{short}"')
            text = text.replace(f'"{name}": {{', f'"{short}": {{')
            given.append(short)
    renamed: dict[str, Any] = json.loads(text)
    for short in given:  # generators of clients go by the title
        renamed["components"]["schemas"][short]["title"] = short
    return renamed


def _drop_unused(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    left = set(references(document["paths"]))
    while left:
        used |= left
        left = {inner for name in left for inner in references(schemas[name])} - used
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}


def references(part: Any) -> Iterator[str]:
    """Names of the schemas that a part of the description refers to."""
    if isinstance(part, dict):
        target = part.get("$ref")
        if isinstance(target, str) and target.startswith("#/components/schemas/"):
            yield target.rpartition("/")[2]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)
