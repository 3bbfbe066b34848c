"""Drift end to end: a box is changed by hand, a backup sees it, a person takes it or has it taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.ports.driver_reading import Starting, Witnessing
from drivers.roster import DriverRoster
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_DRIVERS = DriverRoster()
# Each takes a fleet and a daemon of its own. What a family says of its startup and of who changed it, and that it takes
# a whole text back, is tried on all of them below tests/contract/drivers.
SEEN = ("cisco_ios", "routeros", "frr_linux")
TAKEN_BACK = ("vyos", "openwrt")
AT_ONCE = ("openwrt", "teltonika", "routeros")
"""Families whose boxes keep every change."""


@pytest.fixture
def w(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    family = getattr(request, "param", "cisco_ios")
    # FRR alone, without the files of its daemons, is read only.
    extra = ("--option", "frr_linux.mode=linux") if family == "frr_linux" else ()
    with world(tmp_path) as made:
        made.fleet(2, extra=("--mix", family, *extra))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backups", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def names(w: World) -> list[str]:
    return [device["name"] for device in w.get("devices")["items"]]


def changed_by_hand(w: World, name: str) -> str:
    with w.sim() as sim:
        return sim.change(name, by="jdoe")


def runs(w: World, name: str) -> str:
    with w.sim() as sim:
        return sim.show(name)


def out_of_step(w: World) -> list[Any]:
    return list(w.get("drift")["items"])


def secrets_of(w: World, name: str) -> list[str]:
    with w.sim() as sim:
        found = sim.secrets(name)
    return [value for key, value in found.items() if key != "login_forms" and isinstance(value, str) and len(value) > 5]


@pytest.mark.parametrize("w", SEEN, indirect=True)
def test_a_change_by_hand_is_seen_by_the_next_backup_and_can_be_adopted(w: World) -> None:
    name, other = names(w)
    family = w.get(f"devices/{name}")["in_force"]["family"]
    assert out_of_step(w) == []
    assert "every device is in step" in w.cli("drift", "list").stderr
    changed_by_hand(w, name)
    w.ok("backup", "run", name)
    (one,) = out_of_step(w)
    assert (one["device"], one["confirmed"], one["running"]) == (name, 1, 2)
    driver = _DRIVERS.get(family)
    unsaved = isinstance(driver, Starting) and family not in AT_ONCE
    assert one["standing"]["verdict"] == ("changed_unsaved" if unsaved else "changed")
    listed = w.ok("drift", "list")
    assert name in listed
    assert other not in listed
    assert ("jdoe" in listed) == isinstance(driver, Witnessing)
    assert ("jdoe" in w.ok("devices", "show", name)) == isinstance(driver, Witnessing)
    shown, detail = w.ok("drift", "show", name), w.json("drift", "show", name)
    # The harmless change of FRR is a route to nowhere, which is no part of the neutral model.
    assert bool(detail["changed"]["neutral"]) == (family != "frr_linux")
    assert any(line.startswith("+") and not line.startswith("+++") for line in detail["changed"]["native"].splitlines())
    live = w.json("drift", "show", name, "--live")
    assert live["verdict"] == one["standing"]["verdict"]
    assert live["basis"] == detail["basis"]
    assert (live["unsaved"] is not None) == unsaved
    for secret in secrets_of(w, name):
        assert secret not in shown + json.dumps([detail, live, w.get("events", limit=1000)])
    w.ok("drift", "adopt", name, "--yes")
    assert w.get(f"drift/{name}")["drift"]["confirmed"] == 2
    if unsaved:
        assert [row["standing"]["verdict"] for row in out_of_step(w)] == ["unsaved"]
        done = w.cli("drift", "remediate", name, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr + w.logs()
        with w.sim() as sim:
            kept = sim.show(name)
            sim.restart(name, 0)
            assert significant(sim.show(name)) == significant(kept)
    assert out_of_step(w) == []
    nothing = w.cli("drift", "adopt", name, "--yes")
    assert nothing.returncode == 3
    assert "nothing to adopt" in nothing.stderr


@pytest.mark.parametrize("w", TAKEN_BACK, indirect=True)
def test_a_change_by_hand_is_taken_back(w: World) -> None:
    name, _ = names(w)
    before = significant(runs(w, name))
    changed_by_hand(w, name)
    assert significant(runs(w, name)) != before
    # Nobody has backed it up since: a live look tells, and so does the remedy.
    assert w.json("drift", "show", name, "--live")["verdict"].startswith("changed")
    done = w.cli("drift", "remediate", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr + w.logs()
    assert f"{name}: confirmed" in done.stdout
    assert significant(runs(w, name)) == before
    assert out_of_step(w) == []
    assert w.get(f"drift/{name}")["drift"]["standing"]["how"] == "push"
    w.ok("backup", "run", name)
    assert out_of_step(w) == []
    assert "in step, nothing to do" in w.cli("drift", "remediate", name, "--yes").stderr


def significant(text: str) -> str:
    """What a box shows, without what every display changes."""
    lines = text.splitlines()
    passing = ("! Last configuration change", "Current configuration", "ntp clock-period", "# 20")
    return "\n".join(line for line in lines if not line.startswith(passing))
