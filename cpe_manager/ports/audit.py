"""Where it is written down who did what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.access.audit import AuditKey, Head, Link, NewAuditEntry, Result, Seen, Written
from cpe_manager.domain.access.audit_watch import Watched
from cpe_manager.domain.events import Alarm, Event, NewEvent
from cpe_manager.domain.paging import Page


class AuditTrail(Protocol):
    """What services and the API are given: they write, nothing else."""

    async def note(self, entries: Sequence[NewAuditEntry]) -> None:
        """In one transaction, in this order. Raises ``StoreError``: what cannot be noted is not done."""
        ...


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Empty: any. ``action`` may end in a star. ``since`` and ``until`` are both within."""

    actor: str = ""
    """Name or id."""
    action: str = ""
    target: str = ""
    site: str = ""
    result: Result | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore(Protocol):
    """Every method is one transaction; all raise ``StoreError``. Entries are added, never changed or removed."""

    async def append(self, entries: Sequence[NewAuditEntry], link: Link) -> tuple[int, Head]:
        """Hung onto the chain, one writer at a time over all processes: the number of the first row, and the head
        then. Where there is no chain yet, the events that there are by then are taken for told."""
        ...

    async def follow(
        self, kinds: tuple[str, ...], make: Callable[[Event], NewAuditEntry], link: Link, *, limit: int = 500
    ) -> tuple[int, Head | None]:
        """Take over events of these kinds, each exactly once: how many, and the head then (None: nothing written)."""
        ...

    async def entries(
        self, where: AuditFilter, *, after: str | None = None, limit: int = 50, oldest: bool = False
    ) -> Page[Written]:
        """Newest first, or ``oldest`` first."""
        ...

    async def entry(self, number: int) -> Written | None: ...

    async def rows(self, first: int, limit: int) -> Sequence[Written]:
        """From number ``first`` on, in the order of numbers."""
        ...

    async def ends(self) -> tuple[Head | None, Seen | None]:
        """The head and the last entry, as they are at one moment; None where there is none."""
        ...


class AuditWatchStore(Protocol):
    """What was found when the log was last looked at by itself. Raises ``StoreError``."""

    async def watched(self) -> Watched | None: ...

    async def note(
        self,
        before: Watched | None,
        new: Watched,
        events: Sequence[NewEvent] = (),
        *,
        alarm: Alarm | None = None,
        cleared: str | None = None,
    ) -> bool:
        """False, and nothing written, where it is not ``before`` any more: another process looked. An alarm that is
        raised already stays as it is; ``cleared``: key of one that is over."""
        ...


class AuditKeys(Protocol):
    """The keys that entries are chained with. Both raise ``KeyringError``."""

    def active(self) -> AuditKey: ...

    def secret(self, key_id: str) -> bytes | None:
        """None: not one of this installation's."""
        ...


class AuditWitness(Protocol):
    """Remembers, outside the database, how far the log went."""

    def seen(self) -> Seen | None:
        """None: nothing yet, or nothing that can be read."""
        ...

    def saw(self, seen: Seen) -> None:
        """Never raises for a file that cannot be written: the log goes on without it."""
        ...
