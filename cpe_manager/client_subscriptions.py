"""The part of the typed client that speaks of catalogues and subscriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cpe_manager.api.schemas.catalogue import CatalogueView, VersionView
from cpe_manager.api.schemas.subscriptions import EntitlementsView, SubscriptionImportView, SubscriptionView
from cpe_manager.client_http import IMPORT_TIMEOUT, Http, part


class SubscriptionCalls(Http):
    def catalogue(self, version: int | None = None) -> CatalogueView:
        """``version`` None: the one in force."""
        return self.get("/catalogue" if version is None else f"/catalogue/versions/{version}", CatalogueView)

    def catalogue_versions(self, *, limit: int | None = None) -> Iterator[VersionView]:
        return self.pages("/catalogue/versions", VersionView, limit=limit)

    def subscriptions(self, *, limit: int | None = None, **where: Any) -> Iterator[SubscriptionView]:
        return self.pages("/subscriptions", SubscriptionView, limit=limit, **where)

    def subscription(self, site: str) -> SubscriptionView:
        return self.get(f"/subscriptions/{part(site)}", SubscriptionView)

    def entitlements(self, site: str) -> EntitlementsView:
        return self.get(f"/subscriptions/{part(site)}/entitlements", EntitlementsView)

    def put_subscription(self, site: str, body: Mapping[str, Any], *, match: int | None = None) -> SubscriptionView:
        """``match``: the revision that was read; 0: there is none yet."""
        return self.put(f"/subscriptions/{part(site)}", SubscriptionView, body, match=match)

    def import_subscriptions(self, body: Mapping[str, Any]) -> SubscriptionImportView:
        return self.post("/subscription-imports", SubscriptionImportView, body, timeout=IMPORT_TIMEOUT)
