"""Promises of the supervisor, on simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.runtime.supervisor import Backoff, Restart, Supervisor, TaskHealth, TaskState
from tests.fakes.clock import CountingIds, SimulatedClock, settle


class Worker:
    """A task that lives until ``crash``, ``finish`` or cancellation; it may be started many times."""

    def __init__(self) -> None:
        self.starts = 0
        self.cancelled = 0
        self._end: asyncio.Future[None]

    async def __call__(self) -> None:
        self.starts += 1
        self._end = asyncio.get_running_loop().create_future()
        try:
            await self._end
        except asyncio.CancelledError:
            self.cancelled += not self._end.done() or self._end.cancelled()
            raise

    async def crash(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._end.cancel()
        else:
            self._end.set_exception(error)
        await settle()

    async def finish(self) -> None:
        self._end.set_result(None)
        await settle()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
async def supervisor(clock: SimulatedClock) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(clock, CountingIds(jitter=0.0), Backoff(base=2, cap=16, reset=60))
    yield supervisor
    await supervisor.stop(0)


async def running(supervisor: Supervisor, restart: Restart = Restart.ALWAYS) -> Worker:
    worker = Worker()
    supervisor.add("sweep", worker, restart)
    supervisor.start()
    await settle()
    return worker


async def test_a_task_runs_under_its_name_from_start_on(supervisor: Supervisor) -> None:
    worker = Worker()
    supervisor.add("sweep", worker)
    await settle()
    assert supervisor.health() == {"sweep": TaskHealth(TaskState.WAITING)}
    assert not supervisor.ok
    supervisor.start()
    await settle()
    assert supervisor.health() == {"sweep": TaskHealth(TaskState.RUNNING)}
    assert supervisor.ok
    assert "sweep" in {task.get_name() for task in asyncio.all_tasks()}
    assert worker.starts == 1


async def test_a_task_added_later_starts_at_once(supervisor: Supervisor) -> None:
    supervisor.start()
    worker = Worker()
    supervisor.add("sweep", worker)
    await settle()
    supervisor.start()
    await settle()
    assert worker.starts == 1


async def test_a_name_is_given_once(supervisor: Supervisor) -> None:
    supervisor.add("sweep", Worker())
    with pytest.raises(ValueError, match="sweep"):
        supervisor.add("sweep", Worker())


async def test_a_crashed_task_is_started_again_after_its_pause(supervisor: Supervisor, clock: SimulatedClock) -> None:
    worker = await running(supervisor)
    await worker.crash(RuntimeError("a secret"))
    assert supervisor.health() == {"sweep": TaskHealth(TaskState.BACKING_OFF, 0, "RuntimeError")}
    assert not supervisor.ok
    await clock.advance(0.9)
    assert worker.starts == 1
    await clock.advance(0.2)
    assert worker.starts == 2
    assert supervisor.health() == {"sweep": TaskHealth(TaskState.RUNNING, 1, "RuntimeError")}
    assert supervisor.ok


async def test_pauses_grow_with_every_crash_in_a_row_up_to_a_bound(
    supervisor: Supervisor, clock: SimulatedClock
) -> None:
    worker = await running(supervisor)
    pauses: list[float] = []
    for crash in range(1, 7):
        await worker.crash(RuntimeError())
        before = clock.monotonic()
        while worker.starts == crash:
            await clock.advance(0.5)
        pauses.append(clock.monotonic() - before)
    assert pauses == [1, 2, 4, 8, 8, 8]


async def test_a_task_that_ran_long_starts_over_with_short_pauses(
    supervisor: Supervisor, clock: SimulatedClock
) -> None:
    worker = await running(supervisor)
    for _ in range(3):
        await worker.crash(RuntimeError())
        await clock.advance(8)
    await clock.advance(60)
    await worker.crash(RuntimeError())
    await clock.advance(1)
    assert worker.starts == 5


async def test_one_crash_is_one_line_in_the_log(supervisor: Supervisor) -> None:
    worker = await running(supervisor)
    with capture_logs() as lines:
        await worker.crash(StoreBusy("the database is locked"))
    assert lines == [
        {
            "event": "task_restarts",
            "log_level": "error",
            "task": "sweep",
            "error": "StoreBusy: the database is locked",
            "seconds": 1.0,
            "exc_info": None,
        }
    ]


async def test_a_bug_is_logged_with_its_traceback(supervisor: Supervisor) -> None:
    worker = await running(supervisor)
    error = RuntimeError("a bug")
    with capture_logs() as lines:
        await worker.crash(error)
    assert [line["exc_info"] for line in lines] == [error]


async def test_other_tasks_run_on_when_one_crashes(supervisor: Supervisor) -> None:
    worker = await running(supervisor)
    other = Worker()
    supervisor.add("other", other)
    await settle()
    await worker.crash(RuntimeError())
    assert supervisor.health()["other"] == TaskHealth(TaskState.RUNNING)


async def test_a_task_without_end_that_returns_is_started_again(supervisor: Supervisor, clock: SimulatedClock) -> None:
    worker = await running(supervisor)
    await worker.finish()
    assert supervisor.health()["sweep"].error == "returned"
    await clock.advance(1)
    assert worker.starts == 2


async def test_a_task_that_may_end_is_done_when_it_returns_and_started_again_when_it_crashes(
    supervisor: Supervisor, clock: SimulatedClock
) -> None:
    worker = await running(supervisor, Restart.ON_CRASH)
    await worker.crash(RuntimeError())
    await clock.advance(1)
    await worker.finish()
    await clock.advance(60)
    assert worker.starts == 2
    assert supervisor.health()["sweep"].state is TaskState.DONE
    assert supervisor.ok


async def test_a_task_that_is_never_restarted_stays_failed(supervisor: Supervisor, clock: SimulatedClock) -> None:
    worker = await running(supervisor, Restart.NEVER)
    await worker.crash(StoreBusy("locked"))
    await clock.advance(60)
    assert worker.starts == 1
    assert supervisor.health() == {"sweep": TaskHealth(TaskState.FAILED, 0, "StoreBusy: locked")}
    await supervisor.stop(0)
    assert supervisor.health()["sweep"].state is TaskState.FAILED


async def test_a_cancellation_that_is_not_meant_for_the_task_is_a_crash(
    supervisor: Supervisor, clock: SimulatedClock
) -> None:
    worker = await running(supervisor)
    await worker.crash(asyncio.CancelledError())
    assert supervisor.health()["sweep"].error == "CancelledError"
    await clock.advance(1)
    assert worker.starts == 2


async def test_stopping_tells_tasks_and_lets_them_end_by_themselves(supervisor: Supervisor) -> None:
    ended: list[str] = []

    async def ends_by_itself() -> None:
        await supervisor.stopping.wait()
        await settle()
        ended.append("tidy")

    supervisor.add("sweep", ends_by_itself)
    supervisor.start()
    await settle()
    async with asyncio.timeout(60):
        await supervisor.stop(3600)
    assert ended == ["tidy"]
    assert supervisor.health()["sweep"].state is TaskState.STOPPED


async def test_stopping_cancels_the_rest_after_its_grace_the_last_added_first_and_waits(supervisor: Supervisor) -> None:
    order: list[str] = []

    def lasting(name: str) -> None:
        async def lasts() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await settle()
                order.append(name)

        supervisor.add(name, lasts)

    lasting("store")
    lasting("sweep")
    supervisor.start()
    await settle()
    await supervisor.stop(0.01)
    assert order == ["sweep", "store"]
    assert {each.state for each in supervisor.health().values()} == {TaskState.STOPPED}


async def test_nothing_is_started_while_stopping(supervisor: Supervisor, clock: SimulatedClock) -> None:
    worker = await running(supervisor)
    await worker.crash(RuntimeError())
    async with asyncio.timeout(60):
        await supervisor.stop(3600)
    late = Worker()
    supervisor.add("late", late)
    await clock.advance(60)
    assert (worker.starts, late.starts) == (1, 0)
    assert supervisor.health()["sweep"].state is TaskState.STOPPED


async def test_cancelling_stop_still_cancels_the_tasks(supervisor: Supervisor) -> None:
    worker = await running(supervisor)
    stopping = asyncio.create_task(supervisor.stop(3600), name="stopping")
    await settle()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await settle()
    assert worker.cancelled == 1
