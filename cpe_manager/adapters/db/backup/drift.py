"""Who is out of step with what was confirmed: read by people, written where versions are stored.

Rows of drift are locked after those of positions, in order of position.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.backup.drift_table import drift
from cpe_manager.adapters.db.tables import backup, device, device_status, push, site
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.backup.drift import (
    LONGEST_NAME,
    Confirmation,
    LastChange,
    Sight,
    Standing,
    Verdict,
    adopted,
    judged,
)
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.paging import Page
from cpe_manager.ports.drift import DriftRow
from cpe_manager.ports.stores import Settled

_CHANGED, _UNSAVED = drift.c.changed_since.is_not(None), drift.c.unsaved_since.is_not(None)
_CONDITIONS: Final[Mapping[Verdict, ColumnElement[bool]]] = {
    Verdict.IN_STEP: and_(~_CHANGED, ~_UNSAVED),
    Verdict.CHANGED: and_(_CHANGED, ~_UNSAVED),
    Verdict.UNSAVED: and_(~_CHANGED, _UNSAVED),
    Verdict.CHANGED_UNSAVED: and_(_CHANGED, _UNSAVED),
}
_CONFIRMED = backup.alias("confirmed")
_RUNNING = backup.alias("running")


class SqlDrift:
    """``DriftStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def drift(self, device_id: str) -> DriftRow:
        return await self._db.read(lambda tx: _row(tx, device_id))

    async def drifts(
        self, *, verdicts: Collection[Verdict] = (), after: str | None = None, limit: int = 100
    ) -> Page[DriftRow]:
        query = _select().where(device.c.state != LifeState.DECOMMISSIONED.value)
        query = query.order_by(device.c.name, device.c.id).limit(limit + 1)
        if verdicts:
            query = query.where(or_(*(_CONDITIONS[verdict] for verdict in verdicts)))
        if after is not None:
            query = query.where(tuple_(device.c.name, device.c.id) > tuple_(*cursors.decode(after, str, str)))
        rows = [_to_row(row) for row in await self._db.read(lambda tx: tx.rows(query))]
        return cursors.page(rows, limit, lambda one: (one.device, one.device_id))

    async def adopt(self, device_id: str, fingerprint: str, *, at: datetime, by: str) -> DriftRow:
        return await self._db.write(lambda tx: _adopt(tx, device_id, fingerprint, at, by))

    async def startup(self, device_id: str, *, saved: bool, at: datetime) -> DriftRow:
        async def work(tx: Transaction) -> DriftRow:
            await _row(tx, device_id)
            await note(tx, {device_id: Sight(at, saved=saved)})
            return await _row(tx, device_id)

        return await self._db.write(work)

    async def counts(self) -> Mapping[Verdict, int]:
        verdict = case(*((condition, name.value) for name, condition in _CONDITIONS.items()))
        query = (
            select(verdict.label("verdict"), func.count().label("number"))
            .select_from(drift.join(device, device.c.position_id == drift.c.position_id))
            .where(device.c.state == LifeState.ACTIVE.value)
            .group_by(verdict)
        )
        found = {row.verdict: row.number for row in await self._db.read(lambda tx: tx.rows(query))}
        return {name: found.get(name.value, 0) for name in Verdict}


async def settle(tx: Transaction, results: Sequence[Settled], versions: Mapping[str, str]) -> None:
    """What a batch of ended attempts says. ``versions``: ids of what was stored, by device."""
    sights: dict[str, Sight] = {}
    for one in results:
        device_id, stored = one.lease.device_id, one.draft is not None and one.quarantine_reason is None
        wanted = one.outcome is Outcome.CONFIRMED
        if one.outcome not in _TELLING or not (stored or wanted or one.saved is not None):
            continue
        sights[device_id] = Sight(
            one.at,
            versions.get(device_id) if stored else None,
            one.draft.fingerprint if stored and one.draft is not None else None,
            wanted=wanted,
            saved=one.saved,
            change=one.change,
        )
    if sights:
        pushed = [one.job_id for one in results if one.outcome is Outcome.CONFIRMED]
        await note(tx, await _with_names(tx, sights, pushed))


