"""The catalogues that come with the product, for whoever judges by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cpe_manager.adapters.catalogue_reading import read_entries, read_service
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue, Terms
from cpe_manager.domain.subscription.entitlement import NEEDS
from cpe_manager.domain.subscription.subscriptions import Representative, Subscription

CONFIG = Path(__file__).parents[2] / "config"


@cache
def shipped_catalogue() -> ServiceCatalogue:
    """As version 1."""
    path = CONFIG / "service-catalogue.toml"
    return replace(read_service(path.read_text(encoding="utf-8"), str(path)), version=1)


@cache
def shipped_entries() -> Mapping[str, EntryTerms]:
    path = CONFIG / "change-catalogue.toml"
    return read_entries(path.read_text(encoding="utf-8"), str(path), NEEDS)


def all_options(formula: str, technology: LineKind) -> frozenset[str]:
    """Every option that the formula has on a technology."""
    catalogue = shipped_catalogue()
    terms = catalogue.formulas[formula].terms
    return frozenset(
        name
        for name, one in catalogue.components.items()
        if terms[name] is Terms.OPTION and technology in one.technologies
    )


def a_subscription(site: str = "s1", **more: Any) -> Subscription:
    """Pro+ on copper without options, unless something else is said."""
    values: dict[str, Any] = {
        "site_id": "5" * 32,
        "site": site,
        "customer": "Bakkerij Peeters",
        "formula": "pro-plus",
        "technology": LineKind.COPPER,
        "activated_at": datetime(2026, 1, 5, 9, tzinfo=UTC),
        "representatives": (Representative("An Peeters", "an@bakkerij.example"),),
    }
    return Subscription(**(values | more))
