"""Subscriptions as people and programs see them: what a site has, what it is entitled to, many at once from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cpe_manager.domain.access.access import Permission, Principal, bound, require, require_site
from cpe_manager.domain.errors import Conflict, CpeManagerError, InputError, NotFound
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.catalogue import Formula, ServiceCatalogue, Speed
from cpe_manager.domain.subscription.entitlement import all_entitled, speed_of
from cpe_manager.domain.subscription.subscription_rules import NEEDED, subscription_of
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation, Subscription
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.subscriptions import SubscriptionStore

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """One row of an import. ``number``: for messages, such as the line of the file."""

    number: int
    site: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row."""

    number: int
    site: str
    result: Literal["new", "changed", "unchanged", "refused"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entitlements:
    """What a subscription comes to under the catalogue in force. ``formula`` None: the catalogue has it no more.
    ``catalogue_version``: that it was judged by."""

    subscription: Subscription
    catalogue_version: int
    formula: Formula | None
    speed: Speed | None
    operations: Mapping[Operation, Entitled]


class Subscriptions:
    """Customers see what belongs to their sites; of any other one they are told that it does not exist."""

    def __init__(self, store: SubscriptionStore, catalogues: Catalogues, clock: Clock) -> None:
        self._store, self._catalogues, self._clock = store, catalogues, clock

    async def list(
        self, principal: Principal, *, formula: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Subscription]:
        """By the names of sites."""
        require(principal, Permission.SEE_CHANGES)
        return await self._store.list(sites=bound(principal), formula=formula, after=after, limit=limit)

    async def show(self, site: str, principal: Principal) -> Subscription:
        """By the site's name or id. Raises ``NotFound``."""
        require(principal, Permission.SEE_CHANGES)
        found = await self._store.of_site(site)
        if found is None:
            require_site(principal, site, "subscription")
            raise NotFound(f"site {site} has no subscription, or there is no such site")
        require_site(principal, found.site, "subscription")
        return found

    async def entitlements(self, site: str, principal: Principal) -> Entitlements:
        """Raises ``NotFound``."""
        return entitlements(await self._catalogues.current(), await self.show(site, principal))

    async def put(
        self, site: str, values: Mapping[str, object], principal: Principal, *,
        revision: int | None = None, whole: bool = False,
    ) -> Subscription:  # fmt: skip
        """Make or change it. ``values`` as ``domain.subscription.subscription_rules`` reads them; ``whole``: what is
        not given is as for a new one (but the activation date, which stays), else as it was. ``revision``: written over
        that one alone (0: there is none yet).

        Raises ``InputError`` with the field, ``NotFound`` for a site that there is none of, ``Conflict`` for another
        revision.
        """
        require(principal, Permission.OPERATE)
        before = await self._store.of_site(site)
        wanted = await self._wanted(site, values, before, whole=whole)
        return await self._store.put(wanted, at=self._clock.now(), by=principal.name, revision=revision)

    async def import_rows(
        self, rows: Sequence[SubscriptionRow], principal: Principal, *, dry_run: bool = False
    ) -> Sequence[RowResult]:  # fmt: skip
        """Make or change many; what is wrong with one row stops no other. What a row does not say stays as it was."""
        require(principal, Permission.OPERATE)
        known: dict[str, int] = {}
        results = []
        for row in rows:
            first = known.setdefault(row.site, row.number)
            if first != row.number:
                results.append(RowResult(row.number, row.site, "refused", f"row {first} is of this site already"))
                continue
            results.append(await self._row(row, principal, dry_run=dry_run))
        return results

    async def _row(self, row: SubscriptionRow, principal: Principal, *, dry_run: bool) -> RowResult:
        try:
            before, after = await self._tried(row, principal, dry_run=dry_run)
        except CpeManagerError as error:
            if error.retryable:  # the database: nothing that is wrong with this row
                raise
            return RowResult(row.number, row.site, "refused", str(error))
        if before is None:
            return RowResult(row.number, row.site, "new")
        told = replace(after, revision=before.revision, catalogue_version=before.catalogue_version)
        return RowResult(row.number, row.site, "unchanged" if told == before else "changed")

    async def _tried(
        self, row: SubscriptionRow, principal: Principal, *, dry_run: bool
    ) -> tuple[Subscription | None, Subscription]:
        """Read again when somebody else writes meanwhile: what a row does not say is as it is then."""
        for left in reversed(range(_TRIES)):
            before = await self._store.of_site(row.site)
            after = await self._wanted(row.site, row.values, before, whole=False)
            if dry_run:
                if before is None and not await self._store.knows(row.site):
                    raise NotFound(f"no such site: {row.site}")
                break
            revision = 0 if before is None else before.revision
            try:
                after = await self._store.put(after, at=self._clock.now(), by=principal.name, revision=revision)
                break
            except Conflict:
                if not left:
                    raise
        return before, after

    async def _wanted(
        self, site: str, values: Mapping[str, object], before: Subscription | None, *, whole: bool
    ) -> Subscription:  # fmt: skip
        if not site.strip():
            raise InputError("site: is empty; name one")
        catalogue, now = await self._catalogues.current(), self._clock.now()
        if before is None:
            return replace(subscription_of(values, None, catalogue, now), site=site)
        if whole:
            if missing := [name for name in NEEDED if not values.get(name)]:
                raise InputError(f"{', '.join(missing)} of a subscription: missing")
            values = {"options": None, "representatives": None, "language": None, **values}
        return subscription_of(values, before, catalogue, now)


def entitlements(catalogue: ServiceCatalogue, subscription: Subscription) -> Entitlements:
    return Entitlements(
        subscription,
        catalogue.version,
        catalogue.formulas.get(subscription.formula),
        speed_of(catalogue, subscription),
        all_entitled(catalogue, subscription),
    )
