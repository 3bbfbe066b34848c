"""What a run does to devices, versions and rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cpe_manager.domain.errors import (
    AuthFailed,
    Conflict,
    ConnectFailed,
    DeviceTimeout,
    FetchIncomplete,
    HostKeyChanged,
    InputError,
)
from cpe_manager.domain.fleet.inventory import Group, LifeState
from cpe_manager.domain.jobs import JobState, Outcome, Priority, WorkState
from tests.fakes.sessions import Breaks, Refuses, Text
from tests.integration.services.world import World

LONG = "hostname a\n" + "".join(f"route 10.0.{n}.0 via 192.0.2.1\n" for n in range(60)) + "end\n"
SHORT = "hostname a\nend\n"


async def test_a_run_visits_every_device_once_and_closes_its_job(world: World) -> None:
    names = [f"cpe{number}" for number in range(45)]
    await world.add(*names)
    job = await world.run()
    assert (job.state, job.counts["stored"], job.counts["total"]) == (JobState.DONE, 45, 45)
    assert world.sessions.seen.visits == dict.fromkeys(names, 1)
    assert (await world.events()).count("job.finished") == 1
    assert len(world.worker.keeper) == 0, "no lease is held any more"


async def test_an_unchanged_configuration_makes_no_version_and_moves_the_status(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text("! saved at 1\nhostname a\nend\n"), Text("! saved at 2\nhostname a\nend\n"))
    await world.run()
    before = (await world.view("a")).status
    world.clock.step(timedelta(hours=1))
    job = await world.run()
    after = (await world.view("a")).status
    assert (await world.row(job, "a")).outcome is Outcome.UNCHANGED
    assert await world.versions("a") == [(1, "good")]
    assert after.last_success_at is not None
    assert before.last_success_at is not None
    assert after.last_success_at - before.last_success_at >= timedelta(hours=1)
    assert after.last_success_at == after.last_attempt_at
    assert after.current_backup_id == before.current_backup_id


async def test_a_changed_configuration_becomes_version_two(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text(LONG), Text(LONG.replace("10.0.7.0", "10.9.7.0")))
    await world.run()
    await world.run()
    assert await world.versions("a") == [(2, "good"), (1, "good")]
    assert "10.9.7.0" in await world.history.text(await world.history.find("a"))


async def test_a_secret_that_changed_is_a_new_version_though_both_views_look_alike(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text("snmp community One-1\nend\n"), Text("snmp community Two-2\nend\n"))
    await world.run()
    await world.run()
    assert await world.versions("a") == [(2, "good"), (1, "good")]
    newest = await world.history.find("a")
    assert "Two-2" not in await world.history.text(newest)
    assert "Two-2" in await world.history.original(newest, by="test")
    assert await world.events("original.opened") == ["original of a version 2 opened by test"]


async def test_the_devices_own_log_in_is_in_no_version_not_even_sealed(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text("login password login-secret-1\nbanner login-secret-1 is it\nend\n"))
    await world.run()
    assert "login-secret-1" not in await world.history.original(await world.history.find("a"), by="test")


async def test_a_shrunk_configuration_is_quarantined_and_the_last_good_one_stays_current(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text(LONG), Text(SHORT))
    await world.run()
    good = (await world.view("a")).status
    job = await world.run()
    assert (await world.row(job, "a")).outcome is Outcome.QUARANTINED
    assert await world.versions("a") == [(2, "quarantined"), (1, "good")]
    status = (await world.view("a")).status
    assert status.current_backup_id == good.current_backup_id
    assert status.last_success_at == good.last_success_at
    assert len(await world.events("backup.quarantined")) == 1


async def test_a_shrunk_reading_that_a_second_one_contradicts_is_believed_by_nobody(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text(LONG), Text(SHORT), Text(LONG))
    await world.run()
    job = await world.run()
    row = await world.row(job, "a")
    assert (row.outcome, row.attempts) == (Outcome.UNCHANGED, 2)
    assert await world.versions("a") == [(1, "good")]
    assert "backup.quarantined" not in await world.events()


async def test_accepting_a_quarantined_version_makes_it_current_and_the_same_text_is_unchanged_then(
    world: World,
) -> None:
    await world.add("a")
    world.sessions.plan("a", Text(LONG), Text(SHORT))
    await world.run()
    await world.run()
    decided = await world.history.decide("a", None, accept=True, by="alice")
    assert (await world.view("a")).status.current_backup_id == decided.id
    job = await world.run()
    assert (await world.row(job, "a")).outcome is Outcome.UNCHANGED
    assert await world.versions("a") == [(2, "good"), (1, "good")]
    with pytest.raises(Conflict):
        await world.history.decide("a", None, accept=True, by="alice")


async def test_a_refused_version_does_not_become_current_and_the_same_text_adds_no_copy(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Text(LONG), Text(SHORT))
    await world.run()
    good = (await world.view("a")).status.current_backup_id
    await world.run()
    await world.history.decide("a", 2, accept=False, by="alice")
    job = await world.run()
    row = await world.row(job, "a")
    assert row.outcome is Outcome.QUARANTINED
    assert row.backup_id is not None, "the row names the version it is already"
    assert await world.versions("a") == [(2, "refused"), (1, "good")]
    assert (await world.view("a")).status.current_backup_id == good


async def test_retryable_failures_come_back_later_and_later_until_the_attempts_are_used_up(world: World) -> None:
    await world.add("a", settings={"max_attempts": 3})
    world.sessions.plan("a", Refuses(ConnectFailed("refused")))
    job = await world.start_run()
    waits = []
    for attempt in (1, 2):
        await world.until(f"attempt {attempt}", lambda n=attempt: _attempts(world, job.id, n))
        row = await world.row(job, "a")
        assert row.state is WorkState.DUE
        waits.append((row.not_before - world.clock.now()).total_seconds())
        await world.clock.advance(waits[-1])
    assert 12 < waits[0] <= 15, "half of 20 s, and half of that by jitter"
    assert 27 < waits[1] <= 30, "twice that"
    ended = await world.ended(job)
    row = await world.row(job, "a")
    assert (ended.state, row.state, row.attempts, row.error_code) == (
        JobState.FAILED, WorkState.FAILED, 3, "connect_failed",
    )  # fmt: skip
    assert world.sessions.seen.visits["a"] == 3
    assert (await world.view("a")).status.failures == 3
    assert len(await world.events("backup.failed")) == 1, "the last one alone is worth an event"


async def _attempts(world: World, job_id: str, number: int) -> bool:
    return (await world.database.jobs.work(job_id)).items[0].attempts == number


async def test_a_failure_that_time_cannot_heal_fails_at_once(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Refuses(AuthFailed("permission denied")))
    job = await world.run()
    row = await world.row(job, "a")
    assert (row.attempts, row.error_code, world.sessions.seen.visits["a"]) == (1, "auth_failed", 1)


async def test_a_retry_that_succeeds_ends_the_row_well(world: World) -> None:
    await world.add("a")
    world.sessions.plan("a", Breaks(DeviceTimeout("slow")), Text(LONG))
    job = await world.run()
    row = await world.row(job, "a")
    status = (await world.view("a")).status
    assert (job.state, row.outcome, row.attempts) == (JobState.DONE, Outcome.STORED, 2)
    assert (status.failures, status.last_error) == (0, None)


async def test_the_host_key_of_the_first_contact_is_pinned_though_the_fetch_fails_later(world: World) -> None:
    await world.add("a", settings={"max_attempts": 1})
    world.sessions.plan("a", Breaks(FetchIncomplete("cut off")))
    await world.run()
    assert [(key.state, key.key) for key in (await world.view("a")).host_keys] == [("pinned", "ssh-ed25519 AAAAfirst")]
    assert len(await world.events("hostkey.first_contact")) == 1
    await world.run()
    assert world.sessions.seen.targets["a"].pinned_keys == ("ssh-ed25519 AAAAfirst",)
    assert len(await world.events("hostkey.first_contact")) == 1


async def test_a_changed_host_key_fails_and_waits_for_a_person_who_can_accept_it(world: World) -> None:
    device = (await world.add("a"))[0]
    other = "ssh-ed25519 AAAAother"
    changed = HostKeyChanged("a shows another key", offered=other)
    world.sessions.plan("a", Text(LONG), Refuses(changed), Text(LONG))
    await world.run()
    job = await world.run()
    row = await world.row(job, "a")
    assert (row.outcome, row.error_code, row.attempts) == (Outcome.FAILED, "host_key", 1)
    keys = {key.state: key.key for key in (await world.view("a")).host_keys}
    assert keys == {"pinned": "ssh-ed25519 AAAAfirst", "offered": other}
    assert await world.events("hostkey.changed") == ["a shows another key"]
    await world.database.inventory.pin(device.id, [other], at=world.clock.now(), by="alice")
    assert (await world.run()).state is JobState.DONE
    assert world.sessions.seen.targets["a"].pinned_keys == (other,)


async def test_a_defect_in_a_driver_fails_that_device_alone_and_says_so(world: World) -> None:
    await world.add("a", "b", "c")
    world.sessions.plan("b", Breaks(ZeroDivisionError("login-secret-1")))
    job = await world.run()
    row = await world.row(job, "b")
    assert (row.outcome, row.error_code) == (Outcome.FAILED, "internal")
    assert row.error == "internal error (ZeroDivisionError); the log has the details"
    assert (job.counts["stored"], job.counts["failed"]) == (2, 1)
    assert await world.events("backup.failed") == [f"b: {row.error}"]
    assert [key.state for key in (await world.view("b")).host_keys] == ["pinned"]


async def test_an_error_that_quotes_the_log_in_is_stored_without_it(world: World) -> None:
    await world.add("a", settings={"max_attempts": 1})
    quoted = FetchIncomplete("echo: enable-secret-2\nand password=hunter22 \x00" + "x" * 2000)
    world.sessions.plan("a", Breaks(quoted))
    job = await world.run()
    error = (await world.row(job, "a")).error or ""
    stored = [error, (await world.view("a")).status.last_error or "", *await world.events("backup.failed")]
    for text in stored:
        assert "echo: [redacted] and password=[redacted]" in text
        assert "enable-secret-2" not in text
        assert "hunter22" not in text
        assert "\n" not in text
        assert len(text) < 600


@pytest.mark.parametrize(
    ("more", "code"),
    [({"family": None}, "input"), ({"credential": None}, "input"), ({"credential": "gone"}, "credential"),
     ({"family": "unheard-of"}, "family")],
)  # fmt: skip
async def test_a_device_that_cannot_be_resolved_fails_with_the_reason_and_is_not_visited(
    world: World, more: dict[str, str | None], code: str
) -> None:
    await world.add("a", **more)
    job = await world.run()
    row = await world.row(job, "a")
    assert (row.outcome, row.error_code, row.attempts) == (Outcome.FAILED, code, 1)
    assert row.error
    assert not world.sessions.seen.visits


async def test_settings_of_the_group_reach_the_session(world: World) -> None:
    group = Group("edge", family="plain", credential="lab", port=2222, settings={"command_timeout": 7.0})
    await world.add("a", groups=[group], group="edge", family=None, credential=None)
    await world.run()
    target = world.sessions.seen.targets["a"]
    assert (target.port, target.command_timeout, target.credential_ref) == (2222, 7.0, "lab")


async def test_names_that_do_not_exist_or_are_not_active_are_refused_before_anything_starts(world: World) -> None:
    await world.add("a")
    await world.add("b", state=LifeState.SUSPENDED)
    for names, reason in ((("a", "x"), "no device x"), (("b",), "b is suspended")):
        with pytest.raises(InputError, match=reason):
            await world.start_run(*names)
    assert (await world.database.jobs.jobs()).items == ()


async def test_a_first_backup_is_made_of_exactly_the_devices_added(world: World) -> None:
    await world.add("old")
    added = await world.add("new1", "new2")
    await world.jobs.first_backup([device.id for device in added])
    job = (await world.database.jobs.jobs()).items[0]
    assert (job.trigger, job.priority) == ("added", Priority.NORMAL)
    assert (await world.ended(job)).counts["stored"] == 2
    assert world.sessions.seen.visits == {"new1": 1, "new2": 1}
