from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState, LineKind
from cpe_manager.ports.stores import DeviceFilter, InventoryChanges, LineChange, SiteChange
from tests.contract.stores.making import NOW, a_device, add, after, claim, ended, fleet, kinds, new_id, run_for

ALL = DeviceFilter()


async def update(db: Database, *devices: Device) -> None:
    await db.inventory.apply(InventoryChanges(at=NOW, update=devices))


async def names(db: Database, where: DeviceFilter = ALL) -> list[str]:
    return [view.device.name for view in (await db.inventory.devices(where)).items]


async def test_a_device_comes_back_as_it_was_added(db: Database) -> None:
    group = Group("shops", None, "acme", "env:X", 2222, {"command_timeout": 5})
    line = LineChange(new_id(), "s1", "L1", LineKind.FIBRE, "bras1")
    device = a_device(
        "cpe",
        group="shops",
        line="L1",
        access_node="bras1",
        port=22,
        family="acme",
        credential="env:Y",
        serial="S",
        model="M",
        settings={"options": {"a": "b"}},
    )
    sites = (SiteChange("s1", new_id()),)
    await db.inventory.apply(InventoryChanges(at=NOW, sites=sites, lines=(line,), groups=(group,), add=(device,)))
    view = await db.inventory.device("cpe")
    assert view.device == replace(device, site_id=sites[0].id)
    assert view.status.device_id == device.id
    assert view.status.failures == 0
    assert await db.inventory.groups() == [group]


async def test_a_name_in_service_is_refused_and_nothing_of_the_import_stays(db: Database) -> None:
    await add(db, a_device("cpe1"))
    with pytest.raises(Conflict, match="cpe1"):
        await add(db, a_device("cpe0", site="s2"), a_device("cpe1", site="s2"))
    assert await names(db) == ["cpe1"]
    await add(db, a_device("cpe2", site="s2"))


async def test_a_name_twice_in_one_import_is_refused(db: Database) -> None:
    with pytest.raises(Conflict, match="cpe1"):
        await add(db, a_device("cpe1"), a_device("cpe1"))


async def test_two_workers_cannot_both_add_a_name(db: Database, other: Database) -> None:
    await add(db, a_device("first"))
    ends = await asyncio.gather(add(db, a_device("cpe")), add(other, a_device("cpe")), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "tuple"]


async def test_an_unknown_site_line_or_group_is_refused_by_name(db: Database) -> None:
    sites = (SiteChange("s1", new_id()),)
    for device, what in (
        (a_device("cpe", site="nowhere"), "nowhere"),
        (a_device("cpe", line="L9"), "L9"),
        (a_device("cpe", group="ghosts"), "ghosts"),
    ):
        with pytest.raises(NotFound, match=what):
            await db.inventory.apply(InventoryChanges(at=NOW, sites=sites, add=(device,)))


async def test_groups_may_name_each_other_in_any_order(db: Database) -> None:
    groups = (Group("child", parent="root"), Group("root"))
    await db.inventory.apply(InventoryChanges(at=NOW, groups=groups))
    await db.inventory.apply(InventoryChanges(at=NOW, groups=(Group("root", port=23),)))
    assert await db.inventory.groups() == [Group("child", parent="root"), Group("root", port=23)]
    with pytest.raises(NotFound, match="nobody"):
        await db.inventory.apply(InventoryChanges(at=NOW, groups=(Group("lost", parent="nobody"),)))


async def test_two_devices_may_swap_their_names(db: Database) -> None:
    one, two = await add(db, a_device("one"), a_device("two"))
    await update(db, replace(one, name="two"), replace(two, name="one"))
    assert (await db.inventory.device("one")).device.id == two.id


async def test_new_hardware_takes_over_the_name_in_one_change(db: Database) -> None:
    (old,) = await add(db, a_device("cpe"))
    new = a_device("cpe", position_id=old.position_id, installed_at=after(60))
    gone = replace(old, state=LifeState.DECOMMISSIONED, removed_at=after(60))
    await db.inventory.apply(InventoryChanges(at=after(60), update=(gone,), add=(new,)))
    assert (await db.inventory.device("cpe")).device.id == new.id
    assert (await db.inventory.device(old.id)).device.removed_at == after(60)
    assert [view.device.id for view in (await db.inventory.devices(ALL)).items] == [new.id]
    retired = DeviceFilter(states=(LifeState.DECOMMISSIONED,))
    assert [device.id for device in await db.inventory.all_devices(retired)] == [old.id]


async def test_a_name_out_of_service_means_the_latest_of_that_name(db: Database) -> None:
    gone = [a_device("cpe", state=LifeState.DECOMMISSIONED, removed_at=after(at)) for at in (10, 30, 20)]
    await add(db, *gone)
    assert (await db.inventory.device("cpe")).device.id == gone[1].id


async def test_updating_an_unknown_device_is_refused(db: Database) -> None:
    await add(db, a_device("cpe"))
    with pytest.raises(NotFound):
        await update(db, a_device("ghost"))
    with pytest.raises(NotFound):
        await db.inventory.device("ghost")


