"""Jobs without device rows, and the keys they work with."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.backup.retention import Policy
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.jobs import Job, JobKind, JobState
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.stores import InventoryChanges
from cpe_manager.services.jobs.jobs import SIMPLE_TICKET
from cpe_manager.services.jobs.upkeep import Upkeep, UpkeepStores
from cpe_manager.services.keys import UNDER_WAY
from tests.fakes.sessions import Text
from tests.integration.services.world import World, working
from tests.support.beside import executed_beside


def config(number: int) -> Text:
    return Text(f"hostname a\nsnmp community Secret-{number}\ndescription {number}\nend\n")


async def versions_of(world: World, count: int, *names: str) -> None:
    """``count`` versions of each device, a day apart."""
    for name in names:
        world.sessions.plan(name, *(config(number) for number in range(count)))
    for _ in range(count):
        await world.run(*names)
        world.clock.step(timedelta(days=1))


async def test_verify_of_sound_versions_finds_nothing(world: World) -> None:
    await world.add("a", "b")
    await versions_of(world, 2, "a", "b")
    job = await world.do(JobKind.VERIFY)
    assert (job.state, job.result) == (JobState.DONE, {"checked": 4, "broken": 0, "which": []})


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE sealed_object SET ciphertext = substr(ciphertext, 1, length(ciphertext) - 1) WHERE id = :id",
        "UPDATE sealed_object SET wrapped_key = zeroblob(length(wrapped_key)) WHERE id = :id",
        "UPDATE redacted_view SET data = zeroblob(10) WHERE backup_id = :id",
        "UPDATE redacted_view SET data = (SELECT data FROM redacted_view WHERE backup_id = :other) WHERE backup_id=:id",
        "UPDATE backup SET fingerprint = 'ab' || substr(fingerprint, 3) WHERE id = :id",
        "UPDATE backup SET size = size + 1 WHERE id = :id",
    ],
    ids=["original", "key", "view", "view of another version", "fingerprint", "size"],
)
async def test_verify_finds_the_one_version_that_was_tampered_with(world: World, sqlite_url: str, tamper: str) -> None:
    await world.add("a", "b")
    await versions_of(world, 2, "a", "b")
    broken, other = await world.history.find("b", 1), await world.history.find("b", 2)
    more = {"other": other.id} if ":other" in tamper else {}
    assert await executed_beside(sqlite_url, tamper, id=broken.id, **more) == 1
    job = await world.do(JobKind.VERIFY)
    assert job.state is JobState.FAILED
    assert (job.result["checked"], job.result["broken"]) == (4, 1)
    assert job.result["which"][0].startswith("b version 1: ")
    assert "1 of 4 originals broken, first: b version 1" in (await world.events("verify.broken"))[0]


async def test_rotation_wraps_everything_anew_and_old_versions_still_open(world: World) -> None:
    await world.add("a", "b")
    await versions_of(world, 2, "a", "b")
    old = world.keys.infos()[0].key_id
    job = await world.ended(await world.key_service.rotate(by="alice"))
    assert (job.state, job.result["rewrapped"]) == (JobState.DONE, 4)
    views = {view.key_id: (view.active, view.objects) for view in await world.key_service.list()}
    assert views == {old: (False, 0), job.result["key_id"]: (True, 4)}
    assert "Secret-0" in await world.history.original(await world.history.find("a", 1), by="test")
    assert (await world.do(JobKind.VERIFY)).result["broken"] == 0


async def test_a_key_is_retired_only_when_nothing_needs_it(world: World) -> None:
    await world.add("a")
    await world.run()
    keys, old = world.key_service, world.keys.infos()[0].key_id
    with pytest.raises(Conflict, match="active"):
        await keys.retire(old, by="alice")
    new = world.keys.rotate(world.clock.now())
    with pytest.raises(Conflict, match="still wraps 1"):
        await keys.retire(old, by="alice")
    await world.do(JobKind.ROTATE)
    with pytest.raises(Conflict, match="under way"):
        await keys.retire(old, by="alice")
    world.clock.step(UNDER_WAY)
    await keys.retire(old, by="alice")
    assert [key.key_id for key in world.keys.infos()] == [new]
    assert await world.history.original(await world.history.find("a"), by="test")
    with pytest.raises(NotFound):
        await keys.retire(old, by="alice")


async def test_retention_deletes_by_policy_and_never_the_last_good_or_the_confirmed_version(
    tmp_path: Path, sqlite_url: str
) -> None:
    policy = Policy(keep_last=2, daily=0, weekly=0, monthly=0)
    async with working(tmp_path, sqlite_url, policy=policy) as world:
        await world.add("a", "b")
        await versions_of(world, 5, "a")
        await versions_of(world, 1, "b")
        world.clock.step(timedelta(days=900))
        job = await world.do(JobKind.RETENTION)
        assert (job.state, job.result) == (JobState.DONE, {"deleted": 2, "line_rows": 0})
        assert await world.versions("a") == [(5, "good"), (4, "good"), (1, "good")], "the first one is confirmed"
        assert await world.versions("b") == [(1, "good")]
        assert sum((await world.database.backups.key_ids()).values()) == 4, "their sealed originals are gone too"
        assert (await world.do(JobKind.RETENTION)).result == {"deleted": 0, "line_rows": 0}


async def test_the_export_is_a_git_repository_of_redacted_views(tmp_path: Path, sqlite_url: str) -> None:
    repository = tmp_path / "devices.git"
    async with working(tmp_path, sqlite_url, export_to=repository) as world:
        await world.add("a", "b")
        await versions_of(world, 2, "a")
        job = await world.do(JobKind.EXPORT)
        assert job.state is JobState.DONE
        assert (job.result["files"], job.result["added"]) == (1, 1), "b has no version yet"
        shown = await asyncio.to_thread(_git, repository, "show", "HEAD:a")
        assert shown == await world.history.text(await world.history.find("a"))
        assert "description 1" in shown
        assert "Secret-1" not in shown
        assert (await world.do(JobKind.EXPORT)).result["commit"] is None


async def test_the_export_of_a_device_that_is_reached_in_an_insecure_way_says_so(
    tmp_path: Path, sqlite_url: str
) -> None:
    repository = tmp_path / "devices.git"
    async with working(tmp_path, sqlite_url, export_to=repository) as world:
        await world.add("a")
        await versions_of(world, 1, "a")
        await world.do(JobKind.EXPORT)
        plain = await asyncio.to_thread(_git, repository, "show", "HEAD:a")
        stored = (await world.database.inventory.device("a")).device
        insecure = replace(stored, settings={"legacy_crypto": True})
        await world.database.inventory.apply(InventoryChanges(at=world.clock.now(), update=(insecure,)))
        await world.do(JobKind.EXPORT)
        assert await asyncio.to_thread(_git, repository, "show", "HEAD:a") == f"! insecure: legacy_crypto\n{plain}"


def _git(repository: Path, *args: str) -> str:
    argv = ["git", "--git-dir", str(repository), *args]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


async def test_an_export_without_a_repository_fails_and_says_which_setting_is_missing(world: World) -> None:
    job = await world.do(JobKind.EXPORT)
    assert (job.state, job.error) == (
        JobState.FAILED, "no git repository is configured (setting git_export_dir)",
    )  # fmt: skip


async def test_a_defect_in_a_step_fails_its_job_instead_of_starting_it_for_ever(world: World) -> None:
    async def broken(_job: Job) -> dict[str, Any]:
        raise ZeroDivisionError

    stores = UpkeepStores(world.database.jobs, world.database.backups, world.database.events)
    job = await world.jobs.start(JobKind.VERIFY, {}, by="test")
    assert job is not None
    await Upkeep(stores, {JobKind.VERIFY: broken}, world.clock, owner="w1").handle(_ticket(job))
    found = await world.database.jobs.job(job.id)
    assert (found.state, found.error) == (
        JobState.FAILED, "internal error (ZeroDivisionError); the log has the details",
    )  # fmt: skip


async def test_one_process_does_one_drill_job_at_a_time_and_leaves_the_other_slots_of_its_class(world: World) -> None:
    await world.node.engine.stop(0)
    entered: list[str] = []
    go_on = asyncio.Event()

    async def holds(job: Job) -> dict[str, Any]:
        entered.append(job.id)
        await go_on.wait()
        return {}

    stores = UpkeepStores(world.database.jobs, world.database.backups, world.database.events)
    upkeep = Upkeep(stores, {JobKind.DRILL: holds, JobKind.VERIFY: holds}, world.clock, owner="w1")
    one, two, other = [
        await world.jobs.start(kind, {}, by="t") for kind in (JobKind.DRILL, JobKind.DRILL, JobKind.VERIFY)
    ]
    assert one
    assert two
    assert other
    tasks = [asyncio.create_task(upkeep.handle(_ticket(job))) for job in (one, two, other)]
    await world.until("what may begin", lambda: len(entered) == 2 and tasks[1].done())
    assert set(entered) == {one.id, other.id}
    assert (await world.database.jobs.job(two.id)).state is JobState.OPEN
    go_on.set()
    await asyncio.gather(*tasks)
    await upkeep.handle(_ticket(two))  # as the sweep asks for it again
    assert (await world.database.jobs.job(two.id)).state is JobState.DONE


async def test_a_simple_job_has_one_owner_at_a_time_and_a_dead_owners_job_is_taken_over(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url) as world:
        entered: list[str] = []

        async def hangs(job: Job) -> dict[str, Any]:
            entered.append(job.id)
            await asyncio.Event().wait()
            return {}

        async def ends(job: Job) -> dict[str, Any]:
            return {"by": "w2"}

        await world.node.engine.stop(0)
        stores = UpkeepStores(world.database.jobs, world.database.backups, world.database.events)
        first = Upkeep(stores, {JobKind.VERIFY: hangs}, world.clock, owner="w1")
        second = Upkeep(stores, {JobKind.VERIFY: ends}, world.clock, owner="w2")
        job = await world.jobs.start(JobKind.VERIFY, {}, by="test")
        assert job is not None
        held = asyncio.create_task(first.handle(_ticket(job)))
        await world.until("the first owner", lambda: entered)
        await second.handle(_ticket(job))
        assert (await world.database.jobs.job(job.id)).state is JobState.OPEN
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        await world.clock.advance(31)
        await second.handle(_ticket(job))
        assert (await world.database.jobs.job(job.id)).result == {"by": "w2"}


async def test_a_cancelled_simple_job_is_not_begun(world: World) -> None:
    await world.node.engine.stop(0)
    job = await world.jobs.start(JobKind.VERIFY, {}, by="test")
    assert job is not None
    await world.jobs.cancel(job.id, by="alice")
    await world.node.engine.start()
    await world.node.engine.enqueue([_ticket(job)])
    await world.passing(5)
    found = await world.database.jobs.job(job.id)
    assert (found.state, found.result) == (JobState.CANCELLED, {})


def _ticket(job: Job) -> Ticket:
    return Ticket(SIMPLE_TICKET, job.id)
