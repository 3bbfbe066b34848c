"""What is taken care of around a push: checks, windows, limits, probes, being asked again, being settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from cpe_manager.adapters.reach import TcpReach
from cpe_manager.domain.errors import CommandRefused, Conflict, DeviceTimeout, InputError, SessionDropped
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome, Priority
from cpe_manager.domain.model.cpe_config import Lan, Wan
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.commit_path import Phase, Step
from cpe_manager.domain.push.lockout import Lockout, ManagementPath
from cpe_manager.domain.push.probes import LineState, Probe
from cpe_manager.domain.push.pushes import Hold, Limits, Order, Push, PushKind, SettledAs
from cpe_manager.domain.subscription.entitlement import Component
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import InventoryChanges, NewWork, Settled
from cpe_manager.services.backup.attempt import Attempt, RetryPolicy
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.push_admission import Admission, Rules
from cpe_manager.services.push.push_checks import Checks
from cpe_manager.services.push.push_plan import make_plan
from cpe_manager.services.push.push_trip import Care
from cpe_manager.services.push.push_upkeep import Books, FleetAddresses, PushUpkeep
from cpe_manager.services.push.pushes import Again, PushAsked, Pushes, PushStores
from tests.fakes.drivers import FixedDrivers
from tests.fakes.guarded_box import BoxDriver, text_of
from tests.integration.services.test_commit_path import BEFORE, CHANGE, NEW, OLD, Bench, NoEngine, opened

UP = LineState(up=True, address=IPv4Interface("192.0.2.1/24"), default_route=True)
DOWN = LineState(up=False)
NO_ROUTE = replace(UP, default_route=False)


@dataclass
class LineDriver(BoxDriver):
    """A box that also says how its line is: for each text that it may run a list of states, taken while it lasts."""

    said: dict[str, list[LineState | Exception]] = field(default_factory=dict)
    echoes: set[str] = field(default_factory=set)

    async def line(self, shell: Shell, text: str) -> LineState:
        running = (await shell.execute("show")).stdout
        assert text == running
        states = self.said.get(running, [UP])
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, Exception):
            raise state
        return state

    async def ping(self, shell: Shell, target: str) -> bool:
        await shell.execute("show")
        return target in self.echoes


@dataclass
class World:
    bench: Bench
    driver: LineDriver
    care: Care

    def pushes(self) -> Pushes:
        db = self.bench.database
        stores = PushStores(db.pushes, db.inventory, db.backups)
        return Pushes(stores, cast("Any", NoEngine()), self.outside(), self.care)

    def outside(self) -> Any:
        return replace(self.bench.outside, drivers=FixedDrivers(self.driver))

    async def ask(self, **more: Any) -> Push:
        return await self.pushes().submit(PushAsked("r1", **({"change": CHANGE} | more)), by="op")

    async def work(self, push: Push) -> Settled:
        row = await self.bench.claim(push)
        groups = {group.name: group for group in await self.bench.database.inventory.groups()}
        db = self.bench.database
        task = asyncio.create_task(CommitPath(self.outside(), db.pushes, db.backups, self.care).run(row, groups))
        while not task.done():
            await asyncio.sleep(0.001)
            await self.bench.clock.advance(1.0)
            kept = await db.jobs.renew([row.lease], now=self.bench.clock.now(), ttl=30)
            row = replace(row, lease=kept[0])
        settled = task.result()
        assert await db.jobs.settle([replace(settled, lease=row.lease)]) == []
        return settled

    async def seen(self, push: Push) -> Push:
        return (await self.bench.database.pushes.push(push.id)).push

    async def notes(self, push: Push, step: Step) -> dict[str, tuple[bool | None, str]]:
        journal = (await self.bench.database.pushes.push(push.id)).journal
        return {note.what: (note.ok, note.reason) for entry in journal if entry.step is step for note in entry.notes}

    async def withdrawn(self, push: Push) -> str:
        """It ended so, and the box was only looked at. Returns why."""
        assert (await self.work(push)).outcome is Outcome.WITHDRAWN
        assert set(self.bench.box.verbs) <= {"show"}
        return (await self.seen(push)).code or ""

    async def reverted(self, push: Push) -> str:
        assert (await self.work(push)).outcome is Outcome.REVERTED
        box = self.bench.box
        assert (box.running, box.startup, box.token) == (OLD, OLD, "")
        return (await self.seen(push)).code or ""


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    async with opened(tmp_path, sqlite_url) as bench:
        care = Care(Admission(), Checks(bench.database.addresses), TcpReach())
        yield World(bench, LineDriver(), care)


def mapping(port: int) -> dict[str, Any]:
    return {"port_mappings": [{"protocol": "tcp", "ports": port, "inside": "192.168.1.9", "inside_port": port}]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hostname": "no name"}, Check.MODEL),
        ({"wan": {"gateway": "203.0.113.1"}}, Check.MODEL),
        ({"dhcp": {"first": "10.0.0.2", "last": "10.0.0.9"}}, Check.MODEL),
        ({"lan": {"address": "192.0.2.200/25"}}, Check.OVERLAP),
        (mapping(23), Check.RESERVED),
        ({"hostname": "SITE-1"}, Check.NOTHING),
        ({"management": {"sources": ["10.9.0.0/16"]}}, Check.LOCKOUT),
    ],
)
async def test_what_must_not_be_is_refused_with_a_code_before_any_effect(
    world: World, change: dict[str, Any], code: str
) -> None:
    push = await world.ask(change=change)
    assert await world.withdrawn(push) == code
    assert (await world.seen(push)).begun_at is not None


async def test_the_plan_says_what_the_check_will_say(world: World) -> None:
    plan = await world.pushes().plan(PushAsked("r1", change=mapping(23)))
    assert [(one.check, one.refuses) for one in plan.findings] == [(Check.RESERVED, True)]
    plan = await world.pushes().plan(
        PushAsked("r1", change=CHANGE, probes=(Probe.parse("config:hostname=SITE-9"), Probe.parse("ping:192.0.2.9")))
    )
    assert plan.findings == ()
    assert plan.warnings == ('the probe config:hostname="SITE-9" would fail: hostname is "SITE-2"',)


async def test_what_can_be_accepted_goes_on_when_it_is_and_the_rest_never(world: World) -> None:
    change = {"port_mappings": [{"protocol": "tcp", "ports": 443, "inside": "203.0.113.9", "inside_port": 443}]}
    assert await world.withdrawn(await world.ask(change=change)) == Check.OUTSIDE_LAN
    accepted = await world.ask(change=change, accepted=frozenset({"mapping-outside-lan"}))
    assert (await world.work(accepted)).outcome is Outcome.CONFIRMED
    assert (await world.notes(accepted, Step.CHECK))[Check.OUTSIDE_LAN][0] is None
    with pytest.raises(InputError, match="cannot be accepted"):
        await world.ask(change=mapping(23), accepted=frozenset({"port-reserved"}))


async def other_device(world: World, address: str = "192.0.2.77") -> Device:
    ids = world.bench.outside.ids
    device = replace(world.bench.device, id=ids.new(), position_id=ids.new(), name="r2", address=address)
    await world.bench.database.inventory.apply(InventoryChanges(at=world.bench.clock.now(), add=(device,)))
    return device


def books(world: World) -> Books:
    db, outside = world.bench.database, world.outside()
    return Books(db.pushes, db.backups, db.addresses, outside.vault, outside.drivers)


async def test_an_address_of_another_device_is_refused_and_found_in_its_version(world: World) -> None:
    first = await world.ask()
    assert (await world.work(first)).outcome is Outcome.CONFIRMED
    await FleetAddresses(books(world)).look()
    other = await other_device(world, "10.0.0.2")
    held = await world.bench.database.addresses.unread(10)
    assert held == []
    checks = Checks(world.bench.database.addresses)
    plan = await world.pushes().plan(PushAsked("r1", change={"wan": {"address": "192.0.2.9/24"}}))
    assert plan.findings == ()
    wanted = replace(BEFORE, wan=None)
    driver = BoxDriver()

    order = Order(PushKind.CHANGE, {"wan": {"mode": "static", "address": "192.0.2.1/24", "gateway": "192.0.2.254"}})
    of_other = make_plan(driver, text_of(wanted), order, None)
    found = await checks.judge(other, of_other, ManagementPath(None, None))
    assert [one.check for one in found if one.refuses] == [Check.FLEET]
    assert "192.0.2.1/32 belongs to r1" in str(found[0])


async def test_an_address_at_which_another_device_is_managed_is_refused(world: World) -> None:
    await other_device(world)
    push = await world.ask(change={"wan": {"address": "192.0.2.77/24"}}, overrides=frozenset({Lockout.ADDRESS}))
    assert await world.withdrawn(push) == Check.FLEET


async def test_where_no_subscription_is_known_it_says_so(world: World) -> None:
    pack = {"wan": {"ip_pack": "198.51.100.8/29"}}
    plan = await world.pushes().plan(PushAsked("r1", change=pack))
    assert [(one.check, one.refuses) for one in plan.findings] == [(Check.NOT_JUDGED, False)]
    assert any("no subscription of s1 is known: IP pack" in warning for warning in plan.warnings)
    push = await world.ask(change=pack)
    assert (await world.work(push)).outcome is Outcome.CONFIRMED
    assert (await world.notes(push, Step.CHECK))[Check.NOT_JUDGED][0] is None


async def test_what_was_not_ordered_is_refused_once_somebody_knows(world: World) -> None:
    class Subscriptions:
        async def judge(
            self, device: Device, components: Sequence[Component], operation: Operation = Operation.CONFIGURE
        ) -> Sequence[Finding]:
            return [Finding(Check.ENTITLEMENT, f"{device.site} has no {one}") for one in components]

    world.care = replace(world.care, checks=Checks(None, Subscriptions()))
    assert await world.withdrawn(await world.ask(change={"wan": {"ip_pack": "198.51.100.8/29"}})) == Check.ENTITLEMENT
    assert (await world.work(await world.ask())).outcome is Outcome.CONFIRMED


@pytest.mark.parametrize(
    ("how", "judged"),
    [
        ({}, Operation.RESTORE),
        ({"on_demand": "An Peeters, by telephone"}, Operation.CONFIGURE),
        ({"own": True}, Operation.CONFIGURE),
        ({"names": {}}, Operation.CONFIGURE),
        ({"version": None, "change": {"hostname": "SITE-3"}}, Operation.CONFIGURE),
    ],
    ids=["restore", "on demand", "what was confirmed", "of other hardware", "a change"],
)
async def test_a_version_that_is_brought_back_is_judged_as_a_restore(
    world: World, how: dict[str, Any], judged: Operation
) -> None:
    class Subscriptions:
        async def judge(
            self, device: Device, components: Sequence[Component], operation: Operation = Operation.CONFIGURE
        ) -> Sequence[Finding]:
            return [Finding(Check.ENTITLEMENT, f"{device.site} may {operation} {len(components)}")]

    assert (await world.work(await world.ask())).outcome is Outcome.CONFIRMED
    world.bench.box.verbs.clear()
    world.care = replace(world.care, checks=Checks(None, Subscriptions()))
    push = await world.ask(**({"change": None, "version": 1} | how))
    assert await world.withdrawn(push) == Check.ENTITLEMENT
    assert f"may {judged} " in (await world.seen(push)).reason
    plan = await world.pushes().plan(PushAsked("r1", **({"version": 1} | how)))
    assert f"may {judged} " in plan.findings[0].reason
    assert ("on demand: An Peeters" in push.summary) is ("on_demand" in how)


# Windows and limits.


async def shut(world: World, **settings: str) -> None:
    now = world.bench.clock.now()
    day, hour = now.strftime("%a"), (now + timedelta(hours=2)).strftime("%H")
    windows = {"push_windows": f"{day} {hour}:00-{hour}:59 UTC"} | settings
    group = Group("late", settings=windows)
    changes = InventoryChanges(at=now, groups=(group,), update=(replace(world.bench.device, group="late"),))
    await world.bench.database.inventory.apply(changes)


async def test_outside_its_window_a_push_waits_and_begins_when_it_opens(world: World) -> None:
    await shut(world)
    push = await world.ask()
    assert push.waiting is not None
    assert push.waiting.hold is Hold.WINDOW
    until = push.waiting.until
    assert until is not None
    await world.bench.clock.advance(901)
    settled = await world.work(push)
    assert (settled.outcome, settled.attempted) == (None, False)
    seen = await world.seen(push)
    assert (seen.waiting, seen.begun_at, world.bench.box.verbs) == (push.waiting, None, [])
    await world.bench.clock.advance((until - world.bench.clock.now()).total_seconds())
    assert (await world.work(push)).outcome is Outcome.CONFIRMED
    assert (await world.seen(push)).waiting is None


@pytest.mark.parametrize("how", [{"any_time": True}, {"priority": Priority.URGENT}], ids=str)
async def test_now_and_urgent_do_not_wait(world: World, how: dict[str, Any]) -> None:
    await shut(world, push_freezes="2020-01-01..2099-01-01")
    assert (await world.work(await world.ask(**how))).outcome is Outcome.CONFIRMED


async def test_the_installations_windows_count_where_nobody_says_otherwise(world: World) -> None:
    world.care = replace(world.care, admission=Admission(Rules(freezes="2020-01-01..2099-01-01")))
    push = await world.ask()
    assert push.waiting is not None
    assert "frozen" in push.waiting.reason
    await world.pushes().withdraw(push.id, by="op")
    assert await world.withdrawn(push) == Check.WITHDRAWN
    own = replace(world.bench.device, settings={"push_freezes": "none"})
    await world.bench.database.inventory.apply(InventoryChanges(at=world.bench.clock.now(), update=(own,)))
    assert (await world.work(await world.ask())).outcome is Outcome.CONFIRMED


async def test_a_push_over_the_limit_goes_back_and_comes_again(world: World) -> None:
    rules = Rules(limits=Limits(failures_per_hour=1))
    world.care = replace(world.care, admission=Admission(rules))
    world.bench.box.after["apply"] = SessionDropped("gone")
    assert (await world.work(await world.ask())).outcome is Outcome.REVERTED
    push = await world.ask()
    settled = await world.work(push)
    assert settled.outcome is None
    seen = await world.seen(push)
    assert seen.waiting is not None
    assert seen.waiting.hold is Hold.FAILURES
    assert [one.kind for one in await world.bench.database.events.alarms()] == ["push.held"]
    upkeep = PushUpkeep(books(world), world.bench.clock, 1)
    await upkeep.look()
    assert len(await world.bench.database.events.alarms()) == 1
    await world.bench.clock.advance(3700)
    await upkeep.look()
    assert await world.bench.database.events.alarms() == []
    assert (await world.work(push)).outcome is Outcome.CONFIRMED


# Probes.


async def test_a_line_that_stays_up_is_noted_before_and_after(world: World) -> None:
    push = await world.ask()
    assert (await world.work(push)).outcome is Outcome.CONFIRMED
    for step in (Step.PLAN, Step.PROBE):
        assert (await world.notes(push, step))["line"] == (True, str(UP))


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ([UP], [DOWN], Check.LINE),
        ([UP], [NO_ROUTE], Check.DEFAULT_ROUTE),
        ([UP], [replace(UP, up=False)], Check.LINE),
    ],
    ids=["line", "route", "up"],
)
async def test_a_line_that_is_lost_takes_the_change_back(
    world: World, before: list[Any], after: list[Any], code: str
) -> None:
    world.driver.said = {OLD: before, NEW: after}
    push = await world.ask()
    assert await world.reverted(push) == code
    assert "before the change: line up" in ((await world.seen(push)).reason or "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([DOWN], [DOWN]),
        ([NO_ROUTE], [NO_ROUTE]),
        ([UP], [DOWN, DOWN, NO_ROUTE, UP]),
        ([LineState(up=None)], [DOWN]),
        ([CommandRefused("% no such command")], [DOWN]),
        ([UP], [CommandRefused("% no such command")]),
        ([UP], [DeviceTimeout("slow")]),
        ([RuntimeError("a defect")], [RuntimeError("a defect")]),
    ],
    ids=str,
)
async def test_only_what_was_there_can_be_lost(world: World, before: list[Any], after: list[Any]) -> None:
    world.driver.said = {OLD: before, NEW: after}
    assert (await world.work(await world.ask())).outcome is Outcome.CONFIRMED


async def test_a_change_that_does_away_with_the_wan_loses_no_line(world: World) -> None:
    new = text_of(replace(BEFORE, wan=None))
    world.driver.said = {OLD: [UP], new: [DOWN]}
    overrides = frozenset({Lockout.ADDRESS, Lockout.ROUTE})
    push = await world.ask(change={"wan": None}, overrides=overrides)
    assert (await world.work(push)).outcome is Outcome.CONFIRMED


async def test_what_the_line_was_survives_the_process(world: World) -> None:
    """The one who takes the push up after the change compares with what the one before it wrote down."""
    world.driver.said = {OLD: [UP], NEW: [DOWN]}
    push = await world.ask()
    path = CommitPath(world.outside(), world.bench.database.pushes, world.bench.database.backups, world.care)
    row = await world.bench.claim(push)
    task = asyncio.create_task(path.run(row, {}))
    while (await world.seen(push)).phase is not Phase.APPLIED:
        await asyncio.sleep(0.001)
        await world.bench.clock.advance(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.bench.clock.advance(40)
    assert await world.reverted(push) == Check.LINE


async def test_probes_that_hold_confirm_and_each_is_noted(world: World) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world.driver.echoes = {"192.0.2.254"}
    texts = (f"tcp:127.0.0.1:{port}", "ping:192.0.2.254", "config:hostname=SITE-2")
    async with server:
        push = await world.ask(probes=tuple(map(Probe.parse, texts)))
        assert (await world.work(push)).outcome is Outcome.CONFIRMED
    notes = await world.notes(push, Step.PROBE)
    assert [notes[str(Probe.parse(text))] for text in texts] == [(True, "")] * 3


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        ("tcp:127.0.0.1:1", "refused"),
        ("ping:192.0.2.9", "no echo"),
        ("config:hostname=SITE-9", 'hostname is "SITE-2"'),
    ],
)
async def test_a_probe_that_fails_takes_the_change_back(world: World, probe: str, reason: str) -> None:
    push = await world.ask(probes=(Probe.parse("config:hostname=SITE-2"), Probe.parse(probe)))
    assert await world.reverted(push) == Check.PROBE
    notes = await world.notes(push, Step.PROBE)
    assert notes['config:hostname="SITE-2"'] == (True, "")
    ok, told = notes[str(Probe.parse(probe))]
    assert ok is False
    assert reason in told


async def test_a_family_that_cannot_ping_fails_such_a_probe(world: World) -> None:
    world.driver = cast("Any", BoxDriver())
    assert await world.reverted(await world.ask(probes=(Probe.parse("ping:192.0.2.9"),))) == Check.PROBE


# Asked again.


async def test_an_approved_push_of_a_changed_device_is_asked_again(world: World) -> None:
    shown = await world.pushes().plan(PushAsked("r1", change=CHANGE))
    moved = replace(BEFORE, lan=Lan(IPv4Interface("192.168.7.1/24")))
    world.bench.box.running = world.bench.box.startup = text_of(moved)
    push = await world.ask(basis=shown.basis)
    assert await world.withdrawn(push) == Check.BASIS
    offer = (await world.seen(push)).offer
    assert offer is not None
    assert offer.basis == (await world.pushes().plan(PushAsked("r1", change=CHANGE))).basis != shown.basis
    assert [part for part, _, _ in offer.neutral] == ["hostname", "dns"]
    assert "SITE-2" in offer.native
    again = await world.pushes().again(push.id, Again(key="k1"), by="op2")
    assert (again.basis, again.requested_by, again.summary) == (offer.basis, "op2", push.summary)
    assert await world.pushes().again(push.id, Again(key="k1"), by="op2") == again
    assert (await world.work(again)).outcome is Outcome.CONFIRMED
    assert world.bench.box.running == text_of(replace(moved, hostname="SITE-2", dns=BoxDriver().parse(NEW).dns))


async def test_only_what_came_to_nothing_is_asked_for_again(world: World) -> None:
    push = await world.ask()
    with pytest.raises(Conflict, match="planned"):
        await world.pushes().again(push.id, Again(), by="op")
    assert (await world.work(push)).outcome is Outcome.CONFIRMED
    with pytest.raises(Conflict, match="confirmed"):
        await world.pushes().again(push.id, Again(), by="op")


async def test_an_offer_holds_no_secret(world: World) -> None:
    pppoe = {"wan": {"mode": "pppoe", "username": "fb1", "password": "ppp-secret", "address": None, "gateway": None}}
    push = await world.ask(change=pppoe, basis="another")
    assert await world.withdrawn(push) == Check.BASIS
    assert "ppp-secret" not in repr((await world.seen(push)).offer)


# Stuck.


class Stubborn(LineDriver):
    async def revert(self, shell: Any, guard: Any) -> None:
        raise CommandRefused("% no way back")

    async def replace(self, shell: Any, text: str, guard: Any = None) -> None:
        raise CommandRefused("% no way back")


async def stuck(world: World, **more: Any) -> Push:
    plain, world.driver = world.driver, Stubborn()
    world.bench.box._go_back = lambda: None  # type: ignore[method-assign]  # its timer does nothing, too
    world.bench.box.after["apply"] = SessionDropped("gone")
    push = await world.ask(**more)
    assert (await world.work(push)).outcome is Outcome.STUCK
    world.driver = plain
    world.bench.box.token, world.bench.box.fires_at = "", None
    return push


async def backed_up(world: World, text: str) -> None:
    """A backup finds the device running this, and the chore looks."""
    world.bench.box.running = text
    db, now = world.bench.database, world.bench.clock.now()
    job = Job(world.bench.outside.ids.new(), JobKind.BACKUP, JobState.OPEN, "manual", now)
    await db.jobs.create(job, [NewWork(world.bench.device.id, 0, now)])
    await world.bench.clock.advance(1)
    (row,) = await db.jobs.claim(job.id, 0, owner="w1", now=world.bench.clock.now(), ttl=30, limit=1, per_access_node=0)
    assert await db.jobs.settle([await Attempt(world.outside(), RetryPolicy()).run(row, {})]) == []
    await PushUpkeep(books(world), world.bench.clock, 0).look()


@pytest.mark.parametrize(("runs", "how"), [(OLD, SettledAs.BEFORE), (NEW, SettledAs.AFTER)], ids=["before", "after"])
async def test_a_backup_that_finds_the_device_well_settles_it(world: World, runs: str, how: SettledAs) -> None:
    push = await stuck(world)
    with pytest.raises(Conflict, match="stuck"):
        await world.ask()
    await backed_up(world, runs)
    settled = (await world.seen(push)).settled
    assert settled is not None
    assert settled.how is how
    assert await world.bench.database.events.alarms() == []
    await world.ask()


async def test_a_backup_that_finds_something_else_settles_nothing(world: World) -> None:
    push = await stuck(world)
    await backed_up(world, text_of(replace(BEFORE, wan=Wan("dhcp"))))
    assert (await world.seen(push)).settled is None
    assert len(await world.bench.database.events.alarms()) == 1


async def test_a_restore_that_is_confirmed_settles_it(world: World) -> None:
    push = await stuck(world)
    restore = await world.ask(change=None, version=1)
    assert (await world.work(restore)).outcome is Outcome.CONFIRMED
    settled = (await world.seen(push)).settled
    assert settled is not None
    assert settled.how is SettledAs.LATER
    assert await world.bench.database.events.alarms() == []


async def test_a_person_settles_it_with_a_note(world: World) -> None:
    push = await stuck(world)
    for how, note in ((SettledAs.LATER, "x"), (SettledAs.BEFORE, " ")):
        with pytest.raises(InputError):
            await world.pushes().settle(push.id, how, note, by="op")
    settled = await world.pushes().settle(push.id, SettledAs.BEFORE, "seen on site", by="op")
    assert settled.settled is not None
    assert (settled.settled.by, settled.settled.note) == ("op", "seen on site")
    assert await world.bench.database.events.alarms() == []


async def test_a_device_out_of_service_is_not_asked_again(world: World) -> None:
    push = await world.ask(change={"hostname": "SITE-1"})
    assert await world.withdrawn(push) == Check.NOTHING
    gone = replace(world.bench.device, state=LifeState.SUSPENDED)
    await world.bench.database.inventory.apply(InventoryChanges(at=world.bench.clock.now(), update=(gone,)))
    with pytest.raises(Conflict, match="suspended"):
        await world.pushes().again(push.id, Again(), by="op")
