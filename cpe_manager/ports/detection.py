"""Meeting a box of an unknown family: what it shows by itself, and a shell to ask it questions through."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from cpe_manager.ports.shell import Shell, Target


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a box showed up to its first prompt, before anything was typed; empty strings for what it did not show."""

    ssh_version: str = ""
    """The SSH identification string, ``SSH-2.0-...`` (RFC 4253, 4.2)."""
    banner: str = ""
    """The SSH banner (RFC 4252, 5.4) and what the shell printed before its prompt; ``\\n`` line ends, no escapes."""
    prompt: str = ""
    """The line that the cursor was left on, without blanks at its end."""


@dataclass(frozen=True, slots=True)
class Met:
    """An open session with the greeting. ``shell.terminal`` gives the very terminal that was greeted in, as often as it
    is asked for: a box may grant one alone."""

    shell: Shell
    host_key: str
    greeting: Greeting


class Greeter(Protocol):
    def meet(self, target: Target) -> AbstractAsyncContextManager[Met]:
        """Like ``Sessions.open``; ``target.family`` is not looked at. Raises a ``DeviceError``.

        Types nothing. A box that shows no prompt in time, or refuses a terminal, is met without one.
        """
        ...


@dataclass(frozen=True, slots=True)
class SnmpIdentity:
    """sysObjectID as dotted numbers, and sysDescr (RFC 3418)."""

    sys_object_id: str
    sys_descr: str


class SnmpIdentifier(Protocol):
    async def identify(self, target: Target) -> SnmpIdentity | None:
        """What the box's SNMP agent says of it; None when it does not answer us. Raises nothing else."""
        ...
