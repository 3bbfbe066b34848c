"""Sessions that follow a script: what each device does, visit by visit."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules, Target, Terminal


@dataclass(frozen=True, slots=True)
class Text:
    """The device prints this."""

    text: str


@dataclass(frozen=True, slots=True)
class Refuses:
    """Nobody gets in: raised before there is a session."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Breaks:
    """The session opens, then this is raised when the device is asked for anything."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Holds:
    """The session opens and waits; without ``until``, or before it is set, for ever. Then the device prints."""

    until: asyncio.Event | None = None
    text: str = ""


Step = Text | Refuses | Breaks | Holds


@dataclass(slots=True)
class Seen:
    """What a test may ask afterwards."""

    visits: Counter[str] = field(default_factory=Counter)
    targets: dict[str, Target] = field(default_factory=dict)
    """The latest one by device."""
    cancelled: list[str] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    """By label, see ``ScriptedSessions``; the label ``""`` counts all."""


class ScriptedSessions:
    """``ports.sessions.Sessions``. Steps of a device are used up one by one, its last one stays.

    ``labels`` puts devices into classes (access nodes) whose sessions at once are counted.
    """

    def __init__(self, credential: Credential, *, labels: Mapping[str, str] | None = None) -> None:
        self.seen = Seen()
        self._credential = credential
        self._labels = dict(labels or {})
        self._steps: dict[str, list[Step]] = {}
        self._keys: defaultdict[str, str] = defaultdict(lambda: "ssh-ed25519 AAAAfirst")
        self._open: Counter[str] = Counter()
        self.default: Callable[[str], Step] = lambda name: Text(f"hostname {name}\nend\n")

    def plan(self, name: str, *steps: Step) -> None:
        self._steps[name] = list(steps)

    def show_key(self, name: str, key: str) -> None:
        self._keys[name] = key

    @property
    def open_now(self) -> int:
        return self._open[""]

    def is_open(self, name: str) -> bool:
        return self._open[f"device {name}"] > 0

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        step = self._next(target.name)
        self.seen.visits[target.name] += 1
        self.seen.targets[target.name] = target
        counted = ["", f"device {target.name}", self._labels.get(target.name, "unlabelled")]
        self._count(counted, 1)
        try:
            await asyncio.sleep(0)
            if isinstance(step, Refuses):
                raise step.error
            yield OpenedSession(ScriptedExec(step, self._credential, target.options), self._keys[target.name])
        except asyncio.CancelledError:
            self.seen.cancelled.append(target.name)
            raise
        finally:
            self._count(counted, -1)

    def _next(self, name: str) -> Step:
        steps = self._steps.get(name)
        if not steps:
            return self.default(name)
        return steps.pop(0) if len(steps) > 1 else steps[0]

    def _count(self, labels: list[str], by: int) -> None:
        for label in labels:
            self._open[label] += by
            self.seen.most_at_once[label] = max(self.seen.most_at_once[label], self._open[label])


class ScriptedExec:
    """``ports.shell.Shell`` that plays one step, whatever it is asked."""

    def __init__(self, step: Step, credential: Credential, options: Mapping[str, str]) -> None:
        self._step, self._credential, self._options = step, credential, options

    @property
    def credential(self) -> Credential:
        return self._credential

    @property
    def options(self) -> Mapping[str, str]:
        return self._options

    async def terminal(self, rules: PromptRules) -> Terminal:
        raise AssertionError(f"no script asks for a terminal ({rules})")

    async def execute(self, command: str) -> ExecResult:
        del command
        if isinstance(self._step, Breaks):
            raise self._step.error
        if isinstance(self._step, Holds):
            await (self._step.until or asyncio.Event()).wait()
        text = self._step.text if isinstance(self._step, Text | Holds) else ""
        return ExecResult(text, "", 0)
