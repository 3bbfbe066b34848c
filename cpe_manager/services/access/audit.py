"""The audit log as it is kept and looked at: entries come from the API and from services, and out of the events that
are written in one transaction with the deed itself, so that no deed of those kinds is without its entry.

What comes at the same moment is written in one transaction: a request waits for the disk once, not for each other one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from cpe_manager.domain.access.audit import (
    AuditEntry,
    Checked,
    Fault,
    Head,
    Link,
    NewAuditEntry,
    Seen,
    Written,
    check,
    check_end,
    check_seen,
    data_text,
    fault_of,
    opened,
)
from cpe_manager.domain.access.audit_events import AUDITED, entry_of
from cpe_manager.domain.errors import CpeManagerError, InputError, NotFound, StoreError
from cpe_manager.domain.paging import Page
from cpe_manager.ports.audit import AuditFilter, AuditKeys, AuditStore, AuditWitness
from cpe_manager.ports.clock import Clock

log = structlog.get_logger()

LOOK: Final = 1.0
"""Seconds between looks at new events."""
TOGETHER: Final = 500
"""Entries of one transaction at most."""
MOST_CHECKED: Final = 20_000
"""Entries of one call of ``verify``."""
_PAGE: Final = 1000
_MOST_HELD: Final = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """Entries ``first`` to ``last`` were looked at. ``next``: where to go on; None: that was the end, or a fault."""

    first: int
    last: int
    fault: Fault | None
    next: int | None
    head: Seen | None
    """The end of the log as it says itself: to be kept somewhere else."""


@dataclass(slots=True)
class _Waiting:
    entries: Sequence[NewAuditEntry]
    done: asyncio.Future[None] = field(repr=False)


def exported(line: str) -> Written:
    """A line of an export as the row that it was made of. Raises ``InputError``."""
    try:
        one = json.loads(line)
        named = {name: one[name] for name in Written.__dataclass_fields__ if name not in {"data", "at"}}
        return Written(**named, at=datetime.fromisoformat(one["at"]), data=data_text(one["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this line is no entry of an audit log") from error


def verify_export(lines: Iterable[str], keys: AuditKeys) -> Verification:
    """Whether the lines of an export are whole, from their first one on. Where they end nothing can be said of what
    came after."""
    state: Checked | None = None
    first = 0
    for line in lines:
        row = exported(line)
        if state is None:
            first, state = row.number, Checked(row.number - 1, row.previous)
        came = check([row], state, keys.secret)
        if isinstance(came, Fault):
            return Verification(first, came.number - 1, came, None, None)
        state = came
    end = state or Checked()
    return Verification(first, end.number, None, None, Seen(end.number, end.digest) if end.number else None)


class AuditBook:
    """``AuditTrail``, and what auditors do."""

    def __init__(self, store: AuditStore, keys: AuditKeys, clock: Clock, witness: AuditWitness | None = None) -> None:
        self._store, self._keys, self._clock, self._witness = store, keys, clock, witness
        self._waiting: list[_Waiting] = []
        self._held: list[NewAuditEntry] = []
        self._writer: asyncio.Task[None] | None = None
        self._seen: Seen | None = None
        self._told: Seen | None = None

    # What is written

    async def note(self, entries: Sequence[NewAuditEntry]) -> None:
        """In one transaction, in this order. Raises ``StoreError``: what cannot be noted is not done."""
        if not entries:
            return
        waiting = _Waiting(list(entries), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="audit")
        await waiting.done

    async def note_done(self, entries: Sequence[NewAuditEntry]) -> None:
        """For what has happened already: where it cannot be written now, it is held until it can, and ``ready`` lets
        nothing more happen before."""
        try:
            await self.note(entries)
        except StoreError as error:
            self._held = [*self._held, *entries][:_MOST_HELD]
            log.error("audit.held", code=error.code, reason=str(error), held=len(self._held))

    async def ready(self) -> None:
        """Before anything that is to be noted. Raises ``StoreError`` while what happened before cannot be written."""
        if self._held:
            held, self._held = self._held, []
            try:
                await self.note(held)
            except BaseException:
                self._held = [*held, *self._held][:_MOST_HELD]
                raise

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.pop(0)]
            size = len(batch[0].entries)
            while self._waiting and size + len(self._waiting[0].entries) <= TOGETHER:
                batch.append(self._waiting.pop(0))
                size += len(batch[-1].entries)
            try:
                first, head = await self._store.append([one for part in batch for one in part.entries], self._link())
            except Exception as error:  # noqa: BLE001 - each caller gets it, whatever it is
                for part in batch:
                    if not part.done.done():
                        part.done.set_exception(error)
                continue
            except BaseException:
                for part in [*batch, *self._waiting]:
                    part.done.cancel()
                self._waiting.clear()
                raise
            self._went_on(first, head)
            for part in batch:
                if not part.done.done():
                    part.done.set_result(None)

    async def run(self) -> None:
        """Take over events, until cancelled. A database that is away for a while is waited for."""
        while True:
            try:
                while await self.look():
                    pass
            except CpeManagerError as error:
                log.error("audit.refused", code=error.code, reason=str(error))
            except Exception:  # a defect must not end the looking for good
                log.exception("audit.defect")
            await self._clock.sleep(LOOK)

    async def look(self) -> int:
        """Take over some events; how many."""
        if self._held:
            await self.ready()
        taken, head = await self._store.follow(AUDITED, entry_of, self._link())
        if head is not None:
            self._went_on(head.number - taken + 1, head)
        self._tell()
        return taken

    def _link(self) -> Link:
        return Link(self._keys.active(), self._keys.secret, self._clock.now())

    def _went_on(self, first: int, head: Head) -> None:
        if self._seen is not None and first <= self._seen.number:
            log.error("audit.went_back", seen=self._seen.number, written=first)
        self._seen = Seen(head.number, head.digest)

    def _tell(self) -> None:
        """To what lies outside the database: the log, and the witness."""
        if self._seen is None or self._seen == self._told or not self._seen.number:
            return
        self._told = self._seen
        log.info("audit.head", number=self._seen.number, digest=self._seen.digest)
        if self._witness is not None:
            known = self._witness.seen()
            # One that is ahead is evidence: an older copy of the database must not wipe it out.
            if known is None or known.number < self._seen.number:
                self._witness.saw(self._seen)

    # What is looked at

    async def list(
        self, where: AuditFilter, *, after: str | None = None, limit: int = 50, oldest: bool = False
    ) -> Page[AuditEntry]:
        """Newest first, or ``oldest`` first."""
        page = await self._store.entries(where, after=after, limit=limit, oldest=oldest)
        return Page(tuple(opened(row) for row in page.items), page.next)

    async def show(self, number: int) -> AuditEntry:
        """Raises ``NotFound``."""
        row = await self._store.entry(number)
        if row is None:
            raise NotFound(f"no such audit entry: {number}")
        return opened(row)

    async def verify(self, first: int = 1, limit: int = MOST_CHECKED, *, seen: Sequence[Seen] = ()) -> Verification:
        """Look at up to ``limit`` entries from ``first`` on; at the end also at the head, at what the witness has seen
        and at ``seen``. The entry before ``first`` is taken for whole when its own digest is right.
        """
        limit = max(1, min(limit, MOST_CHECKED))
        head, last = await self._store.ends()
        end = last.number if last is not None else 0
        shown = Seen(head.number, head.digest) if head is not None and head.number else None
        state = Checked()
        if first > 1:
            start = await self._before(first)
            if isinstance(start, Fault):
                return Verification(first, first - 1, start, None, shown)
            state = start
        upto = min(end, first + limit - 1)
        while state.number < upto:
            # What is written meanwhile is another verification's.
            rows = await self._store.rows(state.number + 1, min(_PAGE, upto - state.number))
            came = check(rows, state, self._keys.secret)
            if isinstance(came, Fault) or not rows:
                gone = Fault(state.number + 1, "missing", "it went away while it was looked for")
                fault = came if isinstance(came, Fault) else gone
                return Verification(first, fault.number - 1, fault, None, shown)
            state = came
            await asyncio.sleep(0)  # others have their turn
        if state.number < end:
            return Verification(first, state.number, None, state.number + 1, shown)
        return Verification(first, state.number, await self._end(state, head, seen), None, shown)

    async def _before(self, first: int) -> Checked | Fault:
        row = await self._store.entry(first - 1)
        if row is None:
            return Fault(first - 1, "missing", f"entry {first - 1} is not there")
        return fault_of(row, self._keys.secret) or Checked(row.number, row.digest)

    async def _end(self, state: Checked, head: Head | None, seen: Sequence[Seen]) -> Fault | None:
        fault = check_end(state, head, self._keys.secret)
        if fault is not None:
            return fault
        witness = self._witness.seen() if self._witness is not None else None
        for one in (*seen, *((witness,) if witness is not None else ())):
            row = await self._store.entry(one.number)
            # One that was written since is not looked at here, but it is there.
            fault = check_seen(one, row, state.number)
            if fault is not None:
                return fault
        return None
