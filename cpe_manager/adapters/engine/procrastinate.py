"""The engine over PostgreSQL: any number of processes share the tickets, on Procrastinate.

One task carries every kind of ticket; the queue is the priority class, and each class has a worker of its own in each
process. A waiting ticket is unique by ``queueing_lock``. Procrastinate's ``lock`` is not used: a backlog of many
distinct locks stalls its fetching, and devices have leases. Its retries are not used either: the sweep tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.worker import Worker

from cpe_manager.adapters.engine.handling import DEFAULT_SLOTS, Handling, outranks
from cpe_manager.adapters.engine.tables import connection_string
from cpe_manager.domain.errors import StoreError
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Handler, Ticket

_TASK = "ticket"
_BATCH = 500
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times in seconds. ``slots``: tickets of each class handled at once; without any, the process only enqueues."""

    slots: Mapping[Priority, int] = field(default_factory=lambda: dict(DEFAULT_SLOTS))
    poll: float = 2.0
    """How late a ticket with ``not_before`` may come; new tickets are announced by NOTIFY."""
    heartbeat: float = 5.0
    stalled_after: float = 30.0
    """A worker without heartbeat for this long is taken for dead, and its tickets are issued again."""
    connect: float = 15.0
    """How long to wait for a connection, when starting and for every statement."""
    restart_after: float = 3.0
    """Pause before a worker that ended by a database error is started again."""


