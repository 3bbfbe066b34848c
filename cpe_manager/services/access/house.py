"""All that has to do with accounts, as a surface is given it."""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.domain.access.accounts import SessionRules
from cpe_manager.ports.accounts import AccountStore
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.oidc import Provider
from cpe_manager.ports.passwords import Passwords
from cpe_manager.ports.stores import EventStore
from cpe_manager.services.access.access import Access
from cpe_manager.services.access.book import Accounts
from cpe_manager.services.access.logins import Logins
from cpe_manager.services.access.single_sign_on import Mapping, SingleSignOn
from cpe_manager.services.access.tokens import Tokens


@dataclass(frozen=True, slots=True)
class SignOnParts:
    provider: Provider
    mapping: Mapping


@dataclass(frozen=True, slots=True)
class AccountHouse:
    """``sso`` None: nobody else vouches for people here."""

    book: Accounts
    logins: Logins
    access: Access
    sso: SingleSignOn | None = None


@dataclass(frozen=True, slots=True)
class HouseStores:
    accounts: AccountStore
    events: EventStore
    tokens: Tokens


def account_house(
    stores: HouseStores,
    passwords: Passwords,
    clock: Clock,
    ids: Ids,
    rules: SessionRules,
    sign_on: SignOnParts | None = None,
) -> AccountHouse:
    logins = Logins(stores.accounts, stores.events, passwords, clock, rules)
    return AccountHouse(
        Accounts(stores.accounts, stores.tokens, logins, passwords, clock, ids),
        logins,
        Access(stores.tokens, stores.accounts, logins),
        SingleSignOn(sign_on.provider, sign_on.mapping, stores.accounts, logins, clock, ids) if sign_on else None,
    )
