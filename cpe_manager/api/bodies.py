"""Bodies are read whole before anything else happens: within a bound, and as JSON that has one meaning alone.

JSON leaves it open what a key means that is there twice, and Python's reader knows numbers that JSON has not. Two
programs that read such a text could see two things in it, one that was checked and one that is done; so it is refused.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpe_manager.api.pointers import pointer
from cpe_manager.api.problems import Entry, input_problem, plain_problem

MEGABYTE: Final = 1024 * 1024
BODY_LIMIT: Final = 1 * MEGABYTE
BODY_LIMITS: Final = {
    "/api/v1/imports": 64 * MEGABYTE,
    "/api/v1/line-imports": 16 * MEGABYTE,
    "/api/v1/subscription-imports": 16 * MEGABYTE,
    "/api/v1/rollouts": 16 * MEGABYTE,
    "/api/v1/rollout-plans": 16 * MEGABYTE,
    "/api/v1/change-imports": 16 * MEGABYTE,
}
"""Bytes by path, where the common limit is too small."""
DEEPEST: Final = 64
"""Arrays and objects within each other. The deepest that any operation knows is a part of the neutral model: 8."""
MOST_TOLD: Final = 100
"""Places in one answer."""
_TOO_DEEP: Final = Entry(f"body: nested deeper than {DEEPEST} levels", pointer="")


class Bodies:
    """Refuses what announces itself as too large at once, and what turns out so while it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        request_id = scope["state"]["request_id"]
        body = await _read(receive, BODY_LIMITS.get(scope["path"], BODY_LIMIT), _announced(scope))
        if body is None:
            return
        if isinstance(body, int):
            detail = f"at most {body // MEGABYTE} MiB"
            await plain_problem("too_large", 413, detail, request_id)(scope, receive, send)
            return
        wrong = ambiguities(body) if _is_json(scope) else []
        if wrong:
            await input_problem(wrong, request_id)(scope, receive, send)
            return
        scope["state"]["body"] = body
        await self._app(scope, _again(body, receive), send)


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0


def _is_json(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _read(receive: Receive, limit: int, announced: int) -> bytes | int | None:
    """The body; the limit when it is beyond it; None when the caller went away before its end."""
    if announced > limit:
        return limit
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return limit
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The whole body as one message; what comes after it is the caller's going away."""
    told = False

    async def receiving() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


class _Twice(dict[str, Any]):
    """An object with a key that is there more than once."""

    names: Sequence[str] = ()


class _NoNumber:
    """NaN, an infinity, or a number beyond any that can be kept."""


def ambiguities(body: bytes) -> list[Entry]:
    """What in a JSON text has no meaning, or more than one. Nothing for what is no JSON at all: its reader says so."""
    found: list[Entry] = []
    noted = False

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal noted
        made = dict(given)
        if len(made) == len(given):
            return made
        noted = True
        twice = _Twice(made)
        twice.names = sorted(name for name, times in Counter(name for name, _ in given).items() if times > 1)
        return twice

    def constant(_text: str) -> _NoNumber:
        nonlocal noted
        noted = True
        return _NoNumber()

    def number(text: str) -> float | _NoNumber:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    try:
        # Bytes would be taken for UTF-16 where they look like it; JSON that programs exchange is UTF-8 (RFC 8259).
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [Entry("body: it is not UTF-8", pointer="")]
    try:
        document = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except RecursionError:
        return [_TOO_DEEP]
    except json.JSONDecodeError:
        return found
    except ValueError:  # more digits than a number may have here
        return [Entry("body: a number in it is beyond any that can be kept", pointer="")]
    if body.count(b"[") + body.count(b"{") > DEEPEST and _too_deep(document):
        return [_TOO_DEEP]
    if noted:
        found += islice(_walk(document), MOST_TOLD)
    return found


def _too_deep(document: Any) -> bool:
    """Without recursion: what is deeply nested would exhaust the stack here."""
    level, depth = [document], 0
    while level:
        depth += 1
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
        level = [one for values in inner for one in values if isinstance(one, (dict, list))]
        if depth > DEEPEST:
            return True
    return False


def _walk(document: Any) -> Iterator[Entry]:
    left: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    while left:
        path, value = left.pop()
        where = ".".join(("body", *map(str, path)))
        if isinstance(value, _NoNumber):
            yield Entry(f"{where}: not a number that JSON has", pointer=pointer(path))
        elif isinstance(value, (dict, list)):
            for name in value.names if isinstance(value, _Twice) else ():
                yield Entry(f"{where}: the key {name[:100]!r} is there more than once", pointer=pointer((*path, name)))
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            left += [((*path, name), one) for name, one in inner]
