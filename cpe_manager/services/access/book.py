"""What administrators do with accounts, and what people do with their own."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cpe_manager.domain.access.access import Permission, Principal, Role
from cpe_manager.domain.access.accounts import (
    Account,
    AccountKind,
    Guess,
    Session,
    checked,
    read_name,
    read_password,
)
from cpe_manager.domain.access.tokens import Token
from cpe_manager.domain.errors import Conflict, Forbidden, InputError, PreconditionFailed
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.ports.accounts import AccountStore, NewPassword
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.passwords import Passwords
from cpe_manager.services.access.logins import Logins
from cpe_manager.services.access.tokens import NewToken, Tokens

TOKEN_DAYS: Final = 90
MOST_TOKEN_DAYS: Final = 730
_WORD_BYTES: Final = 15


@dataclass(frozen=True, slots=True)
class NewAccount:
    """As somebody asks for it. ``sites``: names, of a customer alone."""

    name: str
    kind: AccountKind
    roles: frozenset[Role]
    sites: frozenset[str] | None = None
    granted: frozenset[Permission] = frozenset()
    full_name: str = ""
    email: str = ""
    subject: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """None: stays as it is. ``email`` and ``subject`` "": none any more."""

    roles: frozenset[Role] | None = None
    sites: frozenset[str] | None = None
    granted: frozenset[Permission] | None = None
    full_name: str | None = None
    email: str | None = None
    subject: str | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class TokenWish:
    """``limit``: what it may at most of what the account may; None: all of it. ``days``: how long it is valid."""

    name: str
    limit: frozenset[Permission] | None = None
    days: int | None = None


class Accounts:
    """``book``: of accounts. Whoever calls says who acts; that they may was asked before."""

    def __init__(
        self, store: AccountStore, tokens: Tokens, logins: Logins, passwords: Passwords, clock: Clock, ids: Ids
    ) -> None:
        self._store, self._tokens, self._logins = store, tokens, logins
        self._passwords, self._clock, self._ids = passwords, clock, ids

    async def add(self, new: NewAccount, *, by: Principal) -> Account:
        """Raises ``InputError``, ``Conflict`` for a name in use, ``NotFound`` for a site."""
        now = self._clock.now()
        account = checked(
            Account(
                id=self._ids.new(),
                name=read_name(new.name),
                kind=new.kind,
                roles=new.roles,
                created_at=now,
                created_by=by.name,
                sites=new.sites,
                granted=new.granted,
                full_name=new.full_name.strip(),
                email=new.email.strip(),
                subject=new.subject or None,
                has_password=new.password is not None,
            )
        )
        password = None
        if new.password is not None:
            plain = read_password(new.password, name=account.name)
            password = NewPassword(await self._passwords.hash(plain), now, temporary=True)
        roles = ", ".join(sorted(account.roles))
        told = self._event("account.added", account, f"account {account.name} added by {by.name} ({roles})", by)
        return await self._store.add(account, password, [told])

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Account]:
        return await self._store.accounts(after=after, limit=limit)

    async def show(self, name: str) -> Account:
        """Raises ``NotFound``."""
        return await self._store.account(name)

    async def standing(self, accounts: Sequence[Account]) -> Mapping[str, Guess]:
        """What was guessed at them, by name."""
        return await self._logins.standing([one.name for one in accounts])

    async def change(self, name: str, wish: AccountChange, *, by: Principal, revision: int | None = None) -> Account:
        """Raises ``NotFound``, ``InputError``; ``Conflict`` for another revision than the one that was read;
        ``Forbidden`` for one's own rights: who gives them out does not give them to themselves."""
        before = await self._store.account(name)
        if revision is not None and revision != before.revision:
            raise PreconditionFailed(f"{before.name} was changed meanwhile: it is at revision {before.revision}")
        after = checked(_changed(before, wish, self._clock.now()))
        differing = _differences(before, after)
        if before.id == by.id and {"roles", "sites", "granted", "disabled"} & set(differing):
            raise Forbidden("nobody changes their own rights, or disables their own account")
        if not differing:
            return before
        if "disabled" in differing:
            kind, verb = ("account.disabled", "disabled") if after.disabled else ("account.enabled", "enabled")
        else:
            kind, verb = "account.changed", f"changed ({', '.join(differing)})"
        told = self._event(kind, after, f"account {after.name} {verb} by {by.name}", by, **differing)
        return await self._store.change(after, [told])

    async def give_password(self, name: str, password: str | None, *, by: Principal) -> str | None:
        """A password that has to be changed at the first log-in. None makes one, which is returned, this once. Ends the
        account's sessions. Raises ``NotFound``, ``InputError``."""
        account = await self._store.account(name)
        if account.kind is not AccountKind.USER:
            raise InputError("a service account has no password; it has tokens")
        if account.id == by.id:
            raise Forbidden("your own password is changed by POST /api/v1/me/password, which asks for the old one")
        made = secrets.token_urlsafe(_WORD_BYTES) if password is None else None
        plain = made or read_password(password or "", name=account.name)
        hashed = NewPassword(await self._passwords.hash(plain), self._clock.now(), temporary=True)
        told = self._event("account.password", account, f"{by.name} gave {account.name} another password", by)
        await self._store.set_password(account.id, hashed, [told])
        await self._logins.unlock(account.name)
        return made

    async def own_password(self, who: Principal, old: str, new: str, *, session: Session | None) -> None:
        """Raises ``Forbidden`` for a wrong old one, ``InputError``, ``Throttled``. Other sessions end."""
        account = await self._own(who)
        plain = read_password(new, name=account.name)
        await self._logins.confirm(account, old)
        if old == new:
            raise InputError("that is the password that you have")
        hashed = NewPassword(await self._passwords.hash(plain), self._clock.now(), temporary=False)
        told = self._event("account.password", account, f"{account.name} changed their password", who)
        await self._store.set_password(account.id, hashed, [told], keep=session.digest if session else None)

    async def unlock(self, name: str, *, by: Principal) -> Account:
        """Forget what was guessed at it. Raises ``NotFound``."""
        account = await self._store.account(name)
        await self._logins.unlock(account.name)
        told = self._event("account.unlocked", account, f"{by.name} forgot the failed log-ins of {account.name}", by)
        await self._logins.tell(told)
        return account

    async def log_out(self, name: str, *, by: Principal) -> int:
        """End every session; how many there were. Raises ``NotFound``."""
        account = await self._store.account(name)
        told = self._event("account.logged_out", account, f"{by.name} ended the sessions of {account.name}", by)
        return await self._store.end_all(account.id, [told])

    # Tokens

    async def tokens(self, name: str) -> Sequence[Token]:
        """Those that are revoked too. Raises ``NotFound``."""
        return await self._tokens.of(await self._store.account(name))

    async def make_token(self, name: str, wish: TokenWish, *, by: Principal) -> NewToken:
        """Of a program's account. Raises ``Forbidden`` for a person's: they make their own, so that what is done with
        it was done by them."""
        account = await self._store.account(name)
        if account.kind is not AccountKind.SERVICE:
            raise Forbidden(f"{account.name} is a person, who makes tokens after logging in (cpe-manager login)")
        return await self._make(account, wish, by)

    async def own_tokens(self, who: Principal) -> Sequence[Token]:
        return await self._tokens.of(await self._own(who))

    async def make_own_token(self, who: Principal, wish: TokenWish, *, session: Session | None) -> NewToken:
        """Raises ``Forbidden`` to whoever has not logged in: a token makes no tokens, or it would outlive itself."""
        if session is None:
            raise Forbidden("log in to make a token; a token makes none")
        account = await self._own(who)
        if account.temporary and session.way == "password":
            raise Forbidden("change the password first: whoever gave it may know it")
        return await self._make(account, wish, who)

    async def _make(self, account: Account, wish: TokenWish, by: Principal) -> NewToken:
        if account.disabled:
            raise Conflict(f"{account.name} is disabled")
        days = TOKEN_DAYS if wish.days is None else wish.days
        if not 1 <= days <= MOST_TOKEN_DAYS:
            raise InputError(f"a token of an account is valid for 1 to {MOST_TOKEN_DAYS} days")
        return await self._tokens.create_for(account, wish.name, wish.limit, days=days, by=by)

    async def revoke_token(self, name: str, token: str, *, by: Principal) -> Token:
        """Raises ``NotFound``."""
        return await self._tokens.revoke_of(await self._store.account(name), token, by=by)

    async def revoke_own_token(self, who: Principal, token: str) -> Token:
        return await self._tokens.revoke_of(await self._own(who), token, by=who)

    async def _own(self, who: Principal) -> Account:
        if who.id.startswith("token:"):
            raise Forbidden(f"{who.name} is a token of no account")
        return await self._store.account(who.id)

    def _event(self, kind: str, account: Account, message: str, by: Principal, **more: Any) -> NewEvent:
        data = {"account": account.name, "account_id": account.id, "by": by.name, "by_id": by.id, **more}
        return NewEvent(kind, self._clock.now(), message=message, data=data)


