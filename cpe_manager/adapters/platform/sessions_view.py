"""The edge's BFD and BGP sessions, several times a second: asked in a terminal that stays open.

A command of its own for each look starts a shell and vtysh on the edge, and vtysh connects to each daemon: tens of
milliseconds of the edge's CPU. In an open terminal the look costs what printing costs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from cpe_manager.adapters.platform import vtysh
from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, PromptLost
from cpe_manager.ports.platform import EdgeSession
from cpe_manager.ports.shell import PromptRules, Shell, Terminal

_RULES: Final = PromptRules(
    prompt=re.compile(r"(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]{0,62})(?:\([\w-]+\)|:[^\s#$]*)?[#>$]"),
    pager=re.compile(r"^(?:--More--|\(END\)|:)$"),
    errors=re.compile(r"^(?:% (?:Unknown|Ambiguous|Command|There is no)|-?\w*sh: |Exiting: ).*", re.MULTILINE),
)
_JSON: Final = re.compile(r"[\]}]\s*\Z")
_TERMINAL, _DAEMONS, _LOOKS = "terminal", "daemons", "looks"
_LOOK_AGAIN: Final = 300
"""Looks after which the edge is asked again which daemons it runs."""


class SessionsView:
    """``say`` is the way without a terminal."""

    def __init__(self, say: Callable[[Sequence[str]], Awaitable[str]]) -> None:
        self._say = say
        self._no_terminal = False

    async def look(
        self, shell: Shell, kept: dict[str, object], command: str | None
    ) -> Mapping[str, EdgeSession] | None:
        """``kept`` lives as long as the session. ``command`` starts vtysh in the account's shell; None: it is that."""
        looks = kept[_LOOKS] = int(str(kept.get(_LOOKS, 0))) + 1
        daemons = kept.get(_DAEMONS)
        if not isinstance(daemons, frozenset) or looks % _LOOK_AGAIN == 0:
            daemons = kept[_DAEMONS] = frozenset((await self._say(("show daemons",))).split())
        if not daemons & {"bfdd", "bgpd"}:
            return None
        bfd = await self._ask(shell, kept, command, vtysh.BFD) if "bfdd" in daemons else []
        bgp = await self._ask(shell, kept, command, vtysh.BGP) if "bgpd" in daemons else {}
        return vtysh.edge_sessions(vtysh.bfd_sessions(bfd), vtysh.bgp_sessions(bgp))

    async def _ask(self, shell: Shell, kept: dict[str, object], command: str | None, question: str) -> Any:
        terminal = await self._terminal(shell, kept, command)
        if terminal is None:
            answer = await self._say((question,))
        else:
            answer = await terminal.run(question, evidence=_JSON)
        try:
            return json.loads(answer)
        except json.JSONDecodeError:
            raise FetchIncomplete(f"{question}: the edge answered {answer.strip()[:200]!r}") from None

    async def _terminal(self, shell: Shell, kept: dict[str, object], command: str | None) -> Terminal | None:
        found = kept.get(_TERMINAL)
        if found is None and not self._no_terminal:
            try:
                terminal = await shell.terminal(_RULES)
                if command:
                    await terminal.run(command)
                await terminal.run("terminal length 0")
            except (CommandRefused, PromptLost):
                self._no_terminal = True
                return None
            kept[_TERMINAL] = found = terminal
        return found  # type: ignore[return-value]
