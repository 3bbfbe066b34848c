"""The chaos matrix on SQLite: six families, every phase, everything that can go wrong; more than 500 pushes.

The daemon is a process that is killed, whose disk is full, whose database is locked; devices are cut off, restart, drop
sessions, refuse commands and are slow, each in every phase. Each push has to end exactly before or exactly after, in
what runs and in what a restart would bring, with nothing left on the device that happens later.

``CHAOS_ROUNDS=4`` does everything four times, at other commands of the same phases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.chaos.bench import SETTINGS, Bench, start
from tests.e2e.chaos.cells import (
    FAMILIES,
    OF_DEVICE,
    OF_PROCESS,
    PHASES,
    Run,
    Trouble,
    every_cell,
    of_device,
    of_process,
)
from tests.e2e.chaos.stores import SqliteStore
from tests.e2e.world import world

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
DEVICE_TROUBLES = (*OF_DEVICE, Trouble.FLASH)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400 * ROUNDS)]
Note = Callable[[str, object], None]


@contextmanager
def matrix(tmp_path: Path, lanes: int, note: Note) -> Iterator[tuple[Bench, SqliteStore]]:
    """A daemon and so many devices of each family. At the end, every push of it has ended as it may."""
    with world(tmp_path, **SETTINGS) as w:
        start(w, len(FAMILIES) * lanes)
        store = SqliteStore(w.data / "cpe-manager.sqlite3")
        with w.sim() as sim:
            bench = Bench(w, sim, store, w.processes[-1])
            bench.learn()
            yield bench, store
        tally = bench.tally
        note("chaos", f"{tally.runs} pushes on SQLite\n{tally.table()}")
        assert not tally.violations, f"{len(tally.violations)} of {tally.runs}:\n" + "\n".join(tally.violations)


def cells_of(trouble: Trouble) -> set[tuple[str, str, Trouble]]:
    return {cell for cell in every_cell() if cell[2] is trouble}


@pytest.mark.parametrize("trouble", OF_PROCESS, ids=str)
def test_every_push_ends_before_or_after_when_its_daemon_is_struck(
    trouble: Trouble, tmp_path: Path, record_property: Note
) -> None:
    with matrix(tmp_path, len(PHASES), record_property) as (bench, store):
        strike = {
            Trouble.KILL: bench.kill,
            Trouble.DISK: bench.fill_disk,
            Trouble.DATABASE: lambda: store.gone(bench.release),
        }[trouble]
        # On a busy machine a strike may come when its push has gone on: then there is another round for those.
        for number in range(3 * ROUNDS):
            if number >= ROUNDS and cells_of(trouble) <= set(bench.tally.ends):
                break
            bench.round(bench.lanes, trouble, number, strike)
        assert cells_of(trouble) <= set(bench.tally.ends)


@pytest.mark.parametrize("trouble", DEVICE_TROUBLES, ids=str)
def test_every_push_ends_before_or_after_when_its_device_fails(
    trouble: Trouble, tmp_path: Path, record_property: Note
) -> None:
    with matrix(tmp_path, 4, record_property) as (bench, _):
        bench.through(bench.lanes, [run for run in of_device(ROUNDS) if run.trouble is trouble])
        assert cells_of(trouble) <= set(bench.tally.ends)


def test_a_change_that_cuts_its_own_path_goes_back_and_a_device_that_will_not_is_an_alarm(
    tmp_path: Path, record_property: Note
) -> None:
    with matrix(tmp_path, 2, record_property) as (bench, _):
        for number, lane in enumerate(bench.lanes):
            refuses = number < len(FAMILIES)
            bench.begin(
                lane,
                Run(lane.family, "revert", Trouble.REFUSES) if refuses else Run(lane.family, "apply", Trouble.SELF_CUT),
            )
        bench.finish(bench.lanes)


def test_more_than_five_hundred_pushes_and_every_cell_are_planned() -> None:
    planned = [*of_device(1), *(run for trouble in OF_PROCESS for run in of_process(trouble, 0))]
    well = 2 * len(FAMILIES) * (len(OF_PROCESS) + len(DEVICE_TROUBLES) + 1)
    assert len(planned) + well + 2 * len(FAMILIES) >= 500
    assert {run.cell for run in planned} >= every_cell()
