"""The report of an activation: what was ordered, what was done, every test with its verdict; as data and as a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cpe_manager.domain.activation.activation_flow import Entry
from cpe_manager.domain.activation.activations import ActivationReport, TestRound, Verdict
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.working_days import local_day
from cpe_manager.ports.activations import ReportPages
from cpe_manager.services.activation.parts import ActivationStores, House, Trip


class Reporting:
    def __init__(self, stores: ActivationStores, house: House, pages: ReportPages) -> None:
        self._stores, self._house, self._pages = stores, house, pages

    async def make(self, trip: Trip, number: int, *, passed: bool, reason: str) -> ActivationReport:
        """``number`` counts from 1; ``reason``: why it did not pass. Raises ``InputError`` when no page comes of it."""
        data = await self._data(trip, number, passed, reason)
        made = ActivationReport(
            trip.id, number, self._house.outside.clock.now(), passed, data, await self._pages.html(data)
        )
        trip.progress = replace(trip.progress, reports=number)
        return made

    async def _data(self, trip: Trip, number: int, passed: bool, reason: str) -> dict[str, Any]:
        one, progress, zone = trip.activation, trip.progress, self._house.terms.zone
        catalogue = await self._stores.catalogues.version(one.catalogue_version)
        subscription = await self._stores.subscriptions.of_site(one.site_id)
        formula = catalogue.formulas.get(one.formula)
        now = self._house.outside.clock.now()
        tested = progress.rounds[-1] if progress.rounds else None
        rush = one.said.rush
        return {
            "activation_id": one.id,
            "number": number,
            "passed": passed,
            "reason": reason,
            "made_at": now.isoformat(),
            "made_on": local_day(now, zone).isoformat(),
            "site": one.site,
            "device": one.device,
            "customer": "" if subscription is None else subscription.customer,
            "language": "en" if subscription is None else subscription.language,
            "formula": one.formula,
            "title": one.formula if formula is None else formula.titles.get(one.technology, one.formula),
            "technology": one.technology.value,
            "options": [_titled(catalogue, option) for option in trip.order.options],
            "catalogue_version": one.catalogue_version,
            "router": one.router,
            "order": one.order,
            "ordered_on": local_day(one.created_at, zone).isoformat(),
            "ordered_by": one.requested_by,
            "due_on": local_day(one.promise.due_at, zone).isoformat(),
            "in_time": now <= one.promise.due_at,
            "rush": one.rush,
            "rush_answer": "" if rush is None else _answered(rush.feasible, str(rush.day or ""), rush.reason),
            "backup": await self._backup(progress.backup_id),
            "steps": [_step(entry) for entry in trip.journal if entry.result is not None],
            "rounds": len(progress.rounds),
            "tests": [] if tested is None else [test.to_data() for test in tested.results],
            "counts": _counts(tested),
        }

    async def _backup(self, backup_id: str | None) -> dict[str, Any]:
        if backup_id is None:
            return {}
        try:
            found = await self._stores.backups.backup(backup_id)
        except NotFound:
            return {}
        return {"version": found.number, "at": found.captured_at.isoformat()}


def _answered(feasible: bool, day: str, reason: str) -> str:
    told = f"feasible on {day}" if feasible else "not feasible"
    return f"{told}: {reason}" if reason else told


def _titled(catalogue: ServiceCatalogue, option: str) -> dict[str, str]:
    component = catalogue.components.get(option)
    return {"id": option, "title": option if component is None else component.title}


def _step(entry: Entry) -> dict[str, str]:
    assert entry.result is not None
    return {
        "step": entry.step.value, "at": entry.at.isoformat(), "result": entry.result.value, "reason": entry.reason,
    }  # fmt: skip


def _counts(tested: TestRound | None) -> dict[str, int]:
    results = () if tested is None else tested.results
    return {verdict.value: sum(one.verdict is verdict for one in results) for verdict in Verdict}
