"""vtysh in a terminal that stays open with the session.

A vtysh of its own for each question starts a shell and connects to each of FRR's daemons: tens of milliseconds, and as
much of the edge's CPU. A question in an open one costs a round trip and what printing costs, so that it can be asked
several times a second, and a route is there without delay.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cpe_manager.adapters.platform.warm import Held
from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, PromptLost, SessionDropped
from cpe_manager.ports.shell import PromptRules, Terminal

_RULES: Final = PromptRules(
    prompt=re.compile(r"(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]{0,62})(?:\([\w-]+\)|:[^\s#$]*)?[#>$]"),
    pager=re.compile(r"^(?:--More--|\(END\)|:)$"),
    errors=re.compile(r"^(?:% (?:Unknown|Ambiguous|Command|There is no)|-?\w*sh: |Exiting: ).*", re.MULTILINE),
)
_JSON: Final = re.compile(r"[\]}]\s*\Z")
_PATIENCE: Final = 3
_KEPT: Final = "vtysh"


@dataclass(eq=False, slots=True)
class _Vtysh:
    """``terminal``: None until it is open."""

    terminal: Terminal | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class OpenTerminal:
    """``usable`` turns False for good when the edge grants no terminal, or its prompt is understood by nobody."""

    def __init__(self) -> None:
        self.usable = True
        self._failures = 0

    async def run(self, held: Held, command: str | None, lines: Sequence[str]) -> str | None:
        """What the lines print, one after the other, with what is refused in its place; None: there is no terminal.

        ``command`` starts vtysh in the account's shell; None: that is vtysh. A terminal that is not where it is thought
        to be raises ``SessionDropped``: its session is of no use any more.
        """
        found = held.kept.setdefault(_KEPT, _Vtysh())
        assert isinstance(found, _Vtysh)
        async with found.turn:
            try:
                terminal = found.terminal or await self._open(held, command)
                if terminal is None:
                    return None
                found.terminal = terminal
                said = "\n".join([await self._line(terminal, line) for line in lines])
            except (PromptLost, FetchIncomplete) as error:
                self._failures += 1
                self.usable = self._failures < _PATIENCE
                raise SessionDropped(str(error)) from error
            except BaseException:
                # Cut short in the middle of the lines: nobody knows in which mode it is.
                held.lost = True
                raise
        self._failures = 0
        return said

    async def _open(self, held: Held, command: str | None) -> Terminal | None:
        try:
            terminal = await held.shell.terminal(_RULES)
            if command:
                await terminal.run(command)
            await terminal.run("terminal length 0")
        except CommandRefused:
            self.usable = False
            return None
        return terminal

    async def _line(self, terminal: Terminal, line: str) -> str:
        try:
            return await terminal.run(line, evidence=_JSON if line.endswith(" json") else None)
        except CommandRefused as error:
            return str(error)
