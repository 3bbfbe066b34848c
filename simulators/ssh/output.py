"""From a reply to what goes out: the text after all faults, and how the output ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from simulators.faults.active import ActiveFaults
from simulators.faults.kinds import DropAt, EofAt, HangAt, PromptInConfig, Restart
from simulators.faults.mangle import Origin, mangle, offset_of
from simulators.personas.base import Effect, Reply


class Ending(enum.Enum):
    """What happens when the text is out."""

    PROMPT = enum.auto()
    CLOSE = enum.auto()
    HANG = enum.auto()
    DROP = enum.auto()
    RESTART = enum.auto()
    CUT = enum.auto()


@dataclass(frozen=True, slots=True)
class Output:
    """What is sent for one reply, LF line ends.

    rest_at, rest: after that many characters nothing is sent for `rest` seconds. status below 0: none is sent.
    down: how many seconds a restart or a cut keeps the box away, None for the box's usual time.
    """

    text: str
    error: str = ""
    ending: Ending = Ending.PROMPT
    status: int = 0
    rest_at: int = 0
    rest: float = 0.0
    down: float | None = None


_ENDINGS = {Effect.NONE: Ending.PROMPT, Effect.CLOSE: Ending.CLOSE, Effect.RESTART: Ending.RESTART}


def plan(reply: Reply, faults: ActiveFaults, origin: Origin | None) -> Output:
    """Decide what a reply becomes on the wire. Uses up the faults that strike; without an origin there are none."""
    rest_at, rest = 0, 0.0
    if origin is not None:
        reply = mangle(reply, faults, origin)
        if reply.config and faults:
            cut = _cut(reply, faults)
            if cut is not None:
                return cut
        rest_at, rest = _rest(reply, faults, origin)
    return Output(
        text=reply.lead + reply.text + reply.trail,
        error=reply.error,
        ending=_ENDINGS[reply.effect],
        status=reply.status,
        rest_at=rest_at,
        rest=rest,
    )


def plan_as_is(reply: Reply) -> Output:
    """What a reply becomes when no fault concerns it."""
    return plan(reply, ActiveFaults(), None)


def _cut(reply: Reply, faults: ActiveFaults) -> Output | None:
    """Output that stops early; one such fault strikes at a time."""
    if hang := faults.take(HangAt):
        return Output(_head(reply, hang.at), ending=Ending.HANG)
    if drop := faults.take(DropAt):
        return Output(_head(reply, drop.at), ending=Ending.DROP)
    if eof := faults.take(EofAt):
        return Output(_head(reply, eof.at), ending=Ending.CLOSE, status=eof.exit_status)
    if restart := faults.take(Restart):
        return Output(_head(reply, restart.at), ending=Ending.RESTART, status=-1, down=restart.down)
    return None


def _head(reply: Reply, at: float) -> str:
    return reply.lead + reply.text[: offset_of(at, len(reply.text))]


def _rest(reply: Reply, faults: ActiveFaults, origin: Origin) -> tuple[int, float]:
    """Let the reader see the prompt look-alike at the end of what has come so far."""
    if not faults or not reply.config:
        return 0, 0.0
    planted = faults.take(PromptInConfig)
    if planted is None:
        return 0, 0.0
    prompt = origin.persona.config_prompt(origin.state)
    look_alike = prompt.rstrip()
    position = reply.text.find(look_alike)
    if position < 0:
        return 0, 0.0
    # Up to the end of the prompt itself: the line end comes after the rest.
    return len(reply.lead) + position + len(look_alike), planted.pause
