"""Accounts: people and programs, what they may do, how they prove who they are, and what guessing costs (§5.1.1).

A *user* is a person, with a password of ours or the word of a provider (OpenID Connect). A *service* account is a
program; it has tokens alone. A customer's representative is bound to sites and is nothing else beside.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from cpe_manager.domain.access.access import Permission, Principal, Role
from cpe_manager.domain.errors import InputError

MOST_NAME: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_EMAIL: Final = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,190}")
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 200
_FEWEST_DIFFERENT: Final = 5
GRANTABLE: Final = frozenset({Permission.ORIGINALS})
"""What may be given to an account beyond its roles."""


class AccountKind(StrEnum):
    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Account:
    """``sites``: names; None: not bound to any. ``temporary``: the password was given by somebody else and has to be
    changed before anything else is done. ``subject``: who it is at the provider, ``issuer subject``."""

    id: str
    name: str
    kind: AccountKind
    roles: frozenset[Role]
    created_at: datetime
    created_by: str
    sites: frozenset[str] | None = None
    granted: frozenset[Permission] = frozenset()
    full_name: str = ""
    email: str = ""
    disabled_at: datetime | None = None
    has_password: bool = False
    password_at: datetime | None = None
    temporary: bool = False
    subject: str | None = None
    last_login_at: datetime | None = None
    last_login_from: str = ""
    revision: int = 1

    @property
    def disabled(self) -> bool:
        return self.disabled_at is not None


Way = Literal["password", "oidc"]


@dataclass(frozen=True, slots=True)
class Session:
    """A person who logged in, by the digest of the cookie's text. ``expires_at``: whatever happens."""

    digest: str
    account_id: str
    way: Way
    began_at: datetime
    seen_at: datetime
    expires_at: datetime
    source: str = ""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """``idle``: so long without a request ends a session; ``longest``: it ends after that anyway."""

    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)

    def holds(self, session: Session, now: datetime) -> bool:
        return now < session.expires_at and now < session.seen_at + self.idle


def principal_of(account: Account, limit: frozenset[Permission] | None = None) -> Principal:
    """Who acts for an account. A customer without a site sees none."""
    sites = (account.sites or frozenset()) if Role.CUSTOMER in account.roles else None
    kind: Literal["user", "service"] = "user" if account.kind is AccountKind.USER else "service"
    return Principal(account.id, account.name, kind, account.roles, sites, limit, account.granted)


def read_name(text: str) -> str:
    """A name as it is stored. Raises ``InputError``."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise InputError(
            f"an account's name has 1 to {MOST_NAME} letters, digits and . _ @ + -, and begins with a letter or digit"
        )
    return name


def checked(account: Account) -> Account:
    """An account whose parts fit each other. Raises ``InputError``."""
    if not account.roles:
        raise InputError("an account has at least one role: " + ", ".join(Role))
    if Role.CUSTOMER in account.roles:
        if len(account.roles) > 1:
            raise InputError("a customer's representative is nothing else beside: the role customer stands alone")
        if account.sites is None:
            raise InputError("a customer's representative is bound to sites: say which")
        if account.granted:
            raise InputError("originals hold secrets of ours too; no customer opens them")
    elif account.sites is not None:
        raise InputError("only customers are bound to sites; leave them out, or make it a customer's account")
    if account.granted - GRANTABLE:
        raise InputError("beyond its roles an account may be given " + ", ".join(sorted(GRANTABLE)))
    if account.email and not _EMAIL.fullmatch(account.email):
        raise InputError("that is no e-mail address")
    if account.kind is AccountKind.SERVICE and (account.has_password or account.subject):
        raise InputError("a service account does not log in; it has tokens")
    if not account.full_name.isprintable() or len(account.full_name) > 200:
        raise InputError("a full name has at most 200 characters, none of them a control character")
    return account


def read_password(text: str, *, name: str) -> str:
    """A new password as it is hashed. Length is what counts (NIST SP 800-63B §3.1.1.2); what is left out is what
    everybody tries first. Raises ``InputError``, which never repeats it."""
    plain = normalised(text)
    if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
        raise InputError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; several words are good")
    if len(set(plain.lower())) < _FEWEST_DIFFERENT or plain.lower() in _RUNS or plain.isspace():
        raise InputError("that password is too regular; several words are good")
    if len(name) >= 4 and name in plain.lower():
        raise InputError("the password holds the account's name")
    return plain


_RUNS: Final = frozenset(
    run[start : start + length]
    for run in (
        "1234567890" * 2,
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjklzxcvbnm",
        "azertyuiopqsdfghjklmwxcvbn",
    )
    for start in range(8)
    for length in range(SHORTEST_PASSWORD, 27)
)


def normalised(text: str) -> str:
    """The same for every way to type it (NFKC)."""
    return unicodedata.normalize("NFKC", text)


# What guessing costs


@dataclass(frozen=True, slots=True)
class GuessRule:
    """``free`` failures cost nothing; from then on each doubles the pause, from ``first`` to ``longest``. What lies
    ``memory`` back counts no more."""

    free: int
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=15)
    memory: timedelta = timedelta(hours=24)

    def pause(self, failures: int) -> timedelta:
        """Before the next try, after so many failures."""
        if failures < self.free:
            return timedelta()
        return min(self.first * (1 << min(failures - self.free, 30)), self.longest)


BY_BROWSER: Final = GuessRule(free=5)
"""From a browser that logged in under the name before: a count of its own, which no stranger's guesses add to."""
BY_NAME_AND_SOURCE: Final = GuessRule(free=5)
"""At a name, from one address, from browsers that never logged in under it."""
BY_NAME: Final = GuessRule(free=50)
"""The same from anywhere: many addresses take turns at one name."""
BY_SOURCE: Final = GuessRule(free=50, longest=timedelta(minutes=1), memory=timedelta(hours=1))
"""From one address, at whatever names: many people may be behind one."""


@dataclass(frozen=True, slots=True)
class Guess:
    """``until``: not looked at before then."""

    failures: int
    last_at: datetime
    until: datetime | None = None


def after_failure(rule: GuessRule, before: Guess | None, now: datetime) -> Guess:
    """A try that is taken to have failed until it turns out not to."""
    counted = before.failures if before is not None and now - before.last_at < rule.memory else 0
    failures = counted + 1
    pause = rule.pause(failures)
    return Guess(failures, now, now + pause if pause else None)


def without_one(guess: Guess) -> Guess | None:
    """As if one of its tries had not been made."""
    return replace(guess, failures=guess.failures - 1, until=None) if guess.failures > 1 else None


def known_roles(names: Collection[str]) -> frozenset[Role]:
    """Raises ``InputError``, which names the roles that there are."""
    wrong = sorted(set(names) - set(Role))
    if wrong:
        raise InputError(f"no such role: {wrong[0][:40]!r}; there are " + ", ".join(Role))
    return frozenset(map(Role, names))
