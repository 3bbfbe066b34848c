"""The same on PostgreSQL, for what is different there: its server is stopped at once, and the daemon is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.chaos.bench import SETTINGS, Bench, start
from tests.e2e.chaos.cells import FAMILIES, PHASES, Trouble
from tests.e2e.chaos.stores import PostgresStore
from tests.e2e.world import world
from tests.support.postgres import PostgresServer, binaries, running_server

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(1800)]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of its own: nobody else is to notice that it falls."""
    programs = binaries()
    assert programs is not None, "no PostgreSQL is installed (Debian: postgresql)"
    with running_server(programs) as made:
        yield made


def test_a_push_ends_before_or_after_when_its_database_falls(
    tmp_path: Path, server: PostgresServer, record_property: Callable[[str, object], None]
) -> None:
    with server.migrated() as url, world(tmp_path, CPE_MANAGER_DATABASE_URL=url, **SETTINGS) as w:
        start(w, len(FAMILIES) * len(PHASES))
        with w.sim() as sim:
            bench = Bench(w, sim, PostgresStore(url, server.fall, server.rise), w.processes[-1])
            bench.learn()
            bench.round(bench.lanes, Trouble.DATABASE, 0, lambda: bench.store.gone(bench.release))
            bench.round(bench.lanes, Trouble.KILL, 0, bench.kill)
        tally = bench.tally
        record_property("chaos", f"{tally.runs} pushes on PostgreSQL\n{tally.table()}")
        assert not tally.violations, f"{len(tally.violations)} of {tally.runs}:\n" + "\n".join(tally.violations)
        assert {(family, phase) for family in FAMILIES for phase in PHASES} == {
            cell[:2] for cell in tally.ends if cell[2] is Trouble.DATABASE and cell[1] in PHASES
        }
