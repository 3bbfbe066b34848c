"""The shipped catalogues against the service description, and what is refused in an edited one."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.adapters.catalogue_reading import read_entries, read_service
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.subscription.catalogue import COMPONENTS, C
from cpe_manager.domain.subscription.catalogue_data import (
    entries_from_data,
    entries_to_data,
    service_from_data,
    service_to_data,
)
from cpe_manager.domain.subscription.entitlement import NEEDS
from tests.support.catalogues import CONFIG, shipped_catalogue, shipped_entries

SERVICE = (CONFIG / "service-catalogue.toml").read_text(encoding="utf-8")
CHANGES = (CONFIG / "change-catalogue.toml").read_text(encoding="utf-8")

# Typed from the table of section 2: G M P P+ PE.
SECTION_2 = """
fixed-ipv4                       OPT OPT OPT STD STD
dynamic-addresses                STD STD STD -   -
fixed-ipv6                       -   -   -   STD STD
ip-pack                          -   -   -   OPT OPT
ports                            STD STD STD STD STD
managed-firewall                 -   -   -   STD -
mobile-backup                    -   -   -   OPT -
fiber-boost                      OPT OPT -   -   -
fiber-boost-plus                 OPT OPT -   -   -
fullfiber-boost-pro              -   -   OPT OPT OPT
rush-installation                -   -   -   OPT OPT
part-replacement                 STD STD STD STD -
configuration-restore            -   -   -   STD -
cpe-configuration                STD STD STD STD -
line-and-platform-configuration  STD STD STD STD STD
configuration-backup             -   -   -   STD STD
standard-changes                 -   -   -   OPT -
availability                     -   -   -   STD STD
change-schedule                  -   -   -   STD -
incident-schedule-24-7           -   -   -   OPT OPT
"""
FORMULAS = ("office-go", "maxi", "pro", "pro-plus", "pro-plus-essential")


@pytest.mark.parametrize("row", SECTION_2.strip().splitlines(), ids=lambda row: row.split()[0])
def test_the_shipped_terms_are_those_of_section_2(row: str) -> None:
    component, *terms = row.split()
    found = [shipped_catalogue().formulas[name].terms[component].value for name in FORMULAS]
    assert found == terms


def test_the_shipped_catalogue_has_the_limits_and_schedules_of_the_description() -> None:
    catalogue = shipped_catalogue()
    formulas = [catalogue.formulas[name] for name in FORMULAS]
    assert [one.end_users for one in formulas] == [253, 253, 253, 253, None]
    assert [one.mailboxes for one in formulas] == [6, 6, 10, 0, 0]
    assert [one.router for one in formulas] == [True, True, True, True, False]
    assert [one.volume.gigabytes for one in formulas] == [150, 750, None, None, None]
    late = ["Mon-Fri 08:00-22:00" in one.incident_schedule for one in formulas]
    assert late == [False, False, True, True, True]
    assert catalogue.reserved_ports == {23}
    assert catalogue.port_presets["mail"] == (25, 110, 220, 143)
    assert sorted(port for ports in catalogue.port_presets.values() for port in ports) == sorted(
        [25, 110, 220, 143, 80, 443, 119, 20, 21, 22]
    )
    assert (catalogue.free_days, catalogue.installation_days, catalogue.rush_days) == (7, 20, 2)
    assert (catalogue.holidays, catalogue.change_window) == ("BE", "Mon-Fri 08:00-18:00 Europe/Brussels")
    assert catalogue.components[C.INCIDENT_24_7].closed_since == date(2018, 1, 15)
    assert set(catalogue.components) == COMPONENTS
    assert [name for name, one in catalogue.components.items() if one.by_use] == [C.STANDARD_CHANGES]


def test_the_change_catalogue_of_today_has_ports_and_addresses_as_standard_changes() -> None:
    entries = shipped_entries()
    standard = {name for name, one in entries.items() if one.standard and one.fee}
    assert standard == {"open-port", "close-port", "wan-address", "lan-address", "ip-pack", "ipv6"}
    assert set(entries) == set(CHANGE_TYPES)
    assert all(one.version == 1 and one.enabled for one in entries.values())


def test_catalogues_are_the_same_after_they_were_kept_as_data() -> None:
    kept = json.loads(json.dumps([service_to_data(shipped_catalogue()), entries_to_data(shipped_entries())]))
    assert service_from_data(kept[0], 1) == shipped_catalogue()
    assert entries_from_data(kept[1]) == shipped_entries()


def line_of(text: str, beginning: str, after: str = "") -> int:
    """The first line that begins so, behind the one that begins as ``after``."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(after)) if after else 0
    return next(number for number in range(start, len(lines)) if lines[number].startswith(beginning)) + 1


