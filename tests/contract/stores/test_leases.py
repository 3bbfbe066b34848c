from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.fleet.inventory import LifeState, LineKind
from cpe_manager.domain.jobs import JobKind, JobState, Outcome, Priority, WorkState
from cpe_manager.ports.stores import Claimed, InventoryChanges, LineChange, NewWork, SiteChange
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


async def test_a_claim_brings_device_keys_and_last_good_version(db: Database) -> None:
    device, bare = await fleet(db, 2)
    version = await back_up(db, device, at=after(5), first_host_key="ssh-ed25519 AAAA")
    job = await run_for(db, [device, bare])
    claimed, fresh = await claim(db, job, now=after(60))
    assert claimed.device.name == "cpe0000"
    assert claimed.device.site == "s1"
    assert claimed.pinned_keys == ("ssh-ed25519 AAAA",)
    assert claimed.last_good is not None
    assert (claimed.last_good.backup_id, claimed.last_good.captured_at) == (version, after(5))
    assert (fresh.last_good, fresh.pinned_keys, fresh.attempts) == (None, (), 0)
    assert (fresh.lease.owner, fresh.lease.fence, fresh.lease.expires) == ("w1", 1, after(120))


async def test_a_claim_takes_the_oldest_due_rows_of_its_shard(db: Database) -> None:
    devices = await fleet(db, 6)
    job = a_job()
    await db.jobs.create(job, [NewWork(device.id, number % 2, after(-number)) for number, device in enumerate(devices)])
    first = await claim(db, job, limit=2)
    assert [row.device.name for row in first] == ["cpe0004", "cpe0002"]
    assert [row.device.name for row in await claim(db, job)] == ["cpe0000"]
    assert await claim(db, job) == []
    assert await claim(db, job, shard=1, now=after(-100)) == []


async def test_two_workers_never_lease_the_same_device(db: Database, other: Database) -> None:
    devices = await fleet(db, 60)
    jobs = [await run_for(db, devices) for _ in range(2)]

    async def grab(store: Database, owner: str, number: int) -> list[str]:
        rows = await claim(store, jobs[number % 2], owner, limit=7)
        return [row.lease.device_id for row in rows]

    grabs = (grab(store, f"{name}{n}", n) for n in range(8) for store, name in ((db, "a"), (other, "b")))
    taken = [device for part in await asyncio.gather(*grabs) for device in part]
    assert max(Counter(taken).values()) == 1
    assert len(taken) == 60


async def test_an_expired_lease_is_taken_over_with_a_higher_fence(db: Database, other: Database) -> None:
    job = await run_for(db, await fleet(db, 1))
    (old,) = await claim(db, job, "w1", ttl=60)
    assert await claim(other, job, "w2", now=after(59)) == []
    (new,) = await claim(other, job, "w2", now=after(60))
    assert (old.lease.fence, new.lease.fence) == (1, 2)
    assert await db.jobs.settle([ended(old)]) == [ended(old)]
    assert await db.jobs.renew([old.lease], now=after(61), ttl=60) == []
    assert await other.jobs.settle([ended(new)]) == []
    assert (await db.jobs.job(job.id)).state is JobState.DONE


async def test_the_fence_counts_on_after_release_and_for_the_same_owner(db: Database) -> None:
    devices = await fleet(db, 1)
    fences = []
    for _ in range(3):
        (row,) = await claim(db, await run_for(db, devices))
        fences.append(row.lease.fence)
        await db.jobs.settle([ended(row)])
    assert fences == [1, 2, 3]


async def test_an_expired_lease_that_nobody_took_over_still_settles_and_renews(db: Database) -> None:
    job = await run_for(db, await fleet(db, 1))
    (row,) = await claim(db, job, ttl=10)
    (renewed,) = await db.jobs.renew([row.lease], now=after(500), ttl=10)
    assert renewed == replace(row.lease, expires=after(510))
    assert await db.jobs.settle([ended(row, at=after(900))]) == []
    assert (await db.jobs.job(job.id)).state is JobState.DONE


