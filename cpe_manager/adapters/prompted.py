"""The interactive shell as every transport of our own has it: the prompt engine over bytes, with deadlines."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod

from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    DeviceError,
    DeviceTimeout,
    FetchIncomplete,
    PromptLost,
    SessionDropped,
)
from cpe_manager.kit.prompt import Phase, PromptEngine
from cpe_manager.ports.shell import PromptRules


class PromptedTerminal(ABC):
    """Implements ``ports.shell.Terminal`` for a transport that says how bytes are written and how all is cut off, and
    calls ``received`` and ``lost``.

    timeout: seconds for each command, echo to prompt. settle: seconds of silence after which a prompt that lacks its
    echo or evidence is taken to be the end. limit: bytes of one reply.
    """

    def __init__(self, rules: PromptRules, timeout: float, settle: float, limit: int) -> None:
        self._rules = rules
        self._timeout = timeout
        # Half the deadline at most: a short deadline must not hide what the settled prompt has to tell.
        self._settle = min(settle, timeout / 2)
        self._limit = limit
        self._engine = PromptEngine(rules)
        self._loop = asyncio.get_running_loop()
        self._quiet: asyncio.TimerHandle | None = None
        self._lost: Exception | None = None
        self._done: asyncio.Future[Phase] = self._loop.create_future()
        self._engine.expect_login()

    @property
    def hostname(self) -> str:
        return self._engine.hostname

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def _cut(self) -> None: ...

    def received(self, data: bytes) -> None:
        """What the device sent, in pieces of any size."""
        progress = self._engine.feed(data)
        if progress.reply:
            self._write(progress.reply)
        self._stop_quiet()
        if progress.phase in (Phase.READY, Phase.ASKED):
            self._finish(progress.phase)
        elif progress.phase is Phase.LIKELY:
            self._quiet = self._loop.call_later(self._settle, self._finish, Phase.LIKELY)
        elif self._engine.received > self._limit:
            self._end(FetchIncomplete(f"the reply is longer than {self._limit} bytes"))
            self._cut()

    def lost(self, error: Exception | None) -> None:
        """The shell has ended; None: in good order."""
        self._end(error or SessionDropped("the device closed its shell"))

    async def log_in(self) -> None:
        """Get past the banner to the first prompt. Raises ``PromptLost`` or what broke the session."""
        await self._phase("the first prompt")
        self._engine.learn()

    async def run(self, command: str, *, evidence: re.Pattern[str] | None = None) -> str:
        self._engine.expect(command, evidence)
        self._send(command)
        await self._phase(f"the reply to {command!r}")
        if refusal := self._engine.refusal():
            self._engine.take()
            raise CommandRefused(f"{command!r}: {refusal}")
        complete = self._engine.evidence_seen
        text = self._engine.take()
        if not complete:
            raise FetchIncomplete(f"{command!r}: the prompt came back without the end of the reply")
        return text

    async def elevate(self, command: str, *, ask: re.Pattern[str], secret: str) -> None:
        """A device that asks nothing and shows another prompt has elevated, too.

        Raises ``AuthFailed`` when the secret was refused, ``CommandRefused`` when nothing was asked and nothing
        changed, and what ``run`` raises.
        """
        before = self._engine.prompt
        self._engine.expect_question(command, ask)
        self._send(command)
        asked = await self._phase(f"the answer to {command!r}") is Phase.ASKED
        if asked:
            self._engine.expect_secret(ask)
            self._send(secret)
            await self._phase(f"the prompt after {command!r}")
        if self._engine.last_line == before or ask.search(self._engine.last_line):
            error = AuthFailed if asked else CommandRefused
            raise error(f"{command!r} was refused")
        self._engine.learn()

    def _send(self, line: str) -> None:
        if self._lost is not None:
            raise self._lost
        self._done = self._loop.create_future()
        self._write((line + self._rules.newline).encode())

    async def _phase(self, what: str) -> Phase:
        """Wait until the engine is content, for as long as one command may take."""
        try:
            async with asyncio.timeout(self._timeout):
                phase = await self._done
        except TimeoutError:
            raise self._overdue(what) from None
        finally:
            self._stop_quiet()
        if self._lost is not None and phase is Phase.WAITING:
            raise self._lost
        return phase

    def _overdue(self, what: str) -> DeviceError:
        """Silence and a strange prompt are different things to whoever looks for the cause."""
        line = self._engine.last_line
        if line and self._rules.prompt.fullmatch(line):
            return PromptLost(f"{what}: the prompt is {line!r} instead of {self._engine.prompt!r}")
        if self._engine.received and not self._engine.prompt:
            return PromptLost(f"{what}: no prompt within {self._timeout:g} s")
        return DeviceTimeout(f"{what}: not complete within {self._timeout:g} s")

    def _finish(self, phase: Phase) -> None:
        self._stop_quiet()
        if not self._done.done():
            self._done.set_result(phase)

    def _end(self, error: Exception) -> None:
        self._lost = self._lost or error
        self._finish(Phase.WAITING)

    def _stop_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