_TELLING = frozenset({Outcome.STORED, Outcome.UNCHANGED, Outcome.CONFIRMED})


async def _with_names(tx: Transaction, sights: dict[str, Sight], jobs: Sequence[str]) -> dict[str, Sight]:
    """Who asked for the pushes among them."""
    if not jobs:
        return sights
    query = select(push.c.device_id, push.c.requested_by).where(push.c.job_id.in_(jobs))
    names = {row.device_id: row.requested_by for row in await tx.rows(query)}
    return {of: replace(sight, by=names.get(of, "")) if sight.wanted else sight for of, sight in sights.items()}


@dataclass(frozen=True, slots=True)
class _Place:
    device_id: str
    name: str
    position_id: str


async def note(tx: Transaction, sights: Mapping[str, Sight]) -> None:
    """Write down what was seen, by device, and tell what is new of it."""
    columns = (device.c.id, device.c.name, device.c.position_id)
    query = select(*columns).where(device.c.id.in_(list(sights))).order_by(device.c.position_id)
    places = [_Place(row.id, row.name, row.position_id) for row in await tx.rows(query)]
    before = await _standings(tx, [place.position_id for place in places])
    after: dict[str, Standing] = {}
    for place in places:
        was = before.get(place.position_id)
        now = judged(was, sights[place.device_id])
        if now is not None and now != was:
            after[place.position_id] = now
            tx.emit(_news(place, was, now, sights[place.device_id].at))
    await _save(tx, after)


async def _standings(tx: Transaction, positions: Sequence[str]) -> dict[str, Standing]:
    """Locked, then joined: PostgreSQL leaves a row out of a join that changed while its lock was waited for."""
    query = select(drift).where(drift.c.position_id.in_(positions)).order_by(drift.c.position_id).with_for_update()
    rows = await tx.rows(query)
    confirmed = select(backup.c.id, backup.c.fingerprint).where(backup.c.id.in_([row.confirmed_id for row in rows]))
    prints = {row.id: row.fingerprint for row in await tx.rows(confirmed)} if rows else {}
    return {row.position_id: _to_standing(row, prints[row.confirmed_id]) for row in rows}


async def _save(tx: Transaction, standings: Mapping[str, Standing]) -> None:
    insert = tx.insert(drift)
    changed = {column.name: insert.excluded[column.name] for column in drift.c if column.name != "position_id"}
    statement = insert.on_conflict_do_update(index_elements=["position_id"], set_=changed)
    await tx.many(statement, [_values(position, standings[position]) for position in sorted(standings)])


async def _adopt(tx: Transaction, device_id: str, fingerprint: str, at: datetime, by: str) -> DriftRow:
    found = await _row(tx, device_id)
    place = (await tx.rows(select(device.c.position_id).where(device.c.id == device_id)))[0].position_id
    before = (await _standings(tx, [place]))[place]
    query = select(backup.c.id, backup.c.number, backup.c.fingerprint).join(
        device_status, device_status.c.current_backup_id == backup.c.id
    )
    current = await tx.rows(query.where(device_status.c.device_id == device_id))
    if not current or current[0].fingerprint != fingerprint:
        raise Conflict(f"{found.device} runs something else by now than what was looked at; look again")
    if before.changed_since is None:
        raise Conflict(f"{found.device} runs what is confirmed; there is nothing to adopt")
    after = adopted(before, current[0].id, fingerprint, at=at, by=by)
    await _save(tx, {place: after})
    message = f"{found.device}: version {current[0].number} adopted as what is wanted, by {by}"
    data = {"version": current[0].number, "by": by, "instead_of": found.confirmed}
    tx.emit([NewEvent("drift.adopted", at, device_id=device_id, message=message, data=data)])
    tx.emit(_news(_Place(device_id, found.device, place), before, after, at))
    return await _row(tx, device_id)


