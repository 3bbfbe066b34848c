"""Catalogues as plain data, as a version of them is kept: what was read once needs no reading of a file again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.catalogue import (
    CatalogueComponent,
    Formula,
    ServiceCatalogue,
    Speed,
    Terms,
    Volume,
)


def service_to_data(catalogue: ServiceCatalogue) -> dict[str, Any]:
    """Without its version. Equal catalogues give equal data, in any order of what has none."""
    return {
        "components": {one.id: _component_to_data(one) for one in catalogue.components.values()},
        "formulas": {one.id: _formula_to_data(one) for one in catalogue.formulas.values()},
        "reserved_ports": sorted(catalogue.reserved_ports),
        "port_presets": {name: list(ports) for name, ports in catalogue.port_presets.items()},
        "change_window": catalogue.change_window,
        "holidays": catalogue.holidays,
        "free_days": catalogue.free_days,
        "installation_days": catalogue.installation_days,
        "rush_days": catalogue.rush_days,
    }


def service_from_data(data: Mapping[str, Any], version: int) -> ServiceCatalogue:
    return ServiceCatalogue(
        version=version,
        components={name: _component(name, one) for name, one in data["components"].items()},
        formulas={name: _formula(name, one) for name, one in data["formulas"].items()},
        reserved_ports=frozenset(data["reserved_ports"]),
        port_presets={name: tuple(ports) for name, ports in data["port_presets"].items()},
        change_window=data["change_window"],
        holidays=data["holidays"],
        free_days=data["free_days"],
        installation_days=data["installation_days"],
        rush_days=data["rush_days"],
    )


def entries_to_data(entries: Mapping[str, EntryTerms]) -> dict[str, Any]:
    return {
        one.type: {
            "version": one.version,
            "title": one.title,
            "section": one.section,
            "components": list(one.components),
            "standard": one.standard,
            "fee": one.fee,
            "enabled": one.enabled,
        }
        for one in entries.values()
    }


def entries_from_data(data: Mapping[str, Any]) -> dict[str, EntryTerms]:
    return {
        name: EntryTerms(type=name, **{**one, "components": tuple(one["components"])}) for name, one in data.items()
    }


def digest_of(service: ServiceCatalogue, entries: Mapping[str, EntryTerms]) -> str:
    """Of what both say, in 64 hex digits; remarks and the order of tables in a file are no part of it."""
    data = json.dumps([service_to_data(service), entries_to_data(entries)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def _component_to_data(one: CatalogueComponent) -> dict[str, Any]:
    return {
        "title": one.title,
        "section": one.section,
        "by_use": one.by_use,
        "technologies": sorted(kind.value for kind in one.technologies),
        "closed_since": None if one.closed_since is None else one.closed_since.isoformat(),
    }


def _component(name: str, data: Mapping[str, Any]) -> CatalogueComponent:
    closed = data["closed_since"]
    return CatalogueComponent(
        id=name,
        title=data["title"],
        section=data["section"],
        by_use=data["by_use"],
        technologies=frozenset(map(LineKind, data["technologies"])),
        closed_since=None if closed is None else date.fromisoformat(closed),
    )


def _formula_to_data(one: Formula) -> dict[str, Any]:
    return {
        "titles": {kind.value: title for kind, title in one.titles.items()},
        "terms": {name: terms.value for name, terms in one.terms.items()},
        "speeds": {
            kind.value: {option: [speed.down, speed.up] for option, speed in speeds.items()}
            for kind, speeds in one.speeds.items()
        },
        "volume": {"gigabytes": one.volume.gigabytes, "above": one.volume.above},
        "end_users": one.end_users,
        "mailboxes": one.mailboxes,
        "router": one.router,
        "incident_schedule": one.incident_schedule,
    }


def _formula(name: str, data: Mapping[str, Any]) -> Formula:
    return Formula(
        id=name,
        titles={LineKind(kind): title for kind, title in data["titles"].items()},
        terms={component: Terms(terms) for component, terms in data["terms"].items()},
        speeds={
            LineKind(kind): {option: Speed(*speed) for option, speed in speeds.items()}
            for kind, speeds in data["speeds"].items()
        },
        volume=Volume(**data["volume"]),
        end_users=data["end_users"],
        mailboxes=data["mailboxes"],
        router=data["router"],
        incident_schedule=data["incident_schedule"],
    )
