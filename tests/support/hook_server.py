"""An HTTP server whose answers a test gives, on a port of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Self

Answer = Callable[[Mapping[str, Any], Mapping[str, str]], tuple[int, Any]]
"""Document and headers (lower case) to status and document; a string as the document is sent as it is."""


class HookServer:
    """``calls``: what came so far, in order, as (document, headers). ``raw``: their bodies.

    ``delay``: seconds before each answer. ``hang_up``: close the connection instead of answering.
    """

    def __init__(self) -> None:
        self.answer: Answer = lambda document, headers: (HTTPStatus.OK, {})
        self.calls: list[tuple[Mapping[str, Any], Mapping[str, str]]] = []
        self.raw: list[bytes] = []
        self.more_headers: dict[str, str] = {}
        self.delay = 0.0
        self.hang_up = False
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Started again, it listens at the port that it had."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer_one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller gave up
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.raw.append(body)
        document = json.loads(body)
        self.calls.append((document, headers))
        await asyncio.sleep(self.delay)
        if self.hang_up:
            return
        status, told = self.answer(document, headers)
        text = told if isinstance(told, str) else json.dumps(told)
        more = {"Content-Length": len(text.encode()), "Connection": "close", **self.more_headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {int(status)} Told\r\n{head}\r\n{text}".encode())
        await writer.drain()
