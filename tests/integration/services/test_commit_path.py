"""A push ends as it was, as it was wanted, or loudly stuck: the service, with a real database and a box that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.drift import Verdict
from cpe_manager.domain.errors import CommandRefused, Conflict, DeviceTimeout, InputError, SessionDropped, StoreBusy
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, Management, Wan
from cpe_manager.domain.push.commit_path import Phase, Result, Step
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.stores import Claimed, InventoryChanges, Settled
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.pushes import PushAsked, Pushes, PushStores
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials
from tests.fakes.drivers import FixedDrivers, PlainDriver
from tests.fakes.guarded_box import FAMILY, BoxDriver, BoxSessions, GuardedBox, Killed, text_of
from tests.support.one_box import enrolled

LOGIN = Credential("backup", "login-secret-1")
BEFORE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.254")),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
    management=Management((IPv4Network("10.100.7.0/24"),)),
)
AFTER = replace(BEFORE, hostname="SITE-2", dns=(IPv4Address("9.9.9.9"),))
CHANGE = {"hostname": "SITE-2", "dns": ["9.9.9.9"]}
OLD, NEW = text_of(BEFORE), text_of(AFTER)
HALF = text_of(replace(BEFORE, hostname="SITE-2"))


class NoEngine:
    async def enqueue(self, tickets: Any) -> None: ...


@dataclass
class Bench:
    """One box, one push at a time, and as many processes as a test kills."""

    database: Database
    clock: SimulatedClock
    box: GuardedBox
    outside: Outside
    device: Device
    pushes: Pushes

    async def ask(self, **more: Any) -> Push:
        asked = PushAsked("r1", **({"change": CHANGE} | more))
        return await self.pushes.submit(asked, by="op")

    async def claim(self, push: Push, owner: str = "w1") -> Claimed:
        (row,) = await self.database.jobs.claim(
            push.job_id, 0, owner=owner, now=self.clock.now(), ttl=30, limit=1, per_access_node=0
        )
        return row

    async def work(self, push: Push, owner: str = "w1", store: Any = None) -> Settled:
        """One process works on it until it ends, or dies of it; simulated time passes."""
        row = await self.claim(push, owner)
        path = CommitPath(self.outside, store or self.database.pushes, self.database.backups)
        task = asyncio.create_task(path.run(row, {}))
        while not task.done():
            await asyncio.sleep(0.001)
            await self.clock.advance(1.0)
            kept = await self.database.jobs.renew([row.lease], now=self.clock.now(), ttl=30)
            row = replace(row, lease=kept[0])
        settled = task.result()
        assert await self.database.jobs.settle([replace(settled, lease=row.lease)]) == []
        return settled

    async def dies(self, push: Push, owner: str) -> None:
        with pytest.raises(Killed):
            await self.work(push, owner)
        await self.clock.advance(40)

    async def steps(self, push: Push) -> list[str]:
        journal = (await self.database.pushes.push(push.id)).journal
        return [entry.step.value for entry in journal if entry.result is Result.DONE]

    async def phase(self, push: Push) -> Phase:
        return (await self.database.pushes.push(push.id)).push.phase


@asynccontextmanager
async def opened(home: Path, url: str) -> AsyncIterator[Bench]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(url) as database:
        await database.maintenance.migrate()
        device = await enrolled(database, clock, ids, FAMILY)
        box = GuardedBox(clock, OLD)
        drivers = FixedDrivers(BoxDriver(), PlainDriver())
        credentials = FixedCredentials({"lab": LOGIN})
        outside = Outside(BoxSessions(box, LOGIN), drivers, credentials, Vault(keys), clock, ids)
        stores = PushStores(database.pushes, database.inventory, database.backups)
        yield Bench(database, clock, box, outside, device, Pushes(stores, cast("Any", NoEngine()), outside))


@pytest.fixture
async def bench(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Bench]:
    async with opened(tmp_path, sqlite_url) as made:
        yield made


async def test_a_good_change_goes_all_the_way_and_leaves_two_versions(bench: Bench) -> None:
    push = await bench.ask()
    settled = await bench.work(push)
    assert settled.outcome is Outcome.CONFIRMED
    assert await bench.steps(push) == ["plan", "check", "snapshot", "arm", "apply", "probe", "confirm"]
    assert (bench.box.running, bench.box.startup, bench.box.token) == (NEW, NEW, "")
    versions = (await bench.database.backups.versions(bench.device.position_id)).items
    assert [version.number for version in versions] == [2, 1]
    snapshot = (await bench.database.pushes.push(push.id)).push.snapshot_id
    assert snapshot == versions[1].id
    assert (await bench.database.inventory.device("r1")).status.current_backup_id == versions[0].id


async def test_what_is_so_already_is_withdrawn_and_touches_nothing(bench: Bench) -> None:
    push = await bench.ask(change={"hostname": "SITE-1"})
    settled = await bench.work(push)
    assert settled.outcome is Outcome.WITHDRAWN
    assert "nothing to change" in (settled.error or "")
    assert set(bench.box.verbs) == {"show"}


async def test_a_change_that_would_lock_us_out_needs_an_override(bench: Bench) -> None:
    change = {"management": {"sources": ["10.9.0.0/16"]}}
    settled = await bench.work(await bench.ask(change=change))
    assert settled.outcome is Outcome.WITHDRAWN
    assert "lock us out" in (settled.error or "")
    assert set(bench.box.verbs) == {"show"}
    allowed = await bench.ask(change=change, overrides=frozenset({Lockout.ACCESS_LIST}))
    assert (await bench.work(allowed)).outcome is Outcome.CONFIRMED


async def test_a_lock_out_that_came_true_recovers_by_the_boxs_own_timer(bench: Bench) -> None:
    bench.box.closes_behind = NEW
    push = await bench.ask()
    settled = await bench.work(push)
    assert settled.outcome is Outcome.REVERTED
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")
    assert not bench.box.litter
    assert [alarm.kind for alarm in await bench.database.events.alarms()] == []


async def test_a_device_that_changed_since_the_plan_was_shown_is_left_alone(bench: Bench) -> None:
    shown = await bench.pushes.plan(PushAsked("r1", change=CHANGE))
    bench.box.running = text_of(replace(BEFORE, lan=Lan(IPv4Interface("192.168.7.1/24"))))
    settled = await bench.work(await bench.ask(basis=shown.basis))
    assert settled.outcome is Outcome.WITHDRAWN
    assert "changed since" in (settled.error or "")
    assert set(bench.box.verbs) == {"show"}


async def test_a_plan_shows_what_would_be_done_and_no_secret(bench: Bench) -> None:
    change = {"wan": {"mode": "pppoe", "username": "fb1", "password": "ppp-secret", "address": None, "gateway": None}}
    shown = await bench.pushes.plan(PushAsked("r1", change=change))
    assert "ppp-secret" not in repr(shown)
    assert "fb1" in shown.native
    assert [part for part, _, _ in shown.neutral] == ["wan"]
    assert Lockout.ROUTE in {hindrance.kind for hindrance in shown.lockouts}
    assert set(bench.box.verbs) == {"show"}


async def test_a_stored_version_is_brought_back(bench: Bench) -> None:
    await bench.work(await bench.ask())
    push = await bench.ask(change=None, version=1)
    assert (await bench.work(push)).outcome is Outcome.CONFIRMED
    assert (bench.box.running, bench.box.startup) == (OLD, OLD)


FAILURES = [
    (verb, moment, error)
    for verb in ("arm", "apply", "confirm", "save")
    for moment in ("before", "after")
    for error in (SessionDropped("gone"), CommandRefused("% no"), DeviceTimeout("slow"))
]


@pytest.mark.parametrize(("verb", "moment", "error"), FAILURES, ids=str)
async def test_whatever_fails_the_box_is_as_before_or_as_wanted(
    bench: Bench, verb: str, moment: str, error: Exception
) -> None:
    bench.box.half = HALF
    getattr(bench.box, moment)[verb] = error
    push = await bench.ask()
    settled = await bench.work(push)
    ends = {Outcome.CONFIRMED: NEW, Outcome.REVERTED: OLD}
    assert settled.outcome in ends
    assert (bench.box.running, bench.box.startup, bench.box.token) == (ends[settled.outcome],) * 2 + ("",)
    assert settled.outcome is Outcome.REVERTED
    assert not bench.box.litter


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["show", "arm", "apply", "confirm", "save"])
async def test_a_killed_process_is_followed_by_one_that_finishes_or_undoes(
    bench: Bench, verb: str, moment: str
) -> None:
    bench.box.half = HALF
    getattr(bench.box, moment)[verb] = Killed()
    push = await bench.ask()
    await bench.dies(push, "w1")
    settled = await bench.work(push, "w2")
    ends = {Outcome.CONFIRMED: NEW, Outcome.REVERTED: OLD}
    assert settled.outcome in ends
    assert (bench.box.running, bench.box.startup, bench.box.token) == (ends[settled.outcome],) * 2 + ("",)
    assert await bench.phase(push) in (Phase.CONFIRMED, Phase.REVERTED)


async def test_a_process_killed_while_reverting_is_followed_by_one_that_reverts(bench: Bench) -> None:
    bench.box.after["apply"] = SessionDropped("gone")
    bench.box.before["revert"] = Killed()
    push = await bench.ask()
    await bench.dies(push, "w1")
    bench.box.after["revert"] = Killed()
    settled = None
    for owner in ("w2", "w3"):
        try:
            settled = await bench.work(push, owner)
            break
        except Killed:
            await bench.clock.advance(40)
    assert settled is not None
    assert settled.outcome is Outcome.REVERTED
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_a_reboot_in_the_middle_ends_as_before(bench: Bench) -> None:
    bench.box.after["apply"] = Killed()
    push = await bench.ask()
    await bench.dies(push, "w1")
    bench.box.reboot()
    assert (await bench.work(push, "w2")).outcome is Outcome.REVERTED
    assert (bench.box.running, bench.box.startup) == (OLD, OLD)


@pytest.mark.parametrize("verb", ["confirm", "save"])
async def test_a_box_that_restarts_just_before_it_is_confirmed_is_not_called_confirmed(bench: Bench, verb: str) -> None:
    bench.box.restarts_before.append(verb)
    settled = await bench.work(await bench.ask())
    assert settled.outcome is Outcome.REVERTED
    assert "before it could be confirmed" in (settled.error or "")
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_a_box_that_restarts_with_the_change_after_it_went_back_is_not_called_reverted(bench: Bench) -> None:
    """The change had been saved already, so a restart brings it back."""
    bench.box.after["save"] = SessionDropped("gone")
    bench.box.restarts_after_replacing = True
    settled = await bench.work(await bench.ask())
    assert settled.outcome is Outcome.REVERTED
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_a_process_that_died_between_arming_and_applying_is_followed_by_one_that_reverts(bench: Bench) -> None:
    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(bench.database.pushes, name)

        async def record(self, push_id: str, entry: Any, phase: Any, lease: Any) -> None:
            if entry.step is Step.APPLY:
                raise Killed
            await bench.database.pushes.record(push_id, entry, phase, lease)

    push = await bench.ask()
    with pytest.raises(Killed):
        await bench.work(push, "w1", store=Dying())
    await bench.clock.advance(40)
    settled = await bench.work(push, "w2")
    assert (settled.outcome, settled.error) == (Outcome.REVERTED, "interrupted before anything was applied")
    assert "apply" not in bench.box.verbs


async def test_a_box_that_refuses_to_go_back_is_stuck_with_an_alarm(bench: Bench) -> None:
    class Stubborn(BoxDriver):
        async def revert(self, shell: Any, guard: Any) -> None:
            raise CommandRefused("% no way back")

        async def replace(self, shell: Any, text: str, guard: Any = None) -> None:
            raise CommandRefused("% no way back")

    bench.box.after["apply"] = SessionDropped("gone")
    outside = replace(bench.outside, drivers=FixedDrivers(Stubborn()))
    bench.outside = outside
    bench.box._go_back = lambda: None  # type: ignore[method-assign]  # its timer does nothing, too
    push = await bench.ask()
    settled = await bench.work(push)
    assert settled.outcome is Outcome.STUCK
    assert "no way back" in (settled.error or "")
    assert [alarm.kind for alarm in await bench.database.events.alarms()] == ["push.stuck"]


async def test_a_push_given_up_while_it_waits_never_begins(bench: Bench) -> None:
    push = await bench.ask()
    await bench.pushes.withdraw(push.id, by="op")
    assert (await bench.work(push)).outcome is Outcome.WITHDRAWN
    assert bench.box.verbs == []


async def test_a_database_that_refuses_gives_the_row_back_and_the_next_one_goes_on(bench: Bench) -> None:
    class Refusing:
        def __init__(self, real: Any) -> None:
            self._real, self.left = real, 5

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        async def record(self, push_id: str, entry: Any, phase: Any, lease: Any) -> None:
            if entry.step is Step.APPLY and entry.result is not None:
                raise StoreBusy("locked")
            await self._real.record(push_id, entry, phase, lease)

    push = await bench.ask()
    settled = await bench.work(push, store=Refusing(bench.database.pushes))
    assert (settled.outcome, settled.attempted) == (None, False)
    await bench.clock.advance(10)
    assert (await bench.work(push, "w2")).outcome is Outcome.REVERTED
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_what_cannot_be_done_is_refused_when_it_is_asked_for(bench: Bench) -> None:
    with pytest.raises(InputError, match="exactly one"):
        await bench.ask(version=1)
    with pytest.raises(InputError, match="120 to 3600"):
        await bench.ask(guard_seconds=10)
    with pytest.raises(Conflict, match="no backup yet"):
        await bench.ask(change=None, version=0)
    await bench.database.inventory.apply(
        InventoryChanges(at=bench.clock.now(), update=(replace(bench.device, family="plain"),))
    )
    with pytest.raises(Conflict, match="read only"):
        await bench.ask()
    await bench.database.inventory.apply(
        InventoryChanges(at=bench.clock.now(), update=(replace(bench.device, state=LifeState.SUSPENDED),))
    )
    with pytest.raises(Conflict, match="suspended"):
        await bench.ask()


class EndRefused:
    """A database that takes the journal and, the first time, not the end."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def end(self, *_given: Any) -> None:
        raise StoreBusy("locked")


