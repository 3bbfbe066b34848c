"""The product changes a real router over the line that the change cuts: it warns, and the router comes back by itself.

The manager lives in the internet before the box, at an address that the box reaches by its default route alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world
from tests.lab.cpe import RealCpe

pytestmark = [pytest.mark.lab, pytest.mark.timeout(420)]

GUARD = "120"
"""Seconds; the shortest that is taken."""
CUTS = {
    "another management address": (('wan.address="80.1.2.5/29"',), {"address"}),
    "another default route": (('wan.gateway="80.1.2.3"',), {"route"}),
    # An access rule would not do it: on this family the operator's own access stands before the customer's rules.
    "port 22 blocked": (('management.sources=["203.0.113.0/24"]',), {"access-list"}),
    "WAN shut": (("wan=null",), {"address", "route"}),
}


@pytest.fixture
def w(cpe: RealCpe, tmp_path: Path) -> Iterator[World]:
    """A daemon in the internet that has the box in its inventory, backed up once."""
    cpe.run("ip", "netns", "exec", "inet", "ip", "address", "add", "80.1.2.1/29", "dev", "line")
    cpe.inet("ip", "address", "add", "198.51.100.9/32", "dev", "lo")
    cpe.inet("ip", "route", "replace", "80.1.2.0/29", "dev", "line", "src", "198.51.100.9")
    cpe.watch_frr()
    cpe.run("vtysh", "-c", "write memory")  # in FRR's own words from the beginning, as a saved change leaves it
    with world(tmp_path) as made:
        made.within, made.network = cpe.internet, cpe.in_internet
        made.data.mkdir()
        made.credentials.write_text(
            f"[credentials.box]\nusername = 'root'\nprivate_key_file = '{cpe.private_key_file}'\n"
        )
        made.credentials.chmod(0o600)
        made.inventory.write_text(
            "name,address,family,credential,settings.options.vtysh,settings.connect_timeout\n"
            f"{cpe.name},80.1.2.6,frr_linux,box,linux,5\n"
        )
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory), "--no-backup")
        made.ok("backup", "run", cpe.name)
        yield made


def state_of(cpe: RealCpe) -> dict[str, str]:
    """What the box runs and what it would start with, asked past SSH."""
    asked = {
        "frr": ("vtysh", "-c", "show running-config"),
        "kept": ("cat", "/etc/frr/frr.conf"),
        "filter": ("nft", "list", "ruleset"),
        "addresses": ("ip", "-4", "-brief", "address", "show", "dev", "eth0"),
        "routes": ("ip", "-4", "route", "show"),
        "files": ("sh", "-c", "cat /etc/nftables.conf /etc/nftables.d/* /etc/network/interfaces 2>/dev/null; true"),
        "ours": ("sh", "-c", "ls -d /var/lib/cpe-manager* /etc/cron.d/cpe* /run/cpe-manager* 2>/dev/null; true"),
    }
    told = {name: cpe.run(*command) for name, command in asked.items()}
    # Numbers that the kernel counts up.
    return {name: re.sub(r" nhid \d+", "", text) for name, text in told.items()}


def changed(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (old[name], new[name]) for name in old if old[name] != new[name]}


@pytest.mark.parametrize("cut", CUTS)
def test_a_change_that_cuts_the_line_is_warned_of_and_taken_back_by_the_router(
    w: World, cpe: RealCpe, cut: str
) -> None:
    sets, kinds = CUTS[cut]
    given = [part for one in sets for part in ("--set", one)]
    before = state_of(cpe)
    plan = w.json("push", "plan", cpe.name, *given)
    assert {one["kind"] for one in plan["lockouts"]} == kinds
    refused = w.cli("push", "apply", cpe.name, *given, "--yes")
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert changed(before, state_of(cpe)) == {}

    accepted = [part for kind in sorted(kinds) for part in ("--override", kind)]
    started = w.json("push", "apply", cpe.name, *given, *accepted, "--guard", GUARD, "--yes", "--no-wait")
    eventually("the cut", lambda: not reached(cpe), every=1.0)
    assert _ended(w, started["id"]) is None, "the push ended before the line was cut"
    ended = eventually("the end of the push", lambda: _ended(w, started["id"]), within=300, every=1.0)
    assert ended["phase"] == "reverted", [step["reason"] for step in ended["journal"] if step["reason"]]
    assert changed(before, state_of(cpe)) == {}
    w.ok("backup", "run", cpe.name)


def reached(cpe: RealCpe) -> bool:
    """Whether a TCP connection from the manager's address to the box's is let in, past the product."""
    connect = ("timeout", "2", "bash", "-c", ": </dev/tcp/80.1.2.6/22")
    return cpe.try_run("ip", "netns", "exec", "inet", *connect)[0] == 0


def _ended(w: World, push_id: str) -> Any:
    found = w.get(f"pushes/{push_id}")
    return found if found["phase"] in ("confirmed", "reverted", "stuck", "withdrawn") else None
