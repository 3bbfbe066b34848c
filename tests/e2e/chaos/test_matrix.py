"""The chaos matrix on SQLite: six families, every phase, everything that can go wrong; more than 500 pushes.

The daemon is a process that is killed, whose disk is full, whose database is locked; devices are cut off, restart, drop
sessions, refuse commands and are slow, each in every phase. Each push has to end exactly before or exactly after, in
what runs and in what a restart would bring, with nothing left on the device that happens later.

``CHAOS_ROUNDS=4`` does everything four times, at other commands of the same phases.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.chaos.bench import SETTINGS, Bench
from tests.e2e.chaos.cells import FAMILIES, PHASES, Run, Trouble, every_cell, of_device
from tests.e2e.chaos.stores import SqliteStore
from tests.e2e.world import World, eventually, world

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
FULL_SECONDS = 8.0
SPARE = 2
"""Devices of each family that are apart: they are about to refuse, or to cut themselves off, and take their time."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 * ROUNDS)]


def start(w: World) -> None:
    count = len(FAMILIES) * (len(PHASES) + SPARE)
    w.fleet(count, extra=("--mix", ",".join(FAMILIES), "--option", "frr_linux.mode=linux"))
    w.init()
    w.serve(piped=True)
    w.ok("devices", "import", str(w.inventory))
    eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] == "done")


def test_every_push_ends_before_or_after_whatever_goes_wrong(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with world(tmp_path, **SETTINGS) as w:
        start(w)
        store = SqliteStore(w.data / "cpe-manager.sqlite3")
        with w.sim() as sim:
            bench = Bench(w, sim, store, w.processes[-1])
            bench.learn()
            apart = bench.apart = bench.lanes[: SPARE * len(FAMILIES)]
            others = bench.lanes[SPARE * len(FAMILIES) :]
            for number, lane in enumerate(apart):
                trouble = Trouble.REFUSES if number < len(FAMILIES) else Trouble.SELF_CUT
                bench.begin(lane, Run(lane.family, "revert" if number < len(FAMILIES) else "apply", trouble))

            def killed() -> None:
                bench.daemon.kill()
                release()
                bench.daemon = w.serve(piped=True)

            def full() -> None:
                _, hard = resource.prlimit(bench.daemon.popen.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(bench.daemon.popen.pid, resource.RLIMIT_FSIZE, (1, hard))
                release_devices()
                time.sleep(FULL_SECONDS)  # noqa: TID251  the daemon is to run into it
                resource.prlimit(bench.daemon.popen.pid, resource.RLIMIT_FSIZE, (hard, hard))

            def release_devices() -> None:
                for lane in others:
                    sim.clear(lane.name, "stall_at_command")

            def release() -> None:
                release_devices()
                store.lift()

            def full_disk() -> None:
                store.lift()
                full()

            for number in range(ROUNDS):
                bench.round(others, Trouble.KILL, number, killed)
                bench.round(others, Trouble.DISK, number, full_disk)
                bench.round(others, Trouble.DATABASE, number, lambda: store.gone(release_devices))
            bench.through(others, list(of_device(ROUNDS)))
            bench.finish(apart)
        tally = bench.tally
        record_property("chaos", f"{tally.runs} pushes on SQLite\n{tally.table()}")
        assert not tally.violations, f"{len(tally.violations)} of {tally.runs}:\n" + "\n".join(tally.violations)
        assert every_cell() <= set(tally.ends)
        assert tally.runs >= 500
