"""Work that takes a while and keeps a journal (an activation, a replacement), followed at the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from cpe_manager.cli.render import err, out, show_json, tame

if TYPE_CHECKING:
    from pydantic import BaseModel

LOOK_AGAIN: Final = 0.5
"""Seconds between two looks."""


class Step(Protocol):
    @property
    def at(self) -> datetime: ...
    @property
    def step(self) -> str: ...
    @property
    def result(self) -> str | None: ...
    @property
    def reason(self) -> str: ...


class Journalled(Protocol):
    @property
    def journal(self) -> Sequence[Step]: ...
    @property
    def note(self) -> str: ...


Seen = TypeVar("Seen", bound=Journalled)


def begun(made: BaseModel, words: str, *, as_json: bool) -> None:
    """What a command says that does not wait."""
    if as_json:
        show_json(made)
    else:
        out(words)


def followed(look: Callable[[], Seen], rests: Callable[[Seen], bool], goes_on: str, *, as_json: bool) -> Seen:
    """What is there once it ``rests``: at its end, or where a person is asked. Steps go to standard error as they end,
    and what is waited for before the first one; with ``as_json`` the whole is printed at last, and nothing before.
    ``goes_on``: told to whoever stops waiting."""
    told, waits = 0, ""
    try:
        while True:
            seen = look()
            steps = [step for step in seen.journal if step.result is not None]
            for step in () if as_json else steps[told:]:
                reason = f": {tame(step.reason)}" if step.reason else ""
                err(f"{step.at.astimezone():%H:%M:%S}  {step.step:9} {step.result}{reason}")
            told = len(steps)
            if rests(seen):
                break
            if not as_json and seen.note != waits and not steps:
                waits = seen.note
                err(tame(waits))
            time.sleep(LOOK_AGAIN)  # noqa: TID251 - the command line waits; it has no event loop
    except KeyboardInterrupt:
        err(goes_on)
        raise
    if as_json:
        show_json(cast("BaseModel", seen))
    return seen
