"""A process that dies between two steps of a push: what it had not written by then is lost with it."""

from __future__ import annotations

from typing import Any, Final, Literal

from cpe_manager.domain.push.commit_path import Entry, Phase, Result, Step
from cpe_manager.ports.pushes import Ended, PushStore
from cpe_manager.ports.stores import Lease

When = Literal["begun", "unwritten", "done"]
"""Behind the line that says that a step begins; before the one that says that it is done, which is lost; behind it."""
WHENS: Final[tuple[When, ...]] = ("begun", "unwritten", "done")


class Killed(BaseException):
    """The process is gone. No exception that anybody handles."""


class Dying:
    """``ports.pushes.PushStore`` of such a process. ``step`` None: it dies before the end of the push is written."""

    def __init__(self, inner: PushStore, step: Step | None, when: When = "begun") -> None:
        self._inner, self._step, self._when = inner, step, when

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def record(self, push_id: str, entry: Entry, phase: Phase, lease: Lease) -> bool:
        mine = entry.step is self._step
        if mine and self._when == "unwritten" and entry.result is not None:
            raise Killed
        given_up = await self._inner.record(push_id, entry, phase, lease)
        if mine and (self._when, entry.result) in (("begun", None), ("done", Result.DONE)):
            raise Killed
        return given_up

    async def end(self, push: Any, end: Ended, lease: Lease) -> None:
        if self._step is None:
            raise Killed
        await self._inner.end(push, end, lease)
