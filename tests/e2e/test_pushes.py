"""Pushes end to end: a plan is looked at, a change goes all the way, a killed daemon ends it one way or the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.ports.driver import Guarded
from drivers.roster import DriverRoster
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_DRIVERS = DriverRoster()
FAMILIES = [name for name in _DRIVERS.families() if isinstance(_DRIVERS.get(name), Guarded)]
# FRR alone, without the files of its daemons, is read only.
OPTIONS = ("--option", "frr_linux.mode=linux")


@pytest.fixture
def w(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    family = getattr(request, "param", "openwrt")
    extra = OPTIONS if family == "frr_linux" else ()
    with world(tmp_path) as made:
        made.fleet(2, extra=("--mix", family, *extra))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backups", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def names(w: World) -> list[str]:
    return [device["name"] for device in w.get("devices")["items"]]


def resolvers(w: World, name: str) -> Any:
    return json.loads(w.ok("backup", "show", name, "--neutral"))["dns"]


@pytest.mark.parametrize("w", FAMILIES, indirect=True)
def test_a_change_is_planned_and_made_and_nothing_else(w: World) -> None:
    name, other = names(w)
    before = resolvers(w, name)
    plan = w.json("push", "plan", name, "--set", 'dns=["9.9.9.9","9.9.9.10"]')
    assert [part["part"] for part in plan["neutral"]] == ["dns"]
    assert "9.9.9.10" in plan["native"]
    done = w.cli("push", "apply", name, "--set", 'dns=["9.9.9.9","9.9.9.10"]', "--yes")
    assert done.returncode == 0, done.stderr + w.logs()
    assert f"{name}: confirmed" in done.stdout
    assert resolvers(w, name) == ["9.9.9.9", "9.9.9.10"]
    assert resolvers(w, other) == before
    assert "nothing to change" in w.cli("push", "apply", name, "--set", 'dns=["9.9.9.9","9.9.9.10"]', "--yes").stderr
    (push,) = w.get("pushes")["items"]
    shown = w.ok("push", "status", push["id"])
    assert "confirmed" in shown
    assert [row["number"] for row in w.get(f"devices/{name}/backups")["items"]] == [2, 1]


def test_a_change_that_would_lock_us_out_is_refused_before_anything_is_done(w: World) -> None:
    name, _ = names(w)
    done = w.cli("push", "apply", name, "--set", "management.ssh=false", "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "--override service" in done.stderr
    assert w.get("pushes")["items"] == []


def test_a_daemon_killed_in_the_middle_leaves_the_change_made_or_not_made(w: World) -> None:
    name, _ = names(w)
    started = w.json("push", "apply", name, "--set", "hostname=KILLED-1", "--yes", "--no-wait")
    eventually("the change to begin", lambda: len(w.get(f"pushes/{started['id']}")["journal"]) > 6)
    daemon = next(process for process in w.processes if process.name == "daemon")
    daemon.kill()
    w.serve()
    ended = eventually("the end of the push", lambda: _ended(w, started["id"]), within=200)
    assert ended["phase"] in ("confirmed", "reverted")
    with w.sim() as sim:
        running = sim.show(name)
    assert ("KILLED-1" in running) == (ended["phase"] == "confirmed")


def _ended(w: World, push_id: str) -> Any:
    found = w.get(f"pushes/{push_id}")
    return found if found["ended_at"] else None
