"""Where subscriptions are kept. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.subscriptions import Subscription


class SubscriptionStore(Protocol):
    async def put(
        self, subscription: Subscription, *, at: datetime, by: str, revision: int | None = None
    ) -> Subscription:
        """Written over ``revision`` alone, where that is given (0: there is none yet). Emits ``subscription.changed``.
        Raises ``NotFound`` for a site that there is none of, ``Conflict`` for another revision."""
        ...

    async def of_site(self, site: str) -> Subscription | None:
        """By name or id."""
        ...

    async def knows(self, site: str) -> bool:
        """Whether there is such a site, by name or id, with a subscription or without."""
        ...

    async def of_sites(self, site_ids: Collection[str]) -> Sequence[Subscription]: ...

    async def list(
        self, *, sites: Collection[str] | None = None, formula: str | None = None, after: str | None = None,
        limit: int = 50,
    ) -> Page[Subscription]:  # fmt: skip
        """By the names of sites; ``sites`` None: all."""
        ...

    async def activated(self, site_id: str, at: datetime) -> None:
        """Set the activation date (§4.2), once: one that is set stays."""
        ...
