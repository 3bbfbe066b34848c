"""Asks the one function of entitlement for the paths that act: pushes, replacements, lines (§2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.subscription.entitlement import IDS, Component, entitled, part_of
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.ports.subscriptions import SubscriptionStore


class Entitling:
    """``ports.entitlement.Entitlement`` over subscriptions. A site without one is not judged, and that is told."""

    def __init__(self, catalogues: Catalogues, subscriptions: SubscriptionStore) -> None:
        self._catalogues, self._subscriptions = catalogues, subscriptions

    async def of_site(self, site: str, operation: Operation) -> Entitled | None:
        """None: the site (by name or id) has no subscription."""
        subscription = await self._subscriptions.of_site(site)
        if subscription is None:
            return None
        return entitled(await self._catalogues.current(), subscription, operation)

    async def of_sites(self, site_ids: Collection[str], operation: Operation) -> Mapping[str, Entitled]:
        """By the id of the site; those without a subscription are left out."""
        found = await self._subscriptions.of_sites(site_ids)
        if not found:
            return {}
        catalogue = await self._catalogues.current()
        return {one.site_id: entitled(catalogue, one, operation) for one in found}

    async def judge(
        self, device: Device, components: Sequence[Component], operation: Operation = Operation.CONFIGURE
    ) -> Sequence[Finding]:
        """A push configures the box, whatever it brings into use: on a customer's own router nothing is (§5.2.1)."""
        subscription = await self._subscriptions.of_site(device.site_id)
        if subscription is None:
            told = f"no subscription of {device.site} is known"
            return [Finding(Check.NOT_JUDGED, f"{told}: {one} is not judged", refuses=False) for one in components]
        catalogue = await self._catalogues.current()
        answers = [entitled(catalogue, subscription, operation)]
        if answers[0].allowed:
            answers = [part_of(catalogue, subscription, IDS[one]) for one in components]
        return [Finding(Check.ENTITLEMENT, one.reason) for one in answers if not one.allowed]
