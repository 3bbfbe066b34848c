"""A swap of hardware end to end: by the command line, over a daemon that is killed in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.roster import DriverRoster
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Two OpenWrt boxes; the second one is not in the inventory: it is what is sent when the first one breaks."""
    with world(tmp_path) as made:
        made.fleet(2, extra=("--mix", "openwrt"))
        made.init()
        made.serve()
        head, first, _ = made.inventory.read_text().splitlines()
        made.inventory.write_text(f"{head}\n{first}\n")
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backup", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def boxes(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    with w.sim() as sim:
        old, new = sim.devices()
    return old, new


def log_in_of(w: World, name: str) -> str:
    """The credential that the fleet's own file has for a box."""
    text = w.credentials.read_text()
    refs = [line[len("[credentials.") : -1] for line in text.splitlines() if line.startswith("[credentials.")]
    return next((ref for ref in refs if ref == name), refs[0])


def state(w: World, replacement_id: str) -> Any:
    return w.get(f"replacements/{replacement_id}")


def test_a_unit_is_swapped_and_a_killed_daemon_holds_nothing_up(w: World) -> None:
    old, new = boxes(w)
    parse = DriverRoster().get("openwrt").parse
    with w.sim() as sim:
        wanted = parse(sim.show(old["name"]))
    started = w.json(
        "devices", "replace", old["name"], "--serial", "NEW-1", "--address", new["address"], "--port", str(new["port"]),
        "--bootstrap-credential", log_in_of(w, new["name"]), "--no-wait",
    )  # fmt: skip
    asked = eventually("the question for the key", lambda: _asks(w, started["id"], "key"))
    refused = w.cli("devices", "replacement", "accept", started["id"], "--host-key", "SHA256:another")
    assert refused.returncode == 5, refused.stdout + refused.stderr
    w.ok("devices", "replacement", "accept", started["id"], "--host-key", asked["host_key"], "--no-wait")
    asked = eventually("what may lock us out", lambda: _asks(w, started["id"], "plan"))
    assert w.get(f"devices/{old['name']}")["serial"] != "NEW-1"
    shown = w.ok("devices", "replacement", "show", started["id"])
    assert asked["plan"]["fingerprint"] in w.cli("devices", "replacement", "show", started["id"]).stderr
    assert "comes back whole" in shown
    fingerprint = asked["plan"]["fingerprint"]
    w.ok("devices", "replacement", "accept", started["id"], "--accept-losses", fingerprint, "--no-wait")
    eventually("the restore to begin", lambda: _began(w, started["id"], "restore"))
    next(process for process in w.processes if process.name == "daemon").kill()
    w.serve()
    ended = eventually("the end of the replacement", lambda: _settled(w, started["id"]), within=250)
    for _ in range(3):
        if ended["stage"] == "closed":
            break
        # The daemon died in the middle of the push, which was reverted then: the plan is made and looked at anew.
        more = ["--accept-losses", ended["plan"]["fingerprint"]] if "plan" in ended["asks"] else ["--retry"]
        w.ok("devices", "replacement", "accept", started["id"], *more, "--no-wait")
        ended = eventually("the end of the replacement", lambda: _settled(w, started["id"]), within=250)
    assert ended["stage"] == "closed", json.dumps(ended, indent=1) + w.logs()
    with w.sim() as sim:
        assert parse(sim.show(new["name"])) == wanted
    device = w.get(f"devices/{old['name']}")
    assert (device["serial"], device["state"], device["port"]) == ("NEW-1", "active", new["port"])
    kinds = [event["kind"] for event in w.get("events", limit=200)["items"]]
    assert {"replacement.ordered", "replacement.asks", "replacement.answered", "device.replaced"} <= set(kinds)
    assert "replacement.closed" in kinds
    assert started["id"] in w.ok("devices", "replacement", "list")


def _asks(w: World, replacement_id: str, what: str) -> Any:
    found = state(w, replacement_id)
    return found if what in found["asks"] else None


def _began(w: World, replacement_id: str, step: str) -> bool:
    return any(entry["step"] == step for entry in state(w, replacement_id)["journal"])


def _settled(w: World, replacement_id: str) -> Any:
    found = state(w, replacement_id)
    return found if found["ended_at"] or found["asks"] else None
