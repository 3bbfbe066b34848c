"""The long-running processes: ``serve`` (API and work) and ``work`` (work only), with a stop in two phases."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any

import structlog
import uvicorn

from cpe_manager.api.app import ApiOptions, create_app
from cpe_manager.bootstrap import only_daemon, opened, require_setup
from cpe_manager.domain.errors import AddressInUse, SettingsError
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.runtime.logs import configure
from cpe_manager.runtime.supervisor import Supervisor
from cpe_manager.settings import Settings
from cpe_manager.wiring import Parts

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Signals are ours: the library would end the process before the second phase of stopping."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """API, timer, sweep and worker in one process, until SIGTERM or SIGINT.

    ``ready`` is called with the base URL once requests are answered. Raises ``AddressInUse``, ``SettingsError``,
    ``KeyringError``, ``StoreError`` before anything has started.
    """
    require_setup(settings)
    redactor = Redactor()
    configure(settings.log_level, redactor=redactor)
    with only_daemon(settings), _listening(settings.host, settings.port) as listener:
        async with opened(settings, redactor) as parts, _working(parts, settings):
            host, port = listener.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            engine = "procrastinate" if settings.scaled else "embedded"
            options = ApiOptions(engine=engine, public_url=settings.public_url)
            app = create_app(parts.services, metrics=parts.metrics, version=version("cpe-manager"), options=options)
            config = uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=3,
                server_header=False, proxy_headers=True, forwarded_allow_ips=settings.trusted_proxies,
            )  # fmt: skip
            server = _Server(config)
            stop = _stop_signal()
            task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            await _first(task, asyncio.create_task(server.ready.wait(), name="ready"))
            log.info("daemon.ready", url=url, engine=engine)
            if ready is not None and not task.done():
                ready(url)
            await _first(task, asyncio.create_task(stop.wait(), name="stop"))
            log.info("daemon.stopping")
            parts.failover.watcher.stop()
            parts.worker.stop()
            app.state.feed.close()  # open event streams would hold the server up
            server.should_exit = True
            await task
    log.info("daemon.stopped")


async def work(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """A worker without API and timer; needs PostgreSQL, where tickets can be shared."""
    redactor = Redactor()
    configure(settings.log_level, redactor=redactor)
    if not settings.scaled:
        raise SettingsError("a worker of its own needs PostgreSQL (setting database_url); SQLite has one process")
    stop = _stop_signal()
    async with opened(settings, redactor) as parts, _working(parts, settings, timer=False):
        log.info("worker.ready", owner=parts.owner)
        if ready is not None:
            ready(parts.owner)
        await stop.wait()
        log.info("worker.stopping")
        parts.worker.stop()
    log.info("worker.stopped")


@asynccontextmanager
async def _working(parts: Parts, settings: Settings, *, timer: bool = True) -> AsyncIterator[None]:
    """Engine, sweep, leases and writer around the body; on the way out in the order in which they need each other."""
    await parts.take_over()
    if timer:
        await parts.services.catalogues.start()
    supervisor = Supervisor(parts.clock, parts.ids)
    for name, run in parts.tasks.items():
        supervisor.add(name, run)
    traps = parts.traps if timer else None
    if traps is not None:
        await traps.intake.start()
        supervisor.add("traps", traps.run)
        supervisor.add("trap-port-names", traps.names.run)
    for name, run in parts.failover.tasks.items() if timer else ():
        supervisor.add(name, run)
    if timer:
        supervisor.add("catalogue", parts.services.catalogues.run)
    await parts.engine.start()
    try:
        supervisor.start()
        if timer:
            await parts.services.scheduling.start()
        yield
    finally:
        if timer:
            await parts.timer.stop(settings.stop_grace_seconds)
        parts.failover.watcher.stop()
        parts.worker.stop()
        grace = settings.stop_grace_seconds
        await asyncio.gather(parts.engine.stop(grace), parts.worker.close(grace))
        await parts.worker.close(0)  # what a claim under way began meanwhile
        await parts.worker.settler.drain()
        await supervisor.stop(0)
        await parts.failover.close()
        if traps is not None:
            await traps.intake.stop()


async def _first(server: asyncio.Task[None], wanted: asyncio.Task[Any]) -> None:
    """Wait for ``wanted``, or for the server to end before it came."""
    await asyncio.wait({server, wanted}, return_when=asyncio.FIRST_COMPLETED)
    wanted.cancel()
    await asyncio.gather(wanted, return_exceptions=True)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """The socket is bound before anything else starts: a port in use costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise AddressInUse(f"cannot listen on {host}:{port}: {reason.lower()}") from error
        listener.listen(512)
        listener.setblocking(False)
        yield listener
