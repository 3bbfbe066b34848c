"""Which command is which: counts log-ins and what is typed in them, for the faults that strike at one of them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from simulators.faults.active import ActiveFaults
from simulators.faults.full import refusal
from simulators.faults.kinds import (
    AtCommand,
    CutAtCommand,
    DropAtCommand,
    FlashFull,
    RejectCommand,
    RestartAtCommand,
    StallAtCommand,
)
from simulators.personas.base import Persona
from simulators.ssh.output import Ending, Output, plan_as_is

# In the order in which they are asked for: what ends the session before what only spoils it.
_KINDS: tuple[type[AtCommand], ...] = (
    RestartAtCommand, CutAtCommand, DropAtCommand, RejectCommand, FlashFull, StallAtCommand,
)  # fmt: skip
_ENDINGS = {RestartAtCommand: Ending.RESTART, CutAtCommand: Ending.CUT, DropAtCommand: Ending.DROP}


@dataclass(frozen=True)
class Strike:
    """One command that a fault has struck."""

    fault: AtCommand
    released: asyncio.Event

    async def wait(self) -> None:
        """As long as a stall lasts; at once for anything else."""
        if isinstance(self.fault, StallAtCommand):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.fault.delay):
                    await self.released.wait()

    @property
    def stalls(self) -> bool:
        return isinstance(self.fault, StallAtCommand)

    def instead(self, command: str, persona: Persona) -> Output | None:
        """What comes in the place of a command that is not done; None when it is done."""
        if isinstance(self.fault, FlashFull):
            full = refusal(persona.family, command)
            return None if full is None else plan_as_is(full)
        if isinstance(self.fault, RejectCommand):
            return plan_as_is(persona.refusal(command))
        return None if self.fault.done or self.stalls else self._ending("")

    def behind(self, output: Output) -> Output:
        """What becomes of the answer to a command that was done."""
        if self.stalls or isinstance(self.fault, FlashFull) or not self.fault.done:
            return output
        return self._ending(output.text[: len(output.text) // 2])

    def _ending(self, text: str) -> Output:
        down = self.fault.down if isinstance(self.fault, CutAtCommand | RestartAtCommand) else None
        return Output(text, ending=_ENDINGS[type(self.fault)], status=-1, down=down)


@dataclass
class _Count:
    log_in: int
    commands: int = 0


@dataclass
class Counter:
    """One box's. Keys are connections; they are forgotten with them."""

    log_ins: int = 0
    _counts: WeakKeyDictionary[object, _Count] = field(default_factory=WeakKeyDictionary)
    _since: dict[type[AtCommand], int] = field(default_factory=dict)
    _released: dict[type[AtCommand], asyncio.Event] = field(default_factory=dict)
    struck: list[str] = field(default_factory=list)
    """Names of the faults that have struck, in order, since it was last forgotten."""
    sessions: list[int] = field(default_factory=list)
    """How many commands each log-in has had."""

    def set(self, fault: AtCommand) -> None:
        """From now on its log-ins count; one that is open is none of them."""
        self._since[type(fault)] = self.log_ins
        self._released[type(fault)] = asyncio.Event()

    def release(self, name: str | None) -> None:
        """A stall is over."""
        for kind, released in self._released.items():
            if name in (None, kind.name):
                released.set()

    def typed(self, key: object, command: str, family: str, faults: ActiveFaults) -> Strike | None:
        """A command has arrived; the fault that strikes it."""
        count = self._counts.get(key)
        if count is None:
            self.log_ins += 1
            count = self._counts[key] = _Count(self.log_ins)
            self.sessions.append(0)
        count.commands += 1
        self.sessions[count.log_in - 1] = count.commands
        for kind in _KINDS if faults else ():
            fault = faults.peek(kind)
            if kind is FlashFull and refusal(family, command) is None:
                continue
            if fault is not None and fault.strikes(count.log_in - self._since[kind], count.commands):
                self.struck.append(kind.name)
                return Strike(fault, self._released[kind])
        return None
