"""Short ways to make what store tests need."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.activation.activations import Activation, ActivationOrder
from cpe_manager.domain.backup.backups import Draft, FileDraft, FileInfo, SealedObject
from cpe_manager.domain.fleet.inventory import Device, LifeState, LineKind
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome
from cpe_manager.domain.push.pushes import Push, PushKind
from cpe_manager.domain.replacement.replacements import Replacement, Unit
from cpe_manager.domain.rollout.rollouts import Rollout, Strategy
from cpe_manager.domain.working_days import Promise
from cpe_manager.ports.rollouts import NewRolloutDevice
from cpe_manager.ports.stores import Claimed, InventoryChanges, NewWork, Settled, SiteChange

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
_numbers = itertools.count(1)


def new_id() -> str:
    """32 hex digits that sort by time of making."""
    return f"{next(_numbers):032x}"


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_device(name: str, **more: Any) -> Device:
    values: dict[str, Any] = {
        "id": new_id(),
        "position_id": new_id(),
        "site_id": "",
        "site": "s1",
        "name": name,
        "address": "192.0.2.1",
        "state": LifeState.ACTIVE,
        "installed_at": NOW,
    }
    return Device(**(values | more))


async def add(db: Database, *devices: Device, at: datetime = NOW, **more: Any) -> Sequence[Device]:
    """Add devices with their sites. Returns them as they were given."""
    sites = tuple(SiteChange(name, new_id()) for name in sorted({device.site for device in devices}))
    await db.inventory.apply(InventoryChanges(at=at, sites=sites, add=devices, **more))
    return devices


async def fleet(db: Database, size: int, **more: Any) -> Sequence[Device]:
    return await add(db, *(a_device(f"cpe{number:04}", **more) for number in range(size)))


def a_job(**more: Any) -> Job:
    values: dict[str, Any] = {
        "id": new_id(),
        "kind": JobKind.BACKUP,
        "state": JobState.OPEN,
        "trigger": "manual",
        "created_at": NOW,
    }
    return Job(**(values | more))


async def run_for(db: Database, devices: Sequence[Device], *, shards: int = 1, **more: Any) -> Job:
    """A backup job with a row for each device, spread round robin over shards."""
    job = a_job(**more)
    rows = [NewWork(device.id, number % shards, NOW) for number, device in enumerate(devices)]
    assert await db.jobs.create(job, rows)
    return job


async def claim(db: Database, job: Job, owner: str = "w1", **more: Any) -> Sequence[Claimed]:
    values: dict[str, Any] = {"now": NOW, "ttl": 60.0, "limit": 1000, "per_access_node": 0}
    return await db.jobs.claim(job.id, more.pop("shard", 0), owner=owner, **(values | more))


def a_draft(text: str = "hostname cpe") -> Draft:
    sealed = SealedObject(new_id(), 1, "key1", b"wrapped\x00", b"nonce", text.encode() + b"\x00\xff")
    return Draft(
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        size=len(text),
        lines=1,
        family="acme",
        sealed=sealed,
        redacted=b"redacted " + text.encode(),
    )


BOX_FILE = FileInfo("openwrt-sysupgrade.tar.gz", "application/gzip", 4711, "ab" * 32)


def a_file(backup_id: str) -> FileDraft:
    return FileDraft(backup_id, BOX_FILE, SealedObject(new_id(), 1, "key1", b"wrapped", b"nonce", b"\x1f\x8b\x00"))


def ended(claimed: Claimed, outcome: Outcome | None = Outcome.UNCHANGED, **more: Any) -> Settled:
    values: dict[str, Any] = {"job_id": claimed.job_id, "lease": claimed.lease, "at": after(5), "outcome": outcome}
    return Settled(**(values | more))


def stored(claimed: Claimed, text: str = "hostname cpe", **more: Any) -> Settled:
    return ended(claimed, Outcome.STORED, backup_id=new_id(), draft=a_draft(text), **more)


def doubted(claimed: Claimed, text: str = "short", **more: Any) -> Settled:
    settled = stored(claimed, text, quarantine_reason="half the size of the last one", **more)
    return replace(settled, outcome=Outcome.QUARANTINED)


async def back_up(db: Database, device: Device, text: str = "hostname cpe", **more: Any) -> str:
    """One whole run over one device that stores a version. Returns the version's id."""
    claimed = (await claim(db, await run_for(db, [device])))[0]
    settled = stored(claimed, text, **more)
    assert await db.jobs.settle([settled]) == []
    assert settled.backup_id is not None
    return settled.backup_id


async def doubt(db: Database, device: Device, text: str = "short", **more: Any) -> str | None:
    """One run over one device whose capture is quarantined. Returns the version that its row names."""
    job = await run_for(db, [device])
    assert await db.jobs.settle([doubted((await claim(db, job))[0], text, **more)]) == []
    return (await db.jobs.work(job.id)).items[0].backup_id


async def kinds(db: Database) -> list[str]:
    return [event.kind for event in await db.events.after(0, limit=10_000)]


def a_push(device: Device, job: Job, **more: Any) -> Push:
    values: dict[str, Any] = {
        "id": new_id(),
        "job_id": job.id,
        "device_id": device.id,
        "device": device.name,
        "kind": PushKind.CHANGE,
        "summary": "change of wan",
        "created_at": NOW,
        "requested_by": "op",
        "token": "5f0c2a71",
        "guard_seconds": 300,
    }
    return Push(**(values | more))


def an_order() -> SealedObject:
    return SealedObject(new_id(), 1, "key1", b"wrapped", b"nonce", b"order\x00\xff")


def a_rollout(**more: Any) -> Rollout:
    values: dict[str, Any] = {
        "id": new_id(),
        "name": "dns",
        "kind": PushKind.CHANGE,
        "summary": "change of dns",
        "strategy": Strategy((1, 2), budget=1, soak_seconds=30, max_in_flight=10, per_access_node=0),
        "created_at": NOW,
        "requested_by": "op",
        "guard_seconds": 300,
    }
    return Rollout(**(values | more))


def rollout_rows(rollout: Rollout, devices: Sequence[Device]) -> list[NewRolloutDevice]:
    wave_of = [number for number, size in enumerate(rollout.strategy.waves) for _ in range(size)]
    return [
        NewRolloutDevice(device.id, wave_of[position], position, device.access_node, an_order())
        for position, device in enumerate(devices)
    ]


def a_replacement(device: Device, **more: Any) -> Replacement:
    values: dict[str, Any] = {
        "id": new_id(),
        "device_id": device.id,
        "position_id": device.position_id,
        "device": device.name,
        "site": device.site,
        "unit": Unit("NEW-1", "192.0.2.9", 2222, "acme", "M2", "factory"),
        "created_at": NOW,
        "requested_by": "op",
    }
    return Replacement(**(values | more))


def an_activation(device: Device, **more: Any) -> Activation:
    """``device`` as the inventory has it: its site is one that exists."""
    ordered = ActivationOrder("pro-plus", LineKind.COPPER)
    values: dict[str, Any] = {
        "id": new_id(),
        "site_id": device.site_id,
        "site": device.site,
        "device_id": device.id,
        "device": device.name,
        "formula": ordered.formula,
        "technology": ordered.technology,
        "catalogue_version": 1,
        "order": ordered.shown(),
        "created_at": NOW,
        "requested_by": "op",
        "promise": Promise(after(2000), after(1000)),
    }
    return Activation(**(values | more))
