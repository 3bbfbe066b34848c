"""Where accounts are kept, with their sessions and what was guessed at them. Every method is one transaction; all raise
``StoreError``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.access.accounts import Account, Guess, GuessRule, Session
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.paging import Page


@dataclass(frozen=True, slots=True)
class NewPassword:
    """``hash``: with salt and parameters, as the hasher made it. ``temporary``: to be changed before anything else."""

    hash: str = field(repr=False)
    at: datetime
    temporary: bool


@dataclass(frozen=True, slots=True)
class Try:
    """``until`` None: it may be looked at, and ``guesses`` are as they are when it turns out wrong; else not before
    then, and nothing was counted."""

    guesses: Mapping[str, Guess]
    until: datetime | None = None


class AccountStore(Protocol):
    async def add(self, account: Account, password: NewPassword | None, events: Sequence[NewEvent]) -> Account:
        """Raises ``Conflict`` for a name or a subject in use, ``NotFound`` for a site that there is none of."""
        ...

    async def change(self, account: Account, events: Sequence[NewEvent]) -> Account:
        """Written over ``account.revision`` alone: roles, sites, what was granted, full name, e-mail, subject, and
        whether it is disabled, which ends its sessions. Raises ``NotFound``, ``Conflict``."""
        ...

    async def account(self, name_or_id: str) -> Account:
        """Raises ``NotFound``."""
        ...

    async def accounts(self, *, after: str | None = None, limit: int = 50) -> Page[Account]:
        """By name."""
        ...

    async def for_login(self, name: str) -> tuple[Account, str | None] | None:
        """With the hash of its password; None when there is no such name."""
        ...

    async def by_subject(self, subject: str) -> Account | None: ...

    async def set_password(
        self, account_id: str, password: NewPassword, events: Sequence[NewEvent], *, keep: str | None = None
    ) -> None:
        """Ends every session but ``keep`` (a digest), and no browser is known any more. Raises ``NotFound``."""
        ...

    async def rehash(self, account_id: str, old: str, new: str) -> None:
        """The same password with other parameters; nothing when it was changed meanwhile."""
        ...

    # Sessions

    async def begin(self, session: Session, browser: str | None, events: Sequence[NewEvent]) -> bool:
        """A session, from a browser that is known from now on (its digest), and the account's last log-in. False, and
        nothing written, when the account is disabled by now. Removes what has expired."""
        ...

    async def session(self, digest: str) -> tuple[Session, Account] | None: ...

    async def seen(self, digest: str, at: datetime) -> None: ...

    async def sessions(self, account_id: str) -> Sequence[Session]:
        """Newest first; those that have expired by their idleness too."""
        ...

    async def end(self, digest: str, events: Sequence[NewEvent]) -> bool:
        """False when there was none of that digest."""
        ...

    async def end_all(self, account_id: str, events: Sequence[NewEvent]) -> int: ...

    async def browser(self, digest: str, since: datetime) -> str | None:
        """The account that logged in from it since then."""
        ...

    # Guesses

    async def reserve(self, tries: Mapping[str, GuessRule], now: datetime) -> Try:
        """Count a try under each of these keys as failed, before it is looked at, so that many at once are no more than
        many in a row. When one of them has to wait nothing is counted."""
        ...

    async def forgive(self, whole: Collection[str], one: Collection[str]) -> None:
        """The try was right: nothing is counted under ``whole`` any more, and under ``one`` one less."""
        ...

    async def forget(self, beginning: str) -> None:
        """Nothing is counted any more under keys that begin so."""
        ...

    async def guesses(self, keys: Collection[str]) -> Mapping[str, Guess]: ...
