"""Imports of inventory files: all of it, or nothing when anything is wrong."""

from __future__ import annotations

from fastapi import APIRouter

from cpe_manager.api.deps import ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.devices import ImportBody, ImportView
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.services.fleet.importing import ImportRequest

router = APIRouter(prefix="/imports", tags=["imports"], responses=documented("conflict"))


@router.post("", operation_id="importInventory", summary="Import inventory files, or show what that would change")
async def run(body: ImportBody, services: ServicesDep, caller: Writer) -> ImportView:
    report = await services.importer.run(
        ImportRequest(
            files=tuple(SourceFile(file.name, file.text) for file in body.files),
            by=caller.name,
            format=body.format,
            options=body.options,
            dry_run=body.dry_run,
            suspend_missing=body.suspend_missing,
            scope=tuple(body.scope) if body.scope is not None else None,
            make_groups=body.make_groups,
            backup=body.backup,
        )
    )
    return ImportView.of(report)
