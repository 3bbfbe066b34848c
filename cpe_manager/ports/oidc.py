"""A provider that vouches for people: OpenID Connect, authorisation code with PKCE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Voucher:
    """What the provider says of somebody, verified. ``subject``: never another person's, at this ``issuer``."""

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(repr=False)


class Provider(Protocol):
    """All raise ``ProviderFailed`` when the provider does not do its part, ``Unauthorised`` for an answer that proves
    nothing."""

    async def address(self, secret: str, redirect: str) -> str:
        """Where a browser is sent. ``secret``: random text that the browser keeps; state, nonce and verifier are made
        from it. ``redirect``: where it comes back to."""
        ...

    async def voucher(self, secret: str, redirect: str, *, state: str, code: str) -> Voucher:
        """For what the browser came back with."""
        ...
