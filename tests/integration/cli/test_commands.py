"""The verbs against a live daemon whose devices are settled by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.jobs import JobState, Outcome
from cpe_manager.domain.outcomes import EXIT_CODE
from cpe_manager.ports.stores import Settled
from tests.integration.api.live import Live
from tests.integration.api.test_inventory import KEY_A, KEY_B
from tests.unit.cli.runner import Cli, ok, one_line, parsed


@contextmanager
def working(daemon: Live, outcomes: dict[str, dict[str, Any]] | None = None) -> Iterator[None]:
    """Something that ends every device row, as ``outcomes`` says by name, while a command waits."""
    world, clock = daemon.world, daemon.world.clock

    async def work() -> None:
        while True:
            for job in (await world.services.jobs.list(state=JobState.OPEN)).items:
                now = clock.now()
                if job.kind != "backup":
                    await world.database.jobs.finish(job.id, JobState.DONE, at=now, result={"checked": 3}, error=None)
                    continue
                claimed = await world.database.jobs.claim(
                    job.id, 0, owner="w", now=now, ttl=60, limit=99, per_access_node=0
                )
                ends = [
                    Settled(
                        job.id, one.lease, now, **(outcomes or {}).get(one.device.name, {"outcome": Outcome.UNCHANGED})
                    )
                    for one in claimed
                ]
                await world.database.jobs.settle(ends)
            await asyncio.sleep(0.02)

    task: Future[None] = asyncio.run_coroutine_threadsafe(work(), daemon.loop)
    try:
        yield
    finally:
        task.cancel()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.csv"
    path.write_text("name,address,family,credential,site\nr9,198.51.100.9,frr_linux,lab,Bakery\n")
    return path


def test_an_import_is_shown_first_done_then_and_a_repetition_changes_nothing(cli: Cli, csv: Path) -> None:
    shown = ok(cli("devices", "import", str(csv), "--dry-run"))
    assert "r9" in shown
    assert "Dry run, nothing was changed; would be: 1 added" in shown
    assert "Imported (csv): 1 added" in ok(cli("devices", "import", str(csv), "--no-backup"))
    assert "Imported (csv): 1 unchanged" in ok(cli("devices", "import", str(csv)))
    csv.write_text(csv.read_text().replace("100.9", "100.99"))
    changed = ok(cli("devices", "import", str(csv)))
    assert "198.51.100.9  " in changed.replace("198.51.100.99", "")
    assert "1 changed" in changed


def test_an_inventory_can_come_through_a_pipe(cli: Cli, csv: Path) -> None:
    report = parsed(cli("devices", "import", "-", "--format", "csv", "--json", stdin=csv.read_text()))
    assert [device["name"] for device in report["added"]] == ["r9"]


def test_one_wrong_row_is_one_line_and_several_are_a_line_each(cli: Cli, csv: Path) -> None:
    good = csv.read_text()
    csv.write_text(good.replace("frr_linux", "junos"))
    one_line(cli("devices", "import", str(csv)), "input", "fleet.csv:2", "junos")
    csv.write_text(good.replace("frr_linux", "junos") + "r10,not an address,frr_linux,lab,x\n")
    result = cli("devices", "import", str(csv))
    assert result.exit_code == EXIT_CODE["input"]
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{csv}:2: ")
    assert lines[1].startswith(f"{csv}:3: ")
    assert lines[2] == "cpe-manager: 2 things are wrong with the input; nothing was changed"


def test_a_file_that_cannot_be_read_is_named(cli: Cli, tmp_path: Path) -> None:
    one_line(cli("devices", "import", str(tmp_path / "gone.csv")), "input", "gone.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"name,address\n\xff\xfe\n")
    one_line(cli("devices", "import", str(binary)), "input", "binary.csv:2", "UTF-8")


def test_a_device_goes_through_its_life(cli: Cli, fleet: Live) -> None:
    ok(cli("devices", "add", "r3", "198.51.100.30", "--family", "frr_linux", "--credential", "lab", "--serial", "A"))
    assert "serial         A" in ok(cli("devices", "show", "r3"))
    ok(cli("devices", "suspend", "r3"))
    listed = ok(cli("devices", "list", "--state", "suspended"))
    assert "r3" in listed
    assert "r1" not in listed
    ok(cli("devices", "resume", "r3"))
    assert "hardware B" in ok(cli("devices", "replace", "r3", "--serial", "B", "--record-only"))
    assert cli("devices", "remove", "r3", stdin="n\n").exit_code == EXIT_CODE["internal"]
    ok(cli("devices", "remove", "r3", "--yes"))
    names = [device["name"] for device in parsed(cli("devices", "list", "--json"))["items"]]
    assert names == ["r1", "r2"]
    one_line(cli("devices", "suspend", "r3"), "conflict", "decommissioned")
    one_line(cli("devices", "show", "ghost"), "not_found", "ghost")


def test_a_changed_host_key_is_explained_and_can_be_accepted(cli: Cli, fleet: Live) -> None:
    fleet.run(fleet.world.back_up("r1", "x", first_host_key=KEY_A))
    failed = {"outcome": Outcome.FAILED, "error_code": "host_key", "error": "another key"}
    fleet.run(fleet.world.back_up("r1", "", **failed, offered_host_key=KEY_B))
    assert "cpe-manager devices accept-key r1" in ok(cli("devices", "show", "r1"))
    assert "host key changed" in ok(cli("devices", "list"))
    assert "offered: ssh-ed25519 SHA256:" in ok(cli("devices", "accept-key", "r1", "--yes"))
    assert "accept-key" not in ok(cli("devices", "show", "r1"))
    one_line(cli("devices", "accept-key", "r2", "--yes"), "conflict", "nothing to accept")


def test_a_run_is_followed_to_its_end_and_summed_up(cli: Cli, fleet: Live) -> None:
    with working(fleet):
        assert "2 unchanged" in ok(cli("backup", "run", "--all"))
        job = parsed(cli("backup", "run", "r1", "--json"))
    assert (job["state"], job["counts"]["total"]) == ("done", 1)


def test_a_run_in_which_a_device_failed_says_which_and_ends_with_14(cli: Cli, fleet: Live) -> None:
    outcomes = {
        "r1": {"outcome": Outcome.FAILED, "error_code": "host_key", "error": "another key is shown"},
        "r2": {"outcome": Outcome.FAILED, "error_code": "timeout", "error": "no answer in 15 s"},
    }
    with working(fleet, outcomes):
        result = cli("backup", "run", "--all")
        machine = cli("backup", "run", "--all", "--json")
    one_line(result, "job_failed", "2 of 2 devices failed")
    assert "no answer in 15 s" in result.stdout
    assert "cpe-manager devices accept-key r1" in result.stdout
    assert machine.exit_code == EXIT_CODE["job_failed"]
    assert json.loads(machine.stdout)["counts"]["failed"] == 2


def test_a_full_disk_ends_the_waiting_with_its_own_code(cli: Cli, fleet: Live) -> None:
    fleet.world.worker.hindrance, fleet.world.worker.hindrance_code = "no space left on device", "store_full"
    one_line(cli("backup", "run", "--all"), "store_full", "no space left on device")


def test_without_waiting_the_job_is_named_and_can_be_looked_at_and_cancelled(cli: Cli, fleet: Live) -> None:
    job_id = parsed(cli("backup", "run", "--all", "--no-wait", "--json"))["id"]
    assert job_id in ok(cli("jobs", "list"))
    assert "total devices  2" in ok(cli("jobs", "show", job_id))
    ok(cli("jobs", "cancel", job_id))
    assert "r1" in ok(cli("jobs", "show", job_id, "--outcome", "cancelled"))
    assert parsed(cli("jobs", "show", job_id, "--json"))["state"] == "cancelled"
    one_line(cli("jobs", "cancel", job_id), "conflict")


def test_a_run_needs_exactly_one_choice_of_devices(cli: Cli) -> None:
    one_line(cli("backup", "run"), "input", "--all")
    one_line(cli("backup", "run", "r1", "--all"), "input", "--all")


def test_versions_are_listed_shown_compared_and_decided_on(cli: Cli, fleet: Live) -> None:
    for note in ("first", "second"):
        fleet.run(fleet.world.back_up("r1", note))
    assert [version["number"] for version in parsed(cli("backup", "list", "r1", "--json"))["items"]] == [2, 1]
    shown = ok(cli("backup", "show", "r1"))
    assert "description second" in shown
    assert "peer-secret-2" not in shown
    assert "peer-secret-2" in ok(cli("backup", "show", "r1", "1", "--original"))
    one_line(cli("backup", "show", "r1", "--original", "--neutral"), "input", "--neutral")
    diff = ok(cli("backup", "diff", "r1"))
    assert "\n- description first\n+ description second\n" in diff
    assert "\x1b" not in diff
    same = cli("backup", "diff", "r1", "1", "1")
    assert (same.exit_code, same.stdout) == (0, "")
    fleet.run(fleet.world.back_up("r1", "third", outcome=Outcome.QUARANTINED, quarantine_reason="shrank"))
    assert "shrank" in ok(cli("backup", "list", "r1", "--state", "quarantined"))
    assert "version 3 accepted" in ok(cli("backup", "accept", "r1"))
    one_line(cli("backup", "refuse", "r1"), "conflict", "quarantine")


def test_a_token_without_the_scope_gets_no_original(cli: Cli, bare: Cli, fleet: Live) -> None:
    fleet.run(fleet.world.back_up("r1", "first"))
    token = fleet.run(fleet.world.token(Scope.READ))
    env = {"CPE_MANAGER_URL": fleet.url, "CPE_MANAGER_TOKEN": token}
    one_line(bare("backup", "show", "r1", "--original", env=env), "forbidden", "originals")
    one_line(bare("devices", "list", env={**env, "CPE_MANAGER_TOKEN": "cpem_wrong"}), "unauthorised", "token")


def test_other_jobs_can_be_waited_for(cli: Cli, fleet: Live) -> None:
    with working(fleet):
        assert parsed(cli("backup", "verify", "--wait", "--json"))["result"] == {"checked": 3}
        assert "checked 3" in ok(cli("backup", "export"))
        assert "rotate done" in ok(cli("key", "rotate"))
    assert len(parsed(cli("key", "list", "--json"))["items"]) == 2


def test_an_unused_key_is_retired_and_an_active_one_is_not(cli: Cli, fleet: Live) -> None:
    old = parsed(cli("key", "list", "--json"))["items"][0]["key_id"]
    one_line(cli("key", "retire", old, "--yes"), "conflict", "active")
    ok(cli("key", "rotate", "--no-wait"))
    one_line(cli("key", "retire", old, "--yes"), "conflict", "two minutes")
    fleet.run(fleet.world.clock.advance(120))
    assert old in ok(cli("key", "retire", old, "--yes"))


def test_a_schedule_is_added_run_and_removed(cli: Cli, fleet: Live) -> None:
    assert "weekly added" in ok(cli("schedule", "add", "weekly", "0 3 * * 0", "--window", "60"))
    assert "0 3 * * 0" in ok(cli("schedule", "list"))
    with working(fleet):
        assert "2 unchanged" in ok(cli("schedule", "run", "weekly"))
    ok(cli("schedule", "remove", "weekly"))
    assert parsed(cli("schedule", "list", "--json"))["items"] == []
    one_line(cli("schedule", "add", "bad", "whenever"), "input", "whenever")


def test_a_token_is_made_used_and_revoked(cli: Cli, bare: Cli, fleet: Live) -> None:
    made = cli("token", "create", "probe", "--scope", "read", "--scope", "write")
    env = {"CPE_MANAGER_URL": fleet.url, "CPE_MANAGER_TOKEN": ok(made).strip()}
    assert "r1" in ok(bare("devices", "list", env=env))
    assert "probe" in ok(cli("token", "list"))
    ok(cli("token", "revoke", "probe"))
    assert bare("devices", "list", env=env).exit_code == EXIT_CODE["unauthorised"]


def test_events_alarms_and_status_are_shown(cli: Cli, fleet: Live) -> None:
    assert "device.added" in ok(cli("events"))
    kinds = {event["kind"] for event in parsed(cli("events", "--json", "-n", "2"))["items"]}
    assert kinds <= {"device.added", "token.created"}
    assert ok(cli("alarms")) == "no alarms\n"
    fleet.run(fleet.world.clock.advance(27 * 3600))
    fleet.run(fleet.world.database.events.mark_overdue({}, 26.0, now=fleet.world.clock.now()))
    assert "backup.overdue" in ok(cli("alarms"))
    assert "overdue" in ok(cli("devices", "list", "--overdue"))
    assert "active devices" in ok(cli("status"))
    assert parsed(cli("status", "--json"))["version"] == "1.2.3"


def test_an_insecure_device_is_marked_wherever_it_is_shown(cli: Cli, fleet: Live) -> None:
    ok(cli("devices", "set", "r1", "--legacy-crypto"))
    rows = ok(cli("devices", "list")).splitlines()
    assert [row.split()[0] for row in rows if "insecure: legacy_crypto" in row] == ["r1"]
    assert "SHA-1" in ok(cli("devices", "show", "r1"))
    assert parsed(cli("devices", "show", "r1", "--json"))["insecure"] == ["legacy_crypto"]
    assert parsed(cli("devices", "show", "r2", "--json"))["insecure"] == []
    ok(cli("devices", "set", "r1", "--setting", "legacy_crypto="))
    assert "insecure" not in ok(cli("devices", "list"))
    refused = cli("group", "set", "old", "--setting", "legacy_crypto=yes")
    one_line(refused, "input", "belongs to a device")


def test_telnet_is_taken_where_a_group_allows_it_and_shown_with_its_port(cli: Cli, fleet: Live) -> None:
    one_line(cli("devices", "set", "r1", "--transport", "telnet"), "input", "allow_telnet")
    ok(cli("group", "set", "dsl", "--setting", "allow_telnet=yes"))
    ok(cli("devices", "set", "r1", "--group", "dsl", "--transport", "telnet", "--port", ""))
    shown = ok(cli("devices", "show", "r1"))
    assert "telnet: log-in and configuration travel in the clear" in shown
    assert "23 (inherited)" in shown
    assert "insecure: telnet" in ok(cli("devices", "list"))
    added = parsed(
        cli("devices", "add", "r7", "198.51.100.77", "--family", "cisco_ios", "--credential", "lab", "--group", "dsl",
            "--transport", "telnet", "--json")
    )  # fmt: skip
    assert (added["insecure"], added["settings"]) == (["telnet"], {"transport": "telnet"})
