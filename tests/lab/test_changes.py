"""Standard changes on a real router, proved from where the customer and the internet stand (§3.3-§3.6, §5.2.2).

The box is Debian's own: FRR, nftables, dnsmasq, OpenSSH. A host stands on its LAN, the internet before it; the manager
is in the internet, behind the line that some of these changes move.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world
from tests.lab.cpe import RealCpe

pytestmark = [pytest.mark.lab, pytest.mark.timeout(420)]

OLD, NEW = "80.1.2.6", "80.7.7.6"
GUARD = "120"
"""Seconds; the shortest that is taken."""
BOOT_SECONDS = 4


@pytest.fixture
def w(cpe: RealCpe, tmp_path: Path) -> Iterator[World]:
    """A daemon in the internet that has the box in its inventory, backed up once. The provider's router has a second
    network, to which the line may move."""
    for own in ("80.1.2.1/29", "80.7.7.1/29"):
        cpe.inet("ip", "address", "add", own, "dev", "line")
    cpe.inet("ip", "address", "add", "198.51.100.9/32", "dev", "lo")
    for net in ("80.1.2.0/29", "80.7.7.0/29"):
        cpe.inet("ip", "route", "replace", net, "dev", "line", "src", "198.51.100.9")
    cpe.watch_frr()
    cpe.run("vtysh", "-c", "write memory")
    with world(tmp_path) as made:
        made.within, made.network = cpe.internet, cpe.in_internet
        made.data.mkdir()
        made.credentials.write_text(
            f"[credentials.box]\nusername = 'root'\nprivate_key_file = '{cpe.private_key_file}'\n"
        )
        made.credentials.chmod(0o600)
        made.env["PYTHONPATH"] = str(Path(__file__).parents[2])
        made.inventory.write_text(
            "name,address,family,credential,settings.options.vtysh,settings.connect_timeout\n"
            f"{cpe.name},{OLD},frr_linux,box,linux,5\n"
        )
        made.init()
        # On whatever day and at whatever hour this runs.
        sold = made.data / "service-catalogue.toml"
        sold.write_text(re.sub(r"(?m)^(change_window|holidays) = .*\n", "", sold.read_text()))
        made.serve()
        made.ok("devices", "import", str(made.inventory), "--no-backup")
        made.ok("backup", "run", cpe.name)
        yield made


def change(w: World, cpe: RealCpe, patch: dict[str, Any], *more: str) -> Any:
    """Through a push, to its end."""
    path = w.home / "change.json"
    path.write_text(json.dumps(patch))
    made = w.json("push", "apply", cpe.name, "--change", str(path), *more, "--guard", GUARD, "--yes", "--no-wait")
    return ended(w, made["id"])


def ended(w: World, push_id: str) -> Any:
    def look() -> Any:
        found = w.get(f"pushes/{push_id}")
        return found if found["ended_at"] else None

    return eventually("the end of the push", look, within=300)


def confirmed(push: Any) -> None:
    assert push["phase"] == "confirmed", [(step["step"], step["reason"], step["notes"]) for step in push["journal"]]


def address_of(w: World, cpe: RealCpe) -> str:
    return str(json.loads(w.ok("devices", "show", cpe.name, "--json"))["address"])


def mapping(port: int, host: str, inside: int) -> dict[str, Any]:
    return {"protocol": "tcp", "ports": str(port), "inside": host, "inside_port": inside}


def test_a_port_is_really_open_from_the_internet_and_closed_again(w: World, cpe: RealCpe) -> None:
    host = cpe.dhcp()["ip"]
    cpe.serve("host", 8080)
    assert cpe.gets("inet", OLD, 443) in ("", "refused")

    confirmed(change(w, cpe, {"port_mappings": [mapping(443, host, 8080)]}))
    assert cpe.gets("inet", OLD, 443, source="198.51.100.9") == "198.51.100.9"
    assert cpe.gets("inet", OLD, 444) in ("", "refused"), "nothing but that port is open"

    confirmed(change(w, cpe, {"port_mappings": [mapping(443, host, 8080), mapping(8443, host, 8080)]}))
    assert cpe.gets("inet", OLD, 8443, source="198.51.100.9") == "198.51.100.9"
    confirmed(change(w, cpe, {"port_mappings": [mapping(8443, host, 8080)]}))
    assert cpe.gets("inet", OLD, 443) in ("", "refused"), "the port is closed again"
    assert cpe.gets("inet", OLD, 8443, source="198.51.100.9") == "198.51.100.9", "the other one is not"


def test_a_port_is_open_to_the_source_that_was_named_and_to_nobody_else(w: World, cpe: RealCpe) -> None:
    host = cpe.dhcp()["ip"]
    cpe.serve("host", 8080)
    cpe.inet("ip", "address", "add", "203.0.113.7/32", "dev", "lo")
    confirmed(change(w, cpe, {"port_mappings": [mapping(3389, host, 8080) | {"source": "203.0.113.0/24"}]}))
    assert cpe.gets("inet", OLD, 3389, source="203.0.113.7") == "203.0.113.7"
    assert cpe.gets("inet", OLD, 3389, source="198.51.100.9") in ("", "refused")


def test_a_host_on_the_lan_gets_its_lease_from_the_new_pool(w: World, cpe: RealCpe) -> None:
    before = cpe.dhcp()
    assert (before["router"], before["ip"].rpartition(".")[0]) == ("192.168.40.1", "192.168.40")
    moved = {
        "lan": {"address": "10.44.0.1/24"},
        "dhcp": {"first": "10.44.0.50", "last": "10.44.0.59", "lease_seconds": 3600, "domain": "shop.example"},
        "dns": ["9.9.9.9"],
    }
    confirmed(change(w, cpe, moved))
    lease = cpe.dhcp()
    assert IPv4Address("10.44.0.50") <= IPv4Address(lease["ip"]) <= IPv4Address("10.44.0.59")
    assert (lease["router"], lease["mask"], lease["lease"], lease["domain"]) == (
        "10.44.0.1",
        "24",
        "3600",
        "shop.example",
    )
    # And it gets out with that, through the router's new address: the provider has a route to it, in the place of NAT.
    cpe.inet("ip", "route", "add", "10.44.0.0/24", "via", OLD)
    cpe.serve("inet", 7000)
    assert cpe.gets("host", "198.51.100.9", 7000) == lease["ip"]


def test_after_a_change_of_its_fixed_address_the_box_is_managed_there(w: World, cpe: RealCpe) -> None:
    moved = {"wan": {"address": f"{NEW}/29", "gateway": "80.7.7.1"}}
    path = w.home / "change.json"
    path.write_text(json.dumps(moved))
    # Without a word on it, it is a lock-out.
    refused = w.cli("push", "apply", cpe.name, "--change", str(path), "--yes")
    assert (refused.returncode, "--override address" in refused.stderr) == (3, True), refused.stderr

    confirmed(change(w, cpe, moved, "--managed-at", NEW))
    assert address_of(w, cpe) == NEW
    assert (reached(cpe, OLD), reached(cpe, NEW)) == (False, True)
    changed = [one for one in json.loads(w.ok("events", "--json"))["items"] if one["kind"] == "device.changed"]
    assert [one["data"]["changes"] for one in changed] == [{"address": {"before": OLD, "after": NEW}}]
    # It is the same box to everybody: a backup and a change go there.
    w.ok("backup", "run", cpe.name)
    confirmed(change(w, cpe, {"hostname": "hasselt-r9"}))
    # The router keeps it: what it starts with says so.
    assert f"ip address {NEW}/29" in cpe.read("/etc/frr/frr.conf")
    assert cpe.run("sh", "-c", "ls -d /var/lib/cpe-manager* /run/cpe-manager* 2>/dev/null; true") == ""


def test_a_box_that_cannot_be_reached_at_its_new_address_comes_back_and_is_managed_where_it_was(
    w: World, cpe: RealCpe
) -> None:
    before = cpe.run("vtysh", "-c", "show running-config")
    # The provider has no such network: nobody finds the box there, and it finds nobody.
    astray = {"wan": {"address": "80.8.8.6/29", "gateway": "80.8.8.1"}}
    push = change(w, cpe, astray, "--managed-at", "80.8.8.6")
    assert (push["phase"], push["code"]) == ("reverted", "not-at-new-address"), push["reason"]
    assert address_of(w, cpe) == OLD
    assert (reached(cpe, OLD), cpe.run("vtysh", "-c", "show running-config")) == (True, before)
    w.ok("backup", "run", cpe.name)


def test_it_restarts_as_far_as_a_namespace_can(w: World, cpe: RealCpe) -> None:
    """Its kernel is the machine's. What shows of a restart is all there: sessions and daemons end, what was not saved
    is gone, files are read anew, the time since the start is new, and nobody answers meanwhile."""
    cpe.can_reboot(BOOT_SECONDS)
    cpe.set_config("ip route 10.99.0.0/16 192.168.40.9")
    told = w.cli("push", "apply", cpe.name, "--reboot", "--guard", GUARD, "--yes")
    assert (told.returncode, "--accept unsaved-changes" in told.stderr) == (3, True), told.stderr
    made = w.json(
        "push", "apply", cpe.name, "--reboot", "--accept", "unsaved-changes", "--guard", GUARD, "--yes", "--no-wait"
    )
    eventually("the restart", lambda: not reached(cpe, OLD), every=0.5)
    push = ended(w, made["id"])
    confirmed(push)
    notes = [note for step in push["journal"] for note in step["notes"] if note["what"] == "restarted"]
    assert [(note["ok"], note["reason"]) for note in notes] == [(True, "up for 1 seconds")]
    assert cpe.read("/run/boots").strip() == "x", "it restarted once"
    assert "10.99.0.0/16" not in cpe.run("vtysh", "-c", "show running-config")
    lease = cpe.dhcp()
    assert lease["router"] == "192.168.40.1"
    w.ok("backup", "run", cpe.name)


class Desk:
    """Change requests as they come in: one program submits, another approves what it is shown."""

    def __init__(self, w: World, cpe: RealCpe) -> None:
        self.w, self.cpe = w, cpe
        w.ok("subscriptions", "set", cpe.name, "customer=c1", "formula=pro-plus", "technology=fibre")
        self._submitter, self._approver = self._program("program", "executor"), self._program("writer", "approver")

    def _program(self, name: str, role: str) -> str:
        self.w.ok("account", "add", name, "--service", "--role", role)
        return str(self.w.json("token", "create", "lab", "--account", name)["text"])

    def _as(self, token: str, *command: str) -> Any:
        before, self.w.token = self.w.token, token
        try:
            return self.w.json(*command)
        finally:
            self.w.token = before

    def done(self, kind: str, parameters: dict[str, Any]) -> Any:
        """Asked for, approved, and executed to its end."""
        path = self.w.home / "request.json"
        path.write_text(json.dumps(parameters))
        made = self._as(self._submitter, "changes", "submit", kind, "--device", self.cpe.name, "--file", str(path))
        waiting = self._in(made["id"], "accepted", "refused", "closed")
        assert waiting["state"] == "accepted", waiting["steps"]
        self._as(self._approver, "changes", "approve", made["id"], "--words", "told us by telephone", "--yes")
        over = self._in(made["id"], "closed", "stuck", "reverted")
        states = [step["state"] for step in over["steps"]]
        assert (over["state"], "done" in states) == ("closed", True), over["steps"]
        return over

    def _in(self, change_id: str, *states: str) -> Any:
        def look() -> Any:
            found.append(self.w.get(f"changes/{change_id}"))
            return found[-1] if found[-1]["state"] in states else None

        found: list[Any] = []
        try:
            return eventually(f"a request in {states}", look, within=300)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{found[-1:]}\n{self.w.logs()}") from None


def test_ports_and_lan_as_change_requests(w: World, cpe: RealCpe) -> None:
    desk, host = Desk(w, cpe), cpe.dhcp()["ip"]
    cpe.serve("host", 8080)
    desk.done("open-port", {"ports": [{"port": 443, "inside": host, "inside_port": 8080}]})
    assert cpe.gets("inet", OLD, 443, source="198.51.100.9") == "198.51.100.9"

    # The pool and what is open move along with the LAN.
    desk.done("lan-address", {"address": "10.44.0.1/24"})
    lease = cpe.dhcp()
    assert (lease["router"], lease["ip"].rpartition(".")[0]) == ("10.44.0.1", "10.44.0")
    assert lease["ip"].rpartition(".")[2] == host.rpartition(".")[2], "the host has kept its number"
    assert cpe.gets("inet", OLD, 443, source="198.51.100.9") == "198.51.100.9", "the open port has moved along"

    desk.done("close-port", {"ports": [{"port": 443}]})
    assert cpe.gets("inet", OLD, 443) in ("", "refused")


def test_another_fixed_address_and_a_restart_as_change_requests(w: World, cpe: RealCpe) -> None:
    cpe.can_reboot(BOOT_SECONDS)
    desk = Desk(w, cpe)
    desk.done("wan-address", {"address": f"{NEW}/29", "gateway": "80.7.7.1"})
    assert address_of(w, cpe) == NEW
    assert (reached(cpe, OLD), reached(cpe, NEW)) == (False, True)
    desk.done("reboot", {})
    assert cpe.read("/run/boots").strip() == "x", "it restarted once"
    assert reached(cpe, NEW)
    w.ok("backup", "run", cpe.name)


def reached(cpe: RealCpe, address: str) -> bool:
    """Whether a TCP connection from the manager's address is let in, past the product."""
    connect = ("timeout", "2", "bash", "-c", f": </dev/tcp/{address}/22")
    return cpe.try_run("ip", "netns", "exec", "inet", *connect)[0] == 0
