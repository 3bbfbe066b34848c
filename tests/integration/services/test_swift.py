"""A switch is struck within one round trip, and is a push like any other before and after: with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import CommandRefused, Conflict, SessionDropped
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.fleet.inventory import Device, Group
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, Management, Wan
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.domain.push.commit_path import Phase, Result
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.shell import Credential, Shell
from cpe_manager.ports.stores import Claimed
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.backup.worker import Visit, WorkerLimits
from cpe_manager.services.failover.change import RouteChange
from cpe_manager.services.failover.swift import Struck, SwiftPath, SwiftRules
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.pushes import PushAsked, Pushes, PushStores
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials
from tests.fakes.drivers import FixedDrivers
from tests.fakes.guarded_box import FAMILY, BoxDriver, BoxSessions, GuardedBox, Killed, SwiftBoxDriver, text_of
from tests.support.one_box import enrolled

LOGIN = Credential("backup", "login-secret-1")
BEFORE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.254")),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
    mobile=Mobile("internet.example"),
    management=Management((IPv4Network("10.100.7.0/24"),)),
)
AFTER = replace(BEFORE, mobile=Mobile("internet.example", preferred=True))
OLD, NEW = text_of(BEFORE), text_of(AFTER)


class ProbingDriver(SwiftBoxDriver):
    """The fixed line is up when it is read for the plan, and dead once the box has moved."""

    async def line(self, shell: Shell, text: str) -> LineState:
        del shell
        up = text == OLD
        return LineState(up, None, default_route=up)

    async def ping(self, shell: Shell, target: str) -> bool:
        raise AssertionError((shell, target))


@dataclass
class Hands:
    """The worker, as far as a strike needs it: what is adopted is worked off and settled."""

    database: Database
    limits: WorkerLimits = field(default_factory=lambda: WorkerLimits("w1", lease_ttl=600))
    settled: list[Any] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def adopt(self, claimed: Claimed, groups: Mapping[str, Group], visit: Visit) -> asyncio.Task[None]:
        self.tasks.append(asyncio.ensure_future(self._one(claimed, groups, visit)))
        return self.tasks[-1]

    async def _one(self, claimed: Claimed, groups: Mapping[str, Group], visit: Visit) -> None:
        settled = await visit.run(claimed, groups)
        assert await self.database.jobs.settle([settled]) == []
        self.settled.append(settled.outcome)


@dataclass
class Bench:
    database: Database
    clock: SimulatedClock
    box: GuardedBox
    outside: Outside
    device: Device
    hands: Hands
    pushes: Pushes
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def path(self, **more: Any) -> SwiftPath:
        commit = CommitPath(self.outside, self.database.pushes, self.database.backups)
        stores = PushStores(self.database.pushes, self.database.inventory, self.database.backups)
        change = RouteChange(self.database.inventory, self.database.backups, self.outside)
        swift = SwiftPath(commit, stores, self.hands, change, SwiftRules(**more))
        self.tasks.append(asyncio.create_task(swift.run()))
        return swift

    async def ready(self, **more: Any) -> SwiftPath:
        swift = self.path(**more)
        swift.want([self.device.id])
        await self.until(lambda: bool(swift.ready))
        self.box.verbs.clear()
        return swift

    async def until(self, probe: Callable[[], bool | Awaitable[bool]]) -> None:
        for _ in range(600):
            answer = probe()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.002)
            await self.clock.advance(0.5)
        raise AssertionError("it never came")

    async def struck(self, swift: SwiftPath, key: str = "s1") -> Struck:
        found = await swift.strike(self.device.id, key, by="failover")
        assert found is not None
        return found

    async def ended(self, struck: Struck) -> Push:
        await self.until(struck.ended.done)
        await struck.ended
        return (await self.database.pushes.push(struck.push_id)).push

    async def work(self, push: Push, owner: str) -> None:
        """As the worker of another process that finds the row due."""
        await self.clock.advance(700)
        (row,) = await self.database.jobs.claim(
            push.job_id, 0, owner=owner, now=self.clock.now(), ttl=600, limit=1, per_access_node=0
        )
        task = asyncio.create_task(
            CommitPath(self.outside, self.database.pushes, self.database.backups).run(row, {})
        )  # fmt: skip
        await self.until(task.done)
        assert await self.database.jobs.settle([task.result()]) == []


@pytest.fixture
async def bench(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Bench]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(tmp_path / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(sqlite_url) as database:
        device = await enrolled(database, clock, ids, FAMILY)
        box = GuardedBox(clock, OLD)
        credentials = FixedCredentials({"lab": LOGIN})
        drivers = FixedDrivers(SwiftBoxDriver())
        outside = Outside(BoxSessions(box, LOGIN), drivers, credentials, Vault(keys), clock, ids)
        stores = PushStores(database.pushes, database.inventory, database.backups)
        pushes = Pushes(stores, cast("Any", None), outside)
        made = Bench(database, clock, box, outside, device, Hands(database), pushes)
        try:
            yield made
        finally:
            ending = (*made.tasks, *made.hands.tasks)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)


async def test_one_round_trip_changes_the_box_and_the_rest_is_an_ordinary_push(bench: Bench) -> None:
    swift = await bench.ready()
    struck = await bench.struck(swift)
    assert struck.error == ""
    assert bench.box.verbs == ["strike"]
    assert bench.box.running == NEW
    push = await bench.ended(struck)
    assert push.phase is Phase.CONFIRMED
    assert (bench.box.running, bench.box.startup, bench.box.token) == (NEW, NEW, "")
    journal = (await bench.database.pushes.push(push.id)).journal
    done = [entry.step.value for entry in journal if entry.result is Result.DONE]
    assert done == ["plan", "check", "snapshot", "arm", "apply", "probe", "confirm"]
    versions = (await bench.database.backups.versions(bench.device.position_id)).items
    assert [one.number for one in versions] == [2, 1]
    assert push.snapshot_id == versions[1].id


async def test_that_the_fixed_line_is_dead_fails_no_switch_away_from_it(bench: Bench) -> None:
    bench.outside = replace(bench.outside, drivers=FixedDrivers(ProbingDriver()))
    push = await bench.ended(await bench.struck(await bench.ready()))
    assert push.phase is Phase.CONFIRMED
    notes = [note for entry in (await bench.database.pushes.push(push.id)).journal for note in entry.notes]
    assert ("carrier", True) in [(note.what, note.ok) for note in notes]


async def test_a_box_whose_route_does_not_move_takes_the_switch_back(bench: Bench) -> None:
    bench.outside = replace(bench.outside, drivers=FixedDrivers(ProbingDriver()))
    bench.box.carrier = Carrier.FIXED
    push = await bench.ended(await bench.struck(await bench.ready()))
    assert push.phase is Phase.REVERTED
    assert "goes over fixed" in (push.reason or "")
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_what_is_not_ready_is_not_struck(bench: Bench) -> None:
    swift = bench.path()
    assert await swift.strike(bench.device.id, "s1", by="failover") is None
    bench.outside = replace(bench.outside, drivers=FixedDrivers(BoxDriver()))
    slow = bench.path()
    slow.want([bench.device.id])
    await bench.clock.advance(5)
    assert not slow.ready


async def test_a_box_that_is_being_prepared_is_left_alone_once_the_ordinary_path_is_taken(bench: Bench) -> None:
    come = bench.box.waits["prepare"] = asyncio.Event()
    swift = bench.path()
    swift.want([bench.device.id])
    await bench.until(lambda: "prepare" in bench.box.verbs)
    assert await swift.strike(bench.device.id, "s1", by="failover") is None
    come.set()
    await bench.clock.advance(30)
    await asyncio.sleep(0.02)
    assert bench.box.prepared == {}
    assert bench.box.verbs.count("prepare") == 1
    del bench.box.waits["prepare"]
    await bench.until(lambda: bool(swift.ready))


async def test_a_box_that_a_push_is_under_way_on_is_not_prepared(bench: Bench) -> None:
    bench.box.before["confirm"] = Killed()
    struck = await bench.struck(await bench.ready())
    with pytest.raises(Killed):
        await bench.ended(struck)
    bench.box.verbs.clear()
    swift = bench.path()
    swift.want([bench.device.id])
    await bench.clock.advance(30)
    await asyncio.sleep(0.05)
    assert bench.box.verbs == []
    await bench.work((await bench.database.pushes.push(struck.push_id)).push, "w2")
    bench.box.running = bench.box.startup = OLD
    await bench.until(lambda: bool(swift.ready))


async def test_a_box_that_was_changed_since_refuses_untouched_and_ends_as_it_was(bench: Bench) -> None:
    swift = await bench.ready()
    other = text_of(replace(BEFORE, hostname="SITE-2"))
    bench.box.running = bench.box.startup = other
    struck = await bench.struck(swift)
    assert "something else" in struck.error
    assert bench.box.verbs == ["strike", "armed"]
    assert (await bench.ended(struck)).phase is Phase.WITHDRAWN
    assert (bench.box.running, bench.box.startup, bench.box.token) == (other, other, "")


async def test_a_session_that_is_gone_is_replaced_by_a_new_one(bench: Bench) -> None:
    swift = await bench.ready()
    bench.box.before["strike"] = SessionDropped("gone")
    struck = await bench.struck(swift)
    assert struck.error == ""
    assert bench.box.verbs[:3] == ["strike", "armed", "strike"]
    assert (await bench.ended(struck)).phase is Phase.CONFIRMED


async def test_a_session_lost_after_the_strike_asks_before_it_strikes_again(bench: Bench) -> None:
    swift = await bench.ready()
    bench.box.after["strike"] = SessionDropped("gone")
    struck = await bench.struck(swift)
    assert struck.error == ""
    assert bench.box.verbs[:3] == ["strike", "armed", "show"]
    assert (await bench.ended(struck)).phase is Phase.CONFIRMED


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_process_killed_in_the_strike_is_followed_by_one_that_takes_it_back(bench: Bench, moment: str) -> None:
    swift = await bench.ready()
    getattr(bench.box, moment)["strike"] = Killed()
    struck = await bench.struck(swift)
    with pytest.raises(Killed):
        await struck.ended
    push = (await bench.database.pushes.push(struck.push_id)).push
    assert push.ended_at is None
    await bench.work(push, "w2")
    push = (await bench.database.pushes.push(struck.push_id)).push
    assert (push.phase, push.reason) == (Phase.REVERTED, "interrupted in the middle of apply")
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


@pytest.mark.parametrize("verb", ["show", "confirm", "save"])
async def test_a_process_killed_after_the_strike_is_followed_by_one_that_ends_it(bench: Bench, verb: str) -> None:
    swift = await bench.ready()
    bench.box.before[verb] = Killed()
    struck = await bench.struck(swift)
    with pytest.raises(Killed):
        await bench.ended(struck)
    await bench.work((await bench.database.pushes.push(struck.push_id)).push, "w2")
    push = (await bench.database.pushes.push(struck.push_id)).push
    ends = {Phase.CONFIRMED: NEW, Phase.REVERTED: OLD}
    assert push.phase in ends
    assert (bench.box.running, bench.box.startup, bench.box.token) == (ends[push.phase],) * 2 + ("",)


async def test_a_refusal_of_the_box_is_the_end_of_the_push_and_nothing_has_moved(bench: Bench) -> None:
    swift = await bench.ready()
    bench.box.before["strike"] = CommandRefused("% no room")
    push = await bench.ended(await bench.struck(swift))
    assert (push.phase, push.code) == (Phase.WITHDRAWN, "refused")
    assert (bench.box.running, bench.box.startup, bench.box.token) == (OLD, OLD, "")


async def test_the_same_switch_is_not_struck_twice(bench: Bench) -> None:
    swift = await bench.ready()
    await bench.ended(await bench.struck(swift))
    bench.box.running = bench.box.startup = OLD
    await bench.until(lambda: bool(swift.ready))
    with pytest.raises(Conflict, match="already"):
        await swift.strike(bench.device.id, "s1", by="failover")
    assert bench.box.running == OLD


async def test_what_was_prepared_is_prepared_anew_when_it_is_old(bench: Bench) -> None:
    swift = await bench.ready(renew=100.0)
    await bench.until(lambda: bench.box.verbs.count("prepare") >= 1)
    await bench.until(lambda: bool(swift.ready))
    assert len(bench.box.prepared) == 2


async def test_a_change_that_the_checks_refuse_is_never_laid_down(bench: Bench) -> None:
    bench.box.running = bench.box.startup = NEW
    swift = bench.path()
    swift.want([bench.device.id])
    await bench.clock.advance(30)
    await asyncio.sleep(0.05)
    assert not swift.ready
    assert "prepare" not in bench.box.verbs
    assert await bench.pushes.plan(PushAsked("r1", change={"mobile": {"preferred": False}}))
