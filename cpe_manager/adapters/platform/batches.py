"""Many questions at once as few calls: while one call runs, what is asked meanwhile waits for the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from cpe_manager.domain.errors import CpeManagerError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batches(Generic[K, V]):
    """``work`` answers for each of the keys that it is given, in a value or in the error that is that key's own.

    Of keys with the same ``subject`` a call gets one at most, and they are worked in the order in which they were
    asked. A question that is the last one of its subject that waits is not asked twice.
    """

    def __init__(
        self,
        work: Callable[[Sequence[K]], Awaitable[Mapping[K, V | CpeManagerError]]],
        *,
        subject: Callable[[K], Hashable] = lambda key: key,
        most: int = 200,
        name: str = "batches",
    ) -> None:
        self._work = work
        self._subject = subject
        self._most = most
        self._name = name
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._runner: asyncio.Task[None] | None = None
        self.calls = 0

    async def ask(self, key: K) -> V:
        """Raises the key's error. Who gives up waiting does not stop the call for the others."""
        subject = self._subject(key)
        last = next((entry for entry in reversed(self._waiting) if self._subject(entry[0]) == subject), None)
        if last is not None and last[0] == key:
            answer = last[1]
        else:
            answer = asyncio.get_running_loop().create_future()
            # The answer of a question that nobody waits for any more is not reported as lost.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._waiting.append((key, answer))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name=self._name)
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """What waits is cancelled."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                try:
                    self.calls += 1
                    answers = await self._work([key for key, _ in batch])
                except Exception as error:  # noqa: BLE001 - each who waits raises it
                    for _, answer in batch:
                        _fail(answer, error)
                except asyncio.CancelledError:
                    for _, answer in batch:
                        answer.cancel()
                    raise
                else:
                    for key, answer in batch:
                        _settle(answer, answers[key])
        finally:
            self._runner = None

    def _next(self) -> list[tuple[K, asyncio.Future[V]]]:
        taken: list[tuple[K, asyncio.Future[V]]] = []
        left: list[tuple[K, asyncio.Future[V]]] = []
        subjects: set[Hashable] = set()
        for entry in self._waiting:
            subject = self._subject(entry[0])
            fits = len(taken) < self._most and subject not in subjects
            (taken if fits else left).append(entry)
            # One that has to wait keeps those of its subject behind it.
            subjects.add(subject)
        self._waiting = left
        return taken


def _settle(answer: asyncio.Future[V], value: V | CpeManagerError) -> None:
    if isinstance(value, CpeManagerError):
        _fail(answer, value)
    elif not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[V], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
