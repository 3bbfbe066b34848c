"""A real site is activated: a real router is configured, its port is met from the internet, its line is measured, its
mobile backup carries the traffic and gives it back (§4.2)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.lab import outputs
from simulators.lab.netns import NetnsLab, Running
from simulators.lab.plan import INTERNET_NET, LabPlan, second
from tests.e2e.world import eventually
from tests.lab.managed import QUICK, Managed, managed

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(420)]

HERE = Path(__file__).parent
WEB, SERVED = 8080, 8443
DOWN, UP = 20, 8
"""Megabits per second that the lab's mobile operator gives."""
SERVER = (
    "import socket\n"
    f"s = socket.create_server(('', {SERVED}))\n"
    "print('ready', flush=True)\n"
    "while True:\n"
    "    c, _ = s.accept()\n"
    "    c.sendall(b'hello from inside')\n"
    "    c.close()\n"
)
CLIENT = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).recv(99).decode())"


@contextmanager
def running(lab: Running, node: str, *command: str) -> Iterator[None]:
    """A server on a node that says ``ready`` when it is."""
    with subprocess.Popen([*lab.within(node), sys.executable, *command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            server.terminate()


@contextmanager
def names(lab: Running) -> Iterator[None]:
    """The operator's caching server (§3.9), which knows one name."""
    server = str(second(INTERNET_NET))
    command = ("dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-x", "", "-u", "root", "-z", "-a", server)
    with subprocess.Popen([*lab.within("internet"), *command, f"--address=/probe.example/{server}"]) as process:
        try:
            yield
        finally:
            process.terminate()


def settings(lab: Running) -> str:
    url = f"http://{second(INTERNET_NET)}:{WEB}"
    prober = " ".join([*lab.within("internet"), sys.executable, str(HERE / "prober.py")])
    return f"""
activation_prober = "{prober}"
activation_download_url = "{url}/200000000"
activation_upload_url = "{url}/"
activation_seconds = 3
activation_dns_name = "probe.example"
coverage_download_url = "{url}/4000000"
coverage_upload_url = "{url}/"
coverage_seconds = 3
{QUICK}"""


@pytest.fixture(scope="module")
def lab(network_possible: None) -> Iterator[Running]:
    with NetnsLab(LabPlan(mobile_down=DOWN, mobile_up=UP)) as made:
        made.settle()
        with running(made, "internet", str(HERE / "web.py"), str(WEB)), names(made):
            yield made


def met(lab: Running) -> str:
    """What somebody in the internet is told at the site's fixed address."""
    fixed = str(lab.plan.cpe(1).fixed.network_address)
    command = [*lab.within("internet"), sys.executable, "-c", CLIENT, fixed, str(SERVED)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def followed(m: Managed, ref: str) -> Any:
    """The activation once it has ended or failed."""
    rests = ("activated", "failed", "cancelled")
    return eventually(
        "the end of the activation",
        lambda: one if (one := m.api("GET", f"activations/{ref}"))["state"] in rests else None,
        within=200,
    )


def test_a_real_site_comes_into_service_with_a_port_met_from_the_internet(lab: Running, tmp_path: Path) -> None:
    cpe = lab.plan.cpe(1)
    with managed(lab, tmp_path, settings(lab), set_up=False) as m, running(lab, cpe.host, "-c", SERVER):
        m.w.ok("devices", "import", str(m.w.inventory))
        eventually("the first visit", lambda: m.api("GET", "jobs")["items"][0]["state"] == "done")
        line = outputs.line_setup(cpe)
        for what in ("coverage", "formula", "ordered"):
            line.pop(what)  # these come of the order and of the tests
        m.api("PUT", f"lines/{line.pop('device')}", line)
        assert met(lab) == ""
        order = {
            "device": cpe.name,
            "formula": "pro-plus",
            "technology": "copper",
            "options": ["mobile-backup"],
            "customer": "Bakery bv",
            "wan": {"mode": "static", "address": f"{cpe.line_address}/29", "gateway": str(cpe.line_gateway)},
            "ports": [{"protocol": "tcp", "ports": SERVED, "inside": str(cpe.lan_host.ip), "inside_port": SERVED}],
            "dns": [str(second(INTERNET_NET))],
            "mobile": {"apn": "business.example"},
        }
        made = m.api("POST", "activations", order)
        found = followed(m, made["id"])
        tests = {one["name"]: one for one in found["tests"]}
        assert found["state"] == "activated", f"{found['note']}\n{tests}\n{m.log()[-4000:]}"
        assert met(lab) == "hello from inside"
        verdicts = {name: one["verdict"] for name, one in tests.items()}
        wanted = ("sync", "addressing", "ports", "nat", "dns", "throughput", "mobile-backup", "coverage", "failover")
        assert {name: verdicts[name] for name in wanted} == dict.fromkeys(wanted, "passed")
        assert tests["throughput"]["values"]["down_mbps"] > 80
        assert m.rows("select count(*) from push")[0][0] > 1
        assert "5060" in tests["mobile-backup"]["measured"]
        assert "dev eth0" in lab.run(cpe.name, "ip", "-4", "route", "show", "default")
        page = m.w.ok("activations", "report", cpe.name, "--html", "-")
        assert "Passed: the service works as ordered." in page
        sys.stdout.write("\n".join(f"{one['title']}: {one['verdict']}: {one['measured']}" for one in found["tests"]))
