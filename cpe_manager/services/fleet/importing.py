"""Importing inventory files: parse, plan, apply in one transaction, then first backups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_plan import Existing, FieldChange, ImportPlan, PlanOptions, plan
from cpe_manager.ports.inventory_source import InventorySources, SourceFile
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.fleet.inventory import EVERY_STATE, Inventory, site_ids


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """``format`` None: told from the first file. ``options`` are the format's own."""

    files: tuple[SourceFile, ...]
    by: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    suspend_missing: bool = False
    """Suspend active devices that the files do not list; ``scope`` limits that to groups and those below them."""
    scope: tuple[str, ...] | None = None
    make_groups: bool = True
    """Make groups that devices name and that do not exist, with a warning; False refuses them."""
    backup: bool = True
    """Back up what comes into service right away (§4.2)."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """``action``: added, changed, suspended, resumed or replaced."""

    action: str
    name: str
    site: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or with ``dry_run`` would do. What is wrong is raised, never reported."""

    format: str
    dry_run: bool
    plan: ImportPlan

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.plan.warnings

    @property
    def counts(self) -> dict[str, int]:
        names = ("added", "changed", "suspended", "resumed", "replaced", "unchanged", "groups")
        return {name: len(getattr(self.plan, name)) for name in names}

    @property
    def rows(self) -> tuple[ImportRow, ...]:
        """One for each device that differs."""
        added = (ImportRow("added", device.name, device.site) for device in self.plan.added)
        changed = (
            ImportRow(action, change.after.name, change.after.site, change.fields)
            for action in ("changed", "suspended", "resumed", "replaced")
            for change in getattr(self.plan, action)
        )
        return (*added, *changed)


class Importer:
    """Shares the inventory's lock, so that an import and a verb never overwrite each other."""

    def __init__(self, inventory: Inventory, sources: InventorySources) -> None:
        self._inventory, self._sources = inventory, sources

    async def run(self, request: ImportRequest) -> ImportReport:
        """All or nothing. Raises ``InputError`` or ``ImportErrors`` with every problem and its place."""
        if not request.files:
            raise InputError("there is no file to import")
        name = request.format or self._sources.detect(request.files[0].name, request.files[0].text)
        # A file of 100,000 devices takes seconds to read: off the loop, which has sessions to serve.
        document = await asyncio.to_thread(self._sources.parse, name, request.files, request.options)
        inventory = self._inventory
        async with inventory.writing:
            existing = Existing(
                await inventory.store.all_devices(DeviceFilter(states=EVERY_STATE)), await inventory.store.groups()
            )
            options = PlanOptions(request.suspend_missing, request.scope, make_groups=request.make_groups)
            planned = await asyncio.to_thread(plan, existing, document, inventory.known(), options)
            if request.dry_run:
                return ImportReport(name, True, planned)
            written = await inventory.apply(planned, site_ids(existing), by=request.by)
        warning = await inventory.first_backup(written.first_backup if request.backup else ())
        if warning is not None:
            planned = replace(planned, warnings=(*planned.warnings, warning))
        return ImportReport(name, False, planned)
