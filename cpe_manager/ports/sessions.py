"""Opening sessions and resolving credentials."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from cpe_manager.ports.shell import Credential, Shell, Target


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and the host key (OpenSSH public-key form) that the device showed; empty where there are none."""

    shell: Shell
    host_key: str
    manager: str = ""
    """Our own address as this connection has it; empty when unknown."""


class Sessions(Protocol):
    def open(self, target: Target) -> AbstractAsyncContextManager[OpenedSession]:
        """Connect, check the host key against ``target.pinned_keys``, authenticate.

        First contact (no pinned key) accepts and reports the key. Raises a ``DeviceError``. Leaving the context
        closes the connection within a bounded time, also when cancelled.
        """
        ...


class Credentials(Protocol):
    def get(self, ref: str) -> Credential:
        """Raises ``CredentialMissing``. Reads the source again when it has changed on disk."""
        ...

    def names(self) -> tuple[str, ...]: ...
