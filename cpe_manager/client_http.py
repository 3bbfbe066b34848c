"""The HTTP under the typed client: sending, reading, paging, and the daemon's problems as our own errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from cpe_manager.api.schemas.common import PageOf, Problem
from cpe_manager.api.schemas.system import EventView
from cpe_manager.domain.errors import (
    CpeManagerError,
    DaemonUnreachable,
    HostKeyChanged,
    InputError,
)
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.import_rules import Problem as Wrong

V = TypeVar("V", bound=BaseModel)

TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
IMPORT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
ASKING_TIMEOUT: Final = httpx.Timeout(180.0, connect=5.0)
STREAM_TIMEOUT: Final = httpx.Timeout(45.0, connect=5.0)
"""Seconds. The stream's is three of the daemon's heartbeats."""

Query = Mapping[str, Any]


class Http:
    """Raises our own errors: what the daemon said, ``DaemonUnreachable`` when there is none to say anything."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        if not (token.isascii() and token.isprintable()):
            raise InputError("the token holds characters that no token has")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            # Reading the certificates that are trusted takes longer than most answers: only where there is TLS.
            tls = not self.url.lower().startswith("http:")
            self._http = httpx.Client(
                base_url=self.url, headers=headers, timeout=TIMEOUT, transport=transport, verify=tls
            )  # fmt: skip
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{url!r} is not a URL of a daemon: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()

    # What every verb is made of

    def get(self, path: str, view: type[V], **query: Any) -> V:
        return self._read(self._send("GET", path, params=query), view)

    def text(self, path: str, **query: Any) -> str:
        """What is no JSON: a page."""
        return self._send("GET", path, params=query).text

    def post(
        self, path: str, view: type[V], body: Any = None, *,
        timeout: httpx.Timeout = TIMEOUT, key: str | None = None, match: int | None = None,
    ) -> V:  # fmt: skip
        """``key``: of idempotency; the same again gives what was made the first time. ``match``: the revision that was
        read."""
        headers = {"Idempotency-Key": key} if key else {}
        if match is not None:
            headers["If-Match"] = f'"{match}"'
        return self._read(self._send("POST", path, body=body, timeout=timeout, headers=headers), view)

    def get_tagged(self, path: str, view: type[V]) -> tuple[V, str]:
        """With the tag that ``put`` takes as ``match``."""
        response = self._send("GET", path)
        return self._read(response, view), response.headers.get("etag", "").strip('"')

    def put(self, path: str, view: type[V], body: Any, *, match: int | str | None = None) -> V:
        """``match``: the revision or tag that was read; it is written over that one alone. 0: there was none."""
        headers = None if match is None else {"If-Match": f'"{match}"'}
        return self._read(self._send("PUT", path, body=body, headers=headers), view)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def pages(self, path: str, view: type[V], *, limit: int | None = None, **query: Any) -> Iterator[V]:
        """Every item of a list, or the first ``limit``; pages are fetched as they are needed."""
        page_type = PageOf[view]  # type: ignore[valid-type]
        left, cursor = limit, None
        while left is None or left > 0:
            size = 500 if left is None else min(left, 500)
            page = self.get(path, page_type, **query, limit=size, cursor=cursor)
            yield from page.items
            left = None if left is None else left - len(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Query | None = None,
        body: Any = None,
        timeout: httpx.Timeout = TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            response = self._http.request(
                method, f"/api/v1{path}", params=_given(params or {}), json=body, timeout=timeout, headers=headers
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except UnicodeEncodeError as error:  # an argument that is not text in the terminal's encoding
            raise InputError(f"not text: {error.object[error.start : error.end]!r}") from error
        if response.is_error:
            raise error_of(response.status_code, response.content)
        return response

    def _unreachable(self, error: Exception) -> CpeManagerError:
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
            return InputError(f"{self.url!r} is not a URL of a daemon: it starts with http:// or https://")
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return DaemonUnreachable(f"no daemon answers at {self.url} (start one with: cpe-manager serve)")
        return DaemonUnreachable(f"the daemon at {self.url} stopped answering ({type(error).__name__})")

    def _read(self, response: httpx.Response, view: type[V]) -> V:
        try:
            return view.model_validate_json(response.content)
        except ValidationError as error:
            raise DaemonUnreachable(f"{self.url} answers, but not as a cpe-manager does") from error

    def stream(self, after: int | None, **where: Any) -> Iterator[EventView]:
        """Events after the given id, or (None) from now on, until the connection breaks, which raises
        ``DaemonUnreachable``. ``where``: ``kind``, ``device``, ``line``."""
        headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
        try:
            with self._http.stream(
                "GET", "/api/v1/events/stream", headers=headers, params=_given(where), timeout=STREAM_TIMEOUT
            ) as response:
                if response.is_error:
                    raise error_of(response.status_code, response.read())
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield EventView.model_validate_json(line.removeprefix("data:"))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error


def _given(query: Query) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def part(text: str) -> str:
    """A name as one part of a path. Raises ``InputError`` for what would lead to another path."""
    if text in {"", ".", ".."} or "/" in text or not text.isprintable():
        raise InputError(f"{text!r} is not a name")
    return quote(text, safe="")


def error_of(status: int, content: bytes) -> CpeManagerError:
    """Our error from a problem body; what is no problem body did not come from a cpe-manager."""
    try:
        problem = Problem.model_validate(json.loads(content))
    except ValueError:
        return DaemonUnreachable(f"the answer (HTTP {status}) did not come from a cpe-manager")
    entries = problem.errors or []
    if problem.code == "input" and entries:
        return ImportErrors(Wrong(entry.reason, entry.file, entry.line) for entry in entries)
    if problem.code == HostKeyChanged.code:
        return HostKeyChanged(problem.detail, offered="")
    if problem.code in {"input", "too_large", "bad_request"}:
        return InputError(problem.detail)
    # Those of the tree alone: services have kinds of their own that say more with the same code.
    tree = (kind for kind in _kinds(CpeManagerError) if kind.__module__ == CpeManagerError.__module__)
    return {kind.code: kind for kind in tree}.get(problem.code, CpeManagerError)(problem.detail)


def _kinds(root: type[CpeManagerError]) -> Iterator[type[CpeManagerError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
