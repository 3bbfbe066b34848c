"""Planted secrets: what must never be seen is looked for everywhere; what must come back is opened and found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FAMILIES = ("cisco_ios", "openwrt", "frr_linux")
CANARIES = {
    "login": "canary-LOGIN-7f3a",
    "enable": "canary-ENABLE-81bc",
    "snmp": "canary-SNMP-19de",
    "wifi": "canary-WIFI-55e1",
    "ppp": "canary-PPP-c0de",
}


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, CPE_MANAGER_LOG_LEVEL="debug") as made:
        extra = [part for kind, text in CANARIES.items() for part in ("--secret", f"{kind}={text}")]
        made.fleet(len(FAMILIES), extra=extra)
        made.init()
        made.serve()
        yield made


def test_planted_secrets_are_seen_nowhere_and_come_back_from_the_sealed_original(w: World, tmp_path: Path) -> None:
    export = tmp_path / "devices.git"
    w.ok("devices", "import", str(w.inventory))
    eventually("the first backups", lambda: w.json("jobs", "list")["items"][0]["state"] == "done")
    names = [device["name"] for device in w.json("devices", "list")["items"]]
    for name in names:
        w.sim("change", name)
    w.sim("fault", names[0], "auth_failure", "times=1")
    w.cli("backup", "run", "--all", "--wait")
    w.ok("backup", "run", "--all", "--wait")

    seen = surfaces(w, names)
    files = {path: path.read_bytes() for path in w.data.rglob("*") if path.is_file() and path != w.credentials}
    files |= {process.log: process.log.read_bytes() for process in w.processes if process.name != "cpe-sim"}
    assert any(path.suffix == ".sqlite3" for path in files), "the database file was looked into"
    for kind, text in CANARIES.items():
        for where, shown in seen.items():
            assert text not in shown, f"the {kind} secret shows in {where}"
        for path, content in files.items():
            assert text.encode() not in content, f"the {kind} secret lies in {path.name}"
    assert not export.exists()

    for name in names:
        original = w.ok("backup", "show", name, "--original")
        for kind in ("wifi", "ppp"):
            assert CANARIES[kind] in original, f"the {kind} secret of {name} is restored from the original"
        for kind in ("login", "enable"):
            assert CANARIES[kind] not in original, f"the device's own {kind} password is in no backup"


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
    assert "canary" not in json.dumps(seen).lower().replace("canary-free", "")
    return seen
