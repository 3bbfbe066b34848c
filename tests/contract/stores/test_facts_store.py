from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import NotFound
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.stores import DeviceFilter
from tests.contract.stores.making import NOW, a_device, add, after, claim, ended, fleet, run_for

TOLD = Facts("r1", "C891F", "FCZ1", "15.7", 1000)


async def test_facts_are_kept_with_their_device_the_latest_alone(db: Database) -> None:
    one, two = await fleet(db, 2)
    assert await db.facts.get(one.id) is None
    first = DeviceFacts(one.id, TOLD, "session", NOW)
    second = DeviceFacts(one.id, replace(TOLD, os_release="15.8", uptime=None), "both", after(60))
    await db.facts.put([first, DeviceFacts(two.id, Facts(), "snmp", NOW)])
    assert await db.facts.get(one.id) == first
    await db.facts.put([second])
    assert await db.facts.get(one.id) == second
    assert await db.facts.get(two.id) == DeviceFacts(two.id, Facts(), "snmp", NOW)
    await db.facts.put([])


async def test_facts_of_nobody_are_refused_as_a_whole(db: Database) -> None:
    [one] = await fleet(db, 1)
    with pytest.raises(NotFound):
        await db.facts.put([DeviceFacts(one.id, TOLD, "session", NOW), DeviceFacts("f" * 32, TOLD, "snmp", NOW)])
    assert await db.facts.get(one.id) is None


async def test_what_a_backup_learned_is_stored_with_its_end_and_known_to_the_next(db: Database) -> None:
    devices = await fleet(db, 2)
    [one, two] = await claim(db, await run_for(db, devices))
    assert one.facts is None
    told = DeviceFacts(one.device.id, TOLD, "session", NOW)
    assert not await db.jobs.settle([ended(one, facts=told), ended(two)])
    again = {claimed.device.id: claimed.facts for claimed in await claim(db, await run_for(db, devices))}
    assert again == {one.device.id: told, two.device.id: None}


async def test_devices_are_found_by_their_address(db: Database) -> None:
    here = a_device("r1", address="192.0.2.7", site="s1")
    there = a_device("r2", address="192.0.2.70", site="s2")
    twin = a_device("r3", address="192.0.2.7", site="s3", port=2222)
    await add(db, here, there, twin)
    found = await db.inventory.all_devices(DeviceFilter(addresses=("192.0.2.7", "198.51.100.1")))
    assert [device.name for device in found] == ["r1", "r3"]
