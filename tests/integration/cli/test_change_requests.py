"""``cpe-manager changes`` against a live daemon: whoever asks, and whoever answers, each with a token of their own."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from typer.testing import Result

from cpe_manager.client import Client
from cpe_manager.domain.access.access import Role
from cpe_manager.domain.changes.requests import ChangeState
from cpe_manager.domain.outcomes import EXIT_CODE
from tests.integration.api.changing import SHOWN, accepted, comes_to
from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli

PORT = ("open-port", 'ports=[{"port": 443, "inside": "192.168.1.10"}]', "--site", "w1")


@pytest.fixture(autouse=True)
def office(daemon: Live) -> None:
    daemon.run(daemon.world.add_devices("w1", family="openwrt"))


def as_account(bare: Cli, daemon: Live, name: str, role: Role) -> Cli:
    token = daemon.run(daemon.world.account(name, role))

    def call(*args: str, stdin: str | None = None) -> Result:
        return bare(*args, env={"CPE_MANAGER_URL": daemon.url, "CPE_MANAGER_TOKEN": token}, stdin=stdin)

    return call


@pytest.fixture
def desk(bare: Cli, daemon: Live) -> Cli:
    return as_account(bare, daemon, "desk", Role.EXECUTOR)


@pytest.fixture
def judge(bare: Cli, daemon: Live) -> Cli:
    return as_account(bare, daemon, "judge", Role.APPROVER)


def asked(desk: Cli, *more: str) -> str:
    done = desk("changes", "submit", *PORT, "--json", *more)
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["id"])


def test_a_change_is_asked_for_looked_at_and_approved_by_somebody_else(desk: Cli, judge: Cli, daemon: Live) -> None:
    said = desk("changes", "submit", *PORT, "--note", "web shop", "--key", "k1")
    assert (said.exit_code, said.stdout.splitlines()[0]) == (
        0, "CHG-000001: open tcp 443 to 192.168.1.10 at w1: submitted",
    )  # fmt: skip
    assert asked(desk, "--note", "web shop", "--key", "k1")
    (one,) = json.loads(desk("changes", "list", "--json").stdout)["items"]
    daemon.run(accepted(daemon.world, one["id"]))
    shown = judge("changes", "show", "CHG-000001", "--native").stdout
    assert "port_mappings: + protocol tcp, outside 443, inside 192.168.1.10" in shown
    assert "wifi.enabled: true becomes false" in shown
    assert "note: the port can be reached from everywhere" in shown
    assert "+ ip nat inside source" in shown
    assert f"changes approve CHG-000001 --digest {SHOWN.digest}" in shown
    assert "CHG-000001" in judge("changes", "list", "--waiting").stdout
    own = desk("changes", "approve", "CHG-000001", "--yes")
    assert own.exit_code == EXIT_CODE["forbidden"]
    stale = judge("changes", "approve", "CHG-000001", "--digest", "another")
    assert stale.exit_code == EXIT_CODE["conflict"]
    asked_about = judge("changes", "approve", "CHG-000001", "--words", "by phone", stdin="y\n")
    assert (asked_about.exit_code, "is approved" in asked_about.stdout) == (0, True)
    assert "by phone" in desk("changes", "show", "CHG-000001").stdout


def test_a_refusal_says_why_and_what_can_be_done(desk: Cli, daemon: Live) -> None:
    change = asked(desk)
    reason = "Internet Pro+ Essential has no standard changes (§3.2)"
    at = daemon.world.clock.now()
    daemon.run(comes_to(daemon.world, change, ChangeState.REFUSED, reason, ended_at=at, code="not-entitled"))
    shown = desk("changes", "show", "CHG-000001").stdout
    assert f"Refused: {reason}" in shown
    assert "refused (not-entitled)" in shown
    assert "can be asked for again" in shown


def test_one_is_followed_to_its_end(desk: Cli, daemon: Live) -> None:
    change = asked(desk)
    assert desk("changes", "withdraw", change, "--reason", "asked for twice").exit_code == 0
    told = desk("changes", "watch", "CHG-000001").stdout.splitlines()
    assert [line.split()[3] for line in told] == ["submitted", "withdrawn"]
    assert told[-1].endswith("desk: asked for twice")
    steps = desk("changes", "watch", change, "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in steps] == ["submitted", "withdrawn"]
    late = desk("changes", "decline", change, "--reason", "no")
    assert late.exit_code == EXIT_CODE["forbidden"]


def test_what_happens_to_all_is_followed_from_now_on(desk: Cli, daemon: Live) -> None:
    asked(desk)
    found: list[tuple[str, str]] = []

    def listen() -> None:
        with Client(daemon.url, daemon.token) as client:
            event = next(client.follow_events(None, kind=["change.*"]))
            found.append((event.kind, event.data["ticket"]))

    listening = threading.Thread(target=listen, name="listening")
    listening.start()
    for number in range(200):
        asked(desk, "--note", str(number))
        listening.join(0.05)
        if not listening.is_alive():
            break
    listening.join(30)
    (one,) = found
    assert one[0] == "change.submitted"
    assert one[1] != "CHG-000001"


def test_a_table_is_tried_and_then_asked_for(desk: Cli, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text(
        "type,site,ports.0.port,ports.0.inside\nopen-port,w1,443,192.168.1.10\nopen-port,w1,23,192.168.1.300\n"
    )
    dry = desk("changes", "import", str(path), "--dry-run")
    assert dry.exit_code == EXIT_CODE["input"]
    assert "Dry run, nothing was asked for: 1 valid, 1 refused" in dry.stdout
    assert json.loads(desk("changes", "list", "--json").stdout)["items"] == []
    done = desk("changes", "import", str(path))
    assert "1 submitted, 1 refused" in done.stdout
    assert "192.168.1.300" in done.stdout
    assert "1 of 2 rows were refused" in done.stderr
    again = desk("changes", "import", "-", "--json", "--key", "k", stdin=path.read_text())
    assert [row["result"] for row in json.loads(again.stdout)["results"]] == ["submitted", "refused"]


def test_types_are_listed_with_what_they_take(desk: Cli) -> None:
    assert "open-port" in desk("changes", "types").stdout
    one = desk("changes", "types", "wan-address").stdout
    assert "fixed-ipv4, standard-changes" in one
    assert "address" in one
    wrong = desk("changes", "submit", "coffee", "--site", "w1")
    assert (wrong.exit_code, "coffee" in wrong.stderr) == (EXIT_CODE["input"], True)