EDITS = [
    ("free_days = 7", "free_days = -1", "free_days: is from 0 to 366, not -1"),
    ("free_days = 7", "free_days = true", "free_days: is a whole number, not True"),
    ("free_days = 7", 'fre_days = "7"', "fre_days: is unknown"),
    ("reserved_ports = [23] ", "reserved_ports = [0] ", "reserved_ports: has ports from 1 to 65535, not 0"),
    ("reserved_ports = [23] ", "reserved_ports = [23, 23] ", "reserved_ports: names a port twice"),
    ('holidays = "BE"', 'holidays = "Belgium"', "holidays: is a country in two letters"),
    ('"Mon-Fri 08:00-18:00 Europe/Brussels"', '"Mon-Fri 08:00-25:00 Europe/Brussels"', "has a time that no clock"),
    ("ssh = [22]", 'ssh = ["22"]', "port_presets.ssh: has ports from 1 to 65535, not '22'"),
    ("ssh = [22]", "SSH = [22]", "port_presets.SSH: is no name"),
    ('section = "§3.4"', 'section = "3.4"', "components.ports.section: is a section such as"),
    ('title = "unlimited ports"', 'title = ""', "components.ports.title: is empty"),
    ('title = "unlimited ports"', "", "components.ports: has no title"),
    ("by_use = true", 'by_use = "yes"', "components.standard-changes.by_use: is true or false"),
    ("closed_since = 2018-01-15", "closed_since = 2018", "closed_since: is a date such as 2018-01-15"),
    ("closed_since = 2018-01-15", "closed_since = 2018-01-15T10:00:00", "closed_since: is a date such as"),
    ('technologies = ["copper"]', 'technologies = ["cable"]', "technologies: has one or more of copper, fibre, not"),
    ('technologies = ["copper"]', "technologies = []", "technologies: has one or more of copper, fibre"),
    ("end_users = 253", "end_users = 0", "formulas.office-go.end_users: is from 1 to 65534"),
    (
        'mobile-backup = "-"',
        'mobile-backup = "OPTION"',
        "formulas.office-go.terms.mobile-backup: is one of STD, OPT, -",
    ),
    ('mobile-backup = "-"', 'mobile-backups = "-"', "formulas.office-go.terms.mobile-backups: there is no component"),
    ('base = "100/6"', 'base = "100"', "formulas.office-go.speeds.copper.base: is down/up in Mbps"),
    ('base = "100/6"', 'base = "0/6"', "neither of them 0"),
    ('base = "100/6"', 'bse = "100/6"', "formulas.office-go.speeds.copper: has no base"),
    ('fiber-boost = "350/50"', 'mobile-backup = "350/50"', "mobile-backup is no option of this formula"),
    ("gigabytes = 150", "gigabytes = 1.5", "formulas.office-go.volume.gigabytes: is a whole number, not 1.5"),
    ("router = false", 'router = "customer"', "formulas.pro-plus-essential.router: is true or false"),
    ("[formulas.maxi.speeds.fibre]", "[formulas.maxi.speeds.cable]", "formulas.maxi.speeds.cable: is unknown"),
    ("[components.cpe]", "[components.CPE]", "components: there is no component cpe; every catalogue has it"),
]


@pytest.mark.parametrize(("old", "new", "reason"), EDITS, ids=[reason for _, _, reason in EDITS])
def test_a_slip_of_the_pen_is_told_with_its_line(old: str, new: str, reason: str) -> None:
    assert old in SERVICE
    edited = SERVICE.replace(old, new, 1)
    with pytest.raises(ImportErrors) as caught:
        read_service(edited, "x.toml")
    told = [one for one in caught.value.problems if reason in one.reason]
    assert told, [str(one) for one in caught.value.problems]
    assert told[0].file == "x.toml"
    changed = SERVICE[: SERVICE.index(old)].count("\n") + 1
    header = SERVICE[: SERVICE.index(old)].rfind("\n[")
    table = SERVICE[: header + 1].count("\n") + 1 if header >= 0 else 1
    # What is missing, or hangs together with another part, is told where the table around it begins.
    assert told[0].line in {changed, table, line_of(SERVICE, "[components.cpe]")}


def test_all_that_is_wrong_is_told_at_once() -> None:
    edited = SERVICE.replace("free_days = 7", "free_days = 700").replace("rush_days = 2", "rush_days = 0")
    with pytest.raises(ImportErrors) as caught:
        read_service(edited, "x.toml")
    lines = [line_of(SERVICE, "free_days"), line_of(SERVICE, "rush_days")]
    assert [one.line for one in caught.value.problems] == lines


