"""The command line of roll-outs: files become requests, and what comes back is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpe_manager.cli.reading import table_of
from cpe_manager.domain.errors import InputError
from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed


@pytest.fixture
def uci(daemon: Live) -> Live:
    daemon.run(daemon.world.add_devices("r1", "r2", "r3", family="openwrt"))
    return daemon


def test_a_plan_of_a_template_with_a_table(cli: Cli, uci: Live, tmp_path: Path) -> None:
    template, table = tmp_path / "t.j2", tmp_path / "t.csv"
    template.write_text("uci set a.b.c='{{ vars.city }}'\nuci set a.b.d='{{ row.vlan }}'\n")
    table.write_text("device,vlan\nr1,10\nr3,30\n")
    words = ("rollout", "plan", "--template", str(template), "--table", str(table), "--var", "city=Ghent")
    shown = ok(cli(*words))
    assert "--- r3 (openwrt, wave 1)\nuci set a.b.c='Ghent'\nuci set a.b.d='30'" in shown
    assert "2 devices; canary: 1, wave 1: 1; 0 may go wrong" in shown
    assert len(parsed(cli(*words, "--json"))["devices"]) == 2
    assert cli("rollout", "list").stderr == "no roll-outs yet\n"


def test_a_roll_out_from_beginning_to_end(cli: Cli, uci: Live) -> None:
    words = ("rollout", "start", "dns", "--all", "--set", 'dns=["9.9.9.9"]')
    assert "written down" in ok(cli(*words, "--hold", "--yes"))
    (listed,) = parsed(cli("rollout", "list", "--json"))["items"]
    made = parsed(cli("rollout", "show", listed["id"], "--json"))
    assert (made["state"], made["total"]) == ("planned", 3)
    assert "dns: running" in ok(cli("rollout", "resume", made["id"]))
    assert "dns: paused" in ok(cli("rollout", "pause", made["id"]))
    assert "dns: cancelled" in ok(cli("rollout", "cancel", made["id"], "--give-up"))
    assert "canary" in ok(cli("rollout", "show", made["id"]))
    assert ok(cli("rollout", "report", made["id"], "--format", "csv")).startswith("device,wave,")
    assert len(json.loads(ok(cli("rollout", "report", made["id"], "--format", "json")))["devices"]) == 3
    assert "r2" in ok(cli("rollout", "report", made["id"]))
    one_line(cli("rollout", "watch", made["id"]), "job_failed", "cancelled")
    one_line(cli("rollout", "resume", made["id"]), "conflict", "cancelled")


def test_it_shows_the_plan_and_asks_first(cli: Cli, uci: Live) -> None:
    words = ("rollout", "start", "dns", "--device", "r1", "--set", 'dns=["9.9.9.9"]')
    refused = cli(*words, stdin="n\n")
    assert refused.exit_code != 0
    assert "1 devices; canary: 1" in refused.stdout
    assert cli("rollout", "list").stderr == "no roll-outs yet\n"
    made = parsed(cli(*words, "--yes", "--no-wait", "--key", "k1", "--json"))
    assert parsed(cli(*words, "--yes", "--no-wait", "--key", "k1", "--json"))["id"] == made["id"]


def test_what_is_wrong_is_said_in_a_line(cli: Cli, uci: Live, tmp_path: Path) -> None:
    one_line(cli("rollout", "plan", "--all"), "input", "--template")
    one_line(cli("rollout", "plan", "--set", "dns=[]"), "input", "say which devices")
    one_line(cli("rollout", "plan", "--all", "--set", "dns=[]", "--budget", "some"), "input", "percentage")
    one_line(cli("rollout", "show", "nobody"), "not_found", "nobody")
    template = tmp_path / "t.j2"
    template.write_text("uci set a.b.c='{{ row.vlan }}'\n")
    refused = cli("rollout", "start", "x", "--all", "--template", str(template), "--yes")
    assert "template:1: r1: row.vlan is not set" in refused.stderr
    assert "3 things are wrong" in refused.stderr


def test_tables_are_csv_or_json(tmp_path: Path) -> None:
    file = tmp_path / "t"
    for text, wanted in (
        ("\ufeffdevice,a,b\r\nr1,1,\r\n", {"r1": {"a": "1", "b": ""}}),
        ("a,name\n1,r1\n", {"r1": {"a": "1"}}),
        ("box,a\nr1,1\n", {"r1": {"a": "1"}}),
        ('{"r1": {"a": [1]}}', {"r1": {"a": [1]}}),
        ('[{"name": "r1", "a": 1}]', {"r1": {"a": 1}}),
    ):
        file.write_text(text, encoding="utf-8", newline="")
        assert table_of(file) == wanted
    for text, line in (
        ("device,a\nr1,1\nr1,2\n", 3),
        ("device,a\nr1\n", 2),
        ("device,a\n,1\n", 2),
        ("device\nr1,2\n", 2),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as refused:
            table_of(file)
        assert refused.value.line == line
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InputError):
        table_of(file)
