"""What a device family is to the rest: a frozen SPEC and a few verbs over a shell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from cpe_manager.ports.shell import Shell

SecretKind = Literal["login", "snmp", "wifi", "ppp", "key", "other"]


@dataclass(frozen=True, slots=True)
class SecretRule:
    """A secret in a configuration line. The named group ``secret`` of ``pattern`` is the secret itself.

    ``kind == "login"`` is the device's own log-in password: it never enters a backup, sealed or not (§5.2.1.3).
    All other kinds stay in the sealed original and are masked in the redacted view. Patterns are compiled with
    ``re.MULTILINE`` and match within one line.
    """

    pattern: re.Pattern[str]
    kind: SecretKind


@dataclass(frozen=True, slots=True)
class Spec:
    """A family, as data."""

    family: str
    title: str
    comment: str
    """What starts a comment line in this dialect, for the notes the redacted view carries."""
    volatile: tuple[re.Pattern[str], ...]
    """Whole lines (``re.MULTILINE``, anchored ``^...$``) that change by themselves; they never make a new version."""
    secrets: tuple[SecretRule, ...]
    maturity: Literal["proven", "lab"] = "lab"
    hostname: Callable[[str], str | None] = lambda _text: None
    """Reads the device's own name out of a configuration; None when the dialect does not carry it."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A complete configuration as the device gave it: accepted evidence seen, prompt or exit status came back."""

    text: str
    """``\\n`` line ends, ends with one newline, valid UTF-8 text."""
    hostname: str
    """The name the device called itself; empty when unknown."""
    counted: bool = False
    """The device itself said how long the text is, or what its checksum is, and that held. What nobody counted is read
    a second time before it becomes a version."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the box says of itself; empty strings when it does not say."""

    hostname: str = ""
    model: str = ""
    serial: str = ""
    os_release: str = ""


class Driver(Protocol):
    """One file under ``drivers/``; instances hold no state."""

    @property
    def spec(self) -> Spec: ...

    async def fetch(self, shell: Shell) -> Capture:
        """The whole running configuration, or a ``DeviceError``; never a part of it."""
        ...

    async def facts(self, shell: Shell) -> Facts: ...


class Drivers(Protocol):
    """The drivers that exist, by family."""

    def get(self, family: str) -> Driver:
        """Raises ``UnknownFamily`` with the names that exist."""
        ...

    def families(self) -> tuple[str, ...]: ...
