"""A device is managed at another address from now on: the inventory, and what was told of the old address elsewhere.
Part of the transaction that confirms the push by which the device moved, so nobody ever looks for it in vain."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address, ip_network

from sqlalchemy import select, update

from cpe_manager.adapters.db.failover.line_tables import line_setup
from cpe_manager.adapters.db.tables import device
from cpe_manager.adapters.db.transactions import Transaction, Values
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.push.pushes import Push


async def move(tx: Transaction, of: Push, new: str, at: datetime) -> None:
    known = select(device.c.address, device.c.position_id).where(device.c.id == of.device_id)
    rows = await tx.rows(known.with_for_update(key_share=True))
    if not rows or rows[0].address == new:
        return
    old = rows[0].address
    await tx.run(update(device).where(device.c.id == of.device_id).values(address=new))
    changes = {"address": {"before": old, "after": new}}
    data = {"device": of.device, "by": of.requested_by, "push_id": of.id, "changes": changes}
    told = f"{of.device}: address changed, managed at {new} instead of {old}"
    events = [NewEvent("device.changed", at, device_id=of.device_id, job_id=of.job_id, message=told, data=data)]
    follows = await _line(tx, rows[0].position_id, old, new, {"changed_at": at, "changed_by": of.requested_by})
    if follows:
        told = f"{of.device}: {', '.join(follows)} of its line changed with its address"
        more = {"device": of.device, "by": of.requested_by, "push_id": of.id, "changes": follows}
        events.append(NewEvent("line.changed", at, device_id=of.device_id, message=told, data=more))
    tx.emit(events)


async def _line(tx: Transaction, position_id: str, old: str, new: str, mark: Values) -> dict[str, dict[str, str]]:
    """Of the line's setup, what said the old address: the address that tells how the fixed line is, and the one that
    moves with the traffic. From the latter traps come, too."""
    setup = line_setup.c
    columns = (setup.line_id, setup.line_address, setup.mobile_address, setup.fixed_ipv4)
    rows = await tx.rows(select(*columns).where(setup.position_id == position_id).with_for_update())
    try:
        before, after = ip_address(old), ip_address(new)
    except ValueError:
        return {}
    if not rows or before.version != after.version:
        return {}
    values = {}
    if rows[0].line_address == old and rows[0].mobile_address != new:
        values["line_address"] = new
    if rows[0].fixed_ipv4 == str(ip_network(old)):
        values["fixed_ipv4"] = str(ip_network(new))
    if values:
        await tx.run(update(line_setup).where(setup.line_id == rows[0].line_id).values(**values, **mark))
    return {name: {"before": getattr(rows[0], name), "after": value} for name, value in values.items()}