def _changed(before: Account, wish: AccountChange, now: Any) -> Account:
    roles = before.roles if wish.roles is None else wish.roles
    sites = before.sites if wish.sites is None else wish.sites
    if wish.sites is None and Role.CUSTOMER not in roles:
        sites = None
    disabled = before.disabled_at
    if wish.disabled is not None:
        disabled = (disabled or now) if wish.disabled else None
    return replace(
        before,
        roles=roles,
        sites=sites,
        granted=before.granted if wish.granted is None else wish.granted,
        full_name=before.full_name if wish.full_name is None else wish.full_name.strip(),
        email=before.email if wish.email is None else wish.email.strip(),
        subject=before.subject if wish.subject is None else (wish.subject or None),
        disabled_at=disabled,
    )


def _differences(before: Account, after: Account) -> dict[str, Any]:
    """What became another one, as it is told."""
    shown: dict[str, tuple[Any, Any]] = {
        "roles": (before.roles, after.roles),
        "sites": (before.sites, after.sites),
        "granted": (before.granted, after.granted),
        "full_name": (before.full_name, after.full_name),
        "email": (before.email, after.email),
        "subject": (before.subject, after.subject),
        "disabled": (before.disabled, after.disabled),
    }
    return {name: _plain(new) for name, (old, new) in shown.items() if old != new}


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, Collection) and not isinstance(value, str) else value
