"""What a driver is given: a shell on one device, opened and authenticated by somebody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cpe_manager.domain.fleet.inventory import Transport
from cpe_manager.ports.snmp import SnmpAccess


@dataclass(frozen=True, slots=True)
class Credential:
    """Log-in data by reference; never stored, logged or printed (``repr`` hides the secrets)."""

    username: str
    password: str = field(default="", repr=False)
    enable_password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    """OpenSSH private key text; empty when a password is used."""
    snmp: SnmpAccess | None = None
    """How the device is asked by SNMP; None: it is not."""

    def secrets(self) -> tuple[str, ...]:
        """Every device password in it, for the scrubber that keeps them out of backups (§5.2.1.3)."""
        return tuple(s for s in (self.password, self.enable_password) if s)


@dataclass(frozen=True, slots=True)
class Target:
    """Everything needed to open a session to one device. Times in seconds."""

    device_id: str
    name: str
    host: str
    port: int
    family: str
    credential_ref: str
    pinned_keys: tuple[str, ...] = ()
    """Accepted host keys, OpenSSH public-key form ``algorithm base64`` or ``SHA256:`` fingerprint; empty means first
    contact."""
    connect_timeout: float = 15.0
    command_timeout: float = 30.0
    session_timeout: float = 120.0
    options: Mapping[str, str] = field(default_factory=dict)
    legacy_crypto: bool = False
    """SHA-1, CBC and DSA may be used with this device; it was said of it by name."""
    transport: Transport = "ssh"
    telnet_allowed: bool = False
    """Some group of the device allows Telnet; without it a Telnet session is refused before a byte is sent."""

    @property
    def insecure(self) -> tuple[str, ...]:
        """Why a session to it is insecure: ``telnet``, ``legacy_crypto``; empty when it is not."""
        telnet = ("telnet",) if self.transport == "telnet" else ()
        return (*telnet, "legacy_crypto") if self.legacy_crypto else telnet


@dataclass(frozen=True, slots=True)
class ExecResult:
    """Output of one command on an exec channel. ``exit_status`` is None when the channel ended without one."""

    stdout: str
    stderr: str
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class PromptRules:
    """How a family's interactive shell is read; all patterns are searched in ANSI-free, CR-normalised text."""

    prompt: re.Pattern[str]
    """Matches a whole last line that is a prompt; named group ``host`` gives the hostname in it when it has one."""
    pager: re.Pattern[str] | None = None
    """Matches the pager's text at the end of what was received. A pager that waits at the end of the text, too, has it
    in a named group ``end`` and is left with ``q``."""
    pager_answer: str = " "
    errors: re.Pattern[str] | None = None
    """Matches a line with which the device refuses a command."""
    newline: str = "\n"
    questions: tuple[tuple[re.Pattern[str], str], ...] = ()
    """What a command may ask besides: a pattern that is searched in the last line, and the line that answers it. Only
    while a command runs without evidence: a text that is read may hold anything."""


class Terminal(Protocol):
    """An interactive shell behind the prompt engine."""

    @property
    def hostname(self) -> str:
        """The hostname in the last prompt that was learned; empty when the prompt has none.

        It is learned at log-in, and again when a command without ``evidence`` has changed it.
        """
        ...

    async def run(self, command: str, *, evidence: re.Pattern[str] | None = None) -> str:
        """Send one command, return what it printed: no echo, no prompt, no pager, ``\\n`` line ends.

        With ``evidence`` a prompt counts only when the pattern is found before it, and only the known one to the
        letter. Without, a prompt of another mode (``R1(config)#``) counts as well, and one with a name that a command
        so far has given the device (``hostname NEW``); it is the known one from then on. Raises ``CommandRefused``
        when the family's error pattern matches, ``PromptLost``, ``DeviceTimeout``, ``SessionDropped`` or
        ``FetchIncomplete`` (prompt is back and stays, evidence is not there).
        """
        ...

    async def elevate(self, command: str, *, ask: re.Pattern[str], secret: str) -> None:
        """Send a privilege command, answer its password question, wait for the prompt that follows.

        The new prompt is learned; the secret is never echoed into results or logs.
        """
        ...


class Shell(Protocol):
    """One open session. A driver asks for what its family speaks: an interactive terminal or exec channels."""

    @property
    def credential(self) -> Credential: ...

    @property
    def options(self) -> Mapping[str, str]: ...

    async def terminal(self, rules: PromptRules) -> Terminal:
        """Open the PTY shell, get past banners, learn the prompt. Asked again: the same one."""
        ...

    async def execute(self, command: str) -> ExecResult:
        """Run one command on its own exec channel, to its end."""
        ...
