"""Nornir's inventory: what becomes of hosts, groups and defaults, and that no password is read."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.inventory import Group, LineKind
from cpe_manager.ports.inventory_source import SourceFile

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
