"""Lines as their store has them, with what the subscriptions of their sites say of mobile backup (§2, §3.8).

A store decides nothing and the rules of fail-over know no catalogue: so whatever reads lines reads them through this.
A subscription or a catalogue that changes counts up the revisions of lines, by which whoever watches them reads again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cpe_manager.domain.failover.lines import FailoverState, Incident, LineRecord, LineSetup, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.ports.lines import CapNews, LineStore, Move, Wanted
from cpe_manager.services.subscription.entitling import Entitling


class SubscribedLines:
    """``LineStore`` over another one."""

    def __init__(self, lines: LineStore, entitling: Entitling) -> None:
        self._lines, self._entitling = lines, entitling

    async def watched(self) -> Sequence[LineRecord]:
        return await self._judged(await self._lines.watched())

    async def lines(
        self, *, state: FailoverState | None = None, node: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[LineRecord]:
        page = await self._lines.lines(state=state, node=node, after=after, limit=limit)
        return Page(tuple(await self._judged(page.items)), page.next)

    async def line(self, name: str) -> LineRecord:
        return await self._one(await self._lines.line(name))

    async def set_up(
        self, device: str, setup: LineSetup, at: datetime, by: str, *, revision: int | None = None
    ) -> LineRecord:
        return await self._one(await self._lines.set_up(device, setup, at, by, revision=revision))

    async def tell_caps(self, told: Mapping[str, CapNews]) -> None:
        await self._lines.tell_caps(told)

    async def want(
        self, line_id: str, what: Wanted, *, by: str, at: datetime, reason: str = "", key: str | None = None
    ) -> LineRecord:
        return await self._one(await self._lines.want(line_id, what, by=by, at=at, reason=reason, key=key))

    async def asked(self) -> Sequence[LineRecord]:
        return await self._judged(await self._lines.asked())

    # What tells nothing of a line's set-up.

    async def revisions(self) -> Mapping[str, int]:
        return await self._lines.revisions()

    async def move(self, moves: Sequence[Move]) -> Sequence[str]:
        return await self._lines.move(moves)

    async def count_mobile(self, volumes: Mapping[str, MonthVolume]) -> None:
        await self._lines.count_mobile(volumes)

    async def history(self, line_id: str | None, *, after: str | None = None, limit: int = 50) -> Page[Transition]:
        return await self._lines.history(line_id, after=after, limit=limit)

    async def incidents(
        self, *, line_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Incident]:
        return await self._lines.incidents(line_id=line_id, open_only=open_only, after=after, limit=limit)

    async def node_incident(self, node: str, lines: Sequence[str], reason: str | None, at: datetime) -> str | None:
        return await self._lines.node_incident(node, lines, reason, at)

    async def last_change(self, device_id: str) -> str:
        return await self._lines.last_change(device_id)

    async def last_changes(self, device_ids: Sequence[str]) -> Mapping[str, str]:
        return await self._lines.last_changes(device_ids)

    async def counts(self) -> Mapping[FailoverState, int]:
        return await self._lines.counts()

    async def open_incidents(self) -> Mapping[int, int]:
        return await self._lines.open_incidents()

    async def prune(self, before: datetime, *, keep: int, limit: int) -> int:
        return await self._lines.prune(before, keep=keep, limit=limit)

    async def leader(self, now: datetime) -> tuple[str, datetime] | None:
        return await self._lines.leader(now)

    async def lead(self, owner: str, until: datetime, now: datetime) -> bool:
        return await self._lines.lead(owner, until, now)

    async def _one(self, record: LineRecord) -> LineRecord:
        return (await self._judged([record]))[0]

    async def _judged(self, records: Sequence[LineRecord]) -> Sequence[LineRecord]:
        sites = {one.line.site_id for one in records}
        answers = await self._entitling.of_sites(sites, Operation.FAILOVER) if sites else {}
        if not answers:
            return records
        said = {site: "" if one.allowed else one.reason for site, one in answers.items()}
        return [_with(one, said.get(one.line.site_id)) for one in records]


def _with(record: LineRecord, subscribed: str | None) -> LineRecord:
    line = record.line
    if line.setup.subscribed == subscribed:
        return record
    return replace(record, line=replace(line, setup=replace(line.setup, subscribed=subscribed)))
