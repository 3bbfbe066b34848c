"""A session of the long tail: a library has logged in, switched the pager off and knows the platform's modes."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from cpe_manager.ports.shell import Shell


@runtime_checkable
class PlatformShell(Shell, Protocol):
    """What a driver of the long tail is given. Every verb has the device's ``command_timeout`` as its deadline.

    All verbs raise ``DeviceError``s only; ``NotImplemented`` things are ``CommandRefused``.
    """

    @property
    def hostname(self) -> str:
        """The name in the prompt; empty when it has none."""
        ...

    @property
    def unix(self) -> bool:
        """Whether this is a POSIX shell and no vendor's command line."""
        ...

    @property
    def commits(self) -> bool:
        """Whether configuration lines are staged, and come into effect with ``commit``."""
        ...

    @property
    def saves(self) -> bool:
        """Whether the platform has a command that keeps the configuration over a restart."""
        ...

    async def show(self, command: str, *, evidence: re.Pattern[str] | None, errors: re.Pattern[str]) -> str:
        """What a command prints, up to the prompt that was known before it: no echo, no prompt, ``\\n`` line ends.

        Raises ``CommandRefused`` when ``errors`` matches, ``FetchIncomplete`` when the prompt came back without
        ``evidence``, ``DeviceTimeout``, ``SessionDropped``. Without ``evidence`` the prompt counts when nothing follows
        it for a while: a line of the configuration may look like it.
        """
        ...

    async def begin(self) -> str:
        """Enter the configuration mode; what the device said."""
        ...

    async def enter(self, line: str) -> str:
        """Type one line, wait for the prompt of whatever mode it leads to; what the device answered."""
        ...

    async def commit(self) -> str: ...

    async def end(self) -> str:
        """Leave the configuration mode."""
        ...

    async def save(self) -> str:
        """Keep the running configuration over a restart."""
        ...
