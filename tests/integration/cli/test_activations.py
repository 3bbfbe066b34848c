"""``cpe-manager activations`` against a live daemon; whoever works on them is stood for."""

from __future__ import annotations

import json
from pathlib import Path

from cpe_manager.domain.activation.activation_flow import State
from tests.integration.api.live import Live
from tests.integration.api.test_activations import ORDER, comes_to
from tests.unit.cli.runner import Cli, ok, one_line, parsed


def an_order(tmp_path: Path) -> str:
    file = tmp_path / "order.json"
    file.write_text(json.dumps({name: value for name, value in ORDER.items() if name != "device"}))
    return str(file)


def test_an_order_is_given_as_a_file_and_as_values_and_is_looked_at(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    order = ("activations", "order", "r1", "-f", an_order(tmp_path), "--set", "dns=[]", "--key", "k")
    made = parsed(cli(*order, "--json"))
    assert made["site"] == fleet.run(fleet.world.services.activations.show("r1")).activation.site
    assert "under way" in ok(cli(*order))
    listed = ok(cli("activations", "list", "--open", "--device", "r1"))
    assert "pro-plus" in listed
    assert "ordered" in listed
    assert [one["id"] for one in parsed(cli("activations", "list", "--state", "ordered", "--json"))["items"]] == [
        made["id"]
    ]
    shown = ok(cli("activations", "show", "r1"))
    assert "pro-plus on copper" in shown
    assert "s3cret" not in shown
    assert parsed(cli("activations", "show", made["id"], "--json"))["order"]["wan"]["password"] == "***"
    gold = cli("activations", "order", "r2", "--set", "formula=gold", "--set", "technology=copper")
    one_line(gold, "input", "no 'gold'")


def test_a_rush_is_answered_by_date_or_reason(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    day = ("--set", "rush=true", "--set", "ready_for_service=2026-03-09")
    ok(cli("activations", "order", "r1", "-f", an_order(tmp_path), *day))
    assert "to be answered by" in ok(cli("activations", "show", "r1"))
    one_line(cli("activations", "answer-rush", "r1", "--not-feasible"), "input", "--reason")
    ok(cli("activations", "answer-rush", "r1", "--feasible", "--day", "2026-03-10"))
    assert "feasible on 2026-03-10" in ok(cli("activations", "show", "r1"))
    del fleet


def test_one_that_failed_shows_which_test_is_retried_and_called_off(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    ok(cli("activations", "order", "r1", "-f", an_order(tmp_path)))
    one_line(cli("activations", "report", "r1"), "not_found", "no such report")
    fleet.run(comes_to(fleet.world, "r1", State.FAILED))
    shown = ok(cli("activations", "show", "r1"))
    assert "Opened ports" in shown
    page = tmp_path / "report.html"
    ok(cli("activations", "report", "r1", "--html", str(page)))
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert parsed(cli("activations", "report", "r1", "--json"))["passed"] is False
    assert "is tried again" in ok(cli("activations", "retry", "r1"))
    one_line(cli("activations", "retry", "r1"), "conflict", "only one that failed")
    assert "is called off" in ok(cli("activations", "cancel", "r1", "--yes"))
