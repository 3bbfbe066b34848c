"""NetBox's devices: what is read, and what is refused with which line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cpe_manager.domain.fleet.inventory import DeviceRecord, InventoryDocument, LifeState
from tests.unit.inventory.reading import problems, read


def netbox_device(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "name": "r1",
        "device_type": {"id": 1, "model": "C1111", "slug": "c1111"},
        "role": {"slug": "cpe"},
        "tenant": {"name": "Bakery Peeters", "slug": "bakery"},
        "platform": {"slug": "cisco-ios"},
        "serial": "FOC1",
        "site": {"name": "Shop 1", "slug": "shop-1"},
        "status": {"value": "active", "label": "Active"},
        "primary_ip": {"address": "2001:db8::1/64"},
        "primary_ip4": {"address": "10.0.0.1/24"},
        "tags": [{"slug": "north"}],
        "custom_fields": {"port": 2222, "group": "g", "credential": "core", "line": "L1", "access_node": "N1"},
        **changes,
    }


def netbox(*devices: dict[str, Any], **options: str) -> InventoryDocument:
    return read("netbox", json.dumps({"count": len(devices), "next": None, "results": devices}, indent=2), **options)


def test_netbox_devices_are_read_from_a_page_or_a_list() -> None:
    expected = DeviceRecord(
        name="r1", address="10.0.0.1", file="in", line=5, site="Shop 1", port=2222, family="cisco_ios", group="g",
        credential="core", line_ref="L1", access_node="N1", serial="FOC1", model="C1111",
    )  # fmt: skip
    assert netbox(netbox_device()).devices == (expected,)
    (listed,) = read("netbox", json.dumps([netbox_device()])).devices
    assert (listed.name, listed.address, listed.line) == ("r1", "10.0.0.1", 1)


def test_the_line_of_a_device_is_right_wherever_the_results_stand() -> None:
    text = json.dumps({"count": [1, {"results": []}], "results": [netbox_device()], "previous": None}, indent=1)
    (got,) = read("netbox", text).devices
    lines = text.splitlines()
    assert lines[got.line - 1].strip() == "{"
    assert lines[got.line - 2].strip() == '"results": ['


@pytest.mark.parametrize(
    ("status", "state"),
    [("active", "active"), ("offline", "suspended"), ("planned", "suspended"), ("decommissioning", "suspended")],
)
def test_only_what_netbox_calls_active_is_visited(status: str, state: str) -> None:
    document = netbox(netbox_device(status={"value": status}))
    assert (document.devices[0].state, document.warnings) == (state, ())


def test_a_netbox_status_of_ones_own_is_suspended_with_a_warning() -> None:
    document = netbox(netbox_device(status={"value": "lent-out"}))
    assert document.devices[0].state is LifeState.SUSPENDED
    assert "'lent-out'" in document.warnings[0]


def test_netbox_falls_back_to_the_address_that_there_is() -> None:
    assert netbox(netbox_device(primary_ip4=None)).devices[0].address == "2001:db8::1"


@pytest.mark.parametrize(
    ("source", "group"),
    [("role", "cpe"), ("tenant", "bakery"), ("site", "shop-1"), ("platform", "cisco-ios"), ("tag", "north")],
)
def test_the_netbox_group_may_come_from_elsewhere(source: str, group: str) -> None:
    bare = netbox_device(custom_fields={"group": None})
    assert netbox(bare, group_from=source).devices[0].group == group
    assert netbox(netbox_device(), group_from=source).devices[0].group == "g", "the custom field goes first"


def test_a_role_of_an_older_netbox_and_a_site_from_the_tenant_are_read() -> None:
    old = netbox_device(custom_fields={}, role=None, device_role={"slug": "cpe"})
    (got,) = netbox(old, group_from="role", site_from="tenant").devices
    assert (got.group, got.site) == ("cpe", "Bakery Peeters")


def test_netbox_problems_come_with_the_line_of_the_device() -> None:
    devices = [netbox_device(), netbox_device(name=None), netbox_device(name="r3", primary_ip=None, primary_ip4=None)]
    one = len(json.dumps(devices[0], indent=2).splitlines())
    text = json.dumps(devices, indent=2)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line == "  {"]
    assert lines[1] == 2 + one
    found = problems("netbox", text)
    assert found == [
        f"{lines[1]}: name is missing; give the device one",
        f"{lines[2]}: device 'r3': address is missing; give an IP address or a host name",
    ]


def test_incomplete_netbox_devices_are_left_out_on_request_with_a_warning() -> None:
    document = netbox(netbox_device(), netbox_device(name=None, id=9), skip_incomplete="yes")
    assert [d.name for d in document.devices] == ["r1"]
    assert "device id 9 has no name" in document.warnings[0]


def test_one_page_of_several_is_not_mistaken_for_the_fleet() -> None:
    page = json.dumps({"next": "https://netbox.example/api/?offset=50", "results": [netbox_device()]})
    assert "one page of several" in problems("netbox", page)[0]
    assert len(read("netbox", page, partial="yes").devices) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{\n"results": [\n{"name": }]}', "3: not valid JSON"),
        ('{"results": 5}', "1: is neither a list"),
        ('"x"', "1: is neither a list"),
        ("[" * 100_000, "None: nested too deeply"),
        ("[5]", "1: is not a device object"),
        ("[" + "9" * 5000 + "]", "None: holds a number"),
    ],
)
def test_json_that_is_no_device_list_is_refused_with_its_line(text: str, found: str) -> None:
    assert problems("netbox", text)[0].startswith(found)
