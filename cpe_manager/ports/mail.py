"""Mails: where they wait, and who takes them to the mail server."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.mail import Delivery, Mail, State


class Post(Protocol):
    """A mail server."""

    async def send(self, mails: Sequence[Mail]) -> Sequence[Delivery]:
        """One after the other, over one connection; what came of each. After a failure that is the server's and not
        the mail's the rest is not tried: the answer then ends with that failure. Never raises for what a server does.
        """
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is in the outbox. ``oldest``: since when the oldest that is to be sent waits; ``first``: the event that it
    tells of."""

    queued: int = 0
    failed: int = 0
    oldest: datetime | None = None
    first: int | None = None


class MailStore(Protocol):
    """Every method is one transaction; all raise ``StoreError``."""

    async def cursor(self) -> int:
        """Up to which event mails were made. The first time: all that there are by then."""
        ...

    async def fill(self, since: int, upto: int, mails: Sequence[Mail], dropped: Collection[str] = ()) -> bool:
        """Put the mails of events after ``since`` up to ``upto`` into the outbox, and move the cursor. False, and
        nothing written, when the cursor is not at ``since`` any more: somebody else was faster. One mail for each event
        and recipient: a second one is left out. One that is ``about`` something is gathered into the one about the same
        that was not tried yet. ``dropped``: of these, mails that were not tried yet are taken back."""
        ...

    async def told_of(self, about: str) -> bool:
        """Whether there is a mail about it, in whatever state."""
        ...

    async def take(self, owner: str, *, now: datetime, until: datetime, limit: int) -> Sequence[Mail]:
        """Hold, up to ``until``, the oldest that are due and that nobody holds; of each recipient only the oldest that
        waits, so that nobody reads of the end before the beginning. Each with a fence of its own."""
        ...

    async def settle(
        self,
        mails: Sequence[Mail],
        *,
        events: Sequence[NewEvent] = (),
        alarm: Alarm | None = None,
        cleared: str | None = None,
        at: datetime,
    ) -> None:
        """Write state, attempts, reason and times as they are in ``mails`` and let go of them; those whose fence has
        passed are left alone. ``cleared``: key of an alarm that is over."""
        ...

    async def mails(self, *, state: State | None = None, after: str | None = None, limit: int = 50) -> Page[Mail]:
        """Newest first."""
        ...

    async def mail(self, mail_id: str) -> Mail:
        """Raises ``NotFound``."""
        ...

    async def retry(self, mail_id: str | None, events: Sequence[NewEvent], at: datetime) -> int:
        """Have one, or all that failed (None), tried again at once; how many. Raises ``NotFound``, and ``Conflict`` for
        one that was sent."""
        ...

    async def waiting(self) -> Waiting: ...

    async def forget(self, before: datetime) -> int:
        """Remove what was sent, or failed, and was made before then; how many."""
        ...

    async def release_all(self) -> None:
        """Let go of every mail, whoever holds it: for a start as the only process."""
        ...
