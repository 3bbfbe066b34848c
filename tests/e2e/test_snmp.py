"""SNMP end to end: the fleet's traps as events of the daemon, and its facts at the command line."""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import BIN, World, eventually, spawn, world
from tests.integration.foreign.net_snmp import free_udp_port, tool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FAMILIES = 3
LINK_DOWN, LINK_UP = "3", "4"
SECRETS = ("snmp_community", "snmp_auth_password", "snmp_priv_password")


@pytest.fixture(params=["+v3+inform", ""], ids=["v3 informs", "v2c traps"])
def w(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    port = free_udp_port()
    settings = {"CPE_MANAGER_SNMP_TRAP_HOST": "127.0.0.1", "CPE_MANAGER_SNMP_TRAP_PORT": str(port)}
    with world(tmp_path, **settings) as made:
        made.fleet(FAMILIES, extra=("--snmp-port", "0", "--trap-sink", f"127.0.0.1:{port}{request.param}"))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backups", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def traps(w: World) -> list[dict[str, Any]]:
    return [event for event in w.get("events", limit=500)["items"] if event["kind"].startswith("trap.")]


def control(w: World, verb: str, name: str) -> None:
    argv = [str(BIN / "cpe-sim"), "ctl", "--control", str(w.control), verb, name]
    process = spawn("ctl", argv, w.home / "ctl.log", w.environment())
    assert process.popen.wait(timeout=60) == 0, process.tail()


def net_snmp(program: str, *arguments: str) -> str:
    environment = {**os.environ, "SNMPCONFPATH": "/nonexistent", "SNMP_PERSISTENT_DIR": tempfile.mkdtemp()}
    argv = [tool(program), "-m", "", "-v2c", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def states(w: World, name: str) -> list[str]:
    return [step["after"] for step in reversed(w.get(f"lines/{name}/history")["items"])]


def test_debians_snmptrap_moves_a_line_to_mobile_and_back(tmp_path: Path) -> None:
    port = free_udp_port()
    settings = {"CPE_MANAGER_SNMP_TRAP_HOST": "127.0.0.1", "CPE_MANAGER_SNMP_TRAP_PORT": str(port)}
    with world(tmp_path, **settings) as w:
        # The box sends no traps of its own, and is polled only when a trap has told of it.
        box = ("--mix", "frr_linux", "--option", "frr_linux.mode=linux", "--snmp-port", "0")
        w.fleet(1, extra=box)
        w.init()
        with (w.data / "cpe-manager.toml").open("a") as file:
            file.write("[failover_policy]\npoll_every = 3600.0\nrecover = 1\nup_for = 1.0\nup_for_most = 1.0\n")
        w.serve()
        w.ok("devices", "import", str(w.inventory))
        eventually("the first backup", lambda: w.get("jobs")["items"][0]["state"] == "done")
        [device] = csv.DictReader(w.inventory.read_text().splitlines())
        name, address, agent = device["name"], device["address"], device["settings.snmp_port"]
        values = {"formula": "pro-plus", "ordered": True, "coverage": "passed", "coverage_reason": "measured on site"}
        with w.api() as api:
            answer = api.post("/api/v1/line-imports", json={"rows": [{"number": 1, "device": name, "values": values}]})
            assert answer.json()["results"][0]["result"] == "new", answer.text
        community = tomllib.loads(w.credentials.read_text())["credentials"][device["credential"]]["snmp_community"]

        def trap(kind: str, known: str = community) -> None:
            uptime = net_snmp("snmpget", "-Oqvt", "-c", community, f"udp:{address}:{agent}", "1.3.6.1.2.1.1.3.0")
            net_snmp(
                "snmptrap", "-c", known, f"--clientaddr={address}", f"udp:127.0.0.1:{port}", uptime,
                f"1.3.6.1.6.3.1.1.5.{kind}", "1.3.6.1.2.1.2.2.1.1.2", "i", "2", "1.3.6.1.2.1.31.1.1.1.1.2", "s", "eth0",
            )  # fmt: skip

        eventually("somebody watches", lambda: w.get("line-summary")["watcher"])

        def up() -> bool:
            # Until it is watched, which takes a moment, its traps are nobody's.
            trap(LINK_UP)
            return bool(w.get(f"lines/{name}")["condition"] == "up")

        eventually("word of the line", up, every=1.0)
        trap(LINK_DOWN, known="guessed")
        with w.sim() as sim:
            sim.lose_line(name)
            trap(LINK_DOWN)
            eventually("mobile", lambda: w.get(f"lines/{name}")["state"] == "mobile")
            [incident] = w.get("incidents", open=True)["items"]
            assert (incident["subject"], incident["priority"]) == ("line", 2)
            sim.restore_line(name)
            trap(LINK_UP)
        eventually("fixed", lambda: w.get(f"lines/{name}")["state"] == "fixed")
        assert states(w, name) == ["suspect", "switching", "mobile", "returning", "fixed"]
        suspected = w.get(f"lines/{name}/history")["items"][-1]
        assert any("by trap" in reason for reason in suspected["reasons"]), suspected
        assert w.get("incidents", open=True)["items"] == []


def test_a_lost_line_is_in_the_events_and_facts_are_known_and_told_again(w: World) -> None:
    name = w.json("devices", "list")["items"][0]["name"]
    control(w, "lose-line", name)
    [lost] = eventually("the trap as an event", lambda: traps(w))
    assert (lost["kind"], lost["device"], lost["severity"]) == ("trap.link_down", name, "warning")
    assert lost["data"]["interface"]
    assert lost["data"]["interface"] in lost["message"]
    control(w, "restore-line", name)
    assert [event["kind"] for event in eventually("its return", lambda: len(traps(w)) > 1 and traps(w))] == [
        "trap.link_down",
        "trap.link_up",
    ]
    with w.api() as http:
        assert 'cpe_snmp_traps_total{kind="trap.link_down"} 1.0' in http.get("/metrics").text

    told = w.json("devices", "facts", name)
    assert told["source"] == "session"
    fresh = w.json("devices", "facts", name, "--refresh")
    assert fresh["source"] == "both"
    assert fresh["uptime_seconds"] > 0
    assert fresh["os_release"] == told["os_release"]
    shown = w.ok("devices", "show", name)
    assert fresh["os_release"] in shown
    assert fresh["model"] in shown
    log = "\n".join(process.log.read_text(errors="replace") for process in w.processes if process.name == "daemon")
    kept = [line for line in w.credentials.read_text().splitlines() if line.startswith(SECRETS)]
    assert len(kept) == 3 * FAMILIES
    assert not [line for line in kept if line.split('"')[1] in log]
