"""What a driver may read of a device beside its configuration and its line; each is a Protocol of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.ports.shell import Shell


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file that a device made, whole. As a rule it holds secrets, those of the device's own log-in too: it is for
    sealing only, and §5.2.1.3 has its say on it before it is stored."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    sha256: str
    """Of ``content``, hexadecimal; computed by the device and found to hold here."""


@runtime_checkable
class Archiving(Protocol):
    """A driver that fetches, beside the configuration's text, what the family itself restores a box from."""

    async def archive(self, shell: Shell) -> Artefact:
        """The device's own backup file. Raises a ``DeviceError``, never gives a part of it."""
        ...


@runtime_checkable
class Starting(Protocol):
    """A driver that can tell what its device would come up with after a restart."""

    async def startup(self, shell: Shell, running: str) -> str | None:
        """The whole configuration that the device would come up with, in the form that ``fetch`` gives. ``running`` is
        what ``fetch`` gave in this session; what the saved form only names (a certificate's file, an order of lines) is
        taken from it, so that both texts are alike when the device would come up with what it runs.

        None where this account on this device cannot tell. Changes nothing. Raises a ``DeviceError``.
        """
        ...


@runtime_checkable
class Witnessing(Protocol):
    """A driver whose device tells who changed it last."""

    async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
        """Who changed what runs last, as the device says; None when it does not. ``running`` is what ``fetch`` gave in
        this session. Raises a ``DeviceError``."""
        ...


@runtime_checkable
class Resolving(Protocol):
    """A driver whose device can be asked to resolve a name, by the name servers that it uses itself."""

    async def resolve(self, shell: Shell, name: str) -> tuple[str, ...]:
        """The name's IPv4 addresses; empty when the servers gave none or did not answer. Only looks. Raises
        ``CommandRefused`` when the device cannot be asked, and the session's errors."""
        ...
