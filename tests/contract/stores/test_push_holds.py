"""When pushes may begin, what they wait for, and what ends the matter of a stuck one; on every database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, FenceLost, NotFound
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import Job, JobKind, Outcome, Priority
from cpe_manager.domain.push.checks import Held
from cpe_manager.domain.push.commit_path import Entry, Note, Phase, Result, Step
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.push.pushes import Hold, Limits, Offer, Push, PushKind, SettledAs, Settlement, Waiting
from cpe_manager.ports.addresses import Holder, Read, Unread
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import Claimed, InventoryChanges, NewWork
from tests.contract.stores.making import (
    NOW,
    a_device,
    a_job,
    a_push,
    add,
    after,
    an_order,
    back_up,
    claim,
    ended,
    fleet,
    kinds,
    new_id,
    run_for,
)

NONE = Limits()


async def asked(db: Database, device: Device, **more: Any) -> tuple[Push, Job]:
    job = a_job(kind=JobKind.PUSH, priority=more.get("priority", Priority.NORMAL))
    push = await db.pushes.create(a_push(device, job, **more), an_order(), job, NewWork(device.id, 0, NOW))
    return push, job


async def taken_up(db: Database, device: Device, **more: Any) -> tuple[Push, Claimed]:
    push, job = await asked(db, device, **more)
    (row,) = await claim(db, job)
    return push, row


async def end(db: Database, push: Push, row: Claimed, phase: Phase, at: float = 30) -> None:
    await db.pushes.end(push, Ended(phase, "because", after(at), "timeout"), row.lease)
    assert await db.jobs.settle([ended(row, Outcome(phase.value), at=after(at + 1))]) == []


async def stuck(db: Database, device: Device, **more: Any) -> Push:
    push, row = await taken_up(db, device, **more)
    await end(db, push, row, Phase.STUCK)
    return push


async def alarms(db: Database) -> list[str]:
    return [alarm.kind for alarm in await db.events.alarms()]


async def test_what_goes_along_with_a_push_is_kept(db: Database) -> None:
    (device,) = await fleet(db, 1)
    waiting = Waiting(Hold.WINDOW, "outside", after(60))
    probes = (Probe.parse("tcp:10.0.0.1:443"), Probe.parse('config:dns=["9.9.9.9"]'))
    more = {"any_time": True, "accepted": frozenset({"address-in-use"}), "probes": probes, "waiting": waiting}
    push, _ = await asked(db, device, priority=Priority.URGENT, **more)
    assert (await db.pushes.push(push.id)).push == push


async def test_a_journal_keeps_why_a_step_failed_and_what_was_looked_at(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    notes = (Note("line", True, "up"), Note("ping:192.0.2.9", False, "no echo"), Note("x", None))
    entry = Entry(Step.PROBE, after(1), Result.FAILED, "no", code="probe-failed", notes=notes)
    await db.pushes.record(push.id, entry, Phase.APPLIED, row.lease)
    assert list((await db.pushes.push(push.id)).journal) == [entry]


async def test_a_push_begins_once_and_what_it_waited_for_is_over(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    shut = Waiting(Hold.WINDOW, "outside", after(60))
    assert await db.pushes.admit(push, NONE, shut, after(1), row.lease) == shut
    seen = (await db.pushes.push(push.id)).push
    assert (seen.waiting, seen.begun_at) == (shut, None)
    assert await db.pushes.admit(push, NONE, None, after(61), row.lease) is None
    seen = (await db.pushes.push(push.id)).push
    assert (seen.waiting, seen.begun_at) == (None, after(61))
    with pytest.raises(FenceLost):
        await db.pushes.admit(push, NONE, None, after(62), replace(row.lease, fence=99))


async def test_only_so_many_are_in_flight_in_the_fleet(db: Database) -> None:
    devices = await fleet(db, 4)
    rows = [await taken_up(db, device) for device in devices[:3]]
    limits = Limits(in_flight=2)
    got = await asyncio.gather(*(db.pushes.admit(push, limits, None, after(1), row.lease) for push, row in rows))
    assert sorted(one.hold.value if one else "" for one in got) == ["", "", Hold.FLEET]
    held = rows[next(index for index, one in enumerate(got) if one is not None)]
    urgent, row = await taken_up(db, devices[3], priority=Priority.URGENT)
    assert await db.pushes.admit(urgent, limits, None, after(2), row.lease) is None
    done = next(index for index, one in enumerate(got) if one is None)
    await end(db, *rows[done], Phase.CONFIRMED)
    assert await db.pushes.admit(held[0], limits, None, after(40), held[1].lease) is None


async def test_only_so_many_are_in_flight_behind_one_access_node(db: Database) -> None:
    behind = [a_device(f"a{n}", access_node="dslam-1") for n in range(2)]
    other = a_device("b", access_node="dslam-2")
    alone = await add(db, *behind, other, a_device("c"), a_device("d"))
    rows = [await taken_up(db, device) for device in alone]
    limits = Limits(per_access_node=1)
    holds = [await db.pushes.admit(push, limits, None, after(1), row.lease) for push, row in rows]
    assert [one and one.hold for one in holds] == [None, Hold.ACCESS_NODE, None, None, None]
    assert holds[1] is not None
    assert "dslam-1" in holds[1].reason


async def test_failures_of_the_last_hour_hold_the_others_with_an_alarm(db: Database) -> None:
    devices = await fleet(db, 6)
    for device, phase in zip(devices, (Phase.REVERTED, Phase.STUCK, Phase.CONFIRMED, Phase.WITHDRAWN), strict=False):
        await end(db, *(await taken_up(db, device)), phase)
    push, row = await taken_up(db, devices[4])
    assert await db.pushes.admit(push, Limits(failures_per_hour=3), None, after(60), row.lease) is None
    push, row = await taken_up(db, devices[5])
    limits = Limits(failures_per_hour=2)
    for second in (60, 61):
        held = await db.pushes.admit(push, limits, None, after(second), row.lease)
        assert held is not None
        assert held.hold is Hold.FAILURES
    assert (await alarms(db)).count("push.held") == 1
    assert (await kinds(db)).count("alarm.raised") == 2
    assert not await db.pushes.release_held(2, after(62))
    assert await db.pushes.release_held(2, after(3700))
    assert "push.held" not in await alarms(db)
    assert not await db.pushes.release_held(2, after(3701))
    assert await db.pushes.admit(push, limits, None, after(3700), row.lease) is None


async def test_what_somebody_gave_up_is_no_failure(db: Database) -> None:
    devices = await fleet(db, 2)
    push, row = await taken_up(db, devices[0])
    await db.pushes.withdraw(push.id, at=after(2), by="op")
    await end(db, push, row, Phase.REVERTED)
    push, row = await taken_up(db, devices[1])
    assert await db.pushes.admit(push, Limits(failures_per_hour=1), None, after(60), row.lease) is None


async def test_a_queued_push_lets_an_urgent_one_go_first_that_came_later(db: Database) -> None:
    (device,) = await fleet(db, 1)
    queued, first = await asked(db, device)
    urgent, later = await asked(db, device, priority=Priority.URGENT, created_at=after(5))
    assert await claim(db, first) == []
    (row,) = await claim(db, later)
    await end(db, urgent, row, Phase.CONFIRMED)
    assert [one.job_id for one in await claim(db, first, now=after(60))] == [queued.job_id]


async def test_a_push_that_has_begun_goes_to_its_end_before_an_urgent_one(db: Database) -> None:
    (device,) = await fleet(db, 1)
    version = await back_up(db, device)
    push, row = await taken_up(db, device)
    await db.pushes.snapshot(push, version, None, after(1), row.lease)
    _, urgent = await asked(db, device, priority=Priority.URGENT)
    kept = await db.jobs.renew([row.lease], now=after(2), ttl=60)
    assert len(kept) == 1
    assert await claim(db, urgent, owner="w2", now=after(500)) == []
    assert len(await claim(db, a_job(id=push.job_id), owner="w2", now=after(500))) == 1


async def test_whoever_only_reads_a_device_makes_way_for_an_urgent_push(db: Database) -> None:
    (device,) = await fleet(db, 1)
    (reading,) = await claim(db, await run_for(db, [device]))
    await asked(db, device)
    assert len(await db.jobs.renew([reading.lease], now=after(2), ttl=60)) == 1
    await asked(db, device, priority=Priority.URGENT)
    assert await db.jobs.renew([reading.lease], now=after(3), ttl=60) == []


async def test_a_push_that_waits_ends_at_once_when_it_is_given_up(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    back = ended(row, None, retry_at=after(9000), attempted=False)
    assert await db.jobs.settle([back]) == []
    assert await claim(db, a_job(id=push.job_id), now=after(100)) == []
    await db.pushes.withdraw(push.id, at=after(100), by="op")
    assert len(await claim(db, a_job(id=push.job_id), now=after(100))) == 1


async def test_while_one_is_stuck_the_device_takes_a_restore_and_nothing_else(db: Database) -> None:
    device, other = await fleet(db, 2)
    waiting, job = await asked(db, device)
    first = await asked(db, device)
    (row,) = await claim(db, first[1])
    await end(db, first[0], row, Phase.STUCK)
    with pytest.raises(Conflict, match="stuck"):
        await asked(db, device)
    await asked(db, other)
    (row,) = await claim(db, job, now=after(60))
    held = await db.pushes.admit(waiting, NONE, None, after(60), row.lease)
    assert held is not None
    assert held.hold is Hold.STUCK
    assert await db.jobs.settle([ended(row, None, retry_at=after(90), attempted=False)]) == []
    restore, row = await taken_up(db, device, kind=PushKind.RESTORE)
    assert await db.pushes.admit(restore, NONE, None, after(61), row.lease) is None
    await end(db, restore, row, Phase.CONFIRMED, at=70)
    settled = (await db.pushes.push(first[0].id)).push.settled
    assert settled is not None
    assert (settled.how, settled.by) == (SettledAs.LATER, f"push {restore.id}")
    assert await alarms(db) == []
    await asked(db, device)


async def test_a_person_settles_a_stuck_push_once(db: Database) -> None:
    device, other = await fleet(db, 2)
    push = await stuck(db, device)
    (alarm,) = await db.events.alarms()
    assert "docs/how-to/stuck-push.md" in alarm.message
    event = next(one for one in await db.events.after(0, limit=1000) if one.kind == "push.stuck")
    assert {"push_id", "address", "snapshot_id", "runbook", "reason", "code"} <= set(event.data)
    end = Settlement(SettledAs.BEFORE, after(90), "op", "looked at it on site")
    assert (await db.pushes.settle(push.id, end)).settled == end
    assert await alarms(db) == []
    assert "push.settled" in await kinds(db)
    with pytest.raises(Conflict, match="settled already"):
        await db.pushes.settle(push.id, end)
    well, _ = await asked(db, other)
    with pytest.raises(Conflict, match="not stuck"):
        await db.pushes.settle(well.id, end)
    with pytest.raises(NotFound):
        await db.pushes.settle(new_id(), end)


async def test_a_device_that_was_read_since_is_found(db: Database) -> None:
    device, other = await fleet(db, 2)
    first = await back_up(db, device)
    push = await stuck(db, device)
    await stuck(db, other)
    assert await db.pushes.read_since_stuck() == []
    job = await run_for(db, [device])
    (row,) = await claim(db, job, now=after(60))
    assert await db.jobs.settle([ended(row, Outcome.UNCHANGED, at=after(61))]) == []
    assert [(one.id, version) for one, version in await db.pushes.read_since_stuck()] == [(push.id, first)]


async def test_a_new_plan_is_offered_and_the_order_can_be_read_again(db: Database) -> None:
    (device,) = await fleet(db, 1)
    push, row = await taken_up(db, device)
    offer = Offer("basis-2", "hostname b\n", (("hostname", "a", "b"), ("dns", None, ["9.9.9.9"])))
    await db.pushes.offer(push.id, offer, row.lease)
    assert (await db.pushes.push(push.id)).push.offer == offer
    assert (await db.pushes.order(push.id)).ciphertext == b"order\x00\xff"
    with pytest.raises(NotFound):
        await db.pushes.order(new_id())


def held(*networks: str) -> Sequence[Held]:
    found = [ip_network(text) for text in networks]
    assert all(isinstance(one, IPv4Network | IPv6Network) for one in found)
    return [Held(one) for one in found]


async def test_addresses_are_found_by_any_part_of_them_and_never_those_of_the_device_itself(db: Database) -> None:
    one, two, three = await add(
        db, a_device("one", address="10.0.0.1"), a_device("two", address="10.0.0.2"),
        a_device("three", address="203.0.113.9"),
    )  # fmt: skip
    await db.addresses.save(
        [Read(one.id, "v1", held("192.0.2.1/32", "198.51.100.0/27", "2001:db8:0:100::/56")), Read(two.id, "v1", ())]
    )
    cases = {
        "192.0.2.1/32": ["one"], "192.0.2.2/32": [], "198.51.100.31/32": ["one"], "198.51.100.24/29": ["one"],
        "198.51.100.32/29": [], "2001:db8:0:100::/56": ["one"], "2001:db8:0:200::/56": [],
        "203.0.113.8/30": ["three"], "203.0.113.12/30": [],
    }  # fmt: skip
    for network, names in cases.items():
        assert [holder.device for holder in await db.addresses.holders(two.id, held(network))] == names, network
        assert await db.addresses.holders({"one": one, "three": three}.get("".join(names), two).id, held(network)) == []
    (by_address,) = await db.addresses.holders(two.id, held("203.0.113.9/32"))
    assert by_address == Holder("three", ip_network("203.0.113.9"), managed=True)
    assert await db.addresses.holders(two.id, []) == []
    gone = replace(one, state=LifeState.DECOMMISSIONED)
    await db.inventory.apply(InventoryChanges(at=after(1), update=(gone,)))
    assert await db.addresses.holders(two.id, held("192.0.2.1/32")) == []


async def test_what_a_device_held_is_forgotten_when_it_is_read_again(db: Database) -> None:
    one, two = await fleet(db, 2)
    await db.addresses.save([Read(one.id, "v1", held("192.0.2.99/32"))])
    await db.addresses.save([Read(one.id, "v2", held("192.0.2.98/32", "192.0.2.98/32"))])
    assert await db.addresses.holders(two.id, held("192.0.2.99/32")) == []
    assert len(await db.addresses.holders(two.id, held("192.0.2.98/32"))) == 1


async def test_versions_that_were_not_read_yet_are_named(db: Database) -> None:
    one, _ = await fleet(db, 2)
    assert await db.addresses.unread(10) == []
    first = await back_up(db, one, "hostname a")
    assert await db.addresses.unread(10) == [Unread(one.id, first, "acme")]
    await db.addresses.save([Read(one.id, first, ())])
    assert await db.addresses.unread(10) == []
    second = await back_up(db, one, "hostname b")
    assert await db.addresses.unread(0) == []
    assert await db.addresses.unread(10) == [Unread(one.id, second, "acme")]
