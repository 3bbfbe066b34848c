"""The plan of an import: what is added, changed, suspended, resumed or replaced, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.domain.fleet.import_plan import ImportPlan, PlanOptions
from cpe_manager.domain.fleet.import_records import LineWish
from cpe_manager.domain.fleet.import_rules import ImportErrors, PlacedGroup
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, Group, LifeState, LineKind
from tests.unit.inventory.world import FAMILIES, device, planned, record

MISSING = PlanOptions(suspend_missing=True)


def stored_after(before: list[Device], plan: ImportPlan) -> list[Device]:
    """The rows as a store would hold them once the plan is applied."""
    changes = (*plan.changed, *plan.suspended, *plan.resumed)
    rows = {d.id: d for d in before} | {c.after.id: c.after for c in changes}
    for change in plan.replaced:
        rows[change.before.id] = replace(change.before, state=LifeState.DECOMMISSIONED)
    for number, new in enumerate((*plan.added, *(c.after for c in plan.replaced)), len(rows)):
        rows[f"new-{number}"] = replace(new, id=f"new-{number}", position_id=new.position_id or f"p-{number}")
    return list(rows.values())


def reasons(*args: object, **kwargs: object) -> list[str]:
    with pytest.raises(ImportErrors) as caught:
        planned(*args, **kwargs)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_a_new_device_gets_a_site_of_its_name_when_the_file_tells_none() -> None:
    plan = planned([], [record()])
    assert [(d.name, d.site, d.state, d.id) for d in plan.added] == [("r1", "r1", LifeState.ACTIVE, "")]


def test_silence_keeps_what_is_stored_and_an_empty_value_takes_it_away() -> None:
    full = device(
        port=2222, group="g", credential="core", serial="S1", model="M", line="main", access_node="N",
        settings={"max_attempts": 5},
    )  # fmt: skip
    groups = [Group("g")]
    assert planned([full], [record(family=None)], groups=groups).unchanged == (full,)
    empty = record(port=0, group="", credential="", serial="", model="", line_ref="", settings={"max_attempts": None})
    (change,) = planned([full], [empty], groups=groups).changed
    assert change.after == device()


def test_a_change_tells_each_field_before_and_after() -> None:
    (change,) = planned([device()], [record(address="10.0.0.9", credential="core")]).changed
    assert {(f.field, f.before, f.after) for f in change.fields} == {
        ("address", "10.0.0.1", "10.0.0.9"),
        ("credential", None, "core"),
    }


def test_another_serial_is_other_hardware_on_the_same_position_site_and_name() -> None:
    old = device(site="Shop", serial="S1", model="M1", line="main", access_node="N", settings={"max_attempts": 5})
    (swap,) = planned([old], [record(serial="S2")]).replaced
    new = swap.after
    assert swap.before == old
    assert (new.id, new.position_id, new.site_id, new.site, new.name) == ("", "pos-r1", "site-of-r1", "Shop", "r1")
    assert (new.serial, new.model, new.line, new.access_node) == ("S2", None, "main", "N")
    assert new.settings == {"max_attempts": 5}


@pytest.mark.parametrize(("stored", "given"), [(None, "S2"), ("s2", "S2"), ("S2", None)])
def test_a_serial_learned_written_otherwise_or_left_out_is_no_swap(stored: str | None, given: str | None) -> None:
    plan = planned([device(serial=stored)], [record(serial=given)])
    assert plan.replaced == ()
    assert [c.after.serial for c in plan.changed] == ([] if stored else ["S2"])


def test_a_listed_suspended_device_is_resumed_and_one_listed_as_suspended_is_suspended() -> None:
    stored = [device("a", state=LifeState.SUSPENDED), device("b", address="10.0.0.2")]
    plan = planned(stored, [record("a"), record("b", address="10.0.0.2", state=LifeState.SUSPENDED)])
    assert [c.after.name for c in plan.resumed] == ["a"]
    assert [c.after.name for c in plan.suspended] == ["b"]


def test_missing_devices_are_suspended_only_when_asked_and_only_in_the_scope() -> None:
    groups = [Group("north"), Group("north-1", parent="north"), Group("south")]
    stored = [
        device("a", group="north-1", address="10.0.0.2"),
        device("b", group="south", address="10.0.0.3"),
        device("c", address="10.0.0.4"),
    ]
    new = [record("new")]
    assert planned(stored, new, groups=groups).suspended == ()
    everywhere = planned(stored, new, groups=groups, options=MISSING)
    assert [c.after.name for c in everywhere.suspended] == ["a", "b", "c"]
    north = planned(stored, new, groups=groups, options=PlanOptions(suspend_missing=True, scope=("north",)))
    assert [c.after.name for c in north.suspended] == ["a"]


def test_an_empty_document_never_suspends_the_fleet() -> None:
    assert "would suspend all" in reasons([device()], [], options=MISSING)[0]


def test_a_scope_that_does_not_exist_is_an_error_and_not_an_empty_scope() -> None:
    options = PlanOptions(suspend_missing=True, scope=("nroth",))
    assert "'nroth'" in reasons([device()], [record()], options=options)[0]


def test_a_name_that_was_decommissioned_starts_anew_with_a_warning() -> None:
    plan = planned([device(state=LifeState.DECOMMISSIONED)], [record()])
    assert [d.position_id for d in plan.added] == [""]
    assert "starts a new history" in plan.warnings[0]


def test_a_device_that_changes_its_site_is_warned_about() -> None:
    plan = planned([device(site="Old")], [record(site="New")])
    assert "from site 'Old' to 'New'" in plan.warnings[0]


def test_every_problem_of_a_document_is_reported_with_its_place() -> None:
    bad = [
        record("a b", line=2),
        record("r2", line=3, address="10.0.0.300"),
        record("r3", line=4, family="junos", credential="nope"),
        record("r4", line=5, settings={"max_attempts": 99, "speed": 1}),
        record("r5", line=6, port=70000),
        record("r6", line=7, family=None, address="10.0.0.6"),
        record("r7", line=8, group="gone", address="10.0.0.7"),
        record("ok", line=9, address="10.0.0.9"),
    ]
    found = reasons([], bad)
    assert [line.split(":")[1] for line in found] == ["2", "3", "4", "4", "5", "5", "6", "7", "8"]
    text = "\n".join(found)
    for words in ("spaces", "10.0.0.300", "'junos' has no driver; known: cisco_ios, frr_linux", "known: core, edge",
                  "1 to 20", "no such setting", "70000", "no family", "'gone' does not exist"):  # fmt: skip
        assert words in text


def test_a_name_listed_twice_names_both_places() -> None:
    (found,) = reasons([], [record(line=2), record(file="g", line=7, address="10.0.0.2")])
    assert found == "g:7: device 'r1' is listed already at f:2; keep one of them"


def test_two_active_devices_at_one_address_and_port_are_both_named() -> None:
    (found,) = reasons([], [record("a"), record("b", line=3)])
    assert "'a' and 'b' share address 10.0.0.1 port 22" in found
    (found,) = reasons([device("old")], [record("new", line=3)])
    assert "'old' and 'new'" in found


def test_the_port_that_is_in_force_decides_about_sharing() -> None:
    groups = [Group("g", port=2222)]
    assert len(planned([], [record("a", group="g"), record("b")], groups=groups).added) == 2
    (found,) = reasons([], [record("a", group="g"), record("b", port=2222, line=3)], groups=groups)
    assert "port 2222" in found


def test_a_suspended_device_may_share_an_address() -> None:
    assert len(planned([], [record("a"), record("b", state=LifeState.SUSPENDED)]).added) == 2


def test_devices_of_the_store_that_clash_already_do_not_block_an_import_of_others() -> None:
    stored = [device("x"), device("y")]
    assert len(planned(stored, [record("new", address="10.0.0.7")]).added) == 1


def test_two_devices_may_trade_their_addresses_in_one_import() -> None:
    stored = [device("a", address="10.0.0.1"), device("b", address="10.0.0.2")]
    assert len(planned(stored, [record("a", address="10.0.0.2"), record("b", address="10.0.0.1")]).changed) == 2


def test_a_platform_of_the_long_tail_is_a_family_and_a_misspelt_one_is_told_what_is_near() -> None:
    (added,) = planned([], [record(family="netmiko:cisco_s300")]).added
    assert added.family == "netmiko:cisco_s300"
    (reason,) = reasons([], [record(family="netmiko:cisco_s30")])
    assert "near it: netmiko:cisco_s300" in reason
    (reason,) = reasons([], [record(family="nosuch")])
    assert "known: cisco_ios, frr_linux, openwrt, and netmiko:<device type of netmiko>" in reason


TELNET = {"transport": "telnet"}


def test_a_device_over_telnet_needs_a_group_that_allows_it() -> None:
    allowing = [Group("dsl", settings={"allow_telnet": True}), Group("old", parent="dsl")]
    (added,) = planned([], [record(group="old", settings={"transport": "Telnet"})], groups=allowing).added
    assert added.settings == TELNET
    forbidding = [
        Group("dsl", settings={"allow_telnet": True}),
        Group("old", parent="dsl", settings={"allow_telnet": False}),
    ]
    (reason,) = reasons([], [record(group="old", settings=TELNET)], groups=forbidding)
    assert "group 'old' does not allow it" in reason
    (reason,) = reasons([], [record(settings=TELNET)])
    assert "it is in no group" in reason


def test_a_group_may_forbid_telnet_again_whatever_its_devices_say() -> None:
    stored = device(group="dsl", settings=TELNET)
    forbidding = [Group("dsl", settings={"allow_telnet": False})]
    plan = planned([stored], [], groups=[Group("dsl", settings={"allow_telnet": True})], new_groups=forbidding)
    assert plan.groups == tuple(forbidding)


def test_telnet_and_ssh_of_one_address_are_two_ports() -> None:
    group = [Group("dsl", settings={"allow_telnet": True})]
    pair = [record("a", address="10.0.0.1", group="dsl", settings=TELNET), record("b", address="10.0.0.1", group="dsl")]
    assert len(planned([], pair, groups=group).added) == 2
    clash = [replace(one, settings=TELNET) for one in pair]
    assert "port 23" in reasons([], clash, groups=group)[0]


def test_a_group_of_the_document_serves_devices_of_the_same_document() -> None:
    new = [Group("g", family="openwrt", port=2222, settings={"connect_timeout": "20"})]
    plan = planned([], [record(family=None, group="g")], new_groups=new)
    assert plan.groups == (Group("g", family="openwrt", port=2222, settings={"connect_timeout": 20.0}),)


def test_a_group_as_it_is_stored_already_is_no_change() -> None:
    stored = Group("g", family="openwrt", settings={"connect_timeout": 20.0})
    given_again = PlacedGroup("g", family="openwrt", settings={"connect_timeout": "20"}, file="f", line=1)
    assert planned([], [], groups=[stored], new_groups=[given_again]).is_empty


def test_groups_are_checked_with_their_place() -> None:
    bad = [
        PlacedGroup("a", parent="b", file="g", line=1),
        PlacedGroup("b", parent="a", file="g", line=4),
        PlacedGroup("c", parent="gone", file="g", line=7),
        PlacedGroup("d", family="junos", settings={"x": 1}, file="g", line=9),
    ]
    found = reasons([], [], new_groups=bad)
    assert [line.split(":")[1] for line in found] == ["1", "4", "7", "9", "9"]
    assert "a -> b -> a" in found[0]


def test_a_group_change_that_leaves_a_stored_device_without_a_family_is_refused() -> None:
    groups = [Group("g", family="openwrt")]
    (found,) = reasons([device(family=None, group="g")], [], groups=groups, new_groups=[Group("g")])
    assert "'r1': no family is given and group 'g' has none" in found


def test_a_group_change_that_makes_stored_devices_clash_is_refused() -> None:
    groups = [Group("g", port=2222)]
    stored = [device("a", group="g"), device("b")]
    (found,) = reasons(stored, [], groups=groups, new_groups=[Group("g")])
    assert "'a' and 'b'" in found or "'b' and 'a'" in found


def test_unknown_groups_are_made_with_a_warning_when_that_is_asked() -> None:
    plan = planned([], [record(group="new")], options=PlanOptions(make_groups=True))
    assert plan.groups == (Group("new"),)
    assert "group 'new' did not exist" in plan.warnings[0]
    assert "'new' does not exist" in reasons([], [record(group="new")])[0]


def test_lines_are_wished_for_when_a_record_speaks_of_them() -> None:
    plan = planned([], [record(site="S", access_node="N1", line_kind=LineKind.FIBRE)])
    assert plan.lines == (LineWish("S", "main", LineKind.FIBRE, "N1"),)
    assert (plan.added[0].line, plan.added[0].access_node) == ("main", "N1")


def test_a_device_put_on_a_known_line_takes_its_access_node() -> None:
    stored = [device("a", site="S", line="L", access_node="N1")]
    plan = planned(stored, [record("b", site="S", line_ref="L", address="10.0.0.2")])
    assert plan.added[0].access_node == "N1"


def test_two_records_that_disagree_about_one_line_are_refused() -> None:
    one = record("a", site="S", line_ref="L", access_node="N1")
    other = record("b", site="S", line_ref="L", access_node="N2", address="10.0.0.2", line=3)
    (found,) = reasons([], [one, other])
    assert found.startswith("f:3: devices 'a' and 'b' tell different things of line 'L'")


names = st.sampled_from(["a", "b", "c", "d", "e"])
maybe = st.none() | st.just("")


@st.composite
def records(draw: st.DrawFn) -> list[DeviceRecord]:
    chosen = draw(st.lists(names, unique=True))
    return [
        record(
            name,
            line=number + 2,
            address=f"10.0.0.{ord(name)}",
            site=draw(st.sampled_from(["", "S", "T"])),
            port=draw(st.sampled_from([None, 0, 22, 2222])),
            family=draw(st.sampled_from(FAMILIES)),
            credential=draw(maybe | st.sampled_from(["core", "edge"])),
            serial=draw(maybe | st.sampled_from(["s1", "S1", "S2"])),
            model=draw(maybe | st.just("M")),
            line_ref=draw(maybe | st.just(f"L{name}")),
            access_node=draw(maybe | st.just("N")),
            state=draw(st.sampled_from([LifeState.ACTIVE, LifeState.SUSPENDED])),
            settings=draw(st.sampled_from([{}, {"max_attempts": "5"}, {"max_attempts": None}])),
        )
        for number, name in enumerate(chosen)
    ]


@settings(deadline=None)
@given(first=records(), second=records(), suspend=st.booleans())
def test_the_same_document_planned_again_changes_nothing(
    first: list[DeviceRecord], second: list[DeviceRecord], suspend: bool
) -> None:
    options = PlanOptions(suspend_missing=suspend and bool(first) and bool(second))
    rows = stored_after([], planned([], first, options=options))
    rows = stored_after(rows, planned(rows, second, options=options))
    again = planned(rows, second, options=options)
    assert again.is_empty
    assert {d.name for d in again.unchanged} == {r.name for r in second}
