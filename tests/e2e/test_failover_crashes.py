"""A daemon that is killed in any state of a fail-over is followed by one that brings it to its end: the same switch,
one incident, nothing moved twice. Twenty lines at a time, so that each kill is one for each of them."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world
from tests.support.edge_server import Edge, edge_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LINES = 20
POLICY = """
[failover_policy]
probe_every = 1.0
up_for = 3.0
up_for_most = 10.0
flap_memory = 1.0
switch_within = 600
retry_after = 5.0
test_every_days = 0
"""


@dataclass
class Lines:
    """Lines of a simulated fleet, and the edge that says whether they live."""

    w: World
    edge: Edge
    names: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    """How many lines were in a state when the daemon was killed."""

    @property
    def database(self) -> Path:
        return self.w.data / "cpe-manager.sqlite3"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Asked of the database itself: it answers while no daemon does, and a hundred times a second."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query).fetchall()

    def states(self) -> Counter[str]:
        return Counter(state for (state,) in self.rows("select state from line_state"))

    def set_up(self) -> None:
        for number, name in enumerate(self.names):
            body = {
                "formula": "pro-plus", "ordered": True, "platform": "edge", "fixed_ipv4": f"198.51.100.{number}/32",
                "fixed_gateway": f"10.9.0.{number + 1}", "mobile_gateway": f"10.8.0.{number + 1}",
            }  # fmt: skip
            self.edge.sessions[f"10.9.0.{number + 1}"] = True
            with self.w.api() as api:
                answer = api.put(f"/api/v1/lines/{name}", json=body)
                assert answer.status_code == 200, answer.text
                passed = {"verdict": "passed", "reason": "measured on site"}
                answer = api.post(f"/api/v1/lines/{name}/coverage", json=passed)
                assert answer.status_code == 200, answer.text

    def lose(self, *, up: bool = False) -> None:
        for host in self.edge.sessions:
            self.edge.sessions[host] = up

    def kill_when(self, state: str, share: float = 0.5) -> None:
        """Kill the daemon as soon as so many lines are in a state, and start it anew."""

        def there() -> Counter[str] | None:
            found = self.states()
            return found if found[state] >= share * LINES else None

        found = eventually(f"{state} lines ({self.states()})", there, every=0.01, within=120)
        daemon = next(one for one in self.w.processes if one.name == "daemon" and one.alive)
        daemon.kill()
        self.killed.update(self.states())
        del found
        self.w.serve()

    def all_in(self, *wanted: str) -> None:
        def there() -> bool:
            found = self.states()
            return sum(found[state] for state in wanted) == LINES

        eventually(f"all lines {wanted}, not {self.states()}\n{self.w.logs()}", there, every=0.2, within=240)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    with edge_server() as edge, world(tmp_path_factory.mktemp("failover")) as w:
        w.fleet(LINES, extra=("--mix", "frr_linux", "--option", "frr_linux.mode=linux"))
        w.init()
        with (w.data / "cpe-manager.toml").open("a") as settings:
            settings.write(POLICY)
        (w.data / "platforms.toml").write_text(f'[platforms.edge]\nkind = "http"\nurl = "{edge.url}"\n')
        w.serve()
        w.ok("devices", "import", str(w.inventory))
        eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] == "done")
        made = Lines(w, edge, [one["name"] for one in w.get("devices", limit=200)["items"]])
        made.set_up()
        time.sleep(3)  # noqa: TID251  a line that was never seen up is not moved
        yield made


def proven(lines: Lines) -> None:
    """What has to hold whenever all has come to rest."""
    one = "select line_id, node, subject, count(*) from incident where closed_at is null group by 1, 2, 3"
    assert lines.rows(f"{one} having count(*) > 1") == []
    # A switch has one push on the box, or one that was interrupted and one that followed it.
    keys = Counter(
        key for (key,) in lines.rows("select key from push where key like 'failover:%' and phase='confirmed'")
    )
    assert [key for key, number in keys.items() if number > 1] == []
    assert lines.rows("select id from push where phase = 'stuck'") == []


def boxes(lines: Lines) -> Counter[bool]:
    """What the boxes themselves are set to."""
    with lines.w.sim() as sim:
        return Counter('"preferred": true' in str(sim.running(name)) for name in lines.names)


@pytest.mark.parametrize("state", ["switching", "mobile", "returning", "fixed"])
def test_a_daemon_killed_in_a_state_is_followed_by_one_that_ends_it(lines: Lines, state: str) -> None:
    lines.all_in("fixed")
    opened = lines.rows("select count(*) from incident where subject = 'line'")[0][0]
    moved = len(lines.edge.moves)
    losing: Callable[[], None] = lines.lose
    if state == "fixed":
        lines.kill_when("fixed", 1.0)
    losing()
    if state in {"switching", "mobile"}:
        lines.kill_when(state)
    lines.all_in("mobile")
    assert set(lines.edge.over.values()) == {"mobile"}
    proven(lines)
    assert lines.rows("select count(*) from incident where subject = 'line'")[0][0] == opened + LINES
    lines.lose(up=True)
    if state == "returning":
        lines.kill_when(state)
    lines.all_in("fixed")
    assert set(lines.edge.over.values()) == {"fixed"}
    proven(lines)
    open_ones = "select subject, node, line_id from incident where closed_at is null"
    # An access node's is closed by the next look at it.
    eventually("the end of all incidents", lambda: lines.rows(open_ones) == [], within=30)
    # There and back, each once.
    assert Counter(lines.edge.moves[moved:]).most_common(1)[0][1] == 1
    assert len(lines.edge.moves) - moved == 2 * LINES
    assert lines.killed[state] >= LINES // 2
