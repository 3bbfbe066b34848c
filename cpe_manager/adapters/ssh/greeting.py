"""The terminal of a box whose family is not known yet: listens first, then becomes that of whoever asks."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import asyncssh

from cpe_manager.adapters.ssh.shell import SshShell, SshTerminal
from cpe_manager.adapters.ssh.terminal import PtyTerminal
from cpe_manager.domain.errors import CommandRefused, PromptLost
from cpe_manager.kit.terminal_text import clean
from cpe_manager.ports.shell import PromptRules

_CURSOR_QUERY: Final = b"\x1b[6n"
_CURSOR_REPORT: Final = b"\x1b[1;1R"
_PROMPT: Final = re.compile(r"\S(?:.{0,126}\S)? ?[#>$%\]:] ?")
"""Any family's prompt. What it takes for one by mistake is followed by more text, and that is waited for."""
_MOST: Final = 64 * 1024
"""Bytes of a greeting that are kept."""


class GreetingTerminal(asyncssh.SSHClientSession[bytes]):
    """Collects what is printed until a prompt stands still; ``become`` hands the channel to a family's terminal.

    settle: seconds of silence behind a line that looks like a prompt.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._raw = bytearray()
        self._loop = asyncio.get_running_loop()
        self._quiet: asyncio.TimerHandle | None = None
        self._still: asyncio.Future[None] = self._loop.create_future()
        self._inner: PtyTerminal | None = None
        self._ended = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._inner is not None:
            self._inner.data_received(data, datatype)
            return
        self._raw += data[: max(0, _MOST - len(self._raw))]
        # Some boxes ask how large the terminal is before they print a prompt. Only here an answer is typed.
        while (place := self._raw.find(_CURSOR_QUERY)) >= 0:
            del self._raw[place : place + len(_CURSOR_QUERY)]
            self._channel.write(_CURSOR_REPORT)
        self._stop_quiet()
        if _PROMPT.fullmatch(self._parts()[1]):
            self._quiet = self._loop.call_later(self._settle, self._stand_still)

    def eof_received(self) -> bool:
        self._ended = True
        self._stand_still()
        return self._inner.eof_received() if self._inner is not None else False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._stand_still()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    async def greeting(self, within: float) -> tuple[str, str]:
        """(what was printed before the prompt, prompt); no prompt when none stood still within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._still
        except TimeoutError:
            return clean(self._raw), ""
        finally:
            self._stop_quiet()
        text, prompt = self._parts()
        return (text, prompt) if _PROMPT.fullmatch(prompt) and not self._ended else (clean(self._raw), "")

    async def become(self, rules: PromptRules, timeout: float, settle: float, limit: int) -> PtyTerminal:
        """A family's terminal on this channel: it is shown the greeting as if it had been there. Raises
        ``PromptLost`` when the prompt is none of the family's, ``CommandRefused`` when there is no prompt at all."""
        _, prompt = self._parts()
        if self._ended or not prompt:
            raise CommandRefused("the box shows no prompt")
        if rules.prompt.fullmatch(prompt) is None:
            raise PromptLost(f"{prompt[:80]!r} is no prompt of this family")
        inner = PtyTerminal(rules, timeout, settle, limit)
        inner.connection_made(self._channel)
        self._inner = inner
        inner.data_received(bytes(self._raw), None)
        await inner.log_in()
        return inner

    def _parts(self) -> tuple[str, str]:
        text, newline, last = clean(self._raw).rpartition("\n")
        return text + newline, last.strip("\x00\x07").rstrip()

    def _stand_still(self) -> None:
        if not self._still.done():
            self._still.set_result(None)

    def _stop_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None


class GreetedShell(SshShell):
    """``ports.shell.Shell`` whose one terminal is open already. ``execute`` is that of any session."""

    _terminal: GreetingTerminal | None = None

    async def greet(self, within: float) -> tuple[str, str]:
        """Open the terminal and listen, at most ``within`` seconds; two empty texts where no terminal is granted."""
        try:
            with self.ours():
                async with self.deadline("opening a terminal"):
                    self._terminal = await self.open_channel(lambda: GreetingTerminal(self.limits.settle), None)
        except CommandRefused:
            return "", ""
        return await self._terminal.greeting(within)

    async def terminal(self, rules: PromptRules) -> SshTerminal:
        if self._terminal is None:
            raise CommandRefused("the box grants no terminal")
        with self.ours():
            made = await self._terminal.become(rules, self.timeout, self.limits.settle, self.limits.output_bytes)
        return SshTerminal(made, self)