async def test_a_line_that_moves_takes_its_devices_to_the_new_access_node(db: Database) -> None:
    line = LineChange(new_id(), "s1", "L1", LineKind.COPPER, "bras1")
    sites = (SiteChange("s1", new_id()),)
    device = a_device("cpe", line="L1")
    await db.inventory.apply(InventoryChanges(at=NOW, sites=sites, lines=(line,), add=(device,)))
    assert (await db.inventory.device("cpe")).device.access_node == "bras1"
    await db.inventory.apply(InventoryChanges(at=NOW, lines=(replace(line, id=new_id(), access_node="bras2"),)))
    assert (await db.inventory.device("cpe")).device.access_node == "bras2"


async def test_pages_come_in_byte_order_of_names_and_skip_nothing(db: Database) -> None:
    expected = ["B", "_", "a", "b", "b-1", "b1", "é"]
    await add(db, *(a_device(name) for name in reversed(expected)))
    seen: list[str] = []
    page = await db.inventory.devices(ALL, limit=2)
    while page.next is not None:
        seen += [view.device.name for view in page.items]
        await add(db, a_device(f"0{len(seen)}"))  # before the cursor: neither repeats nor hides anything
        page = await db.inventory.devices(ALL, after=page.next, limit=2)
    assert seen + [view.device.name for view in page.items] == expected


async def test_a_made_up_cursor_is_an_input_error(db: Database) -> None:
    for cursor in ("", "x", "!!!", "WzFd", "bnVsbA"):
        with pytest.raises(InputError):
            await db.inventory.devices(ALL, after=cursor)


async def test_filters_are_joined_by_and(db: Database) -> None:
    await db.inventory.apply(InventoryChanges(at=NOW, groups=(Group("g1"), Group("g2"))))
    await add(
        db,
        a_device("alpha", group="g1", family="acme", address="192.0.2.10"),
        a_device("beta", group="g2", family="acme", site="harbour_1"),
        a_device("gamma", group="g1", state=LifeState.SUSPENDED),
    )
    assert await names(db, DeviceFilter(groups=("g1",))) == ["alpha", "gamma"]
    assert await names(db, DeviceFilter(groups=("g1",), states=(LifeState.ACTIVE,))) == ["alpha"]
    assert await names(db, DeviceFilter(families=("acme",), sites=("harbour_1",))) == ["beta"]
    assert await names(db, DeviceFilter(names=("gamma", "beta", "delta"))) == ["beta", "gamma"]
    assert await names(db, DeviceFilter(search="HARBOUR_")) == ["beta"]
    assert await names(db, DeviceFilter(search="2.10")) == ["alpha"]
    assert await names(db, DeviceFilter(search="%")) == []
    assert await names(db, DeviceFilter(overdue=True)) == []
    assert len(await db.inventory.all_devices(DeviceFilter(overdue=False))) == 3


async def test_devices_are_found_by_more_names_than_a_statement_may_have(db: Database) -> None:
    await fleet(db, 3)
    wanted = tuple(f"cpe{number:04}" for number in range(40_000))
    assert len(await db.inventory.all_devices(DeviceFilter(names=wanted))) == 3


async def test_counts_name_every_state(db: Database) -> None:
    await add(db, a_device("a"), a_device("b"), a_device("c", state=LifeState.SUSPENDED))
    assert await db.inventory.counts() == {"active": 2, "suspended": 1, "decommissioned": 0}


async def test_pinning_forgets_offered_and_older_keys(db: Database) -> None:
    devices = await fleet(db, 1)
    claimed = (await claim(db, await run_for(db, devices)))[0]
    await db.jobs.settle([ended(claimed, first_host_key="ssh-ed25519 AAAA", offered_host_key="ssh-rsa BBBB")])
    assert {key.state for key in (await db.inventory.device("cpe0000")).host_keys} == {"pinned", "offered"}
    await db.inventory.pin(devices[0].id, ["ssh-rsa BBBB", "ssh-rsa BBBB"], at=after(9), by="anna")
    (key,) = (await db.inventory.device("cpe0000")).host_keys
    assert (key.key, key.state, key.accepted_by, key.first_seen_at) == ("ssh-rsa BBBB", "pinned", "anna", after(9))
    with pytest.raises(NotFound):
        await db.inventory.pin(new_id(), ["ssh-rsa BBBB"], at=NOW, by="anna")


async def test_a_fingerprint_is_the_one_that_ssh_keygen_prints(db: Database) -> None:
    (device,) = await fleet(db, 1)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f comment"
    await db.inventory.pin(device.id, [key], at=NOW, by="anna")
    (pinned,) = (await db.inventory.device(device.id)).host_keys
    assert pinned.fingerprint == "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


async def test_events_of_a_change_are_stored_with_it(db: Database) -> None:
    device = a_device("cpe")
    await add(db, device, events=(NewEvent("device.added", NOW, device_id=device.id, data={"by": "anna"}),))
    (event,) = await db.events.after(0)
    assert (event.kind, event.device, event.data, event.at) == ("device.added", "cpe", {"by": "anna"}, NOW)
    with pytest.raises(Conflict):
        await add(db, a_device("cpe"), events=(NewEvent("device.added", NOW),))
    assert await kinds(db) == ["device.added"]
