"""Inventory files of every format through the registry: what is read, and what is refused with which line."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest

from cpe_manager.adapters.inventory.families import ALIASES
from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.import_rules import ImportErrors
from cpe_manager.domain.inventory import DeviceRecord, Group, InventoryDocument, LifeState, LineKind
from cpe_manager.ports.inventory_source import SourceFile


def read(format_name: str, text: str, *, file: str = "in", **options: str) -> InventoryDocument:
    return InventoryFormats().parse(format_name, [SourceFile(file, dedent(text))], options)


def problems(format_name: str, text: str, **options: str) -> list[str]:
    """Each problem as ``line: reason``."""
    with pytest.raises(InputError) as caught:
        read(format_name, text, **options)
    error = caught.value
    if isinstance(error, ImportErrors):
        assert all(one.file == "in" for one in error.problems)
        return [f"{one.line}: {one.reason}" for one in error.problems]
    return [f"{error.line}: {error.reason}"]


# --- CSV ---


def test_csv_reads_every_column() -> None:
    (got,) = read(
        "csv",
        """\
        Site,Name,Address,port,family,group,credential,line,line_kind,access_node,serial,model,state,settings.max_attempts,settings.options.vtysh
        Shop 1,r1,10.0.0.1,2222,ios,g,core,L1,Fibre,N1,00123,C1111,suspended,5,login
        """,
    ).devices
    assert got == DeviceRecord(
        name="r1", address="10.0.0.1", file="in", line=2, site="Shop 1", port=2222, family="cisco_ios", group="g",
        credential="core", line_ref="L1", line_kind=LineKind.FIBRE, access_node="N1", serial="00123", model="C1111",
        state=LifeState.SUSPENDED, settings={"max_attempts": "5", "options.vtysh": "login"},
    )  # fmt: skip


def test_csv_tells_an_absent_column_from_an_empty_cell() -> None:
    (got,) = read("csv", "name,address,group,port\nr1,10.0.0.1,,\n").devices
    assert (got.group, got.port) == ("", 0)
    assert (got.family, got.serial, got.line_ref) == (None, None, None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_takes_comma_semicolon_and_tab_and_a_byte_order_mark(delimiter: str) -> None:
    text = "\ufeffname,address,site\r\nr1,10.0.0.1,x\r\n\r\nr2,10.0.0.2,y\r\n".replace(",", delimiter)
    assert [(d.name, d.site, d.line) for d in read("csv", text).devices] == [("r1", "x", 2), ("r2", "y", 4)]


def test_csv_keeps_line_numbers_right_after_a_cell_of_several_lines() -> None:
    text = 'name,address,site\nr1,10.0.0.1,"a\nb"\nr2,10.0.0.2,c,extra\n'
    assert problems("csv", text)[0].startswith("4: the row has 4 cells and the header 3")


def test_csv_names_each_unknown_missing_and_doubled_column() -> None:
    found = problems("csv", "name,colour,colour,naem\n")
    assert len(found) == 4
    assert any("'colour' is there twice" in one for one in found)
    assert any("'naem' is unknown; known: site, name" in one for one in found)
    assert "1: column 'address' is missing; add it to the header" in found


def test_csv_names_both_lines_of_a_name_that_is_there_twice() -> None:
    found = problems("csv", "name,address\nr1,10.0.0.1\nr2,10.0.0.2\nr1,10.0.0.3\n")
    assert found == ["4: device 'r1' is on line 2 already; keep one of the two"]


def test_csv_reports_all_bad_rows_together() -> None:
    text = """\
        name,address,port,state,line_kind
        r1,,,,
        ,10.0.0.2,,,
        r3,10.0.0.3,99999,,
        r4,10.0.0.4,,retired,
        r5,10.0.0.5,,,glass
        """
    found = problems("csv", text)
    assert [int(one.split(":")[0]) for one in found] == [2, 3, 4, 5, 6]
    for one, word in zip(found, ["address", "name", "port", "state", "line_kind"], strict=True):
        assert word in one


def test_csv_with_a_broken_quote_is_refused_at_its_line() -> None:
    assert problems("csv", 'name,address\nr1,10.0.0.1\nr2,"10.0.0.2\n')[0].startswith("3: not valid CSV")


def test_an_empty_csv_says_what_is_wanted() -> None:
    assert "header row" in problems("csv", "\n \n")[0]


# --- router.db ---


def test_oxidized_lines_are_name_model_group_and_the_name_is_the_address() -> None:
    document = read(
        "router_db",
        """\
        # the shops
        r1.example.net:ios:shops

        10.0.0.2:openwrt
        """,
    )
    assert [(d.name, d.address, d.family, d.group, d.line) for d in document.devices] == [
        ("r1.example.net", "r1.example.net", "cisco_ios", "shops", 2),
        ("10.0.0.2", "10.0.0.2", "openwrt", None, 4),
    ]


def test_an_oxidized_map_is_taken_as_it_stands_and_other_columns_are_not_looked_at() -> None:
    text = "r1:10.0.0.1:iosxe:s3cret:2222\n"
    (got,) = read("router_db", text, map="name:0,ip:1,model:2,port:4").devices
    assert (got.name, got.address, got.family, got.port) == ("r1", "10.0.0.1", "cisco_ios", 2222)
    assert "s3cret" not in repr(got)


def test_rancid_lines_of_either_form_tell_who_is_up() -> None:
    new = read("router_db", "r1;cisco;up;room: 4\nr2;ios;down\n2001:db8::1;linux;up\n")
    assert [(d.name, d.family, d.state) for d in new.devices] == [
        ("r1", "cisco_ios", LifeState.ACTIVE),
        ("r2", "cisco_ios", LifeState.SUSPENDED),
        ("2001:db8::1", "frr_linux", LifeState.ACTIVE),
    ]
    old = read("router_db", "r1:cisco:up\nr2:cisco:DOWN:a; b\n")
    assert [d.state for d in old.devices] == [LifeState.ACTIVE, LifeState.SUSPENDED]


def test_a_rancid_state_of_another_word_is_suspended_with_a_warning() -> None:
    document = read("router_db", "r1;ios;up\nr2;ios;ticketed\n", style="rancid")
    assert document.devices[1].state is LifeState.SUSPENDED
    assert document.warnings == ("in:2: state 'ticketed' is neither up nor down and is read as suspended",)


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:db8:0:1:2:3:4:5", "::1"])
def test_an_ipv6_address_between_colons_is_pointed_out(address: str) -> None:
    found = problems("router_db", f"r0:10.0.0.1:ios\nr1:{address}:ios\n", map="name:0,address:1,family:2")
    assert found == ["2: an IPv6 address cannot stand between colons; separate all fields of the file with ';'"]
    (got,) = read("router_db", f"r1;{address};ios\n", map="name:0,address:1,family:2").devices
    assert got.address == address


def test_a_line_without_a_model_says_what_is_missing() -> None:
    assert "model or type is expected in field 2" in problems("router_db", "r1:ios\nr2,ios\n")[0]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"map": "name:0,password:1"}, "password is never read"),
        ({"map": "name:0,colour:1"}, "'colour:1'"),
        ({"map": "name"}, "FIELD:COLUMN"),
        ({"map": "address:0"}, "name is missing"),
        ({"map": "name:0,name:1"}, "twice"),
        ({"style": "cvs"}, "oxidized or rancid"),
        ({"delimiter": "|"}, "use : or ;"),
        ({"colour": "red"}, "no option 'colour'; known: default_group, delimiter, map, style"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, str], word: str) -> None:
    assert word in problems("router_db", "r1:ios\n", **options)[0]


def test_every_alias_leads_to_one_of_three_families() -> None:
    assert set(ALIASES.values()) == {"cisco_ios", "openwrt", "frr_linux"}
    assert all(alias == alias.lower() for alias in ALIASES)


# --- Nornir ---

GROUPS = """\
    edge:
      platform: ios
      data:
        credential: core
        settings: {max_attempts: 5, options: {vtysh: login}}
    brussels:
      groups: [edge]
      port: 2222
    slow:
      data:
        credential: edge
        settings: {connect_timeout: 60}
    """
DEFAULTS = """\
    port: 2022
    username: admin
    password: hunter2
    """


def nornir(hosts: str, groups: str | None = GROUPS, defaults: str | None = DEFAULTS, **options: str) -> Any:
    files = [SourceFile("inv/hosts.yaml", dedent(hosts))]
    files += [SourceFile("inv/groups.yaml", dedent(groups))] if groups is not None else []
    files += [SourceFile("inv/defaults.yaml", dedent(defaults))] if defaults is not None else []
    return InventoryFormats().parse("nornir", files, options)


def nornir_problems(hosts: str, groups: str | None = GROUPS) -> list[str]:
    with pytest.raises(InputError) as caught:
        nornir(hosts, groups)
    if isinstance(caught.value, ImportErrors):
        return [str(problem) for problem in caught.value.problems]
    return [str(caught.value)]


def test_nornir_groups_and_defaults_become_groups() -> None:
    document = nornir("r1: {hostname: 10.0.0.1, groups: [brussels]}")
    assert [g.plain() for g in document.groups] == [
        Group("defaults", port=2022),
        Group("edge", "defaults", "cisco_ios", "core", settings={"max_attempts": "5", "options.vtysh": "login"}),
        Group("brussels", "edge", port=2222),
        Group("slow", "defaults", credential="edge", settings={"connect_timeout": "60"}),
    ]
    (got,) = document.devices
    assert (got.group, got.family, got.port, got.credential, got.settings) == ("brussels", "", 0, "", {})


def test_nornir_hosts_carry_their_own_values_and_data() -> None:
    (got,) = nornir(
        """\
        # the only one
        "007":
          hostname: 10.0.0.1
          port: 22
          platform: openwrt
          data: {site: Shop, line: L1, line_kind: copper, access_node: N1, serial: 00123, model: X, colour: {a: [b]}}
        """,
        groups=None,
        defaults=None,
    ).devices
    assert (got.name, got.address, got.port, got.family, got.line) == ("007", "10.0.0.1", 22, "openwrt", 2)
    assert (got.site, got.line_ref, got.line_kind, got.access_node) == ("Shop", "L1", LineKind.COPPER, "N1")
    assert (got.serial, got.model, got.group) == ("00123", "X", "")


def test_what_a_further_nornir_group_adds_is_written_onto_the_host_with_a_warning() -> None:
    document = nornir("r1: {hostname: 10.0.0.1, groups: [brussels, slow]}")
    (got,) = document.devices
    assert (got.group, got.settings) == ("brussels", {"connect_timeout": "60"})
    assert (got.credential, got.port) == ("", 0), "brussels gives these first, there and here"
    assert any("'r1' has several groups; 'brussels' is kept" in warning for warning in document.warnings)


def test_a_nornir_host_without_a_group_falls_under_the_defaults() -> None:
    assert nornir("r1: {hostname: 10.0.0.1}").devices[0].group == "defaults"
    assert nornir("r1: {hostname: 10.0.0.1}", defaults_group="base").devices[0].group == "base"


def test_nornir_user_names_and_passwords_are_left_where_they_are() -> None:
    document = nornir(
        """\
        r1:
          hostname: 10.0.0.1
          username: bob
          password: s3cret-one
          data: {password: s3cret-two, credential: core}
          connection_options: {netmiko: {password: s3cret-three}}
        """
    )
    text = repr(document)
    assert not [secret for secret in ("hunter2", "s3cret", "bob", "admin") if secret in text]
    assert "inv/hosts.yaml:1: 'r1': username and password not imported; credential 'core' is used instead" in text
    assert any("make a credential such as 'defaults'" in warning for warning in document.warnings)
    assert any("connection_options are not imported" in warning for warning in document.warnings)


def test_nornir_problems_come_with_file_and_line() -> None:
    hosts = """\
        r1:
          hostname: 10.0.0.1
          groups: [gone]
        r2: 10.0.0.2
        r3:
          hostname: 10.0.0.3
          credential: core
        r4:
          hostname: [1, 2]
        r5:
          hostname: 10.0.0.5
          groups: edge
        r6:
          data: {settings: 5}
        """
    found = nornir_problems(hosts)
    assert [one.partition(": ")[0] for one in found] == [f"inv/hosts.yaml:{n}" for n in (1, 4, 7, 9, 12, 14)]
    for one, words in zip(found, ["'gone' is not in", "not a mapping", "below data", "plain text", "list of names",
                                  "settings is not"], strict=True):  # fmt: skip
        assert words in one
    assert nornir_problems("r1: {}\n")[0].startswith("inv/hosts.yaml:1: device 'r1': address is missing")


def test_a_nornir_group_that_inherits_from_itself_is_refused() -> None:
    found = nornir_problems("r1: {hostname: a}", "a: {groups: [b]}\nb: {groups: [a]}\nc: {groups: [a]}\n")
    assert found == [
        "inv/groups.yaml:1: group 'a' inherits from itself; take one of its groups away",
        "inv/groups.yaml:2: group 'b' inherits from itself; take one of its groups away",
    ]


def test_a_host_and_a_group_may_have_the_same_name() -> None:
    with pytest.raises(ImportErrors, match="'gone' is not in"):
        nornir("edge: {hostname: a, groups: [gone]}")


def test_a_nornir_host_that_is_there_twice_names_both_lines() -> None:
    assert nornir_problems("r1: {hostname: a}\nr2: {hostname: b}\nr1: {hostname: c}\n") == [
        "inv/hosts.yaml:3: 'r1' is on line 1 already; keep one of the two"
    ]


def test_nornir_files_have_to_be_told_apart() -> None:
    for names, words in ((["a.yaml", "hosts.yaml"], "cannot tell what"), (["groups.yaml"], "no hosts file"),
                         (["hosts.yaml", "hosts2.yaml"], "second hosts file")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            InventoryFormats().parse("nornir", [SourceFile(name, "{}") for name in names], {})


def test_a_group_called_like_the_one_for_the_defaults_is_pointed_out() -> None:
    with pytest.raises(InputError, match=r"groups.yaml:1: .*defaults_group"):
        nornir("r1: {hostname: a}", "defaults: {platform: ios}\n")


# --- NetBox ---


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


# --- all formats ---


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("a.csv", "name;address\n", "csv"),
        ("export.txt", "\n name\taddress\n", "csv"),
        ("-", "site,name,address\n", "csv"),
        ("router.db", "r1:ios:g\n", "router_db"),
        ("-", "# mine\nr1;ios;up\n", "router_db"),
        ("hosts.yml", "{}", "nornir"),
        ("-", '\ufeff {"results": []}', "netbox"),
        ("dump.json", "", "netbox"),
    ],
)
def test_the_format_is_told_from_the_name_or_the_text(file: str, text: str, name: str) -> None:
    assert InventoryFormats().detect(file, text) == name


def test_a_format_that_cannot_be_told_or_is_not_there_lists_the_known_ones() -> None:
    formats = InventoryFormats()
    with pytest.raises(InputError, match="x: cannot tell the format; name it: csv, router_db, nornir, netbox"):
        formats.detect("x", "hello\n")
    with pytest.raises(InputError, match="'xml' is unknown; known: csv"):
        formats.get("xml")


def test_several_files_are_joined_and_their_problems_reported_together() -> None:
    good, bad = "name,address\nr1,10.0.0.1\n", "name,address\nr2\n"
    formats = InventoryFormats()
    files = [SourceFile("a.csv", good), SourceFile("b.csv", good.replace("r1", "r2"))]
    assert [(d.file, d.name) for d in formats.parse("csv", files, {}).devices] == [("a.csv", "r1"), ("b.csv", "r2")]
    with pytest.raises(ImportErrors) as caught:
        formats.parse("csv", [SourceFile("a.csv", bad), SourceFile("b.csv", "x\n")], {})
    assert {problem.file for problem in caught.value.problems} == {"a.csv", "b.csv"}


def test_a_default_group_goes_to_devices_without_one() -> None:
    document = read("csv", "name,address,group\nr1,10.0.0.1,\nr2,10.0.0.2,g\n", default_group="shops")
    assert [d.group for d in document.devices] == ["shops", "g"]


def test_what_is_too_big_or_nothing_at_all_is_refused() -> None:
    formats = InventoryFormats()
    with pytest.raises(InputError, match="64 MB"):
        formats.parse("csv", [SourceFile("a", "x" * (64 * 2**20 + 1))], {})
    with pytest.raises(InputError, match="no file"):
        formats.parse("csv", [], {})
