"""Change requests as people see them, and how the keeper takes them on; over boxes that are a host name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cpe_manager.domain.access.access import SYSTEM, Permission, Principal, Role
from cpe_manager.domain.access.tokens import Scope, Token, principal_of
from cpe_manager.domain.changes.requests import ChangeRequest, ChangeState
from cpe_manager.domain.errors import Conflict, Forbidden, InputError, NotFound, PreconditionFailed
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.changes import ChangeFilter
from cpe_manager.services.changes.bulk import BulkChanges
from cpe_manager.services.changes.requests import NewChange
from tests.property.change_model import ANNA, BERT, CARL, DESK, WRITER, World

S = ChangeState


@pytest.fixture
def world() -> World:
    return World()


def wanted(name: str = "n1", **more: Any) -> NewChange:
    values: dict[str, Any] = {"type": "dhcp", "parameters": {"name": name}, "site": "s0"}
    return NewChange(**(values | more))


async def asked(world: World, who: Principal = ANNA, **more: Any) -> ChangeRequest:
    """Submitted and evaluated."""
    change = await world.requests.submit(wanted(**more), by=who)
    await world.keeper.look()
    return await now(world, change)


async def now(world: World, change: ChangeRequest) -> ChangeRequest:
    return (await world.requests.show(change.id, by=DESK)).change


async def approve(world: World, change: ChangeRequest, who: Principal = BERT) -> ChangeRequest:
    assert change.shown is not None
    given = await world.requests.approve(change.id, change.shown.digest, by=who)
    world.approved.add((change.id, change.shown.digest))
    return given


async def look(world: World, times: int = 3) -> None:
    for _ in range(times):
        await world.keeper.look()


async def executing(world: World, **more: Any) -> ChangeRequest:
    change = await asked(world, **more)
    await approve(world, change)
    await look(world)
    return await now(world, change)


def end(world: World, how: str) -> None:
    (one,) = world.pushes.open()
    world.pushes.end(one, how)


async def test_a_standard_change_goes_from_its_submission_to_its_end(world: World) -> None:
    change = await asked(world)
    assert (change.state, change.ticket, change.summary) == (S.ACCEPTED, "CHG-000001", "host name n1")
    assert change.shown is not None
    assert change.shown.neutral == (("hostname", "h0", "n1"),)
    assert change.fee is not None
    assert not change.fee.billable
    await approve(world, change)
    await look(world)
    begun = await now(world, change)
    assert (begun.state, begun.push_id is not None) == (S.EXECUTING, True)
    (push,) = world.pushes.open()
    assert push.wanted.any_time
    assert push.push.requested_by == "change CHG-000001"
    end(world, "confirmed")
    await look(world)
    assert world.pushes.boxes["d0"].name == "n1"
    record = await world.requests.show("CHG-000001", by=ANNA)
    assert [step.state for step in record.steps] == [
        S.SUBMITTED, S.ACCEPTED, S.APPROVED, S.SCHEDULED, S.EXECUTING, S.DONE, S.CLOSED,
    ]  # fmt: skip
    assert [step.by for step in record.steps][:3] == ["anna", "cpe-manager", "bert"]
    assert [one.kind for one in world.store.events] == [f"change.{step.state}" for step in record.steps]


async def test_whoever_submits_cannot_approve(world: World) -> None:
    for who in (ANNA, DESK):
        change = await asked(world, who)
        with pytest.raises(Forbidden, match="somebody else"):
            await approve(world, change, who)
    waiting = {who.name: len((await world.requests.approvals(by=who)).items) for who in (ANNA, BERT, CARL, DESK)}
    assert waiting == {"anna": 1, "bert": 2, "carl": 0, "desk": 1}


async def test_another_name_of_the_same_account_is_no_second_pair_of_eyes(world: World) -> None:
    change = await asked(world)
    with pytest.raises(Forbidden):
        await approve(world, change, replace(BERT, id=ANNA.id))


async def test_tokens_of_nobody_submit_and_approve_nothing(world: World) -> None:
    one = principal_of(Token("t1", "one", frozenset({Scope.WRITE}), datetime(2026, 1, 1, tzinfo=UTC)))
    other = replace(
        BERT, id=principal_of(Token("t2", "other", frozenset({Scope.WRITE}), datetime(2026, 1, 1, tzinfo=UTC))).id
    )
    for submitter in (one, ANNA):
        change = await asked(world, submitter)
        for approver in (other, replace(BERT, id=SYSTEM.id)):
            with pytest.raises(Forbidden, match="has no account: an approval is one of a user or a service account"):
                await approve(world, change, approver)
        assert (await approve(world, change)).state is S.APPROVED


async def test_an_approval_is_of_what_is_shown_alone(world: World) -> None:
    change = await asked(world)
    with pytest.raises(Conflict, match="something else"):
        await world.requests.approve(change.id, "0" * 64, by=BERT)
    with pytest.raises(PreconditionFailed):
        await world.requests.approve(change.id, change.shown.digest, by=BERT, revision=1)  # type: ignore[union-attr]
    given = await approve(world, change)
    assert await approve(world, change) == given
    with pytest.raises(Conflict):
        await approve(world, change, DESK)


async def test_a_customer_sees_and_acts_on_his_own_sites_alone(world: World) -> None:
    change = await asked(world)
    assert change.shown is not None
    for act in (
        world.requests.show(change.id, by=CARL),
        world.requests.show(change.ticket, by=CARL),
        world.requests.approve(change.id, change.shown.digest, by=CARL),
        world.requests.decline(change.id, "no", by=CARL),
        world.requests.withdraw(change.id, by=CARL),
        world.requests.submit(wanted(), by=CARL),
        world.requests.submit(wanted(site=None, device="r0"), by=CARL),
    ):
        with pytest.raises(NotFound, match="no such"):
            await act
    assert (await world.requests.list(by=CARL)).items == ()
    assert (await world.requests.list(ChangeFilter(sites=("s0",)), by=CARL)).items == ()
    assert len((await world.requests.list(by=ANNA)).items) == 1


async def test_rights_are_asked_for(world: World) -> None:
    change = await asked(world)
    assert change.shown is not None
    viewer = Principal("v", "v", "user", frozenset({Role.VIEWER}))
    for act in (
        world.requests.submit(wanted(), by=WRITER),
        world.requests.submit(wanted(), by=viewer),
        world.requests.submit(wanted(type="wifi-rights"), by=viewer),
        world.requests.approve(change.id, change.shown.digest, by=viewer),
        world.requests.decline(change.id, "no", by=viewer),
        world.requests.withdraw(change.id, by=viewer),
        world.requests.approvals(by=viewer),
        world.requests.list(by=replace(ANNA, limit=frozenset({Permission.SUBMIT_CHANGES}))),
    ):
        with pytest.raises(Forbidden):
            await act


async def test_what_is_the_customers_by_right_goes_at_once(world: World) -> None:
    change = await asked(world, type="wifi-rights")
    assert change.by_right
    with pytest.raises(Conflict):
        await approve(world, change)
    assert (await world.requests.approvals(by=BERT)).items == ()
    await look(world)
    end(world, "confirmed")
    await look(world)
    assert (await now(world, change)).state is S.CLOSED
    assert not (await asked(world, DESK, type="wifi-rights")).by_right


async def test_by_right_is_planned_anew_where_the_device_was_changed(world: World) -> None:
    change = await asked(world, type="wifi-rights")
    await look(world)
    world.pushes.boxes["d0"].drift += 1
    end(world, "confirmed")
    await look(world)
    again = await now(world, change)
    assert (again.state, again.round) == (S.EXECUTING, 1)
    end(world, "confirmed")
    await look(world)
    assert world.pushes.boxes["d0"].name == "n1"


async def test_a_device_that_was_changed_is_asked_about_again(world: World) -> None:
    change = await executing(world)
    world.pushes.boxes["d0"].drift += 1
    end(world, "confirmed")
    await look(world)
    again = await now(world, change)
    assert (again.state, again.round, again.approval, again.push_id) == (S.ACCEPTED, 1, None, None)
    assert again.reason == "the device was changed since the approval"
    assert world.store.events[-1].kind == "change.asked_again"
    with pytest.raises(Conflict):
        await approve(world, change)
    await approve(world, again)
    await look(world)
    end(world, "confirmed")
    await look(world)
    assert (await now(world, change)).state is S.CLOSED


async def test_asked_again_it_may_be_refused_by_then(world: World) -> None:
    change = await executing(world)
    world.pushes.boxes["d0"].name = "n1"
    end(world, "confirmed")
    await look(world)
    found = await now(world, change)
    assert (found.state, found.code) == (S.CLOSED, "nothing-to-change")
    assert "refused by now" in found.reason


async def test_a_device_that_cannot_be_read_is_tried_again_and_at_last_given_up(world: World) -> None:
    world.pushes.boxes["d0"].reachable = False
    change = await asked(world)
    assert (change.state, change.reason, change.tries) == (S.SUBMITTED, "nobody there", 1)
    await world.keeper.look()
    assert (await now(world, change)).tries == 1
    world.tick(60)
    await world.keeper.look()
    assert (await now(world, change)).tries == 2
    world.tick(31 * 86_400)
    await world.keeper.look()
    found = await now(world, change)
    assert (found.state, found.code) == (S.CLOSED, "device-unreachable")


async def test_what_is_refused_says_why(world: World) -> None:
    found = await asked(world, name="bad")
    assert (found.state, found.code, found.reason) == (S.CLOSED, "port-reserved", "bad is reserved (§5.2.2)")
    found = await asked(world, name="h0")
    assert (found.state, found.code) == (S.CLOSED, "nothing-to-change")
    found = await asked(world, name="no host name")
    assert (found.state, found.code) == (S.CLOSED, "model-invalid")
    world.subscriptions.not_entitled.add("i0")
    found = await asked(world)
    assert (found.state, found.code, found.reason) == (S.CLOSED, "not-entitled", "dhcp is not part (§5.2.2)")
    world.subscriptions.of.clear()
    assert (await asked(world)).code == "no-subscription"


async def test_an_entitlement_that_ends_after_the_approval_keeps_a_change_from_executing(world: World) -> None:
    change = await asked(world)
    await approve(world, change)
    world.subscriptions.not_entitled.add("i0")
    await look(world)
    found = await now(world, change)
    assert (found.state, found.code) == (S.CLOSED, "not-entitled")
    assert world.pushes.asked == {}


async def test_what_is_no_standard_change_waits_for_the_window(world: World) -> None:
    world.clock.step(timedelta(hours=7))  # a Thursday, 20:00 in Brussels
    change = await asked(world, type="wan-address")
    await approve(world, change)
    await look(world)
    waits = await now(world, change)
    assert (waits.state, waits.reason) == (S.SCHEDULED, "waits for the change window")
    assert waits.not_before == datetime.fromisoformat("2026-01-16T07:00:00+00:00")
    world.tick(12 * 3600)
    await look(world)
    (push,) = world.pushes.open()
    assert not push.wanted.any_time


async def test_a_freeze_of_the_site_holds_it_back_and_no_standard_one(world: World) -> None:
    device = world.inventory.rows["d0"]
    world.inventory.rows["d0"] = replace(device, settings={"push_freezes": "2026-01-01..2026-01-31"})
    late = await asked(world, type="wan-address")
    at_once = await asked(world, name="n2")
    for change in (late, at_once):
        await approve(world, change)
    await look(world)
    assert (await now(world, late)).not_before == datetime.fromisoformat("2026-02-02T07:00:00+00:00")
    assert (await now(world, at_once)).state is S.EXECUTING


async def test_a_time_that_was_asked_for_is_waited_for(world: World) -> None:
    at = world.clock.now() + timedelta(hours=2)
    change = await asked(world, requested_for=at)
    await approve(world, change)
    await look(world)
    assert (await now(world, change)).not_before == at
    with pytest.raises(InputError, match="time zone"):
        await world.requests.submit(wanted(requested_for=datetime(2026, 1, 1)), by=ANNA)  # noqa: DTZ001


async def test_of_one_device_one_change_goes_after_the_other(world: World) -> None:
    first, second = await asked(world), await asked(world, name="n2")
    for change in (second, first):
        await approve(world, change)
        world.tick(1)
    await look(world)
    assert [(await now(world, one)).state for one in (first, second)] == [S.SCHEDULED, S.EXECUTING]
    end(world, "confirmed")
    await look(world)
    assert (await now(world, first)).state is S.EXECUTING
    end(world, "confirmed")
    await look(world)
    again = await now(world, first)
    assert (again.state, again.code) == (S.ACCEPTED, "device-changed")


async def test_nobody_answered_in_time(world: World) -> None:
    change = await asked(world)
    world.tick(31 * 86_400)
    with pytest.raises(Conflict, match="too long"):
        await approve(world, change)
    await look(world)
    assert [step.state for step in (await world.requests.show(change.id, by=ANNA)).steps][-2:] == [S.EXPIRED, S.CLOSED]


async def test_it_is_closed_when_everyone_was_told_or_a_week_is_over(world: World) -> None:
    world.everyone.behind = True
    change = await executing(world)
    end(world, "reverted")
    await look(world)
    assert (await now(world, change)).state is S.REVERTED
    world.everyone.behind = False
    await look(world)
    assert (await now(world, change)).state is S.CLOSED
    world.everyone.behind = True
    other = await asked(world, name="bad")
    assert other.state is S.REFUSED
    world.tick(8 * 86_400)
    await look(world)
    assert (await now(world, other)).state is S.CLOSED


async def test_a_decline_and_a_withdrawal_end_it(world: World) -> None:
    change = await asked(world)
    assert (await world.requests.decline(change.id, "too dear", by=BERT)).state is S.DECLINED
    assert (await world.requests.decline(change.id, "again", by=BERT)).reason == "too dear"
    with pytest.raises(Conflict):
        await world.requests.withdraw(change.id, by=ANNA)
    change = await asked(world)
    await approve(world, change)
    assert (await world.requests.withdraw(change.ticket, "no more", by=ANNA)).state is S.WITHDRAWN
    await look(world)
    assert world.pushes.asked == {}
    begun = await executing(world)
    with pytest.raises(Conflict, match="executing"):
        await world.requests.withdraw(begun.id, by=ANNA)


async def test_the_same_key_is_the_same_request_of_one_principal(world: World) -> None:
    first = await world.requests.submit(wanted(key="k"), by=ANNA)
    assert (await world.requests.submit(wanted(key="k"), by=ANNA)).id == first.id
    assert (await world.requests.submit(wanted(key="k"), by=BERT)).id != first.id
    with pytest.raises(Conflict, match=first.ticket):
        await world.requests.submit(wanted("n2", key="k"), by=ANNA)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"type": "nonsense"}, "type: "),
        ({"parameters": {"name": 7}}, "name is no text"),
        ({"parameters": {"other": "x"}}, "name is no text"),
        ({"note": "a\x00b"}, "note: "),
        ({"note": "x" * 3000}, "note: "),
        ({"key": ""}, "key: "),
        ({"key": "x" * 300}, "key: "),
        ({"site": None}, "site: "),
    ],
)
async def test_bad_input_names_its_field_and_leaves_nothing_behind(
    world: World, more: dict[str, Any], told: str
) -> None:  # fmt: skip
    with pytest.raises(InputError, match=told):
        await world.requests.submit(wanted(**more), by=ANNA)
    assert world.store.rows == {}


async def test_a_site_with_two_devices_needs_to_hear_which(world: World) -> None:
    device = Device("d9", "pos9", "i0", "s0", "r9", "192.0.2.9", LifeState.ACTIVE, family="plain")
    world.inventory.rows["d9"] = device
    with pytest.raises(InputError, match="r0, r9"):
        await world.requests.submit(wanted(), by=ANNA)
    assert (await world.requests.submit(wanted(device="r9"), by=ANNA)).device == "r9"
    world.inventory.rows["d9"] = replace(device, state=LifeState.DECOMMISSIONED)
    assert (await world.requests.submit(wanted(), by=ANNA)).device == "r0"
    with pytest.raises(Conflict):
        await world.requests.submit(wanted(device="r9"), by=ANNA)


async def test_a_device_that_goes_takes_its_requests_along(world: World) -> None:
    change = await asked(world)
    await approve(world, change)
    world.inventory.rows["d0"] = replace(world.inventory.rows["d0"], state=LifeState.DECOMMISSIONED)
    await look(world)
    assert (await now(world, change)).code == "device-gone"


async def test_a_table_gives_a_result_for_each_row(world: World) -> None:
    bulk = BulkChanges(world.requests, world.parts.entries)
    text = (
        "site,type,name,note,requested_for\n"
        "s0,dhcp,n1,first,\n"
        "\n"
        "s0,dhcp,,none,\n"
        's9,dhcp,n1,"a, b",\n'
        "s0,nonsense,n1,,\n"
        "s0,dhcp,n2,,tomorrow\n"
        "s0,dhcp,n2,,2026-03-02T08:00+01:00\n"
    )
    found = await bulk.submit(text, "b" * 32, by=DESK, key="k")
    assert [(row.line, row.change is not None, row.code) for row in found.rows] == [
        (2, True, ""), (4, False, "input"), (5, False, "not_found"), (6, False, "input"), (7, False, "input"),
        (8, True, ""),
    ]  # fmt: skip
    assert found.submitted == 2
    again = await bulk.submit(text, "c" * 32, by=DESK, key="k")
    assert [row.change and row.change.id for row in again.rows] == [row.change and row.change.id for row in found.rows]
    assert len(world.store.rows) == 2
    assert len((await world.requests.list(ChangeFilter(bulk_id="b" * 32), by=DESK)).items) == 2


@pytest.mark.parametrize(
    "text",
    ["", "site,name\n", "type,name\n", "site,type,type\n", "site,type,\n", 'site,type\n"a', "site,type\na,b,c\n"],
)
async def test_a_table_that_is_none_is_refused_whole(world: World, text: str) -> None:
    with pytest.raises(InputError):
        await BulkChanges(world.requests, world.parts.entries).submit(text, "b" * 32, by=DESK)
    assert world.store.rows == {}


async def test_a_push_that_nobody_noted_before_the_process_died_is_followed_all_the_same(world: World) -> None:
    """It died between asking for the push and writing its id down; the push got stuck meanwhile."""
    change = await asked(world, type="wifi-rights")
    assert change.state is S.SCHEDULED
    assert not world.look(dies_after=6)
    assert len(world.pushes.open()) == 1
    assert (await now(world, change)).push_id is None
    end(world, "stuck")
    world.tick(60)
    await look(world)
    assert (await now(world, change)).state is S.STUCK
    world.pushes.settle()
    await look(world)
    assert (await now(world, change)).state is S.CLOSED