def test_a_formula_that_is_not_sold_on_a_technology_has_no_speed_there() -> None:
    edited = SERVICE.replace('fibre = "Internet Pro FullFiber"\n', "")
    with pytest.raises(ImportErrors) as caught:
        read_service(edited, "x.toml")
    (told,) = caught.value.problems
    assert told.reason == "formulas.pro.speeds.fibre: the formula is not sold on fibre: it has no title there"
    assert told.line == line_of(edited, "[formulas.pro.speeds.fibre]")
    edited = edited.replace('[formulas.pro.speeds.fibre]\nbase = "350/50"\nfullfiber-boost-pro = "500/100"\n', "")
    assert len(read_service(edited, "x.toml").formulas["pro"].titles) == 1


@pytest.mark.parametrize("text", ["a = ", "[formulas", 'x = "\\q"', "a = 1\na = 2", "x = 2026-13-01"])
def test_what_is_no_toml_is_told_with_its_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_service(text, "x.toml")
    assert caught.value.file == "x.toml"
    assert caught.value.line is not None
    assert "not valid TOML" in str(caught.value)


def test_an_empty_catalogue_says_what_it_lacks() -> None:
    with pytest.raises(ImportErrors) as caught:
        read_service("", "x.toml")
    assert {one.reason for one in caught.value.problems} >= {"has no components", "has no formulas"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[entries.open-port]", "[entries.open-door]", "entries.open-door: there is no change of that type"),
        ('["fixed-ipv4", "standard-changes"]', '["standard-changes"]', "fixed-ipv4 is missing: wan-address needs it"),
        ('["fixed-ipv4", "standard-changes"]', '["fixed-ip", "standard-changes"]', "not 'fixed-ip'"),
        ("version = 1", "version = 0", "entries.open-port.version: is from 1"),
        ("version = 1\n", "", "entries.open-port: has no version"),
        ("standard = true", "standard = 1", "entries.open-port.standard: is true or false, not 1"),
        ("fee = true", "price = 40", "entries.open-port.price: is unknown"),
        ("[entries.close-port]", "[entry.close-port]", "entry: is unknown; known: entries"),
    ],
)
def test_a_wrong_entry_of_the_change_catalogue_is_told(old: str, new: str, reason: str) -> None:
    with pytest.raises(ImportErrors) as caught:
        read_entries(CHANGES.replace(old, new, 1), "y.toml", NEEDS)
    told = [one for one in caught.value.problems if reason in one.reason]
    assert told, [str(one) for one in caught.value.problems]
    assert told[0].line is not None


def test_an_entry_may_ask_for_more_than_lies_in_its_nature_and_be_switched_off() -> None:
    edited = CHANGES.replace('["ports", "standard-changes"]', '["ports", "standard-changes", "availability"]', 1)
    entries = read_entries(edited.replace("fee = true", "fee = true\nenabled = false", 1), "y.toml", NEEDS)
    assert entries["open-port"].components[-1] == C.AVAILABILITY
    assert not entries["open-port"].enabled


@st.composite
def slips(draw: st.DrawFn) -> str:
    """A shipped catalogue after one to three slips: a line lost, doubled, moved, or a character typed into it."""
    lines = draw(st.sampled_from([SERVICE, CHANGES])).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["lose", "double", "move", "type"]))
        if how == "type":
            at = draw(st.integers(0, len(lines[number])))
            typed = draw(st.sampled_from(['"', "'", "[", "]", "=", "#", "-", "0", "x", ".", ",", "{", "\\", "é"]))
            lines[number] = lines[number][:at] + typed + lines[number][at:]
        else:
            line = lines[number] if how == "double" else lines.pop(number)
            if how != "lose":
                lines.insert(draw(st.integers(0, len(lines))), line)
    return "\n".join(lines)


@settings(max_examples=60)
@given(slips())
def test_after_any_slip_a_catalogue_is_read_or_refused_with_file_and_line(text: str) -> None:
    try:
        read_service(text, "x.toml") if "[formulas" in text else read_entries(text, "x.toml", CHANGE_TYPES)
    except InputError as error:
        problems = error.problems if isinstance(error, ImportErrors) else [error]
        told = [(one.file, one.line) for one in problems]
        last = len(text.splitlines()) + 1
        wrong = [place for place in told if place[0] != "x.toml" or not 1 <= (place[1] or 1) <= last]
    else:
        wrong = []
    assert wrong == []
