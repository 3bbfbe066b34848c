"""What fail-over needs from the database. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.lines import FailoverState, Incident, LineRecord, LineSetup, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.domain.paging import Page

Wanted = Literal["switch", "return", "hold", "release", "test"]


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """How a line's incident of a subject is from now on: open with ``priority``, or closed (None)."""

    subject: Literal["line", "backup"]
    priority: int | None
    reason: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a line, written whole or not at all: the record as it is to be (``revision`` as it was read), the
    line of history (None: the state stays), what becomes of its incidents, and its events. ``at``: when its incidents
    opened or closed; None: at the time of the transition, else of the first event, else ``record.since``."""

    record: LineRecord
    transition: Transition | None
    incidents: tuple[IncidentChange, ...] = ()
    events: tuple[NewEvent, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CapNews:
    """An event about a line's data cap; ``mark``: as ``domain.data_cap.cap_mark`` gives it."""

    mark: str
    event: NewEvent


class LineStore(Protocol):
    async def watched(self) -> Sequence[LineRecord]:
        """Every watched line with an active device. Lines that nobody has set up are not watched."""
        ...

    async def revisions(self) -> Mapping[str, int]:
        """Revision by id of every line that `watched` gives: a cheap look for what somebody else has written."""
        ...

    async def lines(
        self, *, state: FailoverState | None = None, node: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[LineRecord]: ...

    async def line(self, name: str) -> LineRecord:
        """By id, by the name of its device, or by ``ref`` where that is one line's alone. Raises ``NotFound``."""
        ...

    async def set_up(
        self, device: str, setup: LineSetup, at: datetime, by: str, *, revision: int | None = None
    ) -> LineRecord:
        """Make or change what is known of the line of a device (``setup.line_id`` is ignored); a device without a line
        gets one with its own name. Emits ``line.changed``, unless nothing is new. Raises ``NotFound``, and ``Conflict``
        when another position's device is on the line already, or when ``revision`` (0: not set up yet) is given and no
        longer the line's."""
        ...

    async def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Write many. The line ids of those that were refused, since their revision is no longer the one that was
        read; the others are written. Opens, re-prioritises and closes incidents, at most one open of a line and
        subject, with events ``incident.opened|changed|closed``."""
        ...

    async def count_mobile(self, volumes: Mapping[str, MonthVolume]) -> None:
        """Write what went over mobile, by line id. A volume of an older month than the one that is written, or a
        smaller one of the same month, changes nothing; neither is anybody's revision counted up."""
        ...

    async def tell_caps(self, told: Mapping[str, CapNews]) -> None:
        """Emit what is to be told of data caps, by line id: of each line what has a greater mark than what was told of
        it before, and nothing else. Neither is anybody's revision counted up."""
        ...

    async def want(
        self, line_id: str, what: Wanted, *, by: str, at: datetime, reason: str = "", key: str | None = None
    ) -> LineRecord:
        """Note what an operator asks for; the last word counts. Emits ``line.asked``. A ``key`` that was used before
        for the same line and order changes nothing. Raises ``NotFound``, and ``Conflict`` for a key that was used for
        something else."""
        ...

    async def asked(self) -> Sequence[LineRecord]:
        """Lines with something wanted."""
        ...

    async def history(self, line_id: str | None, *, after: str | None = None, limit: int = 50) -> Page[Transition]:
        """Newest first."""
        ...

    async def incidents(
        self, *, line_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Incident]:
        """Newest first."""
        ...

    async def node_incident(self, node: str, lines: Sequence[str], reason: str | None, at: datetime) -> str | None:
        """Open the parent incident of an access node (P1) or return the open one's id; ``reason`` None closes it.
        Open line incidents of ``lines`` get it as their parent."""
        ...

    async def last_change(self, device_id: str) -> str:
        """The last confirmed push of a device in words: when, what, by whom; empty when there is none."""
        ...

    async def last_changes(self, device_ids: Sequence[str]) -> Mapping[str, str]:
        """The same of many at once, by device; those that have none are absent."""
        ...

    async def counts(self) -> Mapping[FailoverState, int]:
        """Watched lines with an active device by state, all states named."""
        ...

    async def open_incidents(self) -> Mapping[int, int]:
        """Open incidents by priority, 1 to 3."""
        ...

    async def prune(self, before: datetime, *, keep: int, limit: int) -> int:
        """Take away transitions and orders from before a time, and incidents that were closed before it: at most
        ``limit`` of each kind. How many rows went; 0: there is nothing more to take away.

        What stays: the last ``keep`` transitions of a line, those since the opening of an incident that is still open
        and those of the line's last switch; open incidents, and parents of incidents that stay; a line's last order."""
        ...

    async def leader(self, now: datetime) -> tuple[str, datetime] | None:
        """Who watches and until when it has said so; None: nobody does."""
        ...

    async def lead(self, owner: str, until: datetime, now: datetime) -> bool:
        """Be the one process that watches, up to ``until``; False while another one is."""
        ...
