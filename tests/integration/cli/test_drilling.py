"""``drill`` against a live daemon, and the column that says what is proven."""

from __future__ import annotations

from cpe_manager.domain.backup.drills import Verdict
from tests.integration.api.live import Live
from tests.integration.api.test_drills import drilled
from tests.integration.cli.test_commands import working
from tests.unit.cli.runner import Cli, ok, one_line, parsed


def test_a_drill_is_asked_for_and_followed(cli: Cli, fleet: Live) -> None:
    fleet.run(fleet.world.back_up("r1", "one"))
    assert "started: cpe-manager jobs show" in ok(cli("drill", "run", "r1", "--no-wait"))
    with working(fleet):
        assert ok(cli("drill", "run", "--family", "frr_linux")).startswith("drill done")
        assert parsed(cli("drill", "run", "--sample", "2", "--json"))["params"] == {"family": None, "sample": 2}
    first, again = (parsed(cli("drill", "run", "--key", "k", "--no-wait", "--json")) for _ in range(2))
    assert first["id"] == again["id"]


def test_what_cannot_be_asked_is_one_line(cli: Cli, fleet: Live) -> None:
    one_line(cli("drill", "run", "r1", "--sample", "3"), "input", "not both")
    one_line(cli("drill", "run", "nobody"), "not_found", "nobody")
    one_line(cli("drill", "run", "r1"), "input", "no backup yet")


def test_the_report_and_the_columns_say_what_is_proven(cli: Cli, fleet: Live) -> None:
    assert "no device has a backup that can be drilled" in ok(cli("drill", "report"))
    assert "no drills yet" in cli("drill", "list").stderr
    for name in ("r1", "r2"):
        fleet.run(fleet.world.back_up(name, "one"))
    fleet.run(drilled(fleet.world, "r1", Verdict.PROVEN))
    fleet.run(drilled(fleet.world, "r2", Verdict.DIFFERS, lines=1, reason="- dns 9.9.9.9"))
    shown = ok(cli("drill", "report"))
    assert "1 of 2 devices have a backup that is proven to restore: 50%, below the target of 90%" in shown
    assert "- dns 9.9.9.9" in shown
    assert parsed(cli("drill", "report", "--json"))["share"] == 0.5
    assert [one["device"] for one in parsed(cli("drill", "list", "--verdict", "proven", "--json"))["items"]] == ["r1"]
    rows = {line.split()[0]: line for line in ok(cli("devices", "list")).splitlines()}
    assert "RESTORABLE" in rows["NAME"]
    assert "proven" in rows["r1"]
    assert "differs" in rows["r2"]
    assert "proven" in ok(cli("devices", "show", "r1"))
    fleet.run(fleet.world.back_up("r1", "two"))
    versions = ok(cli("backup", "list", "r1")).splitlines()
    assert ["unproven" in line for line in versions[1:]] == [True, False]
