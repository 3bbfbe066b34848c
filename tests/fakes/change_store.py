"""Change requests kept in memory, faithful to ``ChangeStore``: the contract suite of the database runs over it too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.requests import FROM, ChangeRecord, ChangeRequest, ChangeState, ChangeStep
from cpe_manager.domain.changes.telling import told, turned
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.changes import ChangeFilter, Turn

_S = ChangeState
ENDED: Final = frozenset({_S.DONE, _S.REVERTED, _S.REFUSED, _S.DECLINED, _S.WITHDRAWN, _S.EXPIRED})
_BLOCKING: Final = (_S.EXECUTING, _S.STUCK)


class MemoryChangeStore:
    """``events`` is for tests to look at; ``pushes`` (by id) for them to fill."""

    def __init__(self) -> None:
        self.rows: dict[str, ChangeRequest] = {}
        self.steps: dict[str, list[ChangeStep]] = {}
        self.events: list[NewEvent] = []
        self.pushes: Mapping[str, Push] = {}
        self._sealed: dict[str, SealedObject] = {}
        self._effects: dict[str, SealedObject] = {}
        self._keys: dict[str, str] = {}

    async def create(self, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
        if change.key is not None and change.key in self._keys:
            return self.rows[self._keys[change.key]]
        made = replace(change, ticket=f"CHG-{len(self.rows) + 1:06}")
        self.rows[made.id] = made
        self._sealed[made.id] = parameters
        if made.key is not None:
            self._keys[made.key] = made.id
        self.steps[made.id] = [ChangeStep(1, made.state, made.submitted_at, made.submitted_by)]
        self.events.append(told(made, made.submitted_at, made.submitted_by))
        return made

    async def turn(self, turn: Turn) -> ChangeRequest:
        change = self._one(turn.change_id)
        if change.revision != turn.revision:
            raise Conflict(f"{change.ticket} is at revision {change.revision}")
        if turn.to not in FROM[change.state]:
            raise Conflict(f"{change.ticket} is {change.state}")
        if turn.to is _S.EXECUTING and self._blocked(change):
            raise Conflict(f"another change of {change.device} executes or is stuck")
        made = turned(change, turn.to, turn.reason, turn.code, turn.values)
        self.rows[made.id] = made
        if turn.effect is not None:
            self._effects[made.id] = turn.effect
        steps = self.steps[made.id]
        steps.append(ChangeStep(len(steps) + 1, turn.to, turn.at, turn.by, turn.reason))
        self.events.append(told(made, turn.at, turn.by, turn.kind))
        return made

    async def note(self, change_id: str, revision: int, values: Mapping[str, Any]) -> bool:
        change = self._one(change_id)
        if change.revision != revision:
            return False
        self.rows[change_id] = replace(change, **values)
        return True

    async def change(self, id_or_ticket: str, sites: Collection[str] | None = None) -> ChangeRecord:
        for change in self.rows.values():
            if id_or_ticket in (change.id, change.ticket) and (sites is None or change.site in sites):
                return ChangeRecord(change, tuple(self.steps[change.id]))
        raise NotFound(f"no such change request: {id_or_ticket}")

    async def keyed(self, key: str) -> ChangeRequest | None:
        found = self._keys.get(key)
        return None if found is None else self.rows[found]

    async def changes(self, wanted: ChangeFilter, *, after: str | None = None, limit: int = 50) -> Page[ChangeRequest]:
        found = [one for one in reversed(self.rows.values()) if _fits(one, wanted)]
        if after is not None:
            ids = [one.id for one in found]
            found = found[ids.index(after) + 1 :]
        page = tuple(found[:limit])
        return Page(page, page[-1].id if len(found) > limit else None)

    async def parameters(self, change_id: str) -> SealedObject:
        self._one(change_id)
        return self._sealed[change_id]

    async def effect(self, change_id: str) -> SealedObject:
        if change_id not in self._effects:
            raise NotFound(f"no such change request, or nothing was shown for it: {change_id}")
        return self._effects[change_id]

    async def to_evaluate(self, now: datetime, until: datetime, limit: int) -> Sequence[ChangeRequest]:
        due = [one for one in self.rows.values() if one.state is _S.SUBMITTED and _free(one, now)][:limit]
        for one in due:
            self.rows[one.id] = replace(one, look_at=until)
        return [self.rows[one.id] for one in due]

    async def to_do(self, now: datetime, limit: int = 500) -> Sequence[ChangeRequest]:
        rows = sorted((one for one in self.rows.values() if _free(one, now)), key=_order)
        found = [one for one in rows if self._decidable(one, now)]
        taken: set[str] = set()
        first = []
        for one in found:
            if one.state is _S.SCHEDULED and (one.device_id in taken or self._blocked(one)):
                continue
            if one.state in (_S.APPROVED, _S.SCHEDULED):
                taken.add(one.device_id)
            first.append(one)
        return first[:limit]

    async def unclosed(self, limit: int) -> Sequence[ChangeRequest]:
        found = [one for one in self.rows.values() if one.state in ENDED]
        return sorted(found, key=lambda one: (one.ended_at or one.submitted_at, one.id))[:limit]

    async def release_all(self) -> None:
        for one in list(self.rows.values()):
            if one.state in (_S.SUBMITTED, _S.EXECUTING):
                self.rows[one.id] = replace(one, look_at=None)

    async def counts(self) -> Mapping[ChangeState, int]:
        return {state: sum(one.state is state for one in self.rows.values()) for state in ChangeState}

    def _one(self, change_id: str) -> ChangeRequest:
        if change_id not in self.rows:
            raise NotFound(f"no such change request: {change_id}")
        return self.rows[change_id]

    def _blocked(self, change: ChangeRequest) -> bool:
        return any(
            one.device_id == change.device_id and one.id != change.id and one.state in _BLOCKING
            for one in self.rows.values()
        )

    def _decidable(self, one: ChangeRequest, now: datetime) -> bool:
        if one.state is _S.ACCEPTED:
            return one.by_right or (one.expires_at is not None and one.expires_at <= now)
        if one.state is _S.SCHEDULED:
            return one.not_before is None or one.not_before <= now
        push = None if one.push_id is None else self.pushes[one.push_id]
        if one.state is _S.EXECUTING:
            return push is None or push.ended_at is not None
        if one.state is _S.STUCK:
            return push is not None and push.settled is not None
        return one.state is _S.APPROVED


def _free(one: ChangeRequest, now: datetime) -> bool:
    return one.look_at is None or one.look_at <= now


def _order(one: ChangeRequest) -> tuple[datetime, str]:
    return (one.approval.at if one.approval is not None else one.submitted_at), one.id


def _fits(one: ChangeRequest, wanted: ChangeFilter) -> bool:
    return all(_wishes(one, wanted))


def _wishes(one: ChangeRequest, wanted: ChangeFilter) -> Iterator[bool]:
    yield wanted.sites is None or one.site in wanted.sites
    yield wanted.device is None or one.device == wanted.device
    yield wanted.states is None or one.state in wanted.states
    yield wanted.type is None or one.type == wanted.type
    yield wanted.bulk_id is None or one.bulk_id == wanted.bulk_id
    yield wanted.by_right is None or one.by_right is wanted.by_right
    yield wanted.not_submitted_by is None or one.submitted_by_id != wanted.not_submitted_by
