"""API tokens: made once, stored as a hash, checked on every request, revocable at any moment."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from cpe_manager.domain.errors import InputError, StoreError, Unauthorised
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.tokens import Scope, Token
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.stores import EventStore
from cpe_manager.ports.tokens import TokenStore

log = structlog.get_logger()

PREFIX = "cpem_"
"""Makes a leaked token findable by secret scanners."""


def digest(text: str) -> str:
    """SHA-256 is enough for 256 random bits: there is nothing to guess, so nothing to stretch."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class NewToken:
    """The only time that the token's text exists on our side."""

    token: Token
    text: str


class Tokens:
    """Creation, checking and revocation of bearer tokens."""

    def __init__(self, store: TokenStore, events: EventStore, clock: Clock, ids: Ids) -> None:
        self._store, self._events, self._clock, self._ids = store, events, clock, ids
        self._seen: dict[str, datetime] = {}

    async def create(self, name: str, scopes: frozenset[Scope], *, days: int | None, by: str) -> NewToken:
        """A token valid for ``days`` (None: until revoked). Raises ``InputError``, ``Conflict`` on a used name."""
        if not name.strip():
            raise InputError("a token needs a name, so that one knows later whose it is")
        if not scopes:
            raise InputError("a token needs at least one scope: " + ", ".join(Scope))
        now = self._clock.now()
        text = PREFIX + secrets.token_urlsafe(32)
        expires = now + timedelta(days=days) if days is not None else None
        token = Token(self._ids.new(), name.strip(), scopes, now, expires)
        await self._store.add(token, digest(text))
        await self._events.add([NewEvent("token.created", now, message=f"token {token.name} created by {by}")])
        return NewToken(token, text)

    async def authenticate(self, text: str) -> Token:
        """The token behind a bearer text. Raises ``Unauthorised``, which never says which of the reasons it was."""
        token = await self._store.by_digest(digest(text))
        now = self._clock.now()
        if token is None or token.revoked_at or (token.expires_at and token.expires_at <= now):
            raise Unauthorised("no valid token: pass one as 'Authorization: Bearer ...' (cpe-manager token create)")
        await self._note_use(token.id, now)
        return token

    async def _note_use(self, token_id: str, now: datetime) -> None:
        # "Last used" to the minute is enough, and spares a write for each request.
        seen = self._seen.get(token_id)
        if seen is not None and now - seen <= timedelta(minutes=1):
            return
        self._seen[token_id] = now
        try:
            await self._store.used([token_id], now)
        except StoreError as error:
            # With a full disk one has to be able to look around.
            log.warning("token.use_not_noted", code=error.code, reason=str(error))

    async def list(self) -> Sequence[Token]:
        return await self._store.tokens()

    async def revoke(self, name_or_id: str, *, by: str) -> Token:
        """At once and for ever. Raises ``NotFound``."""
        now = self._clock.now()
        token = await self._store.revoke(name_or_id, at=now)
        await self._events.add([NewEvent("token.revoked", now, message=f"token {token.name} revoked by {by}")])
        return token
