"""The verbs of lines and fail-over against a live daemon; what watches and moves lines is stood for by the store."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.api.schemas.system import EventView
from cpe_manager.cli import live as live_view
from cpe_manager.client import Client
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverState, LineRecord, Transition
from cpe_manager.domain.failover.mobile_volume import month_of
from cpe_manager.ports.lines import IncidentChange, Move
from simulators.lab.outputs import lines as lab_lines
from simulators.lab.plan import LabPlan
from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed

KNOWN = (
    "formula=pro-plus", "ordered=true", "line_address=192.0.2.10", "mobile_address=198.51.100.10", "policy.misses=5",
)  # fmt: skip


async def moves(fleet: Live, to: FailoverState, *incidents: IncidentChange, **more: Any) -> LineRecord:
    """As the watcher would write it, with what was wanted done."""
    world = fleet.world
    record = await world.database.lines.line("r1")
    at = world.clock.now()
    after = replace(record, state=to, since=at.timestamp(), reasons=("3 echoes lost",), by="manager", wanted="", **more)
    step = Transition(
        world.ids.new(), record.line.id, at, record.state, to, after.condition, after.reasons, "manager",
        last_change="2026-03-01: change of dns, by op",
    )  # fmt: skip
    assert await world.database.lines.move([Move(after, step, incidents)]) == []
    return after


def entitled(cli: Cli) -> None:
    ok(cli("lines", "set", "r1", *KNOWN))
    ok(cli("failover", "coverage", "r1", "--verdict", "passed", "--reason", "40 Mbps on site"))


def later(fleet: Live, wanted: str, then: Callable[[], Any]) -> threading.Thread:
    """Do what the watcher would, once something is wanted."""

    def wait() -> None:
        pause = threading.Event()
        while fleet.run(fleet.world.database.lines.line("r1")).wanted != wanted:
            pause.wait(0.05)
        fleet.run(then())

    thread = threading.Thread(target=wait, name="watcher")
    thread.start()
    return thread


def test_a_line_is_set_up_changed_and_shown(cli: Cli, fleet: Live) -> None:
    del fleet
    one_line(cli("lines", "show", "r1"), "not_found", "set it up")
    made = ok(cli("lines", "set", "r1", *KNOWN))
    assert made.splitlines()[0] == "r1: line r1 set up"
    assert "coverage check untested" in made
    ok(cli("lines", "set", "r1", "moves=cpe", "policy.misses=", "policy.up_for=60", "mobile_address="))
    found = parsed(cli("lines", "show", "r1", "--json"))
    assert (found["setup"]["moves"], found["setup"]["mobile_address"]) == ("cpe", "")
    assert (found["policy"]["misses"], found["policy"]["up_for"], found["revision"]) == (3, 60, 2)
    one_line(cli("lines", "set", "r1", "line_address=nowhere"), "input", "no IP address")
    one_line(cli("lines", "set", "r1", "nonsense"), "input", "name=value")
    one_line(cli("lines", "set", "r1", "color=red"), "input", "color")
    one_line(cli("lines", "set", "r9", "watched=true"), "not_found", "r9")
    listed = ok(cli("lines", "list"))
    assert [line.split()[0] for line in listed.splitlines()] == ["DEVICE", "r1"]
    assert parsed(cli("lines", "list", "--state", "mobile", "--json"))["items"] == []


def test_many_lines_come_from_a_table_and_a_bad_row_stops_no_other(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    del fleet
    file = tmp_path / "lines.csv"
    with file.open("w", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(("device", "line_address", "ordered", "policy.probe_every"))
        rows.writerows((("r1", "192.0.2.10", "yes", "0.2"), ("r2", "nowhere", "no", ""), ("r9", "", "no", "")))
    dry = cli("lines", "import", str(file), "--dry-run")
    assert "would be: 1 new, 2 refused" in dry.stdout
    assert "not_found" not in dry.stdout
    done = cli("lines", "import", str(file))
    assert done.exit_code == 3
    assert "2 of 3 rows were refused" in done.stderr
    reasons = {line.split()[0]: line for line in done.stdout.splitlines()[1:3]}
    assert "no IP address" in reasons["3"]
    assert "no such device" in reasons["4"]
    assert parsed(cli("lines", "show", "r1", "--json"))["policy"]["probe_every"] == 0.2
    file.write_text("device,line_address\nr1,192.0.2.10\n")
    assert ok(cli("lines", "import", str(file))).strip() == "1 unchanged"
    file.write_text("device,coverage,coverage_reason\nr1,passed,measured in 2025\n")
    assert ok(cli("lines", "import", str(file))).strip() == "1 changed"
    assert parsed(cli("lines", "show", "r1", "--json"))["setup"]["coverage_reason"] == "measured in 2025"
    file.write_text("device,coverage\nr1,splendid\n")
    assert "coverage is one of" in cli("lines", "import", str(file)).stdout


def test_the_lines_of_the_lab_are_set_up_as_it_hands_them_out(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    fleet.run(fleet.world.add_devices("cpe1", "cpe2"))
    (tmp_path / "lines.json").write_text(lab_lines(LabPlan(cpes=2)))
    results = json.loads(cli("lines", "import", str(tmp_path / "lines.json"), "--dry-run", "--json").stdout)["items"]
    # The platform file of this daemon has no edge in it: that alone is wrong.
    assert [(one["device"], one["result"]) for one in results] == [("cpe1", "refused"), ("cpe2", "refused")]
    assert all("platform file has no" in one["reason"] for one in results)


def test_a_line_at_night_reads_from_what_it_is_to_what_happens_next(cli: Cli, fleet: Live) -> None:
    entitled(cli)
    ok(cli("lines", "set", "r1", "policy.data_cap_mb=5000"))
    due = fleet.world.clock.now().timestamp() + 252
    fleet.run(
        moves(
            fleet, FailoverState.MOBILE, IncidentChange("line", 2, "backup carries"),
            carrier=Carrier.MOBILE, condition=Condition.UP, due="returns", due_at=due, mobile_bytes=3_400_000_000,
            mobile_month=month_of(due - 252),
        )
    )  # fmt: skip
    text = ok(cli("lines", "show", "r1"))
    assert text == ok(cli("failover", "status", "r1"))
    order = ("state", "carries", "why:", "next:", "incident:", "last change before:", "mobile backup", "FROM")
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    for words in ("mobile since", "moved by manager", "  3 echoes lost", "  returns in 4:12", "  P2 line since",
                  "change of dns, by op", "over mobile this month", "3.4 GB of 5.0 GB"):  # fmt: skip
        assert words in text
    status = ok(cli("failover", "status"))
    assert status.startswith("1 mobile; open incidents: 1 P2; NOBODY WATCHES")
    assert "returns" in status
    assert parsed(cli("failover", "status", "--json"))["states"]["mobile"] == 1
    history = ok(cli("failover", "history"))
    assert history.splitlines()[0].split() == ["DEVICE", "AT", "FROM", "TO", "CONDITION", "BY", "WHY"]
    assert history.splitlines()[1].startswith("r1")
    assert parsed(cli("failover", "history", "r1", "--json"))["items"][0]["after"] == "mobile"
    assert "backup carries" in ok(cli("incidents", "list", "--open"))
    assert parsed(cli("incidents", "list", "--line", "r1", "--json"))["items"][0]["priority"] == 2


def test_a_switch_is_asked_for_and_followed_to_its_end(cli: Cli, fleet: Live) -> None:
    entitled(cli)
    assert "nobody answered" in cli("failover", "switch", "r1").stderr
    watcher = later(fleet, "switch", lambda: moves(fleet, FailoverState.MOBILE, carrier=Carrier.MOBILE))
    done = cli("failover", "switch", "r1", "--yes", "--reason", "works in the street")
    watcher.join()
    assert ok(done).strip() == "r1: mobile, mobile carries: 3 echoes lost"
    assert "nobody watches lines at this moment" in done.stderr
    watcher = later(fleet, "return", lambda: moves(fleet, FailoverState.MOBILE, carrier=Carrier.MOBILE))
    failed = cli("failover", "return", "r1")
    watcher.join()
    assert failed.exit_code == 14
    assert "return did not come about, the line is mobile" in failed.stderr


def test_a_test_of_the_backup_says_whether_it_works(cli: Cli, fleet: Live) -> None:
    entitled(cli)
    for works in (True, False):
        at = fleet.world.clock.now().timestamp() + works
        tested = {"tested_at": at, "test_ok": works}
        watcher = later(fleet, "test", lambda now=tested: moves(fleet, FailoverState.FIXED, **now))
        done = cli("failover", "test", "r1", "--yes", "--json")
        watcher.join()
        assert done.exit_code == (0 if works else 14)
    assert "does not work" in ok(cli("lines", "show", "r1"))


def test_an_order_may_be_left_waiting_and_what_is_so_already_is_said(cli: Cli, fleet: Live) -> None:
    del fleet
    entitled(cli)
    assert ok(cli("failover", "hold", "r1", "--no-wait", "--reason", "cutover")).strip() == "r1: hold asked for"
    shown = ok(cli("lines", "show", "r1"))
    assert "asked for hands off (cutover): taken up next" in shown
    assert parsed(cli("failover", "release", "r1", "--no-wait", "--json"))["wanted"] == "release"


def test_coverage_that_is_refused_is_a_failure_and_without_a_url_there_is_nothing_to_measure(
    cli: Cli, fleet: Live
) -> None:
    del fleet
    ok(cli("lines", "set", "r1", *KNOWN))
    one_line(cli("failover", "coverage", "r1"), "input", "on site")
    assert "refused" in ok(cli("failover", "coverage", "r1", "--verdict", "refused", "--reason", "cellar, -115 dBm"))
    one_line(cli("failover", "switch", "r1", "--yes"), "conflict", "cellar, -115 dBm")
    one_line(cli("failover", "coverage", "r1", "--verdict", "great", "--reason", "x"), "input")


def test_events_of_a_line_are_followed_through_the_stream(cli: Cli, fleet: Live) -> None:
    entitled(cli)
    ok(cli("lines", "set", "r2"))
    start = fleet.run(fleet.world.database.events.last_id())
    ok(cli("lines", "set", "r2", "moves=cpe"))
    fleet.run(moves(fleet, FailoverState.FAILED, IncidentChange("line", 1, "down")))
    with Client(fleet.url, fleet.token) as client:
        found = next(client.follow_events(start, kind=list(live_view.KINDS), line="r1"))
        assert (found.kind, found.device) == ("incident.opened", "r1")
        both = client.follow_events(start, kind=["line.*", "incident.*"])
        assert [next(both).kind, next(both).kind] == ["line.changed", "incident.opened"]


class OneEvent(Client):
    """A client whose stream ends with its first event, as Ctrl-C would end it. ``happens`` once it has begun."""

    happens: Callable[[], Any]

    def follow_events(self, after: int, **where: Any) -> Iterator[EventView]:
        self.happens()
        yield next(super().follow_events(after, **where))


@pytest.mark.parametrize("as_json", [False, True])
def test_watching_without_a_terminal_is_a_line_for_each_event(
    cli: Cli, fleet: Live, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    entitled(cli)
    with OneEvent(fleet.url, fleet.token) as client:
        client.happens = lambda: fleet.run(moves(fleet, FailoverState.FAILED, IncidentChange("line", 1, "down")))
        live_view.follow(client, lambda: ((), (), ""), as_json=as_json, line="r1")
    (line,) = capsys.readouterr().out.splitlines()
    if as_json:
        assert json.loads(line)["kind"] == "incident.opened"
    else:
        assert "!!  incident.opened     r1: line incident P1 opened: down" in line
