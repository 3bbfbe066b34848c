"""The application of ``world`` on a real socket, in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from tests.integration.api.world import Reach, World, opened

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a test stops hoping."""


class Live:
    """``run`` takes a coroutine to the daemon's event loop; ``url`` and ``token`` are a client's."""

    def __init__(self, home: Path, reach: Reach | None = None) -> None:
        self._home, self._reach = home, reach
        self._up = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="live daemon")
        self.url = self.token = ""
        self.tokens: dict[str, str] = {}
        """More of them, by whose they are, where a test makes some."""
        self.world: World
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(PATIENCE)

    def stop(self) -> None:
        """Asks for the end as the daemon does: streams first, then the server."""
        self._stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with opened(self._home, reach=self._reach) as self.world:
                self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                self.token = await self.world.token()
                server = uvicorn.Server(uvicorn.Config(self.world.app, log_config=None, access_log=False))

                def stop() -> None:
                    self.world.app.state.feed.close()
                    server.should_exit = True

                self._stop = lambda: self.loop.call_soon_threadsafe(stop)
                serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
                while not server.started:
                    await asyncio.sleep(0.01)
                self._up.set()
                await serving


@contextmanager
def live_daemon(home: Path, reach: Reach | None = None) -> Iterator[Live]:
    daemon = Live(home, reach)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
