"""What every store of lines promises: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverState, LineRecord, LineSetup, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.lines import CapNews, IncidentChange, LineStore, Move
from cpe_manager.ports.stores import InventoryChanges, LineChange, NewWork, SiteChange
from tests.contract.stores.making import NOW, a_device, a_job, a_push, after, an_order, claim, ended, new_id
from tests.fakes.line_store import MemoryLineStore

SETUP = LineSetup(
    line_id="",
    formula="pro-plus",
    ordered=True,
    coverage="passed",
    coverage_reason="-71 dBm, 32 Mbps",
    moves="cpe",
    line_address="192.0.2.10",
    mobile_address="198.51.100.10",
    platform="edge1",
    fixed_ipv4=IPv4Network("203.0.113.7/32"),
    fixed_ipv6=IPv6Network("2001:db8:7::/56"),
    fixed_gateway="192.0.2.9",
    mobile_gateway="198.51.100.9",
    fixed_port="eth0",
    mobile_port="wwan0",
    policy={"probe_every": 0.2, "quiet_hours": "Mon-Fri 08:00-18:00 Europe/Brussels"},
)


class Bench:
    """A store with an inventory, and its events to look at."""

    def __init__(self, db: Database | None) -> None:
        self.db = db
        self.memory = MemoryLineStore()
        self.store: LineStore = self.memory if db is None else db.lines

    async def add(self, *devices: Device) -> None:
        self.memory.add(*devices)
        if self.db is None:
            return
        sites = tuple(SiteChange(name, new_id()) for name in sorted({one.site for one in devices}))
        refs = sorted({(one.site, one.line) for one in devices if one.line is not None})
        lines = tuple(LineChange(new_id(), site, ref, None, None) for site, ref in refs)
        await self.db.inventory.apply(InventoryChanges(at=NOW, sites=sites, lines=lines, add=devices))

    async def change(self, *devices: Device) -> None:
        if self.db is None:
            self.memory.add(*devices)
        else:
            refs = sorted({(one.site, one.line) for one in devices if one.line is not None})
            lines = tuple(LineChange(new_id(), site, ref, None, None) for site, ref in refs)
            await self.db.inventory.apply(InventoryChanges(at=NOW, lines=lines, update=devices))

    async def events(self, start: str = "") -> list[NewEvent]:
        if self.db is None:
            found = list(self.memory.events)
        else:
            stored = await self.db.events.after(0, limit=10_000)
            found = [
                NewEvent(one.kind, one.at, one.severity, one.device_id, data=one.data)  # type: ignore[arg-type]
                for one in stored
            ]
        return [one for one in found if one.kind.startswith(start)]

    async def kinds(self, start: str = "") -> list[str]:
        return [one.kind for one in await self.events(start)]

    async def lines(self, count: int, **more: Any) -> list[LineRecord]:
        devices = [a_device(f"cpe{number:04}", access_node="n1") for number in range(count)]
        await self.add(*devices)
        return [await self.store.set_up(one.id, replace(SETUP, **more), NOW, "op") for one in devices]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield Bench(None)
        return
    async with await Database.open(request.getfixturevalue(f"{request.param}_url")) as db:
        yield Bench(db)


def a_transition(record: LineRecord, to: FailoverState, at: float = 0, **more: Any) -> Transition:
    values: dict[str, Any] = {
        "id": new_id(),
        "line_id": record.line.id,
        "at": after(at),
        "before": record.state,
        "after": to,
        "condition": Condition.LINE_DOWN,
        "reasons": ("3 echoes lost", "linkDown \x00 at 02:30"),
        "by": "manager",
    }
    return Transition(**(values | more))


def a_move(record: LineRecord, to: FailoverState, *incidents: IncidentChange, at: float = 0, **more: Any) -> Move:
    event = NewEvent(f"line.{to.value}", after(at), device_id=record.line.device_id, data={"line_id": record.line.id})
    new = replace(record, state=to, since=after(at).timestamp(), **more)
    return Move(new, a_transition(record, to, at), incidents, (event,))


def opened(priority: int | None, reason: str = "line down", **more: Any) -> IncidentChange:
    return IncidentChange("line", priority, reason, **more)


async def test_what_is_set_up_is_found_by_id_device_and_ref(bench: Bench) -> None:
    device = a_device("cpe1", line="L-4711", access_node="n1")
    await bench.add(device)
    made = await bench.store.set_up("cpe1", SETUP, NOW, "op")
    assert made.line.setup == replace(SETUP, line_id=made.line.id)
    assert (made.line.ref, made.line.site, made.line.device, made.line.device_id, made.line.node) == (
        "L-4711", "s1", "cpe1", device.id, "n1",
    )  # fmt: skip
    assert (made.state, made.carrier, made.since, made.revision) == (
        FailoverState.FIXED, Carrier.FIXED, NOW.timestamp(), 1,
    )  # fmt: skip
    for name in (made.line.id, "cpe1", "L-4711"):
        assert await bench.store.line(name) == made
    with pytest.raises(NotFound, match="set it up"):
        await bench.store.line("cpe2")
    (event,) = await bench.events("line.")
    assert (event.kind, event.device_id, event.data["new"], event.data["by"]) == ("line.changed", device.id, True, "op")


async def test_a_device_without_a_line_gets_one_of_its_own_name(bench: Bench) -> None:
    await bench.add(a_device("cpe1"))
    made = await bench.store.set_up("cpe1", SETUP, NOW, "op")
    assert made.line.ref == "cpe1"
    assert made.line.node == ""
    assert (await bench.store.set_up("cpe1", SETUP, after(1), "op")).line.id == made.line.id
    with pytest.raises(NotFound, match="no such device"):
        await bench.store.set_up("cpe9", SETUP, NOW, "op")


async def test_a_change_counts_up_says_what_it_changed_and_the_same_again_is_none(bench: Bench) -> None:
    await bench.add(a_device("cpe1"))
    first = await bench.store.set_up("cpe1", SETUP, NOW, "op", revision=0)
    other = replace(SETUP, policy={"misses": 5}, fixed_ipv6=None, watched=False)
    second = await bench.store.set_up("cpe1", other, after(1), "op2", revision=first.revision)
    assert (second.line.setup, second.revision) == (replace(other, line_id=first.line.id), 2)
    assert (await bench.store.set_up("cpe1", other, after(2), "op2")).revision == 2
    for stale in (0, 1):
        with pytest.raises(Conflict, match="look again"):
            await bench.store.set_up("cpe1", SETUP, after(3), "op", revision=stale)
    _, event = await bench.events("line.")
    assert set(event.data["changed"]) == {"policy", "fixed_ipv6", "watched"}


async def test_watched_are_those_with_an_active_device_and_their_revisions_are_a_cheap_look(bench: Bench) -> None:
    devices = [a_device(f"cpe{number}") for number in range(4)]
    await bench.add(*devices)
    for device in devices[:3]:
        await bench.store.set_up(device.id, SETUP, NOW, "op")
    await bench.store.set_up("cpe1", replace(SETUP, watched=False), NOW, "op")
    await bench.change(replace(devices[2], state=LifeState.SUSPENDED, line="cpe2"))
    (only,) = await bench.store.watched()
    assert only.line.device == "cpe0"
    assert await bench.store.revisions() == {only.line.id: 1}
    assert [one.line.device for one in (await bench.store.lines()).items] == ["cpe0", "cpe1", "cpe2"]


async def test_other_hardware_at_the_position_takes_the_line_over(bench: Bench) -> None:
    old = a_device("cpe1", line="L1")
    await bench.add(old)
    made = await bench.store.set_up("cpe1", SETUP, NOW, "op")
    new = replace(old, id=new_id(), serial="NEW")
    await bench.change(replace(old, state=LifeState.DECOMMISSIONED, removed_at=NOW))
    assert (await bench.store.lines()).items == ()
    await bench.add(new)
    now = await bench.store.line("cpe1")
    assert (now.line.id, now.line.device_id, now.line.setup) == (made.line.id, new.id, made.line.setup)


async def test_a_device_that_goes_to_another_line_leaves_the_first_one_empty(bench: Bench) -> None:
    device, second = a_device("cpe1", line="L1"), a_device("cpe2", line="L1")
    await bench.add(device, second)
    first = await bench.store.set_up("cpe1", SETUP, NOW, "op")
    with pytest.raises(Conflict, match="already"):
        await bench.store.set_up("cpe2", SETUP, NOW, "op")
    await bench.change(replace(device, line="L2"))
    assert (await bench.store.watched()) == []
    other = await bench.store.set_up("cpe1", SETUP, NOW, "op")
    assert other.line.id != first.line.id
    taken = await bench.store.set_up("cpe2", SETUP, NOW, "op")
    assert (taken.line.id, taken.line.device) == (first.line.id, "cpe2")
    assert {one.line.device for one in await bench.store.watched()} == {"cpe1", "cpe2"}


async def test_a_ref_of_two_sites_has_to_be_named_by_device(bench: Bench) -> None:
    await bench.add(a_device("cpe1", line="L1"), a_device("cpe2", line="L1", site="s2"))
    for name in ("cpe1", "cpe2"):
        await bench.store.set_up(name, SETUP, NOW, "op")
    with pytest.raises(NotFound, match="more than one"):
        await bench.store.line("L1")


async def test_lists_go_by_device_page_by_page_and_filter(bench: Bench) -> None:
    records = await bench.lines(5)
    await bench.add(far := a_device("far", access_node="n2"))
    await bench.store.set_up(far.id, SETUP, NOW, "op")
    await bench.store.move([a_move(records[3], FailoverState.MOBILE)])
    seen, cursor = [], None
    while True:
        page = await bench.store.lines(after=cursor, limit=4)
        seen += [one.line.device for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ["cpe0000", "cpe0001", "cpe0002", "cpe0003", "cpe0004", "far"]
    assert [one.line.device for one in (await bench.store.lines(node="n2")).items] == ["far"]
    (mobile,) = (await bench.store.lines(state=FailoverState.MOBILE)).items
    assert mobile.line.device == "cpe0003"


async def test_a_move_is_written_whole_with_history_and_events(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    values: dict[str, Any] = {
        "carrier": Carrier.MOBILE,
        "condition": Condition.LINE_DOWN,
        "reasons": ("a", "b"),
        "flaps": (1.5, 1772332200.125),
        "switch_id": "s" * 32,
        "push_id": new_id(),
        "by": "manager",
        "attempts": 2,
        "held_from": FailoverState.MOBILE,
        "wanted": "hold",
        "wanted_by": "op",
        "wanted_reason": "because",
        "wanted_at": 1772332200.5,
        "due": "return",
        "due_at": 1772332500.75,
        "tested_at": 1772332200.25,
        "test_ok": False,
        "mobile_bytes": 2**40,
        "mobile_month": "2026-11",
    }
    move = a_move(record, FailoverState.MOBILE, at=3.25, **values)
    assert await bench.store.move([move]) == []
    assert await bench.store.line("cpe0000") == replace(move.record, revision=2)
    assert (await bench.store.history(record.line.id)).items == (move.transition,)
    assert await bench.kinds("line.") == ["line.changed", "line.mobile"]
    await bench.store.move([replace(move, record=replace(move.record, revision=2), transition=None, events=())])
    assert len((await bench.store.history(None)).items) == 1


async def test_a_volume_over_mobile_only_grows_within_its_month_and_is_no_change_of_the_line(bench: Bench) -> None:
    one, two = await bench.lines(2)

    async def written(*volumes: tuple[str, int]) -> tuple[str, int]:
        for volume in volumes:
            await bench.store.count_mobile({one.line.id: MonthVolume(*volume), new_id(): MonthVolume(*volume)})
        found = await bench.store.line(one.line.id)
        return found.mobile_month, found.mobile_bytes

    assert await written() == ("", 0)
    assert await written(("2026-11", 5 * 2**40)) == ("2026-11", 5 * 2**40)
    assert await written(("2026-11", 7), ("2026-10", 2**50)) == ("2026-11", 5 * 2**40)
    assert await written(("2026-12", 7)) == ("2026-12", 7)
    assert await written(("2026-11", 2**50), ("2026-12", 8)) == ("2026-12", 8)
    await bench.store.count_mobile({})
    assert await bench.store.revisions() == {one.line.id: 1, two.line.id: 1}
    move = a_move(one, FailoverState.SUSPECT, mobile_bytes=9, mobile_month="2026-12")
    assert await bench.store.move([move]) == []
    assert await written() == ("2026-12", 9)
    assert (await bench.store.line(two.line.id)).mobile_bytes == 0


async def test_of_a_data_cap_each_thing_is_told_once_a_month(bench: Bench) -> None:
    one, two = await bench.lines(2)

    async def tell(mark: str, *records: LineRecord) -> None:
        kind = "line.cap_near" if mark.endswith("1") else "line.cap_reached"
        event = NewEvent(kind, NOW, "warning", one.line.device_id, data={"mark": mark})
        await bench.store.tell_caps(
            {record.line.id: CapNews(mark, event) for record in records} | {new_id(): CapNews(mark, event)}
        )

    for mark in ("2026-11:1", "2026-11:1", "2026-11:2", "2026-11:2", "2026-11:1", "2026-10:2", "2026-12:1"):
        await tell(mark, one)
    await tell("2026-11:2", one, two)
    await bench.store.tell_caps({})
    found = [event.data["mark"] for event in await bench.events("line.cap")]
    assert found == ["2026-11:1", "2026-11:2", "2026-12:1", "2026-11:2"]
    assert await bench.store.revisions() == {one.line.id: 1, two.line.id: 1}
    assert await bench.store.move([a_move(one, FailoverState.SUSPECT)]) == []
    await tell("2026-12:1", one)
    assert len(await bench.events("line.cap")) == 4


async def test_a_move_with_an_old_revision_is_refused_and_the_others_are_written(bench: Bench) -> None:
    one, two, three = await bench.lines(3)
    await bench.store.want(two.line.id, "hold", by="op", at=NOW)
    stranger = replace(three, line=replace(three.line, id=new_id()))
    moves = [a_move(record, FailoverState.SUSPECT, opened(1)) for record in (one, two, stranger, three)]
    assert sorted(await bench.store.move(moves)) == sorted([two.line.id, stranger.line.id])
    states = {record.line.device: record.state.value for record in await bench.store.watched()}
    assert states == {"cpe0000": "suspect", "cpe0001": "fixed", "cpe0002": "suspect"}
    assert len((await bench.store.incidents()).items) == 2
    assert await bench.kinds("line.s") == ["line.suspect"] * 2


async def test_a_line_may_take_several_steps_in_one_batch(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    first = a_move(record, FailoverState.SUSPECT, opened(1, "first"))
    second = a_move(replace(first.record, revision=2), FailoverState.FIXED, opened(None, "over"))
    third = a_move(replace(second.record, revision=3), FailoverState.FAILED, opened(1, "again"))
    assert await bench.store.move([first, second, third]) == []
    now = await bench.store.line("cpe0000")
    assert (now.state, now.revision) == (FailoverState.FAILED, 4)
    steps = [(one.before.value, one.after.value) for one in (await bench.store.history(None)).items]
    assert steps == [("fixed", "failed"), ("suspect", "fixed"), ("fixed", "suspect")]
    assert [(one.reason, one.closed_reason) for one in (await bench.store.incidents(open_only=True)).items] == [
        ("again", "")
    ]
    again = a_move(now, FailoverState.FIXED, opened(None, "well"), opened(1, "once more"))
    assert await bench.store.move([again]) == []
    assert [one.reason for one in (await bench.store.incidents(open_only=True)).items] == ["once more"]


async def test_what_is_old_goes_and_what_is_open_last_or_pointed_to_stays(bench: Bench) -> None:
    one, two = await bench.lines(2)
    day = 86_400

    async def step(record: LineRecord, at: float, *incidents: IncidentChange, switch_id: str = "") -> LineRecord:
        now = await bench.store.line(record.line.id)
        move = a_move(now, FailoverState.MOBILE, *incidents, at=at, switch_id=switch_id)
        assert move.transition is not None
        move = replace(move, transition=replace(move.transition, switch_id=switch_id))
        assert await bench.store.move([move]) == []
        return await bench.store.line(record.line.id)

    async def left() -> dict[str, Any]:
        steps = (await bench.store.history(None, limit=100)).items
        incidents = (await bench.store.incidents(limit=100)).items
        return {
            "one": [round((step.at - NOW).total_seconds() / day) for step in steps if step.line_id == one.line.id],
            "two": [round((step.at - NOW).total_seconds() / day) for step in steps if step.line_id == two.line.id],
            "incidents": sorted(f"{one.subject} {one.reason}" for one in incidents),
        }

    # An access node's incident with one child that is closed late; another whose child is closed early.
    late = await bench.store.node_incident("n1", [], "late", after(0))
    early = await bench.store.node_incident("n2", [], "early", after(0))
    await step(one, 0, opened(1, "child late", parent_id=late), switch_id="s1")
    await step(two, 0, opened(1, "child early", parent_id=early))
    await step(two, day, opened(None))
    for node in ("n1", "n2"):
        await bench.store.node_incident(node, [], None, after(day))
    for number in range(1, 7):
        await step(one, number * day, switch_id="s6" if number in (2, 6) else "s1")
    await step(two, 2 * day, IncidentChange("backup", 3, "still open"))
    for number in range(3, 8):
        await step(two, number * day)
    await step(one, 20 * day, opened(None), switch_id="s6")
    for number, what in enumerate(("hold", "release", "hold")):
        await bench.store.want(one.line.id, what, by="op", at=after(number * day), key=f"k{number}")  # type: ignore[arg-type]
    await bench.store.want(two.line.id, "test", by="op", at=after(0), key="k9")

    rounds = [await bench.store.prune(after(10 * day), keep=3, limit=100) for _ in range(3)]
    # Of the line's last switch, and the last three; of an open incident.
    assert await left() == {
        "one": [20, 6, 5, 2],
        "two": [7, 6, 5, 4, 3, 2],
        "incidents": ["backup still open", "line child late", "node late"],
    }
    # Four steps of the one line and two of the other, one child, two orders; then its parent.
    assert rounds == [9, 1, 0]
    events = len(await bench.events())
    again = await bench.store.want(two.line.id, "test", by="op", at=after(30 * day), key="k9")
    assert again == await bench.store.line(two.line.id)
    assert len(await bench.events()) == events


async def test_pruning_goes_batch_by_batch_and_leaves_younger_things_alone(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    for number in range(10):
        now = await bench.store.line(record.line.id)
        await bench.store.move([a_move(now, FailoverState.MOBILE, opened(number % 2 + 1), at=number)])
    assert await bench.store.prune(after(5), keep=1, limit=100) == 0, "all since its incident was opened"
    now = await bench.store.line(record.line.id)
    await bench.store.move([a_move(now, FailoverState.FIXED, opened(None), at=10)])
    assert await bench.store.prune(after(5), keep=1, limit=3) == 3
    assert await bench.store.prune(after(5), keep=1, limit=3) == 2
    assert await bench.store.prune(after(5), keep=1, limit=3) == 0
    assert len((await bench.store.history(None)).items) == 6
    assert len((await bench.store.incidents()).items) == 1
    assert await bench.store.prune(after(100), keep=1, limit=100) == 6
    assert [one.after for one in (await bench.store.history(None)).items] == [FailoverState.FIXED]
    assert (await bench.store.incidents()).items == ()


async def test_a_line_and_subject_have_one_open_incident_that_changes_its_priority_and_closes(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    backup = IncidentChange("backup", 3, "mobile does not answer")
    steps: Sequence[tuple[IncidentChange, ...]] = (
        (opened(1, "line down"), backup),
        (opened(1, "line still down"),),
        (opened(2, "backup carries"),),
        (opened(None, "returned"),),
        (opened(None, "returned"),),
    )
    for number, changes in enumerate(steps):
        now = replace(record, revision=number + 1)
        assert await bench.store.move([a_move(now, FailoverState.MOBILE, *changes, at=number)]) == []
    line, other = sorted((await bench.store.incidents()).items, key=lambda one: one.subject, reverse=True)
    assert (line.subject, line.priority, line.reason) == ("line", 2, "backup carries")
    assert (line.opened_at, line.closed_at, line.closed_reason) == (NOW, after(3), "returned")
    assert (line.device, line.site, line.node, line.line_id) == ("cpe0000", "s1", "n1", record.line.id)
    assert (other.subject, other.priority, other.closed_at) == ("backup", 3, None)
    assert (await bench.store.incidents(open_only=True)).items == (other,)
    told = [(one.kind, one.severity, one.data["subject"], one.data["priority"]) for one in await bench.events("inc")]
    assert told == [
        ("incident.opened", "error", "line", 1),
        ("incident.opened", "warning", "backup", 3),
        ("incident.changed", "warning", "line", 2),
        ("incident.closed", "info", "line", 2),
    ]
    reopened = a_move(replace(record, revision=6), FailoverState.FAILED, opened(1, "down again"), at=9)
    assert await bench.store.move([reopened]) == []
    newest = (await bench.store.incidents(line_id=record.line.id, limit=2)).items[0]
    assert (newest.reason, newest.id != line.id) == ("down again", True)


async def test_incidents_and_history_are_listed_newest_first_page_by_page(bench: Bench) -> None:
    records = await bench.lines(5)
    for number, record in enumerate(records):
        await bench.store.move([a_move(record, FailoverState.FAILED, opened(1), at=number // 2)])
    everything = [one.id for one in (await bench.store.incidents()).items]
    assert len(everything) == 5
    seen, cursor = [], None
    while True:
        page = await bench.store.incidents(after=cursor, limit=2)
        seen += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == everything
    steps, cursor = [], None
    while True:
        turn = await bench.store.history(None, after=cursor, limit=2)
        steps += [one.id for one in turn.items]
        cursor = turn.next
        if cursor is None:
            break
    assert steps == [one.id for one in (await bench.store.history(None)).items]
    assert len(set(steps)) == 5


async def test_a_node_has_one_open_parent_incident_which_takes_its_lines_under_it(bench: Bench) -> None:
    one, two, three = await bench.lines(3)
    await bench.store.move([a_move(record, FailoverState.FAILED, opened(1)) for record in (one, two)])
    parent = await bench.store.node_incident("n1", [one.line.id, two.line.id], "3 of 3 lines", after(1))
    assert parent is not None
    assert await bench.store.node_incident("n1", [one.line.id], "3 of 3 lines", after(2)) == parent
    await bench.store.move([a_move(three, FailoverState.FAILED, opened(1, "with the node", parent_id=parent))])
    found = (await bench.store.incidents(open_only=True)).items
    assert {found_one.parent_id for found_one in found if found_one.subject == "line"} == {parent}
    assert [(this.priority, this.node, this.line_id) for this in found if this.subject == "node"] == [(1, "n1", None)]
    assert await bench.store.node_incident("n1", [one.line.id], None, after(5)) == parent
    assert await bench.store.node_incident("n1", [one.line.id], None, after(6)) is None
    assert len((await bench.store.incidents(open_only=True)).items) == 3
    assert await bench.store.node_incident("n1", [], "once more", after(7)) != parent
    assert (await bench.kinds("incident.")).count("incident.opened") == 5


async def test_a_parent_that_is_not_there_costs_no_batch(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    assert await bench.store.move([a_move(record, FailoverState.FAILED, opened(1, parent_id=new_id()))]) == []
    assert (await bench.store.incidents()).items[0].parent_id is None


async def test_a_line_that_is_no_longer_watched_has_no_open_incident(bench: Bench) -> None:
    (record,) = await bench.lines(1)
    await bench.store.move([a_move(record, FailoverState.FAILED, opened(1))])
    await bench.store.set_up("cpe0000", replace(SETUP, watched=False), after(9), "op")
    assert (await bench.store.incidents(open_only=True)).items == ()
    assert (await bench.store.incidents()).items[0].closed_reason == "the line is no longer watched"


async def test_the_last_word_of_an_operator_counts_and_a_key_counts_once(bench: Bench) -> None:
    one, two = await bench.lines(2)
    asked = await bench.store.want(one.line.id, "switch", by="op", at=after(1), reason="works", key="op:k1")
    assert (asked.wanted, asked.wanted_by, asked.wanted_reason) == ("switch", "op", "works")
    assert (asked.wanted_at, asked.revision) == (after(1).timestamp(), 2)
    assert await bench.store.want(one.line.id, "switch", by="op", at=after(2), key="op:k1") == asked
    for line_id, what in ((one.line.id, "hold"), (two.line.id, "switch")):
        with pytest.raises(Conflict, match="key"):
            await bench.store.want(line_id, what, by="op", at=after(2), key="op:k1")  # type: ignore[arg-type]
    assert (await bench.store.want(one.line.id, "hold", by="op2", at=after(3))).wanted == "hold"
    assert [record.line.device for record in await bench.store.asked()] == ["cpe0000"]
    done = replace(await bench.store.line("cpe0000"), wanted="", wanted_by="", wanted_reason="", wanted_at=None)
    assert await bench.store.move([a_move(done, FailoverState.HELD)]) == []
    assert await bench.store.asked() == []
    told = [(event.data["what"], event.data["by"]) for event in await bench.events("line.asked")]
    assert told == [("switch", "op"), ("hold", "op2")]
    with pytest.raises(NotFound):
        await bench.store.want(new_id(), "hold", by="op", at=NOW)


async def test_one_watches_at_a_time_and_another_one_when_its_time_has_passed(bench: Bench) -> None:
    store = bench.store
    assert await store.lead("a", after(10), NOW)
    assert not await store.lead("b", after(15), after(5))
    assert await store.lead("a", after(20), after(9))
    assert not await store.lead("b", after(25), after(19))
    assert await store.lead("b", after(30), after(20))
    assert not await store.lead("a", after(40), after(21))
    assert await store.leader(after(21)) == ("b", after(30))
    assert await store.leader(after(30)) is None


async def test_lines_and_open_incidents_are_counted(bench: Bench) -> None:
    one, two, _ = await bench.lines(3)
    await bench.store.move([a_move(one, FailoverState.MOBILE, opened(2)), a_move(two, FailoverState.FAILED, opened(1))])
    counts = await bench.store.counts()
    assert {state.value: number for state, number in counts.items() if number} == {"mobile": 1, "failed": 1, "fixed": 1}
    assert set(counts) == set(FailoverState)
    assert await bench.store.open_incidents() == {1: 1, 2: 1, 3: 0}


@pytest.mark.parametrize("bench", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_the_last_change_is_the_last_push_that_was_confirmed(bench: Bench) -> None:
    assert bench.db is not None
    device = a_device("cpe1")
    await bench.add(device)
    # The phase of the first one is written, and its end is about to be.
    ends = (
        (Phase.CONFIRMED, None),
        (Phase.CONFIRMED, after(1)),
        (Phase.CONFIRMED, after(2)),
        (Phase.REVERTED, after(3)),
    )
    for number, (phase, at) in enumerate(ends):
        assert bool(await bench.store.last_change(device.id)) is (number > 1)
        job = a_job(kind=JobKind.PUSH)
        push = a_push(device, job, summary=f"change {number}", phase=phase, ended_at=at)
        await bench.db.pushes.create(push, an_order(), job, NewWork(device.id, 0, NOW))
        (row,) = await claim(bench.db, job)
        await bench.db.jobs.settle([ended(row, at=after(number))])
    words = "2026-03-01 02:30:02 UTC: change 2, by op"
    assert await bench.store.last_change(device.id) == words
    assert await bench.store.last_changes((device.id, "nobody's")) == {device.id: words}


@pytest.mark.parametrize("bench", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_cursor_of_another_list_is_refused(bench: Bench) -> None:
    for look in (bench.store.lines, bench.store.incidents):
        with pytest.raises(InputError, match="cursor"):
            await look(after="bm90IGpzb24")
    with pytest.raises(InputError, match="cursor"):
        await bench.store.history(None, after="bm90IGpzb24")


async def test_two_workers_never_open_two_incidents(db: Database, other: Database) -> None:
    bench = Bench(db)
    (record,) = await bench.lines(1)
    move = a_move(record, FailoverState.FAILED, opened(1))
    refused = [await db.lines.move([move]), await other.lines.move([replace(move, transition=None)])]
    assert refused == [[], [record.line.id]]
    assert len((await db.lines.incidents()).items) == 1


async def test_five_hundred_lines_that_fail_at_once_are_one_batch(bench: Bench) -> None:
    records = await bench.lines(500)
    assert await bench.store.move([a_move(record, FailoverState.SUSPECT, opened(1)) for record in records]) == []
    assert len((await bench.store.lines(state=FailoverState.SUSPECT, limit=1000)).items) == 500
    assert len((await bench.store.incidents(open_only=True, limit=1000)).items) == 500
    assert (await bench.kinds("incident.")) == ["incident.opened"] * 500
