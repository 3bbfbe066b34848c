"""The verbs on single devices and groups: what they change, which events they leave, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.inventory import Group, LifeState
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.fleet.inventory import Hardware
from tests.fakes.inventory_store import fingerprint
from tests.unit.inventory.world import World, record

OLD_KEY, NEW_KEY, THIRD_KEY = "ssh-ed25519 OLD", "ssh-ed25519 NEW", "ssh-ed25519 THIRD"


@pytest.fixture
def w() -> World:
    return World()


def kinds(w: World) -> list[str]:
    return [event.kind for event in w.store.events]


async def test_an_added_device_is_stored_told_of_and_backed_up_at_once(w: World) -> None:
    view = await w.inventory.add(record(site="Shop", access_node="N1"), by="ann")
    device = view.device
    assert (device.site, device.state, device.installed_at) == ("Shop", LifeState.ACTIVE, w.clock.now())
    assert (device.line, device.access_node) == ("main", "N1")
    assert len({device.id, device.position_id, device.site_id, ""}) == 4
    assert w.backed_up == [device.id]
    (event,) = w.store.events
    assert (event.kind, event.device_id, event.data["by"]) == ("device.added", device.id, "ann")
    assert len(w.store.applied) == 1


async def test_adding_without_backup_asks_for_none(w: World) -> None:
    await w.inventory.add(record(), by="ann", backup=False)
    assert w.backed_up == []


async def test_a_first_backup_that_cannot_be_started_leaves_the_device_added(w: World) -> None:
    w.refuse_backups = True
    assert (await w.inventory.add(record(), by="ann")).device.state is LifeState.ACTIVE


async def test_a_name_in_service_is_not_added_twice_but_a_decommissioned_one_may_come_back(w: World) -> None:
    first = (await w.inventory.add(record(), by="ann")).device
    with pytest.raises(Conflict, match="exists already"):
        await w.inventory.add(record(), by="ann")
    await w.inventory.remove("r1", by="ann")
    again = (await w.inventory.add(record(), by="ann")).device
    assert again.id != first.id
    assert again.position_id != first.position_id
    assert again.site_id == first.site_id


async def test_what_is_wrong_with_a_new_device_is_refused_and_nothing_is_stored(w: World) -> None:
    await w.inventory.add(record("other"), by="ann")
    for bad in (record(family="junos"), record(group="gone"), record(address="a b"), record()):
        with pytest.raises(ImportErrors):
            await w.inventory.add(bad, by="ann")
    assert [d.name for d in await w.store.all_devices(DeviceFilter())] == ["other"]


async def test_an_address_is_compared_in_its_canonical_form(w: World) -> None:
    await w.inventory.add(record("other", address="2001:db8::1"), by="ann")
    with pytest.raises(ImportErrors, match="share address"):
        await w.inventory.add(record(address="2001:DB8:0:0::1"), by="ann")


async def test_suspending_and_resuming_are_refused_in_the_wrong_state(w: World) -> None:
    await w.inventory.add(record(), by="ann")
    with pytest.raises(Conflict, match="r1 is active, not suspended"):
        await w.inventory.resume("r1", by="ann")
    assert (await w.inventory.suspend("r1", by="ann")).device.state is LifeState.SUSPENDED
    with pytest.raises(Conflict, match="r1 is suspended, not active"):
        await w.inventory.suspend("r1", by="ann")
    with pytest.raises(NotFound):
        await w.inventory.suspend("nobody", by="ann")


async def test_a_resumed_device_keeps_everything_and_is_backed_up_at_once(w: World) -> None:
    given = record(site="Shop", serial="S1", model="M", port=2222, credential="core", settings={"max_attempts": 5})
    before = (await w.inventory.add(given, by="ann")).device
    await w.inventory.suspend("r1", by="ann")
    assert (await w.inventory.resume("r1", by="bob")).device == before
    assert w.backed_up == [before.id, before.id]
    assert kinds(w) == ["device.added", "device.suspended", "device.changed"]
    assert w.store.events[-1].data["changes"] == {"state": {"before": "suspended", "after": "active"}}


async def test_a_device_is_not_resumed_onto_an_address_that_another_has_taken(w: World) -> None:
    await w.inventory.add(record(), by="ann")
    await w.inventory.suspend("r1", by="ann")
    await w.inventory.add(record("heir"), by="ann")
    with pytest.raises(ImportErrors, match="share address"):
        await w.inventory.resume("r1", by="ann")


async def test_a_removed_device_keeps_its_row_and_is_out_for_good(w: World) -> None:
    device = (await w.inventory.add(record(), by="ann")).device
    gone = (await w.inventory.remove("r1", by="ann")).device
    assert gone == replace(device, state=LifeState.DECOMMISSIONED, removed_at=w.clock.now())
    assert kinds(w)[-1] == "device.decommissioned"
    with pytest.raises(Conflict, match="decommissioned"):
        await w.inventory.remove(device.id, by="ann")
    assert (await w.inventory.list(DeviceFilter())).items == ()


@pytest.mark.parametrize("serial", ["S1", None])
async def test_new_hardware_keeps_position_site_and_name_and_starts_without_keys(w: World, serial: str | None) -> None:
    old = (await w.inventory.add(record(site="Shop", serial=serial, model="M1", line_ref="L"), by="ann")).device
    await w.store.pin(old.id, [OLD_KEY], at=w.clock.now(), by="first contact")
    view = await w.inventory.replace_hardware("r1", Hardware("S2", address="10.0.0.9"), by="bob")
    new = view.device
    assert (new.position_id, new.site_id, new.site, new.name, new.line) == (
        old.position_id, old.site_id, "Shop", "r1", "L",
    )  # fmt: skip
    assert (new.serial, new.model, new.address, new.state) == ("S2", None, "10.0.0.9", LifeState.ACTIVE)
    assert view.host_keys == ()
    assert w.store.rows[old.id].state is LifeState.DECOMMISSIONED
    assert w.store.rows[old.id].removed_at == w.clock.now()
    event = w.store.events[-1]
    assert (event.kind, event.device_id, event.data["old_device_id"]) == ("device.replaced", new.id, old.id)
    assert w.backed_up == [old.id, new.id]


async def test_the_same_unit_is_not_swapped_for_itself(w: World) -> None:
    await w.inventory.add(record(serial="S1"), by="ann")
    with pytest.raises(Conflict, match="serial S1 already"):
        await w.inventory.replace_hardware("r1", Hardware("s1 "), by="ann")


async def test_the_offered_key_is_pinned_in_place_of_the_old_one(w: World) -> None:
    device = (await w.inventory.add(record(), by="ann")).device
    await w.store.pin(device.id, [OLD_KEY], at=w.clock.now(), by="first contact")
    with pytest.raises(Conflict, match="no other host key"):
        await w.inventory.accept_key("r1", by="bob")
    w.store.offer(device.id, NEW_KEY, w.clock.now())
    view = await w.inventory.accept_key("r1", by="bob")
    assert [(key.key, key.state, key.accepted_by) for key in view.host_keys] == [(NEW_KEY, "pinned", "bob")]
    event = w.store.events[-1]
    assert (event.kind, event.data["fingerprints"]) == ("hostkey.accepted", [fingerprint(NEW_KEY)])


async def test_of_several_offered_keys_one_has_to_be_named(w: World) -> None:
    device = (await w.inventory.add(record(), by="ann")).device
    w.store.offer(device.id, NEW_KEY, w.clock.now())
    w.store.offer(device.id, THIRD_KEY, w.clock.now())
    for given in (None, fingerprint(OLD_KEY)):
        with pytest.raises(Conflict, match=fingerprint(THIRD_KEY)):
            await w.inventory.accept_key("r1", by="bob", fingerprint=given)
    view = await w.inventory.accept_key("r1", by="bob", fingerprint=fingerprint(THIRD_KEY))
    assert [key.key for key in view.host_keys] == [THIRD_KEY]


async def test_forgetting_all_keys_makes_the_next_contact_a_first_one(w: World) -> None:
    device = (await w.inventory.add(record(), by="ann")).device
    await w.store.pin(device.id, [OLD_KEY], at=w.clock.now(), by="first contact")
    view = await w.inventory.accept_key("r1", by="bob", forget=True)
    assert view.host_keys == ()
    assert "forgotten" in w.store.events[-1].message


async def test_a_group_stands_for_the_groups_below_it_in_lists(w: World) -> None:
    await w.inventory.put_group(Group("all"), by="ann")
    await w.inventory.put_group(Group("shops", parent="all"), by="ann")
    await w.inventory.add(record("a", group="shops"), by="ann")
    await w.inventory.add(record("b", address="10.0.0.2"), by="ann")
    page = await w.inventory.list(DeviceFilter(groups=("all",)))
    assert [view.device.name for view in page.items] == ["a"]


async def test_a_group_is_stored_in_canonical_form_and_its_settings_come_into_force(w: World) -> None:
    stored = await w.inventory.put_group(Group("g", family="openwrt", settings={"connect_timeout": "5"}), by="ann")
    assert stored == Group("g", family="openwrt", settings={"connect_timeout": 5.0})
    assert kinds(w) == ["group.changed"]
    device = (await w.inventory.add(record(family=None, group="g"), by="ann")).device
    resolved = await w.inventory.in_force(device)
    assert (resolved.family, resolved.settings.connect_timeout) == ("openwrt", 5.0)


async def test_a_group_that_its_devices_need_is_not_emptied(w: World) -> None:
    await w.inventory.put_group(Group("g", family="openwrt"), by="ann")
    await w.inventory.add(record(family=None, group="g"), by="ann")
    with pytest.raises(ImportErrors, match="'r1': no family"):
        await w.inventory.put_group(Group("g"), by="ann")
    assert (await w.inventory.groups())[0].family == "openwrt"


async def test_putting_a_group_as_it_is_leaves_no_event(w: World) -> None:
    await w.inventory.put_group(Group("g"), by="ann")
    await w.inventory.put_group(Group("g"), by="ann")
    assert kinds(w) == ["group.changed"]
