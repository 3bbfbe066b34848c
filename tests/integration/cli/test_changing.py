"""Changing groups and devices one at a time."""

from __future__ import annotations

from pathlib import Path

from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed


def test_a_group_is_made_changed_and_emptied_again(cli: Cli) -> None:
    assert cli("group", "list").stderr == "no groups\n"
    ok(cli("group", "set", "shops", "--family", "frr_linux", "--credential", "lab", "--setting", "max_attempts=3"))
    ok(cli("group", "set", "shops", "--port", "2222", "--setting", "connect_timeout=5"))
    found = parsed(cli("group", "show", "shops", "--json"))
    assert (found["family"], found["credential"], found["port"]) == ("frr_linux", "lab", 2222)
    assert found["settings"] == {"max_attempts": 3, "connect_timeout": 5}
    ok(cli("group", "set", "shops", "--credential", "", "--port", "", "--setting", "max_attempts="))
    shown = ok(cli("group", "show", "shops"))
    assert "setting connect_timeout" in shown
    assert "max_attempts" not in shown
    assert "lab" not in shown
    assert "shops  -      frr_linux" in ok(cli("group", "list"))


def test_a_device_inherits_what_its_group_was_given(cli: Cli) -> None:
    ok(cli("group", "set", "shops", "--family", "frr_linux", "--credential", "lab"))
    ok(cli("devices", "add", "r1", "198.51.100.1", "--group", "shops"))
    shown = ok(cli("devices", "show", "r1"))
    assert "frr_linux (inherited)" in shown
    assert "lab (inherited)" in shown


def test_a_group_that_is_wrong_is_refused_in_one_line(cli: Cli) -> None:
    one_line(cli("group", "set", "shops", "--port", "ssh"), "input", "--port", "ssh")
    one_line(cli("group", "set", "shops", "--port", "99999"), "input", "99999")
    one_line(cli("group", "set", "shops", "--family", "junos"), "input", "junos")
    one_line(cli("group", "set", "shops", "--setting", "speed"), "input", "name=value")
    one_line(cli("group", "show", "none"), "not_found", "none")
    one_line(cli("group", "show", ".."), "input", "not a name")


def test_a_device_is_changed_in_what_is_given_and_nothing_else(cli: Cli, fleet: Live) -> None:
    before = parsed(cli("devices", "show", "r1", "--json"))
    model = 'M1, "mark two"'
    words = ("devices", "set", "r1", "--address", "198.51.100.77", "--model", model, "--setting", "max_attempts=2")
    assert "Dry run" in ok(cli(*words, "--dry-run"))
    assert parsed(cli("devices", "show", "r1", "--json")) == {**before, "age_seconds": None}
    assert "198.51.100.77" in ok(cli(*words))
    after = parsed(cli("devices", "show", "r1", "--json"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"address", "model", "settings", "in_force"}
    assert (after["model"], after["settings"]) == (model, {"max_attempts": 2})
    ok(cli("devices", "set", "r1", "--model", "", "--setting", "max_attempts="))
    emptied = parsed(cli("devices", "show", "r1", "--json"))
    assert (emptied["model"], emptied["settings"]) == (None, {})


def test_a_suspended_device_stays_suspended_when_it_is_changed(cli: Cli, fleet: Live) -> None:
    ok(cli("devices", "suspend", "r1"))
    ok(cli("devices", "set", "r1", "--port", "2222"))
    found = parsed(cli("devices", "show", "r1", "--json"))
    assert (found["state"], found["port"]) == ("suspended", 2222)


def test_a_change_that_is_wrong_is_refused_in_one_line(cli: Cli, fleet: Live) -> None:
    one_line(cli("devices", "set", "r1"), "input", "--address")
    one_line(cli("devices", "set", "r1", "--address", "not an address"), "input", "not an address")
    one_line(cli("devices", "set", "r1", "--group", "none"), "input", "none")
    one_line(cli("devices", "set", "ghost", "--port", "22"), "not_found", "ghost")
    ok(cli("devices", "remove", "r1", "--yes"))
    one_line(cli("devices", "set", "r1", "--port", "22"), "input", "decommissioned")


def test_an_import_can_refuse_unknown_groups(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    file.write_text("name,address,family,credential,group\nr9,198.51.100.9,frr_linux,lab,shops\n")
    one_line(cli("devices", "import", str(file), "--no-make-groups"), "input", "shops")
    assert "1 groups written" in ok(cli("devices", "import", str(file)))
