"""Versions of a device, differences, decisions on quarantined ones, and the jobs over what is stored."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from cpe_manager.api.deps import (
    MOST_VERSIONS,
    Cursor,
    IdempotencyKey,
    Limit,
    OriginalsReader,
    Reader,
    ServicesDep,
    Writer,
    accepted,
    occurrence_of,
)
from cpe_manager.api.problems import documented
from cpe_manager.api.routes.devices import group_names
from cpe_manager.api.schemas.backups import BackupView, DiffView, FileView, NeutralView, RunBody, TextView
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.domain.backup.backups import Backup, BackupState, FileInfo
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.jobs import Job, JobKind
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.bundle import Services
from cpe_manager.services.jobs.jobs import RunRequest

router = APIRouter(tags=["backups"], responses=documented("not_found", "conflict"))

Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS, description="A version's number")]
Version = Annotated[Number | Literal["current"], Path(description="A number, or `current`: the last good one")]
Decidable = Annotated[Number | Literal["quarantined"], Path(description="A number, or `quarantined`: the newest one")]
Optional = Annotated[int | None, Query(ge=1, le=MOST_VERSIONS)]


@router.post("/backups", status_code=202, operation_id="runBackup", summary="Back up devices now")
async def run(
    body: RunBody, services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None
) -> JobView:
    occurrence = occurrence_of("backup", caller.name, key)

    async def start() -> Job | None:
        where = await _where(services, body)
        return await services.jobs.start_backup(RunRequest("manual", where, by=caller.name, occurrence=occurrence))

    return accepted(services, response, await services.jobs.once(occurrence, start))


async def _where(services: Services, body: RunBody) -> DeviceFilter:
    names = tuple(dict.fromkeys(body.names)) if body.names is not None else None
    return DeviceFilter(names=names, groups=await group_names(services, body.group))


async def _simple(services: Services, kind: JobKind, by: str, key: str | None) -> Job:
    occurrence = occurrence_of(kind, by, key)
    return await services.jobs.once(occurrence, lambda: services.jobs.start(kind, {}, by=by, occurrence=occurrence))


@router.get("/devices/{name}/backups", operation_id="listBackups", summary="Versions of a device, newest first")
async def versions(
    name: str,
    services: ServicesDep,
    _caller: Reader,
    state: BackupState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[BackupView]:
    page = await services.history.versions(name, after=cursor, limit=limit, state=state)
    drilled = await services.drills.of([backup.id for backup in page.items])
    return paged(page, lambda backup: BackupView.of(backup, drilled.get(backup.id)))


@router.get("/devices/{name}/backups/{version}", operation_id="getBackup", summary="One version, without its text")
async def show(name: str, version: Version, services: ServicesDep, _caller: Reader) -> BackupView:
    backup = await services.history.find(name, _number(version))
    return BackupView.of(backup, (await services.drills.of([backup.id])).get(backup.id))


def _number(version: int | str) -> int | None:
    return version if isinstance(version, int) else None


@router.get("/devices/{name}/backups/{version}/text", operation_id="getBackupText", summary="The redacted view")
async def text(name: str, version: Version, services: ServicesDep, _caller: Reader) -> TextView:
    backup = await services.history.find(name, _number(version))
    return TextView(backup=BackupView.of(backup), redacted=True, text=await services.history.text(backup))


@router.get(
    "/devices/{name}/backups/{version}/original",
    operation_id="getBackupOriginal",
    summary="The restore-grade original, secrets included; leaves an event",
    responses=documented("not_found", "conflict", "key", "seal_broken"),
)
async def original(
    name: str, version: Version, services: ServicesDep, caller: OriginalsReader, response: Response
) -> TextView:
    backup = await services.history.find(name, _number(version))
    response.headers["Cache-Control"] = "no-store"
    found = await services.history.original(backup, by=caller.name)
    return TextView(backup=BackupView.of(backup), redacted=False, text=found)


@router.get(
    "/devices/{name}/backups/{version}/neutral",
    operation_id="getBackupNeutral",
    summary="What the version says, in the words of the vendor-neutral model",
    responses=documented("not_found", "conflict", "key", "seal_broken"),
)
async def neutral(name: str, version: Version, services: ServicesDep, _caller: Reader) -> NeutralView:
    backup = await services.history.find(name, _number(version))
    return NeutralView(backup=BackupView.of(backup), config=dict(await services.history.neutral(backup)))


@router.get(
    "/devices/{name}/backups/{version}/file",
    operation_id="getBackupFile",
    summary="The box's own backup file beside the version: what it is, not what is in it",
)
async def file(name: str, version: Version, services: ServicesDep, _caller: Reader) -> FileView:
    backup = await services.history.find(name, _number(version))
    info = await services.history.file(backup)
    if info is None:
        raise NotFound(f"no file of {name}'s own making is kept beside version {backup.number}")
    return _file_view(backup, info)


@router.get(
    "/devices/{name}/backups/{version}/file/content",
    operation_id="getBackupFileContent",
    summary="The box's own backup file, secrets included; leaves an event",
    responses=documented("not_found", "conflict", "key", "seal_broken"),
)
async def file_content(
    name: str, version: Version, services: ServicesDep, caller: OriginalsReader, response: Response
) -> FileView:
    backup = await services.history.find(name, _number(version))
    response.headers["Cache-Control"] = "no-store"
    info, content = await services.history.open_file(backup, by=caller.name)
    return _file_view(backup, info, content)


def _file_view(backup: Backup, info: FileInfo, content: bytes | None = None) -> FileView:
    return FileView(
        backup=BackupView.of(backup),
        name=info.name,
        media_type=info.media_type,
        size=info.size,
        sha256=info.sha256,
        content=None if content is None else base64.b64encode(content).decode(),
    )


@router.get("/devices/{name}/diff", operation_id="diffBackups", summary="What changed between two versions")
async def diff(
    name: str,
    services: ServicesDep,
    _caller: Reader,
    older: Annotated[Optional, Query(alias="from", description="Default: the good version before the newest")] = None,
    newer: Annotated[Optional, Query(alias="to", description="Default: the newest good version")] = None,
    context: Annotated[int, Query(ge=0, le=100, description="Unchanged lines around a change")] = 3,
) -> DiffView:
    found = await services.history.diff(name, older, newer, context=context)
    return DiffView(
        older=BackupView.of(found.older),
        newer=BackupView.of(found.newer),
        text=found.diff.text,
        added=found.diff.added,
        removed=found.diff.removed,
    )


@router.post(
    "/devices/{name}/backups/{version}/accept",
    operation_id="acceptBackup",
    summary="Take a quarantined version into the history",
)
async def accept(name: str, version: Decidable, services: ServicesDep, caller: Writer) -> BackupView:
    return BackupView.of(await services.history.decide(name, _number(version), accept=True, by=caller.name))


@router.post(
    "/devices/{name}/backups/{version}/refuse", operation_id="refuseBackup", summary="Refuse a quarantined version"
)
async def refuse(name: str, version: Decidable, services: ServicesDep, caller: Writer) -> BackupView:
    return BackupView.of(await services.history.decide(name, _number(version), accept=False, by=caller.name))


@router.post(
    "/verifications", status_code=202, operation_id="verifyBackups", summary="Open and re-hash everything stored"
)
async def verify(services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None) -> JobView:
    return accepted(services, response, await _simple(services, JobKind.VERIFY, caller.name, key))


@router.post(
    "/exports", status_code=202, operation_id="exportBackups", summary="Write the redacted views to the git repository"
)
async def export(services: ServicesDep, caller: Writer, response: Response, key: IdempotencyKey = None) -> JobView:
    return accepted(services, response, await _simple(services, JobKind.EXPORT, caller.name, key))
