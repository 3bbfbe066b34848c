"""Roll-outs: their devices, how they fare, and that two who decide never both act; on every database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import Job, JobKind, Outcome
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.rollout.rollouts import DeviceEnd, Rollout, RolloutState, Strategy
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.rollouts import Turn
from cpe_manager.ports.stores import InventoryChanges, NewWork
from tests.contract.stores.making import (
    NOW,
    a_device,
    a_job,
    a_push,
    a_rollout,
    add,
    after,
    an_order,
    claim,
    ended,
    fleet,
    kinds,
    new_id,
    rollout_rows,
)

RUNNING = Turn(RolloutState.RUNNING, NOW, by="op")


async def begun(db: Database, devices: Sequence[Device], **more: Any) -> Rollout:
    rollout = await db.rollouts.create(a_rollout(**more))
    await db.rollouts.add(rollout.id, rollout_rows(rollout, devices))
    return await db.rollouts.turn(rollout.id, RUNNING)


async def start(db: Database, rollout: Rollout, devices: Sequence[Device], wave: int = 0) -> tuple[Job, Any]:
    job = a_job(kind=JobKind.PUSH)
    pushes = {device.id: a_push(device, job, key=f"rollout:{rollout.id}:{device.id}") for device in devices}
    return job, await db.rollouts.start(rollout, wave, job, pushes)


async def end(db: Database, job: Job, phase: Phase, reason: str = "", code: str = "", **more: Any) -> None:
    """All pushes of a job come to this end."""
    outcomes = {
        Phase.CONFIRMED: Outcome.CONFIRMED,
        Phase.REVERTED: Outcome.REVERTED,
        Phase.WITHDRAWN: Outcome.WITHDRAWN,
    }
    for row in await claim(db, job):
        push = (await db.pushes.of_row(job.id, row.device.id)).record.push
        await db.pushes.end(push, Ended(phase, reason, more.get("at", after(9)), code), row.lease)
        await db.jobs.settle([ended(row, outcomes[phase])])


async def test_what_was_written_is_read_again(db: Database) -> None:
    devices = await fleet(db, 3)
    overrides = frozenset({Lockout.ROUTE, Lockout.ADDRESS})
    rollout = a_rollout(overrides=overrides, key="op:k1")
    assert await db.rollouts.create(rollout) == rollout
    await db.rollouts.add(rollout.id, rollout_rows(rollout, devices))
    found = await db.rollouts.rollout(rollout.id)
    assert replace(found, counts={}) == rollout
    assert found.counts == {**dict.fromkeys(DeviceEnd, 0), DeviceEnd.WAITING: 3}
    rows = (await db.rollouts.devices(rollout.id)).items
    assert [(row.device, row.wave, row.end) for row in rows] == [
        ("cpe0000", 0, DeviceEnd.WAITING),
        ("cpe0001", 1, DeviceEnd.WAITING),
        ("cpe0002", 1, DeviceEnd.WAITING),
    ]
    with pytest.raises(NotFound):
        await db.rollouts.rollout(new_id())
    with pytest.raises(NotFound):
        await db.rollouts.turn(new_id(), RUNNING)


async def test_the_same_key_again_gives_the_roll_out_that_is_there(db: Database) -> None:
    first = await db.rollouts.create(a_rollout(key="op:k1"))
    again = await db.rollouts.create(a_rollout(key="op:k1"))
    assert again.id == first.id
    assert (await db.rollouts.keyed("op:k1")) == again
    assert (await db.rollouts.keyed("op:k2")) is None
    other = await db.rollouts.create(a_rollout())
    another = await db.rollouts.create(a_rollout())
    assert len({first.id, other.id, another.id}) == 3


async def test_one_that_was_not_written_whole_never_begins_and_can_be_completed(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await db.rollouts.create(a_rollout())
    rows = rollout_rows(rollout, devices)
    await db.rollouts.add(rollout.id, rows[:2])
    with pytest.raises(Conflict, match="not written whole"):
        await db.rollouts.turn(rollout.id, RUNNING)
    await db.rollouts.add(rollout.id, rollout_rows(rollout, devices))
    assert (await db.rollouts.turn(rollout.id, RUNNING)).counts[DeviceEnd.WAITING] == 3
    with pytest.raises(Conflict, match="running"):
        await db.rollouts.add(rollout.id, rows)


async def test_pushes_and_their_note_are_one_write(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    job, made = await start(db, rollout, devices[:1])
    assert list(made) == [devices[0].id]
    push = made[devices[0].id]
    found = await db.pushes.of_row(job.id, devices[0].id)
    assert found.record.push == push
    assert found.order.ciphertext == b"order\x00\xff"
    (row,) = (await db.rollouts.devices(rollout.id, end=DeviceEnd.IN_FLIGHT)).items
    assert (row.push_id, row.phase) == (push.id, "planned")
    seen = await kinds(db)
    assert [kind for kind in seen if kind.startswith("rollout")] == ["rollout.started", "rollout.wave"]
    assert seen.count("push.requested") == 1


async def test_of_two_who_decided_on_the_same_standing_one_acts(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    done = await asyncio.gather(*(start(db, rollout, devices[:2]) for _ in range(3)))
    assert sorted(made is None for _, made in done) == [False, True, True]
    assert len((await db.pushes.pushes()).items) == 2


async def test_a_paused_roll_out_starts_nothing(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    await db.rollouts.turn(rollout.id, Turn(RolloutState.PAUSED, NOW, by="op"))
    assert (await start(db, rollout, devices[:1]))[1] is None
    again = await db.rollouts.turn(rollout.id, RUNNING)
    assert (await start(db, again, devices[:1]))[1] is not None
    # Asked for once more with what was there before: nothing twice.
    newest = await db.rollouts.rollout(rollout.id)
    assert (await start(db, newest, devices[:1]))[1] == {}
    assert len((await db.pushes.pushes()).items) == 1


async def test_a_device_that_left_service_is_skipped(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    gone = replace(devices[0], state=LifeState.SUSPENDED)
    await db.inventory.apply(InventoryChanges(at=after(20), update=(gone,)))
    _, made = await start(db, rollout, devices)
    assert set(made) == {devices[1].id, devices[2].id}
    (row,) = (await db.rollouts.devices(rollout.id, end=DeviceEnd.SKIPPED)).items
    assert (row.device, row.reason) == (devices[0].name, "it is suspended")


async def test_a_device_that_is_stuck_is_skipped(db: Database) -> None:
    devices = await fleet(db, 3)
    job = a_job(kind=JobKind.PUSH)
    push = await db.pushes.create(a_push(devices[0], job), an_order(), job, NewWork(devices[0].id, 0, NOW))
    (row,) = await claim(db, job)
    await db.pushes.end(push, Ended(Phase.STUCK, "no way back", after(3)), row.lease)
    await db.jobs.settle([ended(row, Outcome.STUCK)])
    rollout = await begun(db, devices)
    _, made = await start(db, rollout, devices)
    assert set(made) == {devices[1].id, devices[2].id}
    (skipped,) = (await db.rollouts.devices(rollout.id, end=DeviceEnd.SKIPPED)).items
    assert "stuck" in (skipped.reason or "")


@pytest.mark.parametrize(
    ("phase", "code", "is_now"),
    [
        (Phase.CONFIRMED, "", DeviceEnd.CONFIRMED),
        (Phase.REVERTED, "refused", DeviceEnd.FAILED),
        (Phase.WITHDRAWN, Check.HOST_KEY, DeviceEnd.FAILED),
        (Phase.WITHDRAWN, Check.NOTHING, DeviceEnd.UNCHANGED),
    ],
)
async def test_how_a_device_fares_is_what_its_push_says(
    db: Database, phase: Phase, code: str, is_now: DeviceEnd
) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    job, _ = await start(db, rollout, devices[:1])
    standing = await db.rollouts.standing(rollout)
    assert (standing.waves[0].in_flight, standing.waves[1].waiting, standing.candidates) == (1, 2, ())
    await end(db, job, phase, "so", code)
    standing = await db.rollouts.standing(rollout)
    assert standing.waves[0].of(is_now) == 1
    assert standing.waves[0].last_end == after(9)
    assert [device_id for device_id, _ in standing.candidates] == [devices[1].id, devices[2].id]
    (row,) = (await db.rollouts.devices(rollout.id, end=is_now)).items
    assert (row.device, row.phase, row.reason, row.ended_at) == (devices[0].name, phase, "so", after(9))
    assert (await db.rollouts.rollout(rollout.id)).counts[is_now] == 1


async def test_the_devices_of_a_full_node_hide_nobody(db: Database) -> None:
    devices = [a_device(f"cpe{n}", access_node="a" if n < 20 else "b") for n in range(24)]
    devices += [a_device("cpe99", access_node=None)]
    await add(db, *devices)
    strategy = Strategy((0, 25), max_in_flight=4, per_access_node=2)
    rollout = await begun(db, devices, strategy=strategy)
    standing = await db.rollouts.standing(rollout)
    nodes = [node for _, node in standing.candidates]
    assert (nodes.count("a"), nodes.count("b"), nodes.count(None)) == (2, 2, 1)
    await start(db, rollout, devices[:2], wave=1)
    standing = await db.rollouts.standing(await db.rollouts.rollout(rollout.id))
    assert standing.busy == {"a": 2}
    assert [node for _, node in standing.candidates] == ["b", "b", None]


async def test_states_follow_their_ways_and_leave_events(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    for to in (RolloutState.PAUSED, RolloutState.RUNNING, RolloutState.STOPPED):
        rollout = await db.rollouts.turn(rollout.id, Turn(to, after(5), reason="because"))
    assert (rollout.state, rollout.reason, rollout.ended_at) == (RolloutState.STOPPED, "because", after(5))
    for to in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.CANCELLED, RolloutState.DONE):
        with pytest.raises(Conflict, match="stopped"):
            await db.rollouts.turn(rollout.id, Turn(to, NOW))
    other = await begun(db, devices)
    with pytest.raises(Conflict, match="meanwhile"):
        await db.rollouts.turn(other.id, Turn(RolloutState.DONE, NOW, expected=other.revision - 1))
    await db.rollouts.turn(other.id, Turn(RolloutState.DONE, NOW, expected=other.revision))
    third = await db.rollouts.create(a_rollout())
    await db.rollouts.turn(third.id, Turn(RolloutState.CANCELLED, NOW, by="op"))
    seen = [kind.partition(".")[2] for kind in await kinds(db) if kind.startswith("rollout")]
    assert seen == ["started", "paused", "resumed", "stopped", "started", "finished", "cancelled"]
    counts = await db.rollouts.counts()
    assert (counts[RolloutState.STOPPED], counts[RolloutState.DONE], counts[RolloutState.CANCELLED]) == (1, 1, 1)


async def test_those_to_look_at_are_the_running_and_the_given_up_ones(db: Database) -> None:
    devices = await fleet(db, 3)
    rollout = await begun(db, devices)
    _, made = await start(db, rollout, devices[:2])
    await db.rollouts.create(a_rollout())
    assert [one.id for one in await db.rollouts.active()] == [rollout.id]
    await db.rollouts.turn(rollout.id, Turn(RolloutState.CANCELLED, NOW, by="op", give_up=True))
    assert [one.id for one in await db.rollouts.active()] == [rollout.id]
    flying = await db.rollouts.in_flight(rollout.id)
    assert set(flying) == {push.id for push in made.values()}
    for push_id in flying:
        await db.pushes.withdraw(push_id, at=NOW, by="op")
    assert await db.rollouts.active() == []
    assert await db.rollouts.in_flight(rollout.id) == []


async def test_lists_come_page_by_page(db: Database) -> None:
    made = [await db.rollouts.create(a_rollout(created_at=after(n))) for n in range(3)]
    first = await db.rollouts.rollouts(limit=2)
    assert [one.id for one in first.items] == [made[2].id, made[1].id]
    second = await db.rollouts.rollouts(after=first.next, limit=2)
    assert ([one.id for one in second.items], second.next) == ([made[0].id], None)
    assert (await db.rollouts.rollouts(state=RolloutState.DONE)).items == ()
    devices = await fleet(db, 3)
    await db.rollouts.add(made[0].id, rollout_rows(made[0], devices))
    page = await db.rollouts.devices(made[0].id, limit=2)
    rest = await db.rollouts.devices(made[0].id, after=page.next, limit=2)
    assert [row.position for row in (*page.items, *rest.items)] == [0, 1, 2]
    with pytest.raises(InputError):
        await db.rollouts.rollouts(after="x")
