"""SNMP end to end: the fleet's traps as events of the daemon, and its facts at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import BIN, World, eventually, spawn, world
from tests.integration.foreign.net_snmp import free_udp_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FAMILIES = 3
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
