"""API tokens: made once, stored as a hash, checked on every request, revocable at any moment."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from cpe_manager.domain.access.access import Permission, Principal
from cpe_manager.domain.access.accounts import Account
from cpe_manager.domain.access.tokens import Scope, Token
from cpe_manager.domain.errors import InputError, StoreError, Unauthorised
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.stores import EventStore
from cpe_manager.ports.tokens import TokenStore

log = structlog.get_logger()

PREFIX = "cpem_"
"""Makes a leaked token findable by secret scanners."""
UNKNOWN: Final = "no valid token: pass one as 'Authorization: Bearer ...' (cpe-manager token create)"


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
        """A token of nobody, valid for ``days`` (None: until revoked). Raises ``InputError``, ``Conflict`` on a used
        name."""
        if not scopes:
            raise InputError("a token needs at least one scope: " + ", ".join(Scope))
        now = self._clock.now()
        expires = now + timedelta(days=days) if days is not None else None
        return await self._keep(Token(self._ids.new(), _named(name), scopes, now, expires, created_by=by), "", by)

    async def create_for(
        self, account: Account, name: str, limit: frozenset[Permission] | None, *, days: int, by: Principal
    ) -> NewToken:
        """A token of an account. Raises as ``create``."""
        if limit is not None and not limit:
            raise InputError("a token that may nothing is none: leave the limit out, or name what it may")
        now = self._clock.now()
        expires = now + timedelta(days=days)
        token = Token(
            self._ids.new(), _named(name), frozenset(), now, expires,
            account_id=account.id, limit=limit, created_by=by.name,
        )  # fmt: skip
        return await self._keep(token, account.name, by.name)

    async def _keep(self, token: Token, account: str, by: str) -> NewToken:
        text = PREFIX + secrets.token_urlsafe(32)
        await self._store.add(token, digest(text))
        whose = f"of {account} " if account else ""
        told = f"token {token.name} {whose}created by {by}"
        await self._events.add(
            [NewEvent("token.created", token.created_at, message=told, data=_data(token, account, by))]
        )
        return NewToken(token, text)

    async def authenticate(self, text: str, *, source: str = "") -> Token:
        """The token behind a bearer text. Raises ``Unauthorised``, which never says which of the reasons it was."""
        token = await self._store.by_digest(digest(text))
        now = self._clock.now()
        if token is None or token.revoked_at or (token.expires_at and token.expires_at <= now):
            raise Unauthorised(UNKNOWN)
        await self._note_use(token.id, now, source)
        return token

    async def _note_use(self, token_id: str, now: datetime, source: str) -> None:
        # "Last used" to the minute is enough, and spares a write for each request.
        seen = self._seen.get(token_id)
        if seen is not None and now - seen <= timedelta(minutes=1):
            return
        self._seen[token_id] = now
        try:
            await self._store.used([token_id], now, source[:64])
        except StoreError as error:
            # With a full disk one has to be able to look around.
            log.warning("token.use_not_noted", code=error.code, reason=str(error))

    async def list(self) -> Sequence[Token]:
        """Of accounts, and of nobody."""
        return await self._store.tokens()

    async def of(self, account: Account) -> Sequence[Token]:
        return await self._store.tokens(account_id=account.id)

    async def revoke(self, name_or_id: str, *, by: str) -> Token:
        """At once and for ever; by name one that is of nobody. Raises ``NotFound``."""
        now = self._clock.now()
        token = await self._store.revoke(name_or_id, at=now)
        return await self._told(token, "", by)

    async def revoke_of(self, account: Account, name_or_id: str, *, by: Principal) -> Token:
        """One of this account's. Raises ``NotFound``."""
        token = await self._store.revoke(name_or_id, at=self._clock.now(), account_id=account.id)
        return await self._told(token, account.name, by.name)

    async def _told(self, token: Token, account: str, by: str) -> Token:
        whose = f"of {account} " if account else ""
        message = f"token {token.name} {whose}revoked by {by}"
        told = NewEvent("token.revoked", self._clock.now(), message=message, data=_data(token, account, by))
        await self._events.add([told])
        return token


def _named(name: str) -> str:
    if not name.strip():
        raise InputError("a token needs a name, so that one knows later whose it is")
    return name.strip()


def _data(token: Token, account: str, by: str) -> dict[str, str | None]:
    return {"token": token.name, "token_id": token.id, "account": account or None, "by": by}
