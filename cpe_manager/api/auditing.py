"""Every request that changes something becomes an entry of the audit log before it is answered: who, which operation,
what it was done to, how it ended, from where. So does everything that was denied.

Plain ASGI, between the request log and the authentication: what that one refuses is noted as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpe_manager.api.middleware import API_PREFIX, PROTECTED
from cpe_manager.api.problems import problem_response
from cpe_manager.domain.access.access import Principal
from cpe_manager.domain.access.audit import NewAuditEntry, Result
from cpe_manager.domain.access.tokens import Token
from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.services.access.audit import AuditBook

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SPARED_SECONDS: Final = 60.0
"""Denials of one caller and operation within so long are one entry and a count: nobody fills the log from outside."""
MOST_CALLERS: Final = 10_000


@dataclass(slots=True)
class _Spared:
    since: float
    more: int = 0


@dataclass
class Denials:
    """Which denials are noted: the first of each caller and operation within a while, with the count of those since."""

    known: dict[tuple[str, str], _Spared] = field(default_factory=dict)

    def noted(self, key: tuple[str, str], now: float) -> int | None:
        """How many were spared since the last one noted; None: this one is spared too."""
        found = self.known.get(key)
        if found is not None and now - found.since < SPARED_SECONDS:
            found.more += 1
            return None
        if len(self.known) >= MOST_CALLERS:
            self.known = {one: kept for one, kept in self.known.items() if now - kept.since < SPARED_SECONDS}
        if len(self.known) >= MOST_CALLERS:
            key = ("", "")  # so many at once: they are counted together
            found = self.known.get(key)
            if found is not None and now - found.since < SPARED_SECONDS:
                found.more += 1
                return None
        self.known[key] = _Spared(now)
        return found.more if found is not None else 0


class Audit:
    """Nothing that is to be noted happens while what happened before cannot be."""

    def __init__(self, app: ASGIApp, book: AuditBook, clock: Clock) -> None:
        self._app, self._book, self._clock = app, book, clock
        self._denials = Denials()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PROTECTED):
            await self._app(scope, receive, send)
            return
        changing = scope["method"] not in READING
        if changing:
            try:
                await self._book.ready()
            except StoreError as error:
                await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
                return
        answered = False

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = Headers(raw=message.get("headers", []))
                await self._note(scope, message["status"], headers, changing=changing)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if not answered:
                await self._note(scope, 500, {}, changing=changing)
            raise

    async def _note(self, scope: Scope, status: int, headers: Mapping[str, str], *, changing: bool) -> None:
        denied = status in {401, 403}
        if not changing and not denied:
            return
        actor, actor_id = _caller(scope)
        source = (scope.get("client") or ("",))[0]
        action = _operation(scope)
        data: dict[str, Any] = {"method": scope["method"], "path": _path(scope), "status": status}
        if denied:
            more = self._denials.noted((actor_id or source, action), self._clock.monotonic())
            if more is None:
                return
            if more:
                data["spared"] = more
        result: Result = "denied" if denied else "done" if status < 400 else "failed"
        parameters = scope.get("path_params") or {}
        if location := headers.get("location", ""):
            data["location"] = location.removeprefix(API_PREFIX)
        target = _target(data["path"]) if parameters else _target(data.get("location", ""))
        entry = NewAuditEntry(
            self._clock.now(), actor, actor_id, action, target,
            str(parameters.get("site", "")), result, data, source, scope["state"].get("request_id", ""),
        )  # fmt: skip
        await self._book.note_done([entry])


def _caller(scope: Scope) -> tuple[str, str]:
    """Name and account; a token without an account is its own."""
    caller: Principal | Token | None = (scope.get("state") or {}).get("caller")
    if caller is None:
        return "", ""
    return caller.name, f"token:{caller.id}" if isinstance(caller, Token) else caller.id


def _operation(scope: Scope) -> str:
    found = getattr(scope.get("route"), "operation_id", None)
    return found if isinstance(found, str) else "none"


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(API_PREFIX)[:300]


def _target(path: str) -> str:
    """``/devices/gent-r1/hold`` is about ``device:gent-r1``."""
    kind, _, rest = path.strip("/").partition("/")
    name = rest.partition("/")[0]
    return f"{kind.removesuffix('s')}:{name}" if name else ""
