"""Planted secrets: what must never be seen is looked for everywhere; what must come back is opened and found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FAMILIES = ("cisco_ios", "openwrt", "frr_linux")
KEPT = {"cisco_ios": ("snmp", "wifi", "ppp"), "openwrt": ("snmp", "wifi", "ppp"), "frr_linux": ()}
"""What each family has in the text that is backed up; FRR's own configuration knows neither wifi nor PPP."""


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, CPE_MANAGER_LOG_LEVEL="debug") as made:
        made.fleet(len(FAMILIES))
        made.init()
        made.serve()
        yield made


def test_planted_secrets_are_seen_nowhere_and_come_back_from_the_sealed_original(w: World) -> None:
    with w.sim() as fleet:
        planted = {device["name"]: _texts(fleet.secrets(device["name"])) for device in fleet.devices()}
        families = {device["name"]: device["family"] for device in fleet.devices()}
    assert set(families.values()) == set(FAMILIES)
    w.ok("devices", "import", str(w.inventory))
    eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] == "done")
    names = [device["name"] for device in w.json("devices", "list")["items"]]
    with w.sim() as fleet:
        for name in names:
            fleet.change(name)
        fleet.set_fault(names[0], "auth_failure", times=1)
    w.cli("backup", "run", "--all", "--wait")
    w.ok("backup", "run", "--all", "--wait")

    seen = surfaces(w, names)
    files = {path: path.read_bytes() for path in w.data.rglob("*") if path.is_file() and path != w.credentials}
    files |= {process.log: process.log.read_bytes() for process in w.processes if process.name != "cpe-sim"}
    assert any(path.suffix == ".sqlite3" for path in files), "the database file was looked into"
    for name, secrets in planted.items():
        for kind, text in ((kind, text) for kind, texts in secrets.items() for text in texts):
            assert len(text) >= 8, f"{kind} of {name} is long enough to be no accident"
            for where, shown in seen.items():
                assert text not in shown, f"the {kind} secret of {name} shows in {where}"
            for path, content in files.items():
                assert text.encode() not in content, f"the {kind} secret of {name} lies in {path.name}"

    for name, secrets in planted.items():
        original = w.ok("backup", "show", name, "--original")
        for kind in KEPT[families[name]]:
            assert secrets[kind][0] in original, f"the {kind} secret of {name} comes back from the original"
        for text in (*secrets["login"], *secrets["enable"], *secrets["login_forms"]):
            assert text not in original, "the device's own passwords, in whatever form, are in no backup"


def _texts(secrets: dict[str, Any]) -> dict[str, list[str]]:
    """Each kind's texts as a list; ``login_forms`` are the own passwords as the box's configuration has them."""
    return {kind: [value] if isinstance(value, str) else list(value) for kind, value in secrets.items()}


def surfaces(w: World, names: list[str]) -> dict[str, str]:
    """Everything that the product shows: CLI as text and JSON, API answers, events, metrics, health."""
    seen: dict[str, str] = {}
    commands = [
        ("devices", "list"), ("jobs", "list"), ("schedule", "list"), ("token", "list"), ("key", "list"), ("alarms",),
        *((verb, what, name) for name in names for verb, what in (("devices", "show"), ("backup", "list"))),
        *(("backup", "show", name) for name in names),
        *(("backup", "diff", name) for name in names),
    ]  # fmt: skip
    for command in commands:
        for args in (command, (*command, "--json")):
            done = w.cli(*args)
            seen[" ".join(args)] = done.stdout + done.stderr
    with w.api() as api:
        for path in ("/metrics", "/healthz", "/readyz", "/openapi.json", "/api/v1/system", "/api/v1/events?limit=200"):
            seen[path] = api.get(path).text
        for job in api.get("/api/v1/jobs").json()["items"]:
            seen[f"job {job['id']}"] = api.get(f"/api/v1/jobs/{job['id']}").text
            seen[f"rows of {job['id']}"] = api.get(f"/api/v1/jobs/{job['id']}/devices").text
    return seen
