"""From a plan to rows: ids, times, site ids and events for what an import or a verb changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.import_plan import DeviceChange, ImportPlan
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.clock import Ids
from cpe_manager.ports.stores import InventoryChanges, LineChange, SiteChange


@dataclass(frozen=True, slots=True)
class Writing:
    """Who changes the inventory, and when."""

    ids: Ids
    at: datetime
    by: str

    def event(self, kind: str, device: Device | None, message: str, **data: Any) -> NewEvent:
        name = {"device": device.name} if device else {}
        return NewEvent(
            kind,
            self.at,
            device_id=device.id if device else None,
            message=message,
            data={**name, "by": self.by, **data},
        )


@dataclass(frozen=True, slots=True)
class Written:
    """The changes, and the ids of devices that are due for a first backup (§4.2)."""

    changes: InventoryChanges
    first_backup: tuple[str, ...]


def write(plan: ImportPlan, sites: Mapping[str, str], writing: Writing) -> Written:
    """``sites`` are the ids of known sites by name."""
    ids = dict(sites)
    new_sites = tuple(_new_sites(plan, ids, writing.ids))
    added = tuple(_new_row(device, ids, writing) for device in plan.added)
    swapped = tuple(_new_row(change.after, ids, writing) for change in plan.replaced)
    changed, suspended, resumed = (
        tuple(replace(change.after, site_id=ids[change.after.site]) for change in changes)
        for changes in (plan.changed, plan.suspended, plan.resumed)
    )
    retired = tuple(retire(change.before, writing.at) for change in plan.replaced)
    changes = InventoryChanges(
        at=writing.at,
        sites=new_sites,
        lines=tuple(LineChange(writing.ids.new(), w.site, w.ref, w.kind, w.access_node) for w in plan.lines),
        groups=plan.groups,
        add=(*added, *swapped),
        update=(*retired, *changed, *suspended, *resumed),
        events=(
            *(writing.event("group.changed", None, f"group {g.name}: set", group=g.name) for g in plan.groups),
            *(writing.event("device.added", device, f"{device.name}: added") for device in added),
            *(_changed("device.changed", change, writing) for change in plan.changed),
            *(_changed("device.suspended", change, writing) for change in plan.suspended),
            *(_changed("device.changed", change, writing) for change in plan.resumed),
            *(_replaced(change, new, writing) for change, new in zip(plan.replaced, swapped, strict=True)),
        ),
    )
    due = (*added, *swapped, *resumed)
    return Written(changes, tuple(device.id for device in due if device.state is LifeState.ACTIVE))


def retire(device: Device, at: datetime) -> Device:
    """The row of hardware that has left; its history stays."""
    return replace(device, state=LifeState.DECOMMISSIONED, removed_at=at)


def _new_sites(plan: ImportPlan, known: dict[str, str], ids: Ids) -> Iterator[SiteChange]:
    """Sites not known yet; their ids are entered into ``known``."""
    moving = (*plan.changed, *plan.suspended, *plan.resumed, *plan.replaced)
    for device in (*plan.added, *(change.after for change in moving)):
        if device.site not in known:
            known[device.site] = ids.new()
            yield SiteChange(device.site, known[device.site])


def _new_row(device: Device, sites: Mapping[str, str], writing: Writing) -> Device:
    return replace(
        device,
        id=writing.ids.new(),
        position_id=device.position_id or writing.ids.new(),
        site_id=sites[device.site],
        installed_at=writing.at,
    )


def _changed(kind: str, change: DeviceChange, writing: Writing) -> NewEvent:
    fields = {
        one.field: {"before": _plain(one.before), "after": _plain(one.after)}
        for one in change.fields
    }  # fmt: skip
    words = ", ".join(fields)
    return writing.event(kind, change.after, f"{change.after.name}: {words} changed", changes=fields)


def _replaced(change: DeviceChange, new: Device, writing: Writing) -> NewEvent:
    old = change.before
    message = f"{new.name}: hardware {old.serial or 'of unknown serial'} replaced by {new.serial or 'another'}"
    serials = {"old_serial": old.serial, "new_serial": new.serial}
    return writing.event("device.replaced", new, message, old_device_id=old.id, **serials)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
