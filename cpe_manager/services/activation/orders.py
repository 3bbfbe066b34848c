"""Activations as people and programs see them: order one, look at it, answer a rush, retry, call off, read the report.

Nothing is configured here: what is said is written down with a ticket, and the keeper does the work.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from cpe_manager.domain.activation.activation_flow import State
from cpe_manager.domain.activation.activation_rules import LONGEST_AHEAD, check, check_day, promise_of
from cpe_manager.domain.activation.activations import (
    Activation,
    ActivationOrder,
    ActivationRecord,
    ActivationReport,
    Progress,
    RushAnswer,
    order_of,
)
from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.domain.working_days import WorkingDay, local_day, promised, weekday
from cpe_manager.ports.activations import TICKET, ActivationFilter
from cpe_manager.ports.engine import Engine, Ticket
from cpe_manager.services.access.sighting import device_for
from cpe_manager.services.activation.parts import ActivationStores, House, event_of, wanted_subscription

_AROUND: Final = timedelta(days=LONGEST_AHEAD + 60)


@dataclass(frozen=True, slots=True)
class ActivationAsked:
    """``device``: the box at the site, as the inventory knows it. ``order``: plain data as ``order_of`` reads it."""

    device: str
    order: dict[str, Any] = field(repr=False)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RushSaid:
    """``day``: the one that is promised; None: the one that was asked for."""

    feasible: bool
    day: date | None = None
    reason: str = ""


class Activations:
    def __init__(self, stores: ActivationStores, engine: Engine, house: House) -> None:
        self._stores, self._engine, self._house, self._outside = stores, engine, house, house.outside

    async def order(self, asked: ActivationAsked, *, by: str) -> Activation:
        """The activation, about to be worked on; the one that has the same key already, if any.

        Raises ``InputError`` with the field for what is wrong with the order or not part of the formula, ``NotFound``
        for a device that there is none of, and ``Conflict`` for one that is not in service, or whose site is being
        activated already.
        """
        order = order_of(asked.order)
        view = await self._stores.inventory.device(asked.device)
        device, catalogue = view.device, await self._stores.catalogues.current()
        if device.state is not LifeState.ACTIVE:
            raise Conflict(f"{device.name} is {device.state}; only active devices are configured")
        now = self._outside.clock.now()
        ids = self._outside.ids
        promise = promise_of(order, catalogue, now, self._working(catalogue.holidays, now), self._house.terms.zone)
        formula = catalogue.formulas.get(order.formula)
        made = Activation(
            id=ids.new(),
            site_id=device.site_id,
            site=device.site,
            device_id=device.id,
            device=device.name,
            formula=order.formula,
            technology=order.technology,
            catalogue_version=catalogue.version,
            order=order.shown(),
            created_at=now,
            requested_by=by,
            promise=promise,
            rush=order.rush,
            router=formula is None or formula.router,
            key=f"{by}:{asked.key}" if asked.key else None,
            progress=Progress(not_before=now),
        )
        before = await self._stores.subscriptions.of_site(device.site_id)
        check(order, wanted_subscription(made, order, before), catalogue)
        sealed = self._outside.vault.seal_note(ids.new(), json.dumps(order.to_data()))
        found = await self._stores.activations.create(made, sealed)
        if found.id == made.id:
            await self._engine.enqueue([Ticket(TICKET, found.id)])
        return found

    async def order_behind(self, ref: str) -> ActivationOrder:
        """What was ordered, secrets included: for those who work on it, never for an answer."""
        one = (await self._stores.activations.activation(ref)).activation
        return order_of(json.loads(self._outside.vault.open_note(await self._stores.activations.order(one.id))))

    async def list(
        self, wanted: ActivationFilter, *, device: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Activation]:
        """Newest first. Raises ``NotFound`` for a device that there is none of within ``wanted.sites``."""
        if device is not None:
            found = await device_for(self._stores.inventory, device, wanted.sites)
            wanted = replace(wanted, device_id=found.id)
        return await self._stores.activations.activations(wanted, after=after, limit=limit)

    async def show(self, ref: str, sites: Collection[str] | None = None) -> ActivationRecord:
        """By id, or the latest of a site or a device. Raises ``NotFound``, also for one outside ``sites``."""
        return await self._stores.activations.activation(ref, sites)

    async def report(
        self, ref: str, number: int | None = None, sites: Collection[str] | None = None
    ) -> ActivationReport:
        """None: the latest. Raises ``NotFound``, also while there is none."""
        one = (await self._stores.activations.activation(ref, sites)).activation
        return await self._stores.activations.report(one.id, number)

    async def answer_rush(self, ref: str, said: RushSaid, *, by: str) -> Activation:
        """Whether the day that was asked for can be kept (§4.3). What is not feasible goes on as any other, within the
        ordinary time. Raises ``Conflict`` where none was asked for or it was answered otherwise, ``InputError`` without
        a date or a reason."""
        one = (await self._stores.activations.activation(ref)).activation
        if not one.rush:
            raise Conflict(f"no rush was asked for at {one.site}")
        now, zone = self._outside.clock.now(), self._house.terms.zone
        day = (said.day or self._wished(one)) if said.feasible else None
        answer = RushAnswer(said.feasible, by, now, day, said.reason.strip())
        if (given := one.said.rush) is not None:
            if (given.feasible, given.day) == (answer.feasible, answer.day):
                return one
            raise Conflict(f"the rush of {one.site} was answered already, by {given.by}")
        promise = None
        if day is not None:
            check_day(day, local_day(now, zone))
            catalogue = await self._stores.catalogues.version(one.catalogue_version)
            working = self._working(catalogue.holidays, one.created_at)
            promise = replace(promised(now, day, working, zone), answer_by=one.promise.answer_by)
        told = f"feasible on {day}" if day is not None else f"not feasible: {answer.reason}"
        event = event_of(
            one, "rush_answered", self._outside, told, feasible=answer.feasible, by=by,
            day=None if day is None else day.isoformat(),
        )  # fmt: skip
        return await self._said(await self._stores.activations.say(one, replace(one.said, rush=answer), event, promise))

    @staticmethod
    def _wished(one: Activation) -> date | None:
        text = str(one.order.get("ready_for_service", ""))
        return date.fromisoformat(text) if text else None

    async def retry(self, ref: str, *, by: str) -> Activation:
        """Have one that has failed tried again, all of it. Raises ``Conflict`` for any other."""
        one = (await self._stores.activations.activation(ref)).activation
        if one.progress.state is not State.FAILED or one.said.retries >= one.progress.failures:
            raise Conflict(f"the activation of {one.site} is {one.progress.state}; only one that failed is tried again")
        said = replace(one.said, retries=one.progress.failures)
        event = event_of(one, "retried", self._outside, f"by {by}", by=by)
        return await self._said(await self._stores.activations.say(one, said, event))

    async def cancel(self, ref: str, *, by: str) -> Activation:
        """Call it off; a push on its way is taken back first. What was configured before stays, and so does the
        subscription. Raises ``Conflict`` when it has ended."""
        one = (await self._stores.activations.activation(ref)).activation
        if one.said.cancelled_by is not None and one.progress.ended_at is None:
            return one
        event = event_of(one, "cancelling", self._outside, f"by {by}", by=by)
        return await self._said(
            await self._stores.activations.say(one, replace(one.said, cancelled_by=by), event)
        )  # fmt: skip

    async def _said(self, one: Activation) -> Activation:
        await self._engine.enqueue([Ticket(TICKET, one.id)])
        return one

    def _working(self, country: str, at: datetime) -> WorkingDay:
        day = at.date()
        free = frozenset(self._house.holidays.between(country, day - _AROUND, day + _AROUND))
        return lambda one: weekday(one) and one not in free