async def test_a_settled_lease_settles_nothing_more(db: Database) -> None:
    job = await run_for(db, await fleet(db, 1))
    (row,) = await claim(db, job)
    retry = ended(row, None, retry_at=NOW)
    assert await db.jobs.settle([retry, retry]) == [retry]
    assert await db.jobs.settle([retry]) == [retry]
    (again,) = await claim(db, job)
    assert await db.jobs.settle([ended(row)]) == [ended(row)]
    assert await db.jobs.settle([ended(again)]) == []


async def test_renewing_keeps_the_device_from_others(db: Database, other: Database) -> None:
    job = await run_for(db, await fleet(db, 3))
    rows = await claim(db, job, ttl=60)
    stranger = replace(rows[0].lease, owner="w9")
    old = replace(rows[1].lease, fence=0)
    asked = [stranger, old, rows[2].lease]
    assert [lease.device_id for lease in await db.jobs.renew(asked, now=after(50), ttl=60)] == [rows[2].lease.device_id]
    taken = await claim(other, job, "w2", now=after(70))
    assert {row.lease.device_id for row in taken} == {rows[0].lease.device_id, rows[1].lease.device_id}


async def test_a_preempted_lease_is_not_renewed_and_its_row_is_given_back_untouched(db: Database) -> None:
    job = await run_for(db, await fleet(db, 2))
    rows = await claim(db, job)
    await db.jobs.preempt(rows[0].lease.device_id)
    left = await db.jobs.renew([row.lease for row in rows], now=after(1), ttl=60)
    assert [lease.device_id for lease in left] == [rows[1].lease.device_id]
    assert await db.jobs.settle([ended(rows[0], None, attempted=False)]) == []
    (again,) = await claim(db, job, "w2")
    assert (again.lease.device_id, again.attempts) == (rows[0].lease.device_id, 0)
    assert len(await db.jobs.renew([again.lease], now=after(2), ttl=60)) == 1
    assert (await db.inventory.device(again.device.id)).status.last_attempt_at is None


async def test_an_access_node_carries_no_more_sessions_than_its_cap(db: Database, other: Database) -> None:
    nodes = ["n1"] * 8 + ["n2"] * 3 + [None] * 3
    devices = await add(db, *(a_device(f"cpe{n:02}", access_node=node) for n, node in enumerate(nodes)))
    jobs = [await run_for(db, devices) for _ in range(2)]

    def nodes_of(rows: list[Claimed]) -> Counter[str | None]:
        return Counter(row.device.access_node for row in rows)

    async def grab(store: Database, number: int) -> list[Claimed]:
        return list(await claim(store, jobs[number % 2], f"w{number}", per_access_node=2, limit=5))

    parts = await asyncio.gather(*(grab(store, number) for number in range(4) for store in (db, other)))
    rows = [row for part in parts for row in part]
    assert nodes_of(rows) == {"n1": 2, "n2": 2, None: 3}
    await db.jobs.settle([ended(row) for row in rows if row.device.access_node == "n1"][:1])
    assert nodes_of(list(await claim(db, jobs[0], per_access_node=2))) == {"n1": 1}
    assert nodes_of(list(await claim(db, jobs[0], per_access_node=0)))["n1"] > 2


async def test_the_cap_counts_devices_by_the_access_node_of_their_line(db: Database) -> None:
    sites = (SiteChange("s1", new_id()),)
    lines = tuple(LineChange(new_id(), "s1", f"L{n}", LineKind.FIBRE, "n1") for n in range(3))
    devices = tuple(a_device(f"cpe{n}", line=f"L{n}") for n in range(3))
    await db.inventory.apply(InventoryChanges(at=NOW, sites=sites, lines=lines, add=devices))
    job = await run_for(db, devices)
    assert len(await claim(db, job, per_access_node=1)) == 1
    assert await claim(db, job, per_access_node=1) == []
    assert len(await claim(db, job, per_access_node=1, now=after(61))) == 1


