"""Applying one set of inventory changes: all of it in one transaction, some statements per kind of row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from cpe_manager.adapters.db.tables import device, device_group, device_status, line, position, site
from cpe_manager.adapters.db.transactions import Transaction, Values, chunks, in_chunks
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.ports.stores import InventoryChanges, LineChange, SiteChange


async def apply_changes(tx: Transaction, changes: InventoryChanges) -> None:
    await _sites(tx, changes.sites)
    await _groups(tx, changes.groups)
    await _lines(tx, changes.lines)
    await _refuse_taken_names(tx, changes)
    rows = await _device_rows(tx, (*changes.update, *changes.add))
    try:
        await _update_devices(tx, rows[: len(changes.update)])
        await _add_devices(tx, rows[len(changes.update) :], changes.at)
    except IntegrityError as error:  # another transaction was quicker, or an id is used twice
        raise Conflict("a device of that name or id was added meanwhile") from error
    tx.emit(changes.events)


async def _refuse_taken_names(tx: Transaction, changes: InventoryChanges) -> None:
    """The index would refuse them as well, but not say which."""
    wanted = Counter(one.name for one in (*changes.update, *changes.add) if one.state is not LifeState.DECOMMISSIONED)
    taken = {name for name, times in wanted.items() if times > 1}
    in_service = select(device.c.name, device.c.id).where(device.c.state != LifeState.DECOMMISSIONED)
    rows = await in_chunks(tx, sorted(wanted), lambda part: in_service.where(device.c.name.in_(part)))
    rewritten = {one.id for one in changes.update}
    taken |= {row.name for row in rows if row.id not in rewritten}
    if taken:
        raise Conflict(f"the name is already taken by a device in service: {min(taken)}")


async def _sites(tx: Transaction, sites: Sequence[SiteChange]) -> None:
    if sites:
        statement = tx.insert(site).on_conflict_do_nothing(index_elements=["name"])
        await tx.run(statement, [{"id": one.id, "name": one.name} for one in sites])


async def _groups(tx: Transaction, groups: Sequence[Group]) -> None:
    if not groups:
        return
    insert = tx.insert(device_group)
    replaced = {name: insert.excluded[name] for name in ("parent", "family", "credential", "port", "settings")}
    values: list[Values] = [
        {
            "name": one.name,
            "parent": one.parent,
            "family": one.family,
            "credential": one.credential,
            "port": one.port,
            "settings": dict(one.settings),
        }
        for one in groups
    ]
    await tx.run(insert.on_conflict_do_update(index_elements=["name"], set_=replaced), values)
    await _known_groups(tx, {one.parent for one in groups if one.parent is not None})


async def _known_groups(tx: Transaction, names: set[str]) -> None:
    name = device_group.c.name
    rows = await in_chunks(tx, sorted(names), lambda part: select(name).where(name.in_(part)))
    if missing := sorted(names - {row.name for row in rows}):
        raise NotFound(f"no such group: {missing[0]}")


async def _site_ids(tx: Transaction, names: set[str]) -> dict[str, str]:
    rows = await in_chunks(tx, sorted(names), lambda part: select(site.c.name, site.c.id).where(site.c.name.in_(part)))
    found = {row.name: row.id for row in rows}
    if missing := sorted(names - found.keys()):
        raise NotFound(f"no such site: {missing[0]}")
    return found


async def _lines(tx: Transaction, lines: Sequence[LineChange]) -> None:
    if not lines:
        return
    sites = await _site_ids(tx, {one.site for one in lines})
    insert = tx.insert(line)
    # A file that does not state the kind leaves what is known of it.
    kind = func.coalesce(insert.excluded.kind, line.c.kind)
    changed = {"kind": kind, "access_node": insert.excluded.access_node}
    values: list[Values] = [
        {
            "id": one.id,
            "site_id": sites[one.site],
            "ref": one.ref,
            "kind": None if one.kind is None else one.kind.value,
            "access_node": one.access_node,
        }
        for one in lines
    ]
    await tx.run(insert.on_conflict_do_update(index_elements=["site_id", "ref"], set_=changed), values)
    # A line that moved to another access node takes its devices along; whole device rows are written after this.
    ids = await _line_ids(tx, {(value["site_id"], value["ref"]) for value in values})
    moves = [{"of": ids[value["site_id"], value["ref"]], "node": value["access_node"]} for value in values]
    await tx.many(
        update(device).where(device.c.line_id == bindparam("of")).values(access_node=bindparam("node")),
        [move for move in moves if move["node"] is not None],
    )


async def _line_ids(tx: Transaction, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for part in chunks(sorted(wanted)):
        query = select(line.c.site_id, line.c.ref, line.c.id).where(tuple_(line.c.site_id, line.c.ref).in_(part))
        found |= {(row.site_id, row.ref): row.id for row in await tx.rows(query)}
    if missing := sorted(wanted - found.keys()):
        raise NotFound(f"no such line at its site: {missing[0][1]}")
    return found


async def _device_rows(tx: Transaction, devices: Sequence[Device]) -> list[Values]:
    await _known_groups(tx, {one.group for one in devices if one.group is not None})
    sites = await _site_ids(tx, {one.site for one in devices})
    lines = await _line_ids(tx, {(sites[one.site], ref) for one in devices if (ref := one.line) is not None})
    return [_device_values(one, sites, lines) for one in devices]


def _device_values(one: Device, sites: Mapping[str, str], lines: Mapping[tuple[str, str], str]) -> Values:
    site_id = sites[one.site]
    return {
        "id": one.id,
        "position_id": one.position_id,
        "site_id": site_id,
        "line_id": None if (ref := one.line) is None else lines[site_id, ref],
        "group_name": one.group,
        "name": one.name,
        "address": one.address,
        "state": one.state.value,
        "port": one.port,
        "family": one.family,
        "credential": one.credential,
        "access_node": one.access_node,
        "serial": one.serial,
        "model": one.model,
        "settings": dict(one.settings),
        "installed_at": one.installed_at,
        "removed_at": one.removed_at,
    }


async def _positions(tx: Transaction, rows: Sequence[Values]) -> None:
    statement = tx.insert(position).on_conflict_do_nothing(index_elements=["id"])
    await tx.run(statement, [{"id": row["position_id"], "last_number": 0} for row in rows])


async def _update_devices(tx: Transaction, rows: Sequence[Values]) -> None:
    """Update by id. Names that change are parked first, so that two devices may swap theirs."""
    if not rows:
        return
    by_id = {row["id"]: row for row in sorted(rows, key=lambda row: str(row["id"]))}
    query = select(device.c.id, device.c.name)
    known = await in_chunks(
        tx, list(by_id), lambda part: query.where(device.c.id.in_(part)).with_for_update(key_share=True)
    )
    if missing := by_id.keys() - {row.id for row in known}:
        raise NotFound(f"no such device: {min(missing)}")
    await _positions(tx, rows)
    renamed = [row.id for row in known if by_id[row.id]["name"] != row.name]
    for part in chunks(renamed):
        await tx.run(update(device).where(device.c.id.in_(part)).values(name="\x7f" + device.c.id))
    # Devices that leave service first: they free their names for the others.
    ordered = sorted(by_id.values(), key=lambda row: row["state"] != LifeState.DECOMMISSIONED)
    statement = update(device).where(device.c.id == bindparam("of"))
    await tx.run(statement, [{"of" if name == "id" else name: value for name, value in row.items()} for row in ordered])


async def _add_devices(tx: Transaction, rows: Sequence[Values], at: datetime) -> None:
    if rows:
        await _positions(tx, rows)
        await tx.run(device.insert(), [{**row, "added_at": at} for row in rows])
        await tx.run(device_status.insert(), [{"device_id": row["id"], "failures": 0} for row in rows])
