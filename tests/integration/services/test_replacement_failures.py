"""A swap whose restore fails, whose process dies at any write, or that is called off: with a box failing to order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import CommandRefused, ConnectFailed, HostKeyChanged, InputError, SessionDropped
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.jobs import Job, JobKind, JobState, Outcome
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, Wan
from cpe_manager.domain.replacement.replacements import ReplacementRecord, Result, Stage, Step, Unit
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.replacements import TICKET
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Credential, Shell, Target
from cpe_manager.ports.stores import InventoryChanges, NewWork, Settled, SiteChange
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.pushes import Pushes, PushStores
from cpe_manager.services.replacement.replacement_steps import Steps
from cpe_manager.services.replacement.replacement_ways import SwapStores
from cpe_manager.services.replacement.replacements import ReplacementAsked, Replacements, Said
from cpe_manager.services.replacement.replacing import ReplacementWork
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials
from tests.fakes.drivers import FixedDrivers
from tests.fakes.guarded_box import FAMILY, BoxDriver, BoxShell, GuardedBox, Killed, text_of

LOGIN = Credential("backup", "login-secret-1")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mGkZtZfB0kVwXq3yQd2mJbq1bq9kQ0l1nT6tqkq3p"
SITE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.254")),
    lan=Lan(IPv4Interface("192.168.1.1/24")),
)
FACTORY = CpeConfig("NEW", wan=Wan("dhcp"), lan=Lan(IPv4Interface("192.168.88.1/24")))


class Sold(BoxDriver):
    """A box that tells its serial number and goes back to factory settings."""

    async def facts(self, shell: Shell) -> Facts:
        del shell
        return Facts("NEW", "M2", "NEW-1", "2.0")

    async def factory_reset(self, shell: Shell) -> None:
        cast("BoxShell", shell).box.running = text_of(FACTORY)


class KeyedSessions:
    """One box behind every address, and its key: sessions stop at it where another one is pinned."""

    def __init__(self, box: GuardedBox) -> None:
        self.box, self.logins = box, 0

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        if not self.box.is_reached():
            raise ConnectFailed("nobody there")
        if target.pinned_keys != (KEY,):
            raise HostKeyChanged("another key", offered=KEY)
        self.logins += 1
        yield OpenedSession(BoxShell(self.box, LOGIN), KEY, "10.100.7.9")


class Dying:
    """A store whose process is gone at the n-th thing that it writes."""

    def __init__(self, real: Any, at: int) -> None:
        self._real, self._left = real, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def advance(self, *args: Any, **more: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed
        await self._real.advance(*args, **more)


class NoEngine:
    async def enqueue(self, tickets: Any) -> None: ...


@dataclass
class Bench:
    database: Database
    clock: SimulatedClock
    box: GuardedBox
    outside: Outside
    device: Device
    inventory: Inventory
    first: list[str] = field(default_factory=list)

    @property
    def pushes(self) -> Pushes:
        stores = PushStores(self.database.pushes, self.database.inventory, self.database.backups)
        return Pushes(stores, cast("Any", NoEngine()), self.outside)

    @property
    def service(self) -> Replacements:
        db = self.database
        return Replacements(db.replacements, self.inventory, db.backups, cast("Any", NoEngine()), self.outside)

    async def order(self, **more: Any) -> str:
        asked = ReplacementAsked("r1", Unit("NEW-1", "192.0.2.9"), host_key=fingerprint(KEY), **more)
        return (await self.service.order(asked, by="op")).id

    async def work(self, made: str, owner: str = "w1", dies_at: int = 0) -> ReplacementRecord:
        """One process goes as far as it goes, the pushes that it asks for are worked on; simulated time passes."""
        db = self.database
        store = Dying(db.replacements, dies_at) if dies_at else db.replacements
        steps = Steps(SwapStores(store, db.backups, db.facts), self.inventory, self.pushes, self.outside)
        work = ReplacementWork(store, steps, self.outside, owner=owner)
        task = asyncio.create_task(work.handle(Ticket(TICKET, made)))
        while not task.done():
            await asyncio.sleep(0.001)
            await self.push()
            await self.passes(sleeping=1)
        task.result()
        return await db.replacements.replacement(made)

    async def passes(self, sleeping: int) -> None:
        """Time passes when so many wait for it, and never while a database is waited for."""
        if self.clock.sleepers >= sleeping:
            await self.clock.advance(1.0)

    async def push(self) -> None:
        db = self.database
        for push in (await db.pushes.pushes(open_only=True)).items:
            for row in await db.jobs.claim(
                push.job_id, 0, owner="p", now=self.clock.now(), ttl=3000, limit=1, per_access_node=0
            ):
                path = CommitPath(self.outside, db.pushes, db.backups)
                task = asyncio.create_task(path.run(row, {}))
                while not task.done():
                    await asyncio.sleep(0.001)
                    await self.passes(sleeping=2)  # the one that waits for the push, and the push itself
                assert await db.jobs.settle([replace(task.result(), lease=row.lease)]) == []

    async def through(self, made: str, owner: str = "w1") -> ReplacementRecord:
        """Accept whatever is shown until it ends, or fails."""
        while True:
            record = await self.work(made, owner)
            progress = record.replacement.progress
            if progress.ended_at is not None or progress.stage is Stage.FAILED:
                return record
            await self.service.accept(made, Said(plan=progress.plan["fingerprint"]), by="op")


@asynccontextmanager
async def opened(home: Path, url: str) -> AsyncIterator[Bench]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(home / f"keyring-{ids.new()}.json", ids)
    if not (home / "k").exists():
        keys.create(clock.now())
    async with await Database.open(url) as database:
        await database.maintenance.migrate()
        device = Device(
            id=ids.new(), position_id=ids.new(), site_id="", site="s1", name="r1", address="192.0.2.1",
            state=LifeState.ACTIVE, installed_at=clock.now(), family=FAMILY, credential="lab", serial="OLD-1",
        )  # fmt: skip
        changes = InventoryChanges(at=clock.now(), sites=(SiteChange("s1", ids.new()),), add=(device,))
        await database.inventory.apply(changes)
        box, vault = GuardedBox(clock, text_of(FACTORY)), Vault(keys)
        drivers = FixedDrivers(Sold())
        outside = Outside(
            KeyedSessions(box), drivers, FixedCredentials({"lab": LOGIN}), vault, clock, ids
        )  # fmt: skip
        first: list[str] = []

        async def added(device_ids: Any) -> None:
            first.extend(device_ids)

        inventory = Inventory(database.inventory, clock, ids, drivers, outside.credentials, added)
        bench = Bench(database, clock, box, outside, device, inventory, first)
        await store_backup(bench)
        yield bench


async def store_backup(b: Bench) -> None:
    """The version that the broken box has left behind."""
    job = Job(b.outside.ids.new(), JobKind.BACKUP, JobState.OPEN, "manual", b.clock.now())
    await b.database.jobs.create(job, [NewWork(b.device.id, 0, b.clock.now())])
    (row,) = await b.database.jobs.claim(
        job.id, 0, owner="w", now=b.clock.now(), ttl=30, limit=1, per_access_node=0
    )  # fmt: skip
    vault, spec, backup_id = b.outside.vault, Sold().spec, b.outside.ids.new()
    examined = vault.examine(text_of(SITE), spec, LOGIN.secrets())
    draft = vault.draft(examined, spec, position_id=b.device.position_id, object_id=backup_id)
    stored = Settled(job.id, row.lease, b.clock.now(), Outcome.STORED, backup_id=backup_id, draft=draft)
    assert await b.database.jobs.settle([stored]) == []


@pytest.fixture
async def bench(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Bench]:
    async with opened(tmp_path, sqlite_url) as made:
        yield made


async def test_it_comes_back_and_the_new_unit_is_in_service_with_the_positions_history(bench: Bench) -> None:
    record = await bench.through(await bench.order())
    assert record.replacement.progress.stage is Stage.CLOSED, record
    assert (bench.box.running, bench.box.startup, bench.box.token) == (text_of(SITE),) * 2 + ("",)
    versions = (await bench.database.backups.versions(bench.device.position_id)).items
    assert [version.number for version in versions] == [3, 2, 1]
    device = (await bench.inventory.show("r1")).device
    assert (device.state, device.id, bench.first) == (
        LifeState.ACTIVE,
        record.replacement.progress.new_device_id,
        [device.id],
    )
    assert await bench.database.replacements.releases() == [(device.id, "2.0")]


async def test_a_restore_that_was_reverted_once_is_made_again(bench: Bench) -> None:
    bench.box.before["replace"] = CommandRefused("% no")
    record = await bench.through(await bench.order())
    assert record.replacement.progress.stage is Stage.CLOSED
    results = [entry.result for entry in record.journal if entry.step is Step.RESTORE and entry.result]
    assert results == [Result.FAILED, Result.DONE]
    assert bench.box.running == text_of(SITE)


class Refusing(Sold):
    """Takes nothing back whole, ever."""

    async def replace(self, shell: Any, text: str, guard: Any = None) -> None:
        raise CommandRefused("% cannot be restored")


async def failed(bench: Bench, driver: BoxDriver, **more: Any) -> ReplacementRecord:
    drivers = FixedDrivers(driver)
    bench.outside = replace(bench.outside, drivers=drivers)
    bench.inventory = Inventory(
        bench.database.inventory, bench.clock, bench.outside.ids, drivers, bench.outside.credentials, _nothing
    )
    return await bench.through(await bench.order(**more))


async def _nothing(device_ids: Any) -> None:
    del device_ids


async def test_without_consent_it_stays_failed_and_says_what_is_needed(bench: Bench) -> None:
    record = await failed(bench, Refusing())
    progress = record.replacement.progress
    assert (progress.stage, list(progress.asks)) == (Stage.FAILED, ["consent", "retry"])
    assert "cannot be restored" in progress.note
    assert bench.box.running == text_of(FACTORY)
    assert [e.result for e in record.journal if e.step is Step.RESTORE].count(Result.FAILED) == 3
    assert (await bench.inventory.show("r1")).device.state is LifeState.SUSPENDED
    assert await bench.database.replacements.restorable(bench.device.position_id) is not None
    version = await bench.database.replacements.restorable(bench.device.position_id)
    assert (await bench.database.backups.backup(str(version))).number == 1


async def test_with_consent_it_goes_back_to_factory_settings_and_to_support(bench: Bench) -> None:
    record = await failed(bench, Refusing())
    bench.box.running = text_of(replace(FACTORY, hostname="HALF"))
    said = Said(consent="the owner, today at ten, by telephone")
    await bench.service.accept(record.replacement.id, said, by="op")
    record = await bench.work(record.replacement.id)
    progress, answers = record.replacement.progress, record.replacement.answers
    assert progress.stage is Stage.SUPPORT
    assert bench.box.running == text_of(FACTORY)
    assert (answers.consent_by, answers.consent_at is not None) == ("op", True)
    assert "on-demand support" in (progress.reason or "")
    assert len(progress.report["tried"]) >= 4
    kinds = [event.kind for event in await bench.database.events.after(0, limit=1000)]
    assert "replacement.support" in kinds


async def test_a_family_that_cannot_be_reset_ends_in_support_and_is_not_promised_otherwise(bench: Bench) -> None:
    class Plain(BoxDriver):
        facts = Sold.facts
        replace = Refusing.replace

    with pytest.raises(InputError, match="leave consent out"):
        await failed(bench, Plain(), consent="the owner")
    record = await failed(bench, Plain())
    await bench.service.accept(record.replacement.id, Said(consent="the owner, now, here"), by="op")
    record = await bench.work(record.replacement.id)
    assert record.replacement.progress.stage is Stage.SUPPORT
    assert not [entry for entry in record.journal if entry.step is Step.RESET]


async def test_tried_again_by_a_person_it_may_work(bench: Bench) -> None:
    record = await failed(bench, Refusing())
    bench.outside = replace(bench.outside, drivers=FixedDrivers(Sold()))
    await bench.service.accept(record.replacement.id, Said(retry=True), by="op")
    record = await bench.through(record.replacement.id)
    assert record.replacement.progress.stage is Stage.CLOSED
    assert bench.box.running == text_of(SITE)


async def test_called_off_during_the_restore_the_push_is_taken_back(bench: Bench) -> None:
    made = await bench.order()
    record = await bench.work(made)
    await bench.service.accept(made, Said(plan=record.replacement.progress.plan["fingerprint"]), by="op")

    class Late(Sold):
        async def replace(self, shell: Any, text: str, guard: Any = None) -> None:
            await super().replace(shell, text, guard)
            await bench.service.cancel(made, by="op")
            await bench.clock.sleep(3)

    bench.outside = replace(bench.outside, drivers=FixedDrivers(Late()))
    record = await bench.through(made)
    assert record.replacement.progress.stage is Stage.CANCELLED, record
    assert (bench.box.running, bench.box.token) == (text_of(FACTORY), "")
    assert (await bench.inventory.show("r1")).device.state is LifeState.SUSPENDED


@pytest.mark.parametrize("dies_at", range(1, 19))
async def test_a_process_that_dies_at_any_write_is_followed_by_one_that_closes_it(bench: Bench, dies_at: int) -> None:
    made = await bench.order()
    try:
        record = await bench.work(made, "w1", dies_at=dies_at)
        if record.replacement.progress.asks:
            plan = record.replacement.progress.plan["fingerprint"]
            await bench.service.accept(made, Said(plan=plan), by="op")
            record = await bench.work(made, "w1", dies_at=max(1, dies_at - 6))
    except Killed:
        await bench.clock.advance(60)
    record = await bench.through(made, "w2")
    assert record.replacement.progress.stage is Stage.CLOSED, record
    assert (bench.box.running, bench.box.startup, bench.box.token) == (text_of(SITE),) * 2 + ("",)
    versions = (await bench.database.backups.versions(bench.device.position_id)).items
    assert [version.number for version in versions] == [3, 2, 1]
    steps = [entry.step for entry in record.journal if entry.result is Result.DONE]
    assert steps[-1] is Step.CLOSE
    assert len((await bench.database.pushes.pushes()).items) == 1


async def test_a_box_that_drops_the_session_while_it_is_looked_at_is_looked_at_again(bench: Bench) -> None:
    bench.box.before["show"] = SessionDropped("gone")
    made = await bench.order()
    record = await bench.work(made)
    assert (record.journal[-1].step, record.journal[-1].result) == (Step.PLAN, Result.FAILED)
    assert await bench.database.replacements.due(bench.clock.now()) == []
    await bench.clock.advance(61)
    assert await bench.database.replacements.due(bench.clock.now()) == [made]
    assert (await bench.through(made)).replacement.progress.stage is Stage.CLOSED
