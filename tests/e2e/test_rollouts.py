"""A change goes over a simulated fleet: a bad one stops within its budget, a killed daemon takes it up again.

What the devices run is read from the simulator, never from what the daemon says of them.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
FLEET = 1000
BUDGET = 20
IN_FLIGHT = 32
MARK = "rolled-out-7"
TEMPLATE = """\
# The mark is written at once, so that a device that refuses the rest has something to go back from.
uci set system.@system[0].notes='{{ vars.mark }} {{ device.name }}'
{% if row.broken == 'yes' %}
uci commit system
uci set no.such.thing='{{ device.name }}'
{% endif %}
"""


@contextmanager
def fleet(home: Path, count: int) -> Iterator[World]:
    # The brake of the whole fleet would hold what the budget of the roll-out is to stop.
    with world(home, CPE_MANAGER_PUSH_FAILURES_PER_HOUR="0") as made:
        made.fleet(count, extra=("--mix", "openwrt"))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backups", lambda: made.get("jobs")["items"][0]["state"] != "open", within=400, every=1.0)
        yield made


def names(w: World) -> list[str]:
    return [row["name"] for row in csv.DictReader(io.StringIO(w.inventory.read_text()))]


def begin(w: World, broken: Sequence[str], *options: str) -> Any:
    template, table = w.home / "notes.j2", w.home / "table.csv"
    template.write_text(TEMPLATE)
    rows = [f"{name},{'yes' if name in broken else 'no'}" for name in names(w)]
    table.write_text("\n".join(["device,broken", *rows]) + "\n")
    words = ("--template", str(template), "--table", str(table), "--var", f"mark={MARK}", "--in-flight", str(IN_FLIGHT))
    return w.json("rollout", "start", "notes", *words, *options, "--yes", "--no-wait")


def is_over(w: World, rollout_id: str) -> Any:
    found = w.get(f"rollouts/{rollout_id}")
    over = found["state"] in ("done", "stopped") and not found["counts"]["in_flight"]
    return found if over else None


def outcomes(w: World, rollout_id: str) -> dict[str, dict[str, str]]:
    """The report, by device."""
    text = w.ok("rollout", "report", rollout_id, "--format", "csv")
    return {row["device"]: row for row in csv.DictReader(io.StringIO(text))}


def changed(w: World) -> set[str]:
    """Devices that run the change, and keep it over a restart, as the simulator says."""
    with w.sim() as sim:
        return {name for name in names(w) if f"{MARK} {name}" in sim.show(name)}


def test_a_change_that_breaks_some_stops_within_its_budget(tmp_path: Path) -> None:
    with fleet(tmp_path, FLEET) as w:
        every = names(w)
        broken = every[30::20]
        assert 45 <= len(broken) <= 50
        rollout = begin(w, broken, "--budget", "2%", "--wave", "2%", "--wave-size", "100%")
        ended = eventually("the roll-out to stop", lambda: is_over(w, rollout["id"]), within=900, every=2.0)
        assert ended["state"] == "stopped"
        assert f"{BUDGET} may" in ended["reason"]
        report = outcomes(w, rollout["id"])
        assert set(report) == set(every)
        found = Counter(row["outcome"] for row in report.values())
        assert found == {outcome: number for outcome, number in ended["counts"].items() if number}
        assert BUDGET < found["failed"] <= BUDGET + IN_FLIGHT
        assert found["waiting"] > 0
        failed = {name for name, row in report.items() if row["outcome"] == "failed"}
        assert failed <= set(broken)
        assert {report[name]["phase"] for name in failed} == {"reverted"}
        assert all("no.such.thing" in report[name]["reason"] for name in failed)
        confirmed = {name for name, row in report.items() if row["outcome"] == "confirmed"}
        assert changed(w) == confirmed
        kinds = Counter(event["kind"] for event in events(w) if event["kind"].startswith("rollout."))
        assert kinds == {"rollout.started": 1, "rollout.wave": 3, "rollout.stopped": 1}


def test_a_killed_daemon_takes_the_roll_out_up_again(tmp_path: Path) -> None:
    with fleet(tmp_path, 60) as w:
        rollout = begin(w, [], "--budget", "90%")
        confirmed = lambda: w.get(f"rollouts/{rollout['id']}")["counts"]["confirmed"]  # noqa: E731
        eventually("a part of the fleet to be changed", lambda: 5 <= confirmed() < 60)
        next(process for process in w.processes if process.name == "daemon").kill()
        w.serve()
        ended = eventually("the roll-out to end", lambda: is_over(w, rollout["id"]), within=600, every=2.0)
        assert ended["state"] == "done"
        report = outcomes(w, rollout["id"])
        assert {row["outcome"] for row in report.values()} <= {"confirmed", "failed"}
        assert all(row["phase"] == "reverted" for row in report.values() if row["outcome"] == "failed")
        assert changed(w) == {name for name, row in report.items() if row["outcome"] == "confirmed"}
        pushes = w.get("pushes", limit=1000)["items"]
        assert Counter(push["device"] for push in pushes) == dict.fromkeys(names(w), 1)


def events(w: World) -> list[Any]:
    found: list[Any] = []
    while page := w.get("events", after=found[-1]["id"] if found else 0, limit=1000)["items"]:
        found += page
    return found
