"""The chaos matrix on SQLite: six families, every phase, everything that can go wrong; more than 500 pushes.

The daemon is a process that is killed, whose disk is full, whose database is locked; devices are cut off, restart, drop
sessions, refuse commands and are slow, each in every phase. Each push has to end exactly before or exactly after, in
what runs and in what a restart would bring, with nothing left on the device that happens later.

``CHAOS_ROUNDS=4`` does everything four times, at other commands of the same phases.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.chaos.bench import SETTINGS, Bench, start
from tests.e2e.chaos.cells import FAMILIES, PHASES, Run, Trouble, every_cell, of_device
from tests.e2e.chaos.stores import SqliteStore
from tests.e2e.world import world

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
SPARE = 2
"""Devices of each family that are apart: they are about to refuse, or to cut themselves off, and take their time."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 * ROUNDS)]


def test_every_push_ends_before_or_after_whatever_goes_wrong(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with world(tmp_path, **SETTINGS) as w:
        start(w, len(FAMILIES) * (len(PHASES) + SPARE))
        store = SqliteStore(w.data / "cpe-manager.sqlite3")
        with w.sim() as sim:
            bench = Bench(w, sim, store, w.processes[-1])
            bench.learn()
            apart = bench.apart = bench.lanes[: SPARE * len(FAMILIES)]
            others = bench.lanes[SPARE * len(FAMILIES) :]
            for number, lane in enumerate(apart):
                trouble = Trouble.REFUSES if number < len(FAMILIES) else Trouble.SELF_CUT
                bench.begin(lane, Run(lane.family, "revert" if number < len(FAMILIES) else "apply", trouble))

            for number in range(ROUNDS):
                bench.round(others, Trouble.KILL, number, bench.kill)
                bench.round(others, Trouble.DISK, number, bench.fill_disk)
                bench.round(others, Trouble.DATABASE, number, lambda: store.gone(bench.release))
            bench.through(others, list(of_device(ROUNDS)))
            bench.finish(apart)
        tally = bench.tally
        record_property("chaos", f"{tally.runs} pushes on SQLite\n{tally.table()}")
        assert not tally.violations, f"{len(tally.violations)} of {tally.runs}:\n" + "\n".join(tally.violations)
        assert every_cell() <= set(tally.ends)
        assert tally.runs >= 500
