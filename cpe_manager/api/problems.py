"""Every error as application/problem+json (RFC 9457), from whatever layer it comes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cpe_manager.domain.errors import CpeManagerError, InputError, Throttled
from cpe_manager.domain.import_rules import ImportErrors
from cpe_manager.domain.import_rules import Problem as Wrong
from cpe_manager.domain.outcomes import http_status

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"

TITLES: Final[Mapping[str, str]] = {
    "input": "The input was refused; nothing was changed",
    "not_found": "No such thing",
    "conflict": "Not in the state that this needs",
    "unauthorised": "No valid token",
    "forbidden": "Who asks may not do that",
    "throttled": "Too many tries; wait as long as it says",
    "provider": "The provider of log-ins did not do its part",
    "settings": "The daemon's own configuration is wrong",
    "key": "A sealing key is missing, wrong or damaged",
    "seal_broken": "A sealed object does not open",
    "store": "The database refused",
    "store_busy": "The database is locked",
    "store_full": "No space left",
    "fence_lost": "A newer owner holds the device",
    "method_not_allowed": "The path exists, the method does not",
    "too_large": "The request body is too large",
    "bad_request": "The request cannot be read",
    "not_ready": "The daemon cannot do its work now",
    "internal": "Something unforeseen went wrong",
}
"""Title by code; device codes share one."""

_DEVICE: Final = "The device or the way to it failed"
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


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
        body["detail"] = f"{wrong[0]}{more}"
        body["errors"] = [{"file": one.file, "line": one.line, "reason": one.reason} for one in wrong]
    return JSONResponse(body, status, headers=extra, media_type=MEDIA_TYPE)


def plain_problem(
    code: str, status: int, detail: str, request_id: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem that has no error of our tree: wrong path, wrong method, too large, internal."""
    return JSONResponse(
        _body(code, status, detail, request_id), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def internal_problem(request_id: str) -> JSONResponse:
    """Says nothing of the cause; the id leads to it in the log."""
    return plain_problem("internal", 500, f"internal error; the daemon's log has it as {request_id}", request_id)


def _body(code: str, status: int, detail: str, request_id: str) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": TITLES.get(code, _DEVICE),
        "status": status,
        "detail": detail,
        "instance": f"urn:cpe-manager:request:{request_id}",
        "code": code,
        "retryable": False,
        "device_state": "untouched",
    }


def _wrong(error: InputError) -> list[Wrong]:
    """Everything that is wrong; a record that came in a request's body has no file and no line."""
    found = error.problems if isinstance(error, ImportErrors) else (Wrong(error.reason, error.file, error.line),)
    return [Wrong(one.reason, one.file or None, one.line or None) for one in found]


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
    reasons = [_reason(one) for one in error.errors()]
    if not _is_json(request) and any(one.get("loc") == ("body",) for one in error.errors()):
        reasons = ["body: it is read as JSON; send it with Content-Type: application/json"]
    response = _body("input", 422, reasons[0], request_id(request))
    response["errors"] = [{"file": None, "line": None, "reason": reason} for reason in reasons]
    return JSONResponse(response, 422, media_type=MEDIA_TYPE)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _reason(error: Mapping[str, Any]) -> str:
    """Where and what; never the value itself, which may be a secret."""
    location: Sequence[Any] = error.get("loc", ())
    message = str(error.get("msg", "invalid")).removeprefix("Value error, ")
    return f"{'.'.join(str(part) for part in location)}: {message}"


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _HTTP_CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    details = {404: f"no path {request.url.path}", 405: f"{request.method} is not possible on {request.url.path}"}
    detail = details.get(error.status_code, str(error.detail))
    return plain_problem(code, error.status_code, detail, request_id(request), headers=error.headers)


def install(app: FastAPI) -> None:
    app.add_exception_handler(CpeManagerError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for error codes, besides those that every operation has."""
    texts: dict[int, list[str]] = {}
    for code in (*codes, "unauthorised", "forbidden", "input", "store_busy", "store_full", "internal"):
        texts.setdefault(http_status(code), []).append(f"`{code}`: {TITLES.get(code, _DEVICE)}")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": "; ".join(dict.fromkeys(parts)), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, parts in sorted(texts.items())
    }
