"""Checks, probes, windows and asking again, as an operator meets them on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DNS = ("--set", 'dns=["9.9.9.9"]')


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.fleet(1, extra=("--mix", "openwrt"))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backup", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def device(w: World) -> str:
    return str(w.get("devices")["items"][0]["name"])


def ended(w: World, push_id: str) -> Any:
    found = w.get(f"pushes/{push_id}")
    return found if found["ended_at"] else None


def test_what_is_checked_is_said_in_the_plan_and_refused(w: World) -> None:
    name = device(w)
    mapping = json.dumps([{"protocol": "tcp", "ports": 23, "inside": "192.168.1.9", "inside_port": 23}])
    plan = w.json("push", "plan", name, "--set", f"port_mappings={mapping}")
    assert ("port-reserved", True, False) in [(c["check"], c["refuses"], c["acceptable"]) for c in plan["checks"]]
    done = w.cli("push", "apply", name, "--set", f"port_mappings={mapping}", "--yes")
    assert done.returncode == 3
    assert "reserved for the operator" in done.stderr
    dry = w.ok("push", "apply", name, *DNS, "--dry-run")
    assert "dns:" in dry
    assert "uci" in dry
    assert w.get("pushes")["items"] == []


def test_a_probe_decides_whether_a_change_stays(w: World) -> None:
    name = device(w)
    kept = w.cli(
        "push", "apply", name, *DNS, "--probe", "ping:198.51.100.7", "--probe", "config:dns.0=9.9.9.9", "--yes"
    )
    assert kept.returncode == 0, kept.stderr + w.logs()
    assert "ping:198.51.100.7: ok" in kept.stderr
    assert "line: ok (line up" in kept.stderr
    back = w.cli("push", "apply", name, "--set", 'dns=["9.9.9.10"]', "--probe", "ping:192.0.2.7", "--yes")
    assert back.returncode == 14, back.stdout + back.stderr
    assert "no echo came back" in back.stderr
    newest = w.get("pushes")["items"][0]
    assert (newest["phase"], newest["code"], newest["probes"]) == ("reverted", "probe-failed", ["ping:192.0.2.7"])
    assert json.loads(w.ok("backup", "show", name, "--neutral"))["dns"] == ["9.9.9.9"]


def test_a_push_of_a_changed_device_is_asked_again_with_one_call(w: World) -> None:
    name = device(w)
    asked = {"device": name, "change": {"dns": ["9.9.9.9"]}, "basis": "of-another-day"}
    with w.api() as api:
        made = api.post("/api/v1/pushes", json=asked).json()
    first = eventually("the withdrawal", lambda: ended(w, made["id"]))
    assert (first["phase"], first["code"]) == ("withdrawn", "device-changed")
    assert [part["part"] for part in first["offer"]["neutral"]] == ["dns"]
    shown = w.ok("push", "status", made["id"])
    assert f"push again {made['id']}" in shown
    done = w.cli("push", "again", made["id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr + w.logs()
    assert f"{name}: confirmed" in done.stdout


def test_outside_its_window_a_push_waits_until_it_is_let_or_given_up(w: World) -> None:
    name = device(w)
    w.ok("devices", "set", name, "--setting", "push_freezes=2020-01-01..2099-01-01")
    made = w.json("push", "apply", name, *DNS, "--yes")
    assert made["waiting"]["hold"] == "window"
    assert "frozen" in w.ok("push", "status", made["id"])
    now = w.cli("push", "apply", name, *DNS, "--now", "--yes")
    assert now.returncode == 0, now.stdout + now.stderr + w.logs()
    w.ok("push", "cancel", made["id"])
    assert eventually("its end", lambda: ended(w, made["id"]))["phase"] == "withdrawn"
    assert "not stuck" in w.cli("push", "settle", made["id"], "--as", "before", "--note", "x").stderr
