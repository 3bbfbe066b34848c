"""The audit log is looked at whether anybody asks or not: a chore, which raises an alarm for what it finds.

Some thousand entries at a time, so that other chores have their turn; a process that ends in the middle of a long log
begins it again. What it found last is kept, and is no proof: whoever can write the database can write that, too, and is
found out by the next look at the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from cpe_manager.domain.access.audit import Fault, Seen
from cpe_manager.domain.access.audit_watch import ALARM, Watched, What, due
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.ports.audit import AuditWatchStore
from cpe_manager.ports.clock import Clock
from cpe_manager.services.access.audit import MOST_CHECKED, AuditBook, Verification

log = structlog.get_logger()

PART: Final = MOST_CHECKED
"""Entries of one look."""


class AuditGauges(Protocol):
    """The metrics implement it. Times are Unix times in seconds."""

    def audit(self, verified_at: float, whole_at: float | None, *, fault: bool) -> None: ...


@dataclass(slots=True)
class _Going:
    what: What
    first: int
    before: Watched | None
    """What was known when it was begun."""


class AuditWatch:
    def __init__(
        self, book: AuditBook, store: AuditWatchStore, clock: Clock, gauges: AuditGauges, part: int = PART
    ) -> None:
        self._book, self._store, self._clock, self._gauges, self._part = book, store, clock, gauges, part
        self._going: _Going | None = None

    async def last(self) -> Watched | None:
        """What was found the last time; None: it was not looked at yet."""
        return await self._store.watched()

    async def look(self) -> None:
        """A chore. Raises ``StoreError`` and ``KeyringError``."""
        known = await self._store.watched()
        self._show(known)
        if self._going is None and (what := due(known, self._clock.now())) is not None:
            self._going = _Going(what, known.number + 1 if what == "rest" and known else 1, known)
        if self._going is not None:
            await self._part_of(self._going)

    async def _part_of(self, going: _Going) -> None:
        before = going.before
        # The end of the last time, too: what was whole then cannot have become something else.
        seen = () if before is None or not before.number else (Seen(before.number, before.digest),)
        found = await self._book.verify(going.first, self._part, seen=seen)
        if found.next is not None:
            going.first = found.next
            return
        self._going = None
        await self._note(going, found)

    async def _note(self, going: _Going, found: Verification) -> None:
        now, before, fault = self._clock.now(), going.before, found.fault
        known = before or Watched(now)
        whole_at = now if going.what == "whole" else known.whole_at
        new = replace(known, at=now, whole_at=whole_at, fault=fault)
        if fault is None and found.head is not None:
            new = replace(new, number=found.head.number, digest=found.head.digest)
        events, alarm, cleared = [], None, None
        if fault is not None:
            log.error("audit.broken", number=fault.number, what=fault.what, detail=fault.detail)
            alarm = Alarm(ALARM, ALARM, None, None, now, told(fault))
            if fault != known.fault:
                data = {"number": fault.number, "what": fault.what}
                events.append(NewEvent(ALARM, now, "error", message=f"the audit log: {told(fault)}", data=data))
        elif known.fault is not None:
            cleared = ALARM
            events.append(NewEvent("audit.whole", now, message=f"the audit log is whole, {new.number} entries"))
        if await self._store.note(before, new, events, alarm=alarm, cleared=cleared):
            self._show(new)

    def _show(self, known: Watched | None) -> None:
        if known is not None:
            whole = None if known.whole_at is None else known.whole_at.timestamp()
            self._gauges.audit(known.at.timestamp(), whole, fault=known.fault is not None)


def told(fault: Fault) -> str:
    return f"entry {fault.number} is wrong ({fault.what}): {fault.detail}"