@pytest.mark.parametrize("reachable", [True, False])
async def test_what_was_confirmed_is_stored_by_whoever_writes_the_end(bench: Bench, reachable: bool) -> None:
    push = await bench.ask()
    assert (await bench.work(push, store=EndRefused(bench.database.pushes))).outcome is None
    await bench.clock.advance(10)
    bench.box.reachable = reachable
    assert (await bench.work(push, "w2")).outcome is Outcome.CONFIRMED
    assert (bench.box.running, bench.box.startup) == (NEW, NEW)
    row = await bench.database.drift.drift(bench.device.id)
    assert (row.confirmed, row.running) == ((2, 2) if reachable else (1, 1))
    assert row.standing.verdict is Verdict.IN_STEP


async def test_what_runs_is_saved_on_the_same_way_and_nothing_else_is_done(bench: Bench) -> None:
    bench.box.running = NEW
    push = await bench.ask(change=None, save=True)
    assert (await bench.work(push)).outcome is Outcome.CONFIRMED
    assert await bench.steps(push) == ["plan", "check", "snapshot", "arm", "apply", "probe", "confirm"]
    assert (bench.box.running, bench.box.startup, bench.box.token) == (NEW, NEW, "")
    assert len((await bench.database.backups.versions(bench.device.position_id)).items) == 1
    with pytest.raises(InputError, match="exactly one"):
        await bench.ask(save=True)


async def test_saving_is_not_wanting(bench: Bench) -> None:
    await bench.work(await bench.ask())
    bench.box.running = HALF
    assert (await bench.work(await bench.ask(change=None, save=True))).outcome is Outcome.CONFIRMED
    row = await bench.database.drift.drift(bench.device.id)
    assert (row.standing.verdict, row.confirmed, row.running) == (Verdict.CHANGED, 2, 3)
