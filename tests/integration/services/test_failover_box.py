"""The box in a fail-over, over the commit path: moved once, given up, and asked once more after a dying process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cpe_manager.domain.errors import CommandRefused, ConnectFailed, SessionDropped
from cpe_manager.domain.failover.lines import Carrier, Line, LineRecord, LineSetup
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.services.failover.asking import FIRST_PAUSE, LAST_PAUSE, Pauses
from cpe_manager.services.failover.box import BoxParts, PushedBox
from cpe_manager.services.failover.change import RouteChange
from cpe_manager.services.failover.swift import SwiftPath
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.pushes import Pushes, PushStores
from tests.fakes.drivers import FixedDrivers
from tests.fakes.guarded_box import BoxDriver, Killed
from tests.integration.services.test_swift import NEW, OLD, Bench, bench  # noqa: F401


@dataclass
class Working:
    """An engine whose tickets are worked off at once, by a worker that a test may kill."""

    bench: Bench
    owners: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def enqueue(self, tickets: Sequence[Any]) -> None:
        for ticket in tickets:
            self.tasks.append(asyncio.ensure_future(self._work(ticket.id.rpartition("/")[0])))

    async def close(self) -> None:
        """Workers end; a defect of one that has ended is told."""
        for task in self.tasks:
            task.cancel()
        for came in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(came, BaseException) and not isinstance(came, asyncio.CancelledError):
                raise came

    async def _work(self, job_id: str) -> None:
        database, outside = self.bench.database, self.bench.outside
        while True:
            self.owners += 1
            rows = await database.jobs.claim(
                job_id, 0, owner=f"w{self.owners}", now=self.bench.clock.now(), ttl=30, limit=1, per_access_node=0
            )
            if not rows:
                await self.bench.clock.sleep(1.0)
                if (await database.jobs.job(job_id)).finished_at is not None:
                    return
                continue
            try:
                settled = await CommitPath(outside, database.pushes, database.backups).run(rows[0], {})
            except Killed:
                await self.bench.clock.sleep(40)
                continue
            await database.jobs.settle([settled])


Making = Callable[..., "Scene"]


@dataclass
class Scene:
    bench: Bench
    box: PushedBox
    record: LineRecord
    swift: SwiftPath | None = None

    async def do(self, made: Any) -> Any:
        task = asyncio.ensure_future(made)
        await self.bench.until(task.done)
        return task.result()

    async def carrying(self, times: int = 1) -> list[Carrier | None]:
        async with self.box.asking(self.record) as asking:
            return [await asking.carrying() for _ in range(times)]

    async def phases(self) -> list[tuple[str, Phase]]:
        found = (await self.bench.database.pushes.pushes()).items
        return sorted((one.key or "", one.phase) for one in found)


@pytest.fixture
async def making(bench: Bench) -> AsyncIterator[Making]:  # noqa: F811
    """Makes scenes; none of their workers outlives the test."""
    engines: list[Working] = []

    def make(swift: SwiftPath | None = None) -> Scene:
        engines.append(Working(bench))
        return made(bench, engines[-1], swift)

    yield make
    for engine in engines:
        await engine.close()
    left = [task.get_name() for task in asyncio.all_tasks() if "Working._work" in repr(task.get_coro())]
    assert left == []


@pytest.fixture
async def scene(making: Making) -> Scene:
    return making()


def made(bench: Bench, engine: Working, swift: SwiftPath | None) -> Scene:  # noqa: F811
    database, outside = bench.database, bench.outside
    pushes = Pushes(PushStores(database.pushes, database.inventory, database.backups), engine, outside)  # type: ignore[arg-type]
    change = RouteChange(database.inventory, database.backups, outside)
    line = Line("l1", "L1", "s1", bench.device.id, "r1", "", LineSetup("l1"))
    box = PushedBox(BoxParts(pushes, database.inventory, outside, change, swift))
    return Scene(bench, box, LineRecord(line, switch_id="s1"), swift)


def moves_to_mobile(bench: Bench) -> bool:  # noqa: F811
    mobile = BoxDriver().parse(bench.box.running).mobile
    return mobile is not None and mobile.preferred


async def test_a_box_is_moved_there_and_back_by_urgent_pushes(bench: Bench, making: Making) -> None:  # noqa: F811
    bench.outside = replace(bench.outside, drivers=FixedDrivers(BoxDriver()))
    scene = making()
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    assert (moving.failed, scene.bench.box.running) == ("", NEW)
    assert await scene.do(scene.box.end(moving)) == ""
    back = await scene.do(scene.box.move(scene.record, Carrier.FIXED, "s1:return:1"))
    assert await scene.do(scene.box.end(back)) == ""
    assert (scene.bench.box.running, scene.bench.box.startup, scene.bench.box.token) == (OLD, OLD, "")
    assert await scene.phases() == [("failover:s1", Phase.CONFIRMED), ("failover:s1:return:1", Phase.CONFIRMED)]


async def test_the_same_move_again_is_the_same_push(scene: Scene) -> None:
    first = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    await scene.do(scene.box.end(first))
    again = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    assert again == first
    assert len(await scene.phases()) == 1


async def test_what_is_so_already_is_no_failure(scene: Scene) -> None:
    moving = await scene.do(scene.box.move(scene.record, Carrier.FIXED, "s1:back:1"))
    assert await scene.do(scene.box.end(moving)) == ""
    assert await scene.phases() == [("failover:s1:back:1", Phase.WITHDRAWN)]


async def test_a_refusal_is_told_and_not_tried_again(scene: Scene) -> None:
    scene.bench.box.before["apply"] = CommandRefused("% no")
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    assert "reverted" in moving.failed or "reverted" in await scene.do(scene.box.end(moving))
    assert [phase for _, phase in await scene.phases()] == [Phase.REVERTED]


async def test_a_push_that_a_dying_process_left_is_followed_by_another_one(scene: Scene) -> None:
    scene.bench.box.after["apply"] = Killed()
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    assert await scene.do(scene.box.end(moving)) == ""
    assert moves_to_mobile(scene.bench)
    assert await scene.phases() == [("failover:s1", Phase.REVERTED), ("failover:s1:again", Phase.CONFIRMED)]


async def test_a_box_that_was_changed_since_it_was_made_ready_takes_the_ordinary_path(
    bench: Bench,  # noqa: F811
    making: Making,
) -> None:
    swift = await bench.ready()
    scene = making(swift)
    changed = bench.box.running.replace("SITE-1", "SITE-2")
    bench.box.running = bench.box.startup = changed
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    assert await scene.do(scene.box.end(moving)) == ""
    assert moves_to_mobile(bench)
    assert "SITE-2" in bench.box.running
    assert await scene.phases() == [("failover:s1", Phase.WITHDRAWN), ("failover:s1:again", Phase.CONFIRMED)]


async def test_what_is_in_force_has_to_be_moved_back_and_what_is_not_is_given_up(scene: Scene) -> None:
    assert await scene.do(scene.box.give_up(scene.record, "s1")) is False
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    await scene.do(scene.box.end(moving))
    assert await scene.do(scene.box.give_up(scene.record, "s1")) is True


async def test_the_box_says_over_what_it_goes(scene: Scene, making: Making) -> None:
    assert await scene.do(scene.carrying()) == [Carrier.FIXED]
    moving = await scene.do(scene.box.move(scene.record, Carrier.MOBILE, "s1"))
    await scene.do(scene.box.end(moving))
    assert await scene.do(scene.carrying()) == [Carrier.MOBILE]
    scene.bench.outside = replace(scene.bench.outside, drivers=FixedDrivers(BoxDriver()))
    assert await scene.do(making().carrying()) == [None]


async def test_a_box_that_is_asked_again_is_read_once_and_then_asked_one_thing(scene: Scene) -> None:
    opened = scene.bench.outside.sessions.opened  # type: ignore[attr-defined]
    scene.bench.box.verbs.clear()
    assert await scene.do(scene.carrying(4)) == [Carrier.FIXED] * 4
    assert scene.bench.box.verbs == ["show", "way", "way", "way", "way"]
    assert scene.bench.outside.sessions.opened == opened + 1  # type: ignore[attr-defined]


async def test_a_box_whose_session_is_lost_is_asked_over_another_one_and_not_read_again(scene: Scene) -> None:
    scene.bench.box.verbs.clear()
    async with scene.box.asking(scene.record) as asking:
        assert await scene.do(asking.carrying()) is Carrier.FIXED
        scene.bench.box.before["way"] = SessionDropped("gone")
        with pytest.raises(SessionDropped):
            await scene.do(asking.carrying())
        scene.bench.box.carrier = Carrier.MOBILE
        assert await scene.do(asking.carrying()) is Carrier.MOBILE
        scene.bench.box.reachable = False
        with pytest.raises(SessionDropped):
            await scene.do(asking.carrying())
        with pytest.raises(ConnectFailed):
            await scene.do(asking.carrying())
    assert scene.bench.box.verbs == ["show", "way", "way", "way"]


def test_the_pauses_between_questions_grow_and_end_with_the_time() -> None:
    pauses = Pauses()
    found = [pauses.next(60.0) for _ in range(9)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (FIRST_PAUSE, LAST_PAUSE)
    assert sum(found[:4]) < 2
    assert pauses.next(0.5) == 0.5
