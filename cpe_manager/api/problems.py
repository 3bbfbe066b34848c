"""Every error as application/problem+json (RFC 9457), from whatever layer it comes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cpe_manager.api.pointers import pointer
from cpe_manager.api.problem_texts import title
from cpe_manager.domain.errors import CpeManagerError, InputError, Throttled
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.outcomes import http_status

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"

TYPES: Final = "/api/v1/problems/"
"""Where the page of each code is: ``type`` is a relative reference, since nobody but the daemon itself has it."""
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 429: "throttled"}
_PLACES: Final = frozenset({"path", "query", "header", "cookie"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is wrong: in a line of a file, at a place of the body (RFC 6901), or in a parameter."""

    reason: str
    file: str | None = None
    line: int | None = None
    pointer: str | None = None
    parameter: str | None = None


def problem_response(
    error: CpeManagerError, request_id: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:  # fmt: skip
    """The response of one of our own errors; its status comes from the table over codes."""
    status = http_status(error.code)
    extra = dict(headers or {})
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Throttled):
        extra["Retry-After"] = str(max(1, math.ceil(error.seconds)))
    if status == 503:
        extra["Retry-After"] = "2"
    body = _body(error.code, status, str(error), request_id)
    body |= {"retryable": error.retryable, "device_state": error.device_state}
    if isinstance(error, InputError):
        wrong = _wrong(error)
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        first = ":".join(str(part) for part in (wrong[0].file, wrong[0].line) if part is not None)
        body["detail"] = f"{first}: {wrong[0].reason}{more}" if first else f"{wrong[0].reason}{more}"
        body["errors"] = [asdict(one) for one in wrong]
    return JSONResponse(body, status, headers=extra, media_type=MEDIA_TYPE)


def plain_problem(
    code: str, status: int, detail: str, request_id: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem that has no error of our tree: wrong path, wrong method, too large, internal."""
    return JSONResponse(
        _body(code, status, detail, request_id), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def input_problem(entries: Iterable[Entry], request_id: str) -> JSONResponse:
    """Something in the request is wrong, as its reader found before anything was done."""
    wrong = list(entries)
    body = _body("input", 422, wrong[0].reason, request_id)
    return JSONResponse(body | {"errors": [asdict(one) for one in wrong]}, 422, media_type=MEDIA_TYPE)


def internal_problem(request_id: str) -> JSONResponse:
    """Says nothing of the cause; the id leads to it in the log."""
    return plain_problem("internal", 500, f"internal error; the daemon's log has it as {request_id}", request_id)


def _body(code: str, status: int, detail: str, request_id: str) -> dict[str, Any]:
    return {
        "type": f"{TYPES}{code}",
        "title": title(code),
        "status": status,
        "detail": detail,
        "instance": f"urn:cpe-manager:request:{request_id}",
        "code": code,
        "retryable": False,
        "device_state": "untouched",
    }


def _wrong(error: InputError) -> list[Entry]:
    """Everything that is wrong; a record that came in a request's body has no file and no line."""
    if isinstance(error, ImportErrors):
        return [Entry(one.reason, one.file or None, one.line or None) for one in error.problems]
    return [Entry(error.reason, error.file or None, error.line or None, error.pointer)]


def request_id(request: Request) -> str:
    """Given by the outermost middleware."""
    found: str = request.scope.get("state", {}).get("request_id", "")
    return found


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, CpeManagerError):
        raise error
    if http_status(error.code) >= 500:
        log.error("http.problem", code=error.code, error=str(error), request_id=request_id(request))
    return problem_response(error, request_id(request))


async def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [_entry(one, error.body) for one in error.errors()]
    if not _is_json(request) and any(one.get("loc") == ("body",) for one in error.errors()):
        found = [Entry("body: it is read as JSON; send it with Content-Type: application/json", pointer="")]
    return input_problem(found, request_id(request))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _entry(error: Mapping[str, Any], body: Any) -> Entry:
    """Where and what; never the value itself, which may be a secret."""
    location: Sequence[Any] = error.get("loc", ())
    message = str(error.get("msg", "invalid")).removeprefix("Value error, ")
    reason = f"{'.'.join(str(part) for part in location)}: {message}"
    place, *parts = location or ("",)
    if place in _PLACES:
        return Entry(reason, parameter=str(parts[0]) if parts else None)
    missing = error.get("type") == "missing"
    return Entry(reason, pointer=pointer(_path(parts, body, missing=missing)))


def _path(parts: Sequence[Any], body: Any, *, missing: bool) -> Sequence[Any]:
    """As far as the body goes: what pydantic puts behind names the branch of a union, not a place."""
    at: Any = body
    found: list[Any] = []
    for part in parts:
        if (isinstance(at, Mapping) and part in at) or (
            isinstance(at, list) and isinstance(part, int) and part < len(at)
        ):
            at = at[part]
        else:
            return [*found, part] if missing and isinstance(at, Mapping) else found
        found.append(part)
    return found


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _HTTP_CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    details = {404: f"no path {request.url.path}", 405: f"{request.method} is not possible on {request.url.path}"}
    detail = details.get(error.status_code, str(error.detail))
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return plain_problem(code, error.status_code, detail, request_id(request), headers=headers)


def _allowed(request: Request) -> str:
    """Every method of the path (RFC 9110, 15.5.6); the framework tells those of the first route alone."""
    path = request.scope["path"]
    return ", ".join(
        sorted({one for known, methods in request.app.state.methods if known.match(path) for one in methods})
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(CpeManagerError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for error codes, besides those that every operation has."""
    texts: dict[int, list[str]] = {}
    for code in (*codes, "unauthorised", "forbidden", "input", "store_busy", "store_full", "internal"):
        texts.setdefault(http_status(code), []).append(f"`{code}`: {title(code)}")
    return {status: problem_of("; ".join(dict.fromkeys(parts))) for status, parts in sorted(texts.items())}


def problem_of(text: str) -> dict[str, Any]:
    """An OpenAPI response that is a problem."""
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
