"""Logging in by the word of a provider: who somebody is there says what they may here, anew at each log-in."""

from __future__ import annotations

import secrets
from collections import abc
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cpe_manager.domain.access.access import Role
from cpe_manager.domain.access.accounts import Account, AccountKind, checked, read_name
from cpe_manager.domain.errors import Conflict, Forbidden, InputError
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.accounts import AccountStore
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.oidc import Provider, Voucher
from cpe_manager.services.access.logins import Begun, Logins, Origin

BY: Final = "the provider"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Names of claims, and which role each value of ``roles_claim`` stands for. ``sites_claim`` empty: no customer
    comes this way."""

    name_claim: str = "preferred_username"
    roles_claim: str = "groups"
    roles: abc.Mapping[str, Role] = field(default_factory=dict)
    sites_claim: str = ""


class SingleSignOn:
    def __init__(
        self, provider: Provider, mapping: Mapping, store: AccountStore, logins: Logins, clock: Clock, ids: Ids
    ) -> None:
        self._provider, self._mapping, self._store = provider, mapping, store
        self._logins, self._clock, self._ids = logins, clock, ids

    async def begin(self, redirect: str) -> tuple[str, str]:
        """Where the browser is sent, and the secret that it keeps meanwhile."""
        secret = secrets.token_urlsafe(32)
        return await self._provider.address(secret, redirect), secret

    async def finish(self, secret: str, redirect: str, *, state: str, code: str, origin: Origin) -> Begun:
        """Raises ``Unauthorised`` for an answer that proves nothing, ``Forbidden`` for somebody without a role here,
        ``Conflict`` when the name is somebody else's, ``ProviderFailed``."""
        voucher = await self._provider.voucher(secret, redirect, state=state, code=code)
        return await self._logins.begin(await self._account(voucher), "oidc", origin)

    async def _account(self, voucher: Voucher) -> Account:
        """The one that is the provider's person, made or changed to what the provider says now."""
        subject = f"{voucher.issuer} {voucher.subject}"
        roles, sites = self._rights(voucher)
        known = await self._store.by_subject(subject)
        if known is None:
            return await self._made(voucher, subject, roles, sites)
        if known.disabled:
            raise Forbidden(f"{known.name} is disabled")
        now = replace(known, roles=roles, sites=sites, full_name=_text(voucher, "name"), email=_text(voucher, "email"))
        if now == known:
            return known
        return await self._store.change(_fit(now), [self._event("account.changed", now, "has other rights or names")])

    async def _made(
        self, voucher: Voucher, subject: str, roles: frozenset[Role], sites: frozenset[str] | None
    ) -> Account:
        try:
            name = read_name(_text(voucher, self._mapping.name_claim))
        except InputError as error:
            raise Forbidden(f"the provider's claim {self._mapping.name_claim} makes no name here: {error}") from error
        account = Account(
            id=self._ids.new(), name=name, kind=AccountKind.USER, roles=roles, created_at=self._clock.now(),
            created_by=BY, sites=sites, full_name=_text(voucher, "name"), email=_text(voucher, "email"),
            subject=subject,
        )  # fmt: skip
        try:
            return await self._store.add(_fit(account), None, [self._event("account.added", account, "came")])
        except Conflict as error:
            # Whoever may choose their name at the provider would else become anybody here.
            words = f"there is an account {name} that is not linked to the provider; an administrator links it"
            raise Conflict(words) from error

    def _rights(self, voucher: Voucher) -> tuple[frozenset[Role], frozenset[str] | None]:
        found = {
            self._mapping.roles[one] for one in _texts(voucher, self._mapping.roles_claim) & set(self._mapping.roles)
        }
        if Role.CUSTOMER not in found:
            if not found:
                raise Forbidden("the provider gives you no role here")
            return frozenset(found), None
        if not self._mapping.sites_claim:
            raise Forbidden("customers do not log in this way: no claim says which sites are theirs")
        return frozenset(found), frozenset(_texts(voucher, self._mapping.sites_claim))

    def _event(self, kind: str, account: Account, verb: str) -> NewEvent:
        data = {"account": account.name, "account_id": account.id, "by": BY, "roles": sorted(account.roles)}
        return NewEvent(kind, self._clock.now(), message=f"account {account.name} {verb}, by {BY}", data=data)


def _fit(account: Account) -> Account:
    try:
        return checked(account)
    except InputError as error:
        raise Forbidden(f"what the provider says makes no account: {error}") from error


def _text(voucher: Voucher, claim: str) -> str:
    value = voucher.claims.get(claim)
    return value.strip()[:190] if isinstance(value, str) and value.isprintable() else ""


def _texts(voucher: Voucher, claim: str) -> set[str]:
    """A list of texts, or one; a claim that there is none of, with dots in it, lies inside another."""
    value: Any = voucher.claims
    for part in [claim] if claim in voucher.claims else claim.split("."):
        value = value.get(part) if isinstance(value, abc.Mapping) else None
    if isinstance(value, str):
        return set(value.split())
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()