def _news(place: _Place, before: Standing | None, after: Standing, at: datetime) -> list[NewEvent]:
    """An event for what began and one for what is over."""
    was, now = Verdict.IN_STEP if before is None else before.verdict, after.verdict
    events = []
    for name, since, earlier in (
        ("changed", after.changed_since, None if before is None else before.changed_since),
        ("unsaved", after.unsaved_since, None if before is None else before.unsaved_since),
    ):
        if (since is None) == (earlier is None):
            continue
        data: dict[str, Any] = {"verdict": now.value, "before": was.value, "about": name}
        if since is not None and name == "changed" and after.change is not None:
            data |= {"by": after.change.by, "when": after.change.when, "source": after.change.source}
        kind = "drift.gone" if since is None else "drift.found"
        words = f"{place.name}: {_WORDS[name, since is not None]}"
        if since is not None and name == "changed" and after.change is not None:
            words += f"; last changed by {after.change}"
        events.append(
            NewEvent(
                kind, at, "info" if since is None else "warning", device_id=place.device_id, message=words, data=data
            )
        )
    return events


_WORDS: Final = {
    ("changed", True): "runs something other than what was confirmed",
    ("changed", False): "runs what is confirmed",
    ("unsaved", True): "would come up with something other than what it runs",
    ("unsaved", False): "would come up with what it runs",
}


def _select() -> Select[Any]:
    return (
        select(
            drift,
            device.c.id.label("device_id"),
            device.c.name,
            device.c.family,
            site.c.name.label("site"),
            _CONFIRMED.c.number.label("confirmed_number"),
            _CONFIRMED.c.fingerprint,
            _RUNNING.c.id.label("running_id"),
            _RUNNING.c.number.label("running_number"),
        )
        .select_from(drift)
        .join(device, device.c.position_id == drift.c.position_id)
        .join(site, site.c.id == device.c.site_id)
        .join(_CONFIRMED, _CONFIRMED.c.id == drift.c.confirmed_id)
        .join(device_status, device_status.c.device_id == device.c.id)
        .outerjoin(_RUNNING, _RUNNING.c.id == device_status.c.current_backup_id)
    )


async def _row(tx: Transaction, device_id: str) -> DriftRow:
    rows = await tx.rows(_select().where(device.c.id == device_id))
    if not rows:
        raise NotFound("nothing was ever confirmed of this device: it has no backup yet")
    return _to_row(rows[0])


def _to_row(row: AnyRow) -> DriftRow:
    return DriftRow(
        device_id=row.device_id,
        device=row.name,
        site=row.site,
        family=row.family,
        standing=_to_standing(row, row.fingerprint),
        confirmed=row.confirmed_number,
        running_id=row.running_id,
        running=row.running_number,
    )


def _to_standing(row: AnyRow, fingerprint: str) -> Standing:
    told = row.changed_by is not None
    return Standing(
        confirmed_id=row.confirmed_id,
        fingerprint=fingerprint,
        confirmed_at=row.confirmed_at,
        confirmed_by=row.confirmed_by,
        how=Confirmation(row.how),
        changed_since=row.changed_since,
        change=LastChange(row.changed_by, row.changed_when or "", row.changed_source or "") if told else None,
        unsaved_since=row.unsaved_since,
        startup_at=row.startup_at,
    )


def _values(position_id: str, one: Standing) -> Values:
    change = one.change
    return {
        "position_id": position_id,
        "confirmed_id": one.confirmed_id,
        "confirmed_at": one.confirmed_at,
        "confirmed_by": one.confirmed_by,
        "how": one.how.value,
        "changed_since": one.changed_since,
        "changed_by": None if change is None else change.by[:LONGEST_NAME],
        "changed_when": None if change is None else change.when[:LONGEST_NAME],
        "changed_source": None if change is None else change.source[:LONGEST_NAME],
        "unsaved_since": one.unsaved_since,
        "startup_at": one.startup_at,
    }
