"""Devices: the hardware now on the positions of sites, with what is known of their backups."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from cpe_manager.api.deps import Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.api.schemas.devices import (
    AcceptKeyBody,
    DeviceBody,
    DeviceQuery,
    DeviceView,
    EffectiveView,
    ReplaceBody,
)
from cpe_manager.api.schemas.drift import StandingView
from cpe_manager.api.schemas.drills import RestorableView
from cpe_manager.api.schemas.facts import FactsView
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import DeviceRecord
from cpe_manager.domain.fleet.settings_inheritance import with_descendants
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.ports.stores import DeviceView as StoredDevice
from cpe_manager.services.bundle import Services
from cpe_manager.services.fleet.inventory import Hardware

router = APIRouter(prefix="/devices", tags=["devices"], responses=documented("not_found"))


def _view(services: Services, stored: StoredDevice) -> DeviceView:
    return DeviceView.of(stored, services.clock.now())


@router.get("", operation_id="listDevices", summary="Devices by name; decommissioned ones only when asked for")
async def listing(
    query: Annotated[DeviceQuery, Query()], services: ServicesDep, _caller: Reader
) -> PageOf[DeviceView]:  # fmt: skip
    page = await services.inventory.list(await _where(services, query), after=query.cursor, limit=query.limit)
    now = services.clock.now()
    drilled = await services.drills.of([stored.status.current_backup_id for stored in page.items])
    return paged(page, lambda stored: DeviceView.of(stored, now, drilled.get(stored.status.current_backup_id or "")))


async def _where(services: Services, query: DeviceQuery) -> DeviceFilter:
    return DeviceFilter(
        groups=await group_names(services, query.group),
        families=(query.family,) if query.family else None,
        states=(query.state,) if query.state else None,
        sites=(query.site,) if query.site else None,
        search=query.q,
        overdue=query.overdue,
    )


async def group_names(services: Services, group: str | None) -> tuple[str, ...] | None:
    """The group and the groups below it; None for None. Raises ``InputError`` for an unknown one."""
    if group is None:
        return None
    groups = await services.inventory.groups()
    if group not in {known.name for known in groups}:
        raise InputError(f"no group {group}")
    return tuple(sorted(with_descendants([group], groups)))


@router.get("/{name}", operation_id="getDevice", summary="A device by name or id")
async def show(name: str, services: ServicesDep, _caller: Reader) -> DeviceView:
    stored = await services.inventory.show(name)
    try:
        in_force = EffectiveView.of(await services.inventory.in_force(stored.device))
    except InputError:
        in_force = None  # its group is gone or runs in a circle; the device itself can still be looked at
    told = await services.facts.of(stored.device.id)
    standing = await services.drift.standing(stored.device.id)
    version = stored.status.current_backup_id
    drill = (await services.drills.of([version])).get(version or "")
    more = {
        "restorable": RestorableView.of(drill),
        "in_force": in_force,
        "facts": None if told is None else FactsView.of(told),
        "drift": None if standing is None else StandingView.of(standing),
    }
    return _view(services, stored).model_copy(update=more)


@router.post(
    "",
    status_code=201,
    operation_id="addDevice",
    summary="Add a device; its first backup follows",
    responses=documented("conflict"),
)
async def add(body: DeviceBody, services: ServicesDep, caller: Writer, response: Response) -> DeviceView:
    stored = await services.inventory.add(
        _record(body), by=caller.name, backup=body.backup, host_key=body.host_key or ""
    )
    response.headers["Location"] = f"/api/v1/devices/{stored.device.id}"
    return _view(services, stored)


def _record(body: DeviceBody) -> DeviceRecord:
    given = body.model_dump(exclude={"line", "backup", "host_key"})
    return DeviceRecord(**given, line_ref=body.line, file="", line=0)


@router.post(
    "/{name}/suspend",
    operation_id="suspendDevice",
    summary="No more visits for a while",
    responses=documented("not_found", "conflict"),
)
async def suspend(name: str, services: ServicesDep, caller: Writer) -> DeviceView:
    return _view(services, await services.inventory.suspend(name, by=caller.name))


@router.post(
    "/{name}/resume",
    operation_id="resumeDevice",
    summary="Back into service; a backup follows",
    responses=documented("not_found", "conflict"),
)
async def resume(name: str, services: ServicesDep, caller: Writer) -> DeviceView:
    return _view(services, await services.inventory.resume(name, by=caller.name))


@router.delete(
    "/{name}",
    operation_id="decommissionDevice",
    summary="Out of service for good; its history stays readable",
    responses=documented("not_found", "conflict"),
)
async def remove(name: str, services: ServicesDep, caller: Writer) -> DeviceView:
    return _view(services, await services.inventory.remove(name, by=caller.name))


@router.post(
    "/{name}/replace",
    operation_id="replaceDevice",
    summary="Other hardware on the same position: the history goes on, the host key is learned afresh",
    responses=documented("not_found", "conflict"),
)
async def replace(name: str, body: ReplaceBody, services: ServicesDep, caller: Writer) -> DeviceView:
    hardware = Hardware(body.serial, body.model, body.address)
    stored = await services.inventory.replace_hardware(name, hardware, by=caller.name, backup=body.backup)
    return _view(services, stored)


@router.post(
    "/{name}/accept-key",
    operation_id="acceptHostKey",
    summary="Pin the host key that the device showed last",
    responses=documented("not_found", "conflict"),
)
async def accept_key(
    name: str, services: ServicesDep, caller: Writer, body: AcceptKeyBody | None = None
) -> DeviceView:  # fmt: skip
    wanted = body or AcceptKeyBody()
    stored = await services.inventory.accept_key(
        name, by=caller.name, fingerprint=wanted.fingerprint, forget=wanted.forget
    )
    return _view(services, stored)
