"""Subscriptions of sites."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.failover.line_tables import line_setup, line_state
from cpe_manager.adapters.db.subscription.subscription_tables import subscription
from cpe_manager.adapters.db.tables import device, site
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.errors import NotFound, PreconditionFailed
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.subscriptions import Representative, Subscription

_S = subscription.c
_TOLD = ("customer", "formula", "technology", "options", "activated_at", "language")
"""Fields whose values an event tells; of representatives it tells only that they changed."""


class SqlSubscriptions:
    """``SubscriptionStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def put(
        self, subscription: Subscription, *, at: datetime, by: str, revision: int | None = None
    ) -> Subscription:
        return await self._db.write(lambda tx: _put(tx, subscription, (at, by), revision))

    async def of_site(self, site: str) -> Subscription | None:
        return await self._db.read(lambda tx: _of_site(tx, site))

    async def knows(self, site: str) -> bool:
        return await self._db.read(lambda tx: _known(tx, site)) is not None

    async def of_sites(self, site_ids: Collection[str]) -> Sequence[Subscription]:
        def query(part: Sequence[str]) -> Select[Any]:
            return _subscriptions().where(_S.site_id.in_(part))

        wanted = sorted(site_ids)
        return [_subscription(row) for row in await self._db.read(lambda tx: in_chunks(tx, wanted, query))]

    async def list(
        self, *, sites: Collection[str] | None = None, formula: str | None = None, after: str | None = None,
        limit: int = 50,
    ) -> Page[Subscription]:  # fmt: skip
        query = _subscriptions().order_by(site.c.name).limit(limit + 1)
        if sites is not None:
            query = query.where(site.c.name.in_(sorted(sites)))
        if formula is not None:
            query = query.where(_S.formula == formula)
        if after is not None:
            query = query.where(site.c.name > cursors.decode(after, str)[0])
        rows = await self._db.read(lambda tx: tx.rows(query))
        return cursors.page([_subscription(row) for row in rows], limit, lambda one: (one.site,))

    async def activated(self, site_id: str, at: datetime) -> None:
        async def work(tx: Transaction) -> None:
            place = await _site(tx, site_id)
            before = await _of_site(tx, place.id)
            if before is None:
                raise NotFound(f"site {place.name} has no subscription")
            unset = (_S.site_id == place.id, _S.activated_at.is_(None))
            values = {"activated_at": at, "revision": _S.revision + 1, "changed_at": at}
            written = await tx.run(update(subscription).where(*unset).values(values))
            if written.rowcount:
                data = {"activated_at": [None, at.isoformat()]}
                message = f"{place.name}: activated on {at:%Y-%m-%d}"
                tx.emit([_event(before, at, message, {"revision": before.revision + 1, "changed": data})])

        await self._db.write(work)


async def _put(
    tx: Transaction, wanted: Subscription, now: tuple[datetime, str], revision: int | None
) -> Subscription:  # fmt: skip
    at, by = now
    place = await _site(tx, wanted.site_id or wanted.site)
    before = await _of_site(tx, place.id)
    stands = 0 if before is None else before.revision
    if revision is not None and revision != stands:
        raise PreconditionFailed(f"the subscription of {place.name} was changed meanwhile; look again")
    values = _values(wanted)
    old = {} if before is None else _values(before)
    changed = {name: [old.get(name), value] for name, value in values.items() if name not in old or old[name] != value}
    if before is not None and not changed:
        return before
    written = {
        **values,
        "revision": stands + 1,
        "catalogue_version": wanted.catalogue_version,
        "changed_at": at,
        "changed_by": by,
    }
    insert = tx.insert(subscription).values(site_id=place.id, **written)
    await tx.run(insert.on_conflict_do_update(index_elements=["site_id"], set_=written))
    made = await _of_site(tx, place.id)
    assert made is not None
    await _look_at_lines(tx, place.id)
    told = {name: [_plain(one) for one in pair] for name, pair in changed.items() if name in _TOLD}
    if "representatives" in changed:
        told["representatives"] = [len(one or ()) for one in changed["representatives"]]
    words = "subscribed" if before is None else f"{', '.join(changed)} of its subscription changed"
    data = {"revision": made.revision, "by": by, "new": before is None, "changed": {} if before is None else told}
    tx.emit([_event(made, at, f"{place.name}: {words} by {by}", data)])
    return made


async def _look_at_lines(tx: Transaction, site_id: str) -> None:
    """What its lines are entitled to may be another matter now: whoever watches them reads them again."""
    here = select(device.c.position_id).where(device.c.site_id == site_id)
    lines = select(line_setup.c.line_id).where(line_setup.c.position_id.in_(here))
    again = update(line_state).where(line_state.c.line_id.in_(lines))
    await tx.run(again.values(revision=line_state.c.revision + 1))


def _event(of: Subscription, at: datetime, message: str, more: Mapping[str, Any]) -> NewEvent:
    data = {
        "site": of.site,
        "site_id": of.site_id,
        "customer": of.customer,
        "formula": of.formula,
        "technology": of.technology.value,
        "options": sorted(of.options),
        **more,
    }
    return NewEvent("subscription.changed", at, message=message, data=data)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _subscriptions() -> Select[Any]:
    return select(subscription, site.c.name.label("site")).join(site, site.c.id == _S.site_id)


async def _site(tx: Transaction, name_or_id: str) -> AnyRow:
    """Locked: two that write the subscription of one site take turns."""
    found = await _known(tx, name_or_id, lock=True)
    if found is None:
        raise NotFound(f"no such site: {name_or_id}")
    return found


async def _known(tx: Transaction, name_or_id: str, *, lock: bool = False) -> AnyRow | None:
    """A name that is another one's id is the id's."""
    meant = or_(site.c.id == name_or_id, site.c.name == name_or_id)
    query = select(site.c.id, site.c.name).where(meant).order_by((site.c.id == name_or_id).desc()).limit(1)
    rows = await tx.rows(query.with_for_update(key_share=True) if lock else query)
    return rows[0] if rows else None


async def _of_site(tx: Transaction, name_or_id: str) -> Subscription | None:
    meant = or_(site.c.id == name_or_id, site.c.name == name_or_id)
    rows = await tx.rows(_subscriptions().where(meant).order_by((site.c.id == name_or_id).desc()).limit(1))
    return _subscription(rows[0]) if rows else None


def _values(one: Subscription) -> Values:
    return {
        "customer": one.customer,
        "formula": one.formula,
        "technology": one.technology.value,
        "options": sorted(one.options),
        "activated_at": one.activated_at,
        "representatives": [{"name": who.name, "email": who.email} for who in one.representatives],
        "language": one.language,
    }


def _subscription(row: AnyRow) -> Subscription:
    return Subscription(
        site_id=row.site_id,
        site=row.site,
        customer=row.customer,
        formula=row.formula,
        technology=LineKind(row.technology),
        options=frozenset(row.options),
        activated_at=row.activated_at,
        representatives=tuple(Representative(who["name"], who["email"]) for who in row.representatives),
        revision=row.revision,
        catalogue_version=row.catalogue_version,
        language=row.language,
    )