class ProcrastinateEngine:
    """``ports.engine.Engine``. ``ensure_schema`` must have run once. Raises ``StoreError`` from start and enqueue."""

    def __init__(self, url: str, options: EngineOptions | None = None) -> None:
        self._options = options or EngineOptions()
        self._handling = Handling()
        classes = [priority for priority, slots in self._options.slots.items() if slots]
        self._connector = procrastinate.PsycopgConnector(
            conninfo=connection_string(url), min_size=0, max_size=len(classes) + 2, timeout=self._options.connect
        )
        self._app = procrastinate.App(connector=self._connector)
        self._app.task(name=_TASK)(self._handle)
        # Without any periodic task the library's periodic deferrer ends at once, and with it the watch over a worker's
        # heartbeat and listener (procrastinate issue 1597). One that is due once a year keeps them watched.
        self._app.periodic(cron="0 0 1 1 *")(self._app.task(name="keep-watch", queue=Priority.BULK.value)(_keep_watch))
        self._classes = classes
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    def register(self, kind: str, handler: Handler) -> None:
        self._handling.register(kind, handler)

    async def start(self) -> None:
        try:
            await self._app.open_async()
            ready = await self._app.check_connection_async()
        except (ConnectorException, psycopg.Error) as error:
            await self._app.close_async()
            raise StoreError("the ticket engine finds no database") from error
        if not ready:
            await self._app.close_async()
            raise StoreError("the ticket tables are missing: the database has to be migrated first")
        self._handling.open()
        self._open = True
        self._tasks = [asyncio.create_task(self._work(each), name=f"engine-worker:{each}") for each in self._classes]
        if self._tasks:
            self._tasks.append(asyncio.create_task(self._reap_forever(), name="engine-reaper"))

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        if not self._open:
            _log.debug("tickets_forgotten", count=len(tickets), reason="engine is not running")
            return
        try:
            for start in range(0, len(tickets), _BATCH):
                await self._enqueue(tickets[start : start + _BATCH])
        except ConnectorException as error:
            raise StoreError("the ticket engine's database refused") from error

    async def stop(self, grace: float) -> None:
        """Tickets that were cut off by stopping go back into the database, for another process or the next start."""
        for task in self._tasks:
            task.cancel()  # a worker takes this as "no new job", and ends when its jobs have
        await self._handling.close(grace)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._open:
            return
        try:
            await self._enqueue(list(self._handling.unfinished.values()))
        except ConnectorException as error:
            _log.warning("tickets_forgotten", count=len(self._handling.unfinished), reason=_reason(error))
        self._open = False
        await self._app.close_async()

    async def _handle(self, *, kind: str, id: str, priority: str) -> None:  # noqa: A002 - the ticket's own word
        await self._handling.run(Ticket(kind, id, Priority(priority)))

    async def _enqueue(self, tickets: Sequence[Ticket]) -> None:
        """One look at what waits and one insert, for a whole batch; a lost race is settled ticket by ticket."""
        if not tickets:
            return
        waiting = await self._waiting([ticket.key for ticket in tickets])
        wanted: dict[str, Ticket] = {}
        for ticket in tickets:
            rival = wanted.get(ticket.key) or (waiting[ticket.key].ticket if ticket.key in waiting else None)
            if rival is None or outranks(ticket, rival):
                wanted[ticket.key] = ticket
        for key in wanted.keys() & waiting.keys():
            await self._app.job_manager.cancel_job_by_id_async(waiting[key].job_id, delete_job=True)
        jobs = [_job(ticket) for ticket in wanted.values()]
        try:
            if jobs:
                await self._app.job_manager.batch_defer_jobs_async(jobs)
        except AlreadyEnqueued:
            for job in jobs:
                await self._defer(job)

    async def _defer(self, job: Job) -> None:
        try:
            await self._app.job_manager.defer_job_async(job)
        except AlreadyEnqueued:
            _log.debug("ticket_waits_already", key=job.queueing_lock)

    async def _waiting(self, keys: list[str]) -> dict[str, _Waiting]:
        """Those of the tickets that wait already. The library itself can only be asked for one key at a time."""
        rows = await self._connector.execute_query_all_async(
            "SELECT id, args, scheduled_at FROM procrastinate_jobs"
            " WHERE status = 'todo' AND queueing_lock = ANY(%(keys)s::text[])",
            keys=keys,
        )
        found = [_Waiting(row["id"], _ticket(row["args"], row["scheduled_at"])) for row in rows]
        return {each.ticket.key: each for each in found}

    async def _work(self, priority: Priority) -> None:
        """Keep a worker of this class running: a database that goes away ends it, and comes back some time."""
        while True:
            try:
                await self._worker(priority).run()  # type: ignore[no-untyped-call]
                _log.warning("engine_worker_ended", priority=priority, reason="it lost its heartbeat or its listener")
            except ConnectorException as error:
                _log.warning("engine_worker_ended", priority=priority, reason=_reason(error))
            except Exception:  # noqa: BLE001 - a class without a worker would stand still for good
                _log.exception("engine_worker_ended", priority=priority)
            await asyncio.sleep(self._options.restart_after)

    def _worker(self, priority: Priority) -> Worker:
        return Worker(
            app=self._app,
            queues=[priority.value],
            name=f"tickets-{priority}",
            concurrency=self._options.slots[priority],
            fetch_job_polling_interval=self._options.poll,
            listen_notify=True,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._options.heartbeat,
            stalled_worker_timeout=self._options.stalled_after,
        )

    async def _reap_forever(self) -> None:
        while True:
            await asyncio.sleep(self._options.stalled_after / 2)
            try:
                await self._reap()
            except ConnectorException as error:
                _log.warning("engine_reaper_failed", reason=_reason(error))

    async def _reap(self) -> None:
        """Issue the tickets of dead workers again.

        As new tickets, not by the library's retry: that one is not announced by NOTIFY, and refuses when the same
        ticket waits already.
        """
        manager = self._app.job_manager
        stalled = await manager.get_stalled_jobs(seconds_since_heartbeat=self._options.stalled_after)
        orphans = [job for job in stalled if await self._give_up(job)]
        if orphans:
            _log.warning("tickets_of_dead_workers", count=len(orphans))
        await self._enqueue([_ticket(job.task_kwargs, None) for job in orphans if job.task_name == _TASK])
        await manager.prune_stalled_workers(self._options.stalled_after)

    async def _give_up(self, job: Job) -> bool:
        """Remove a stalled job; False when another process was faster, or its worker finished it after all."""
        try:
            await self._app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
        except ConnectorException as error:
            if isinstance(error.__cause__, psycopg.errors.RaiseException):
                return False
            raise
        return True


@dataclass(frozen=True, slots=True)
class _Waiting:
    job_id: int
    ticket: Ticket


async def _keep_watch(timestamp: int) -> None:
    """Has nothing to do (see the constructor of the engine)."""
    _log.debug("engine_keep_watch", timestamp=timestamp)


def _reason(error: ConnectorException) -> str:
    """The class alone: the driver's text may hold the connection string."""
    return type(error.__cause__ or error).__name__


def _job(ticket: Ticket) -> Job:
    return Job(
        queue=ticket.priority.value,
        lock=None,
        queueing_lock=ticket.key,
        task_name=_TASK,
        task_kwargs={"kind": ticket.kind, "id": ticket.id, "priority": ticket.priority.value},
        scheduled_at=ticket.not_before,
    )


def _ticket(args: Mapping[str, Any], not_before: datetime | None) -> Ticket:
    return Ticket(args["kind"], args["id"], Priority(args["priority"]), not_before)
