"""Drills end to end: an operator's commands, a daemon, a fleet and the boxes, all in processes of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cpe_manager.ports.driver import Replacing
from drivers.roster import DriverRoster
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_DRIVERS = DriverRoster()
FAMILIES = [name for name in _DRIVERS.families() if isinstance(_DRIVERS.get(name), Replacing)]
# FRR alone, without the files of its daemons, is read only.
OPTIONS = ("--option", "frr_linux.mode=linux")


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, CPE_MANAGER_DRILL_SAMPLE="5") as made:
        made.fleet(len(FAMILIES), extra=("--mix", ",".join(FAMILIES), *OPTIONS))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backups", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def boxes(w: World) -> list[int]:
    """Processes that drills of this world's daemon have running."""
    daemon = next(process for process in w.processes if process.name == "daemon")
    return [child.pid for child in psutil.Process(daemon.popen.pid).children(recursive=True)]


def devices(w: World) -> dict[str, Any]:
    return {device["name"]: device for device in w.get("devices")["items"]}


def test_a_fleet_of_every_family_that_can_be_restored_is_proven(w: World) -> None:
    assert "unproven" in w.ok("devices", "list")
    done = w.cli("drill", "run", "--sample", "50", timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr + w.logs()
    assert f"proven {len(FAMILIES)}" in done.stdout
    assert {one["restorable"]["verdict"] for one in devices(w).values()} == {"proven"}
    report = w.json("drill", "report")
    assert (report["share"], report["failures"]) == (1.0, [])
    assert {one["family"] for one in report["families"]} == set(FAMILIES)
    assert "cpe_backup_restorable_ratio 1.0" in metrics(w)
    assert boxes(w) == []


def test_a_box_that_does_not_run_what_was_stored_raises_the_alarm_until_a_sound_drill(tmp_path: Path) -> None:
    with world(tmp_path, CPE_MANAGER_DRILL_COMMAND="cpe-sim box --fault auth_failure") as w:
        w.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        w.fleet(1, extra=("--mix", "openwrt"))
        w.init()
        daemon = w.serve()
        w.ok("devices", "import", str(w.inventory))
        eventually("the first backup", lambda: w.get("jobs")["items"][0]["state"] == "done")
        (name,) = devices(w)
        done = w.cli("drill", "run", name)
        assert done.returncode == 14, done.stdout + done.stderr
        assert f"{name}: bringing the text back" in done.stderr
        assert "drill.below_target" in w.ok("alarms")
        assert "failed" in w.ok("backup", "list", name)
        daemon.stop()
        w.env["CPE_MANAGER_DRILL_COMMAND"] = ""
        w.serve()
        w.ok("drill", "run", name)
        assert w.ok("alarms").strip() == "no alarms"
        assert "proven" in w.ok("backup", "list", name)


def test_a_killed_daemon_leaves_no_box_behind_and_the_next_one_ends_the_drill(w: World) -> None:
    started = w.json("drill", "run", "--sample", "50", "--no-wait")
    left = eventually("a box", lambda: boxes(w), every=0.05)
    next(process for process in w.processes if process.name == "daemon").kill()
    eventually("the end of the boxes", lambda: not any(psutil.pid_exists(pid) for pid in left))
    w.serve()
    ended = eventually("the end of the drill", lambda: _ended(w, started["id"]), within=200)
    assert (ended["state"], ended["result"]["proven"]) == ("done", len(FAMILIES))


def _ended(w: World, job_id: str) -> Any:
    job = w.job(job_id)
    return job if job["state"] != "open" else None


def metrics(w: World) -> str:
    with w.api() as api:
        answer = api.get("/metrics")
    assert answer.status_code == 200
    return answer.text