async def test_the_cap_neither_holds_nor_counts_urgent_pushes(db: Database) -> None:
    """When a whole access node goes down, each of its lines is switched at once."""
    devices = await add(db, *(a_device(f"cpe{n}", access_node="n1") for n in range(5)))
    switched, ordinary = devices[:3], devices[3:]
    night = await run_for(db, ordinary)
    assert len(await claim(db, night, per_access_node=1)) == 1
    for device in switched:
        job = a_job(kind=JobKind.PUSH, priority=Priority.URGENT)
        urgent = a_push(device, job, priority=Priority.URGENT)
        await db.pushes.create(urgent, an_order(), job, NewWork(device.id, 0, NOW))
        assert len(await claim(db, job, per_access_node=1)) == 1
    assert await claim(db, night, per_access_node=1) == []
    assert len(await claim(db, night, per_access_node=2)) == 1, "the three that are switched take nobody's place"


async def test_a_claim_cancels_rows_of_devices_that_are_no_longer_active(db: Database) -> None:
    devices = await fleet(db, 3)
    job = await run_for(db, devices)
    (held,) = await claim(db, job, limit=1)
    gone = [replace(device, state=LifeState.SUSPENDED) for device in devices[:2]]
    await db.inventory.apply(InventoryChanges(at=NOW, update=tuple(gone)))
    assert [row.device.name for row in await claim(db, job)] == ["cpe0002"]
    rows = (await db.jobs.work(job.id)).items
    assert [row.state for row in rows] == [WorkState.DUE, WorkState.CANCELLED, WorkState.DUE]
    assert await db.jobs.settle([ended(held)]) == []


async def test_a_job_ends_when_its_last_row_was_of_an_inactive_device(db: Database) -> None:
    (device,) = await fleet(db, 1)
    job = await run_for(db, [device])
    await db.inventory.apply(InventoryChanges(at=NOW, update=(replace(device, state=LifeState.DECOMMISSIONED),)))
    assert await claim(db, job, now=after(7)) == []
    found = await db.jobs.job(job.id)
    assert (found.state, found.finished_at, found.counts["cancelled"]) == (JobState.CANCELLED, after(7), 1)
    assert await kinds(db) == ["job.started", "job.finished"]


async def test_workers_that_settle_at_once_close_the_job_exactly_once(db: Database, other: Database) -> None:
    for _ in range(5):
        devices = await add(db, *(a_device(new_id()) for _ in range(12)))
        job = await run_for(db, devices)
        rows = await claim(db, job)
        halves = ((db, rows[::2]), (other, rows[1::2]))
        ends = [
            store.jobs.settle([ended(row, Outcome.FAILED if row is rows[0] else Outcome.UNCHANGED)])
            for store, half in halves
            for row in half
        ]
        assert await asyncio.gather(*ends) == [[]] * 12
        assert (await db.jobs.job(job.id)).state is JobState.FAILED
        finished = [
            event for event in await db.events.after(0) if event.kind == "job.finished" and event.job_id == job.id
        ]
        assert [event.data["counts"]["total"] for event in finished] == [12]


async def test_workers_that_claim_and_settle_for_hours_lose_and_double_nothing(db: Database, other: Database) -> None:
    """Leases expire under their owners all the time here: every row must still end exactly once."""
    devices = await fleet(db, 40)
    job = await run_for(db, devices, shards=2)
    accepted: Counter[str] = Counter()

    async def worker(store: Database, owner: str, pace: int) -> None:
        for round_ in range(25):
            now = after(round_ * 10 + pace)
            rows = await claim(store, job, owner, shard=(round_ + pace) % 2, now=now, ttl=10, limit=6)
            await asyncio.sleep(0.001 * pace)
            results = [ended(row, at=now) for row in rows]
            refused = await store.jobs.settle(results)
            accepted.update(one.lease.device_id for one in results if one not in refused)

    await asyncio.gather(*(worker(store, f"w{n}", n) for n in range(3) for store in (db, other)))
    assert accepted == Counter({device.id: 1 for device in devices})
    assert (await db.jobs.job(job.id)).counts["unchanged"] == 40
    assert await kinds(db) == ["job.started", "job.finished"]
