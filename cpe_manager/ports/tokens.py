"""Where tokens are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.access.tokens import Token


class TokenStore(Protocol):
    async def add(self, token: Token, digest: str) -> None: ...

    async def by_digest(self, digest: str) -> Token | None: ...

    async def tokens(self, *, account_id: str | None = None) -> Sequence[Token]:
        """All, or those of an account, by name."""
        ...

    async def revoke(self, name_or_id: str, *, at: datetime, account_id: str | None = None) -> Token:
        """Of an account, by name or id; else any by its id, and by its name one that is of nobody. Raises
        ``NotFound``."""
        ...

    async def used(self, token_ids: Sequence[str], at: datetime, source: str = "") -> None:
        """``source``: the address; empty leaves the one that is known."""
        ...
