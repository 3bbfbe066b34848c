"""Around every request: its id, its canonical log line, its token. Plain ASGI, for streams."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpe_manager.api.problems import internal_problem, plain_problem, problem_response
from cpe_manager.domain.errors import CpeManagerError, Unauthorised
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.access.access import Access, Known

log = structlog.get_logger()

PROTECTED: Final = "/api/"
"""Everything below needs a token, paths that do not exist included: a route cannot be left open by oversight."""
API_PREFIX: Final = "/api/v1"
SESSION_COOKIE: Final = "cpe_manager_session"
FOR_STRANGERS: Final = frozenset({("POST", "/api/v1/session")})
"""Where one becomes known."""
ROUTINE: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestLog:
    """Outermost: gives the request its id, answers what nobody else did, and writes one line."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 0, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            # The edge of the process: whatever it was is logged whole, and the client gets an id, never the cause.
            log.exception("http.internal_error", request_id=request_id, method=scope["method"], path=scope["path"])
            if status == 0:
                await internal_problem(request_id)(scope, receive, sending)
        finally:
            self._note(scope, status, (time.perf_counter() - started) * 1000)

    def _note(self, scope: Scope, status: int, milliseconds: float) -> None:
        route = route_template(scope)
        state: dict[str, Any] = scope["state"]
        caller, token = state.get("caller"), state.get("token")
        self._metrics.request(scope["method"], route, status)
        write = log.debug if route in ROUTINE else log.info
        write(
            "http.request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(milliseconds, 1),
            caller=caller.name if caller else None,
            token_name=token.name if token else None,
            request_id=state["request_id"],
        )


def route_template(scope: Scope) -> str:
    """``/api/v1/devices/{name}``; one word for all that matched nothing, so that scanners make no new series."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return "unmatched"
    # A route of an included router may know its path without the prefix under which it was included.
    return API_PREFIX + path if scope["path"].startswith(PROTECTED) and not path.startswith(PROTECTED) else path


class Authentication:
    """Everything under ``/api/`` is for whoever is known, by a token or a session, before its body is read."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope.get("method"), scope.get("path"))
        if scope["type"] == "http" and scope["path"].startswith(PROTECTED) and asked not in FOR_STRANGERS:
            state = scope.setdefault("state", {})
            try:
                known = await self._known(scope)
            except CpeManagerError as error:
                await problem_response(error, state.get("request_id", ""))(scope, receive, send)
                return
            state |= {"caller": known.principal, "token": known.token, "known": known}
        await self._app(scope, receive, send)

    async def _known(self, scope: Scope) -> Known:
        """A token goes before a cookie: whoever sends one means it."""
        headers = Headers(scope=scope)
        cookie = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE)
        if cookie and "authorization" not in headers:
            changes = scope["method"] not in {"GET", "HEAD", "OPTIONS"}
            return await self._access.by_cookie(cookie, csrf=headers.get("x-csrf-token"), changes=changes)
        return await self._access.by_token(_bearer(headers), source=source_of(scope))


def source_of(scope: Scope) -> str:
    """The address that a request came from; empty when the server cannot tell."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _bearer(headers: Headers) -> str:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthorised("no token: pass one as 'Authorization: Bearer ...' (cpe-manager token create)")
    return text.strip()


class NulInPath:
    """Such a path names nothing, and a database may refuse to look for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "\0" in scope["path"]:
            detail = "no path with a NUL character"
            await plain_problem("not_found", 404, detail, scope["state"]["request_id"])(scope, receive, send)
            return
        await self._app(scope, receive, send)
