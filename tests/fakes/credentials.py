"""Credentials that a test hands out."""

from __future__ import annotations

from collections.abc import Mapping

from cpe_manager.domain.errors import CredentialMissing
from cpe_manager.ports.shell import Credential


class FixedCredentials:
    """``ports.sessions.Credentials`` over a mapping."""

    def __init__(self, known: Mapping[str, Credential]) -> None:
        self._known = dict(known)

    def get(self, ref: str) -> Credential:
        try:
            return self._known[ref]
        except KeyError:
            raise CredentialMissing(f"no credential {ref!r}") from None

    def names(self) -> tuple[str, ...]:
        return tuple(self._known)
