"""The product on real routers: imported, backed up, compared, and stopped by a strange host key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, world
from tests.lab.box import USER, RealBox
from tests.lab.conftest import StartBox
from tests.lab.cpe import RealCpe

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture
def boxes(start_box: StartBox) -> tuple[RealBox, RealBox]:
    """vtysh reached with a password, bash with a key."""
    return start_box("gent-r1", "/usr/bin/vtysh"), start_box("namur-r1", "/bin/bash")


@pytest.fixture
def w(boxes: tuple[RealBox, RealBox], tmp_path: Path) -> Iterator[World]:
    """A running daemon that has both boxes in its inventory, without a backup yet."""
    vtysh, bash = boxes
    with world(tmp_path) as made:
        made.data.mkdir()
        made.credentials.write_text(
            f"[credentials.by-password]\nusername = '{USER}'\npassword = '{vtysh.password}'\n"
            f"[credentials.by-key]\nusername = '{USER}'\nprivate_key_file = '{bash.private_key_file}'\n"
        )
        made.credentials.chmod(0o600)
        made.inventory.write_text(
            "name,address,port,family,credential,settings.options.vtysh\n"
            f"{vtysh.name},{vtysh.address},{vtysh.port},frr_linux,by-password,login\n"
            f"{bash.name},{bash.address},{bash.port},frr_linux,by-key,command\n"
        )
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory), "--no-backup")
        yield made


def run(w: World) -> dict[str, int]:
    """One backup of everything, waited for; how its devices ended. The run fails when one of them did."""
    w.cli("backup", "run", "--all", "--wait")
    newest = w.json("jobs", "list")["items"][0]
    assert newest["state"] == ("failed" if newest["counts"]["failed"] else "done")
    counts: dict[str, int] = newest["counts"]
    return counts


def test_what_is_stored_is_what_the_router_says_it_runs(w: World, boxes: tuple[RealBox, RealBox]) -> None:
    for box in boxes:
        box.set_config("ip route 198.51.100.0/24 blackhole", "interface wan0", f"description {box.name} uplink")
    assert run(w)["stored"] == 2
    for box in boxes:
        truth = box.running_config()
        shown = w.ok("backup", "show", box.name)
        for line in truth[truth.index("!") :].splitlines():
            assert line in shown.splitlines()


def test_nothing_changed_stores_nothing_and_a_change_shows_in_the_diff(
    w: World, boxes: tuple[RealBox, RealBox]
) -> None:
    assert run(w)["stored"] == 2
    again = run(w)
    assert (again["stored"], again["unchanged"]) == (0, 2)
    changed, _ = boxes
    changed.set_config("ip route 203.0.113.0/24 blackhole")
    after = run(w)
    assert (after["stored"], after["unchanged"]) == (1, 1)
    assert "+ip route 203.0.113.0/24 blackhole" in w.ok("backup", "diff", changed.name)


def test_a_router_that_shows_another_host_key_is_not_logged_in_to(w: World, boxes: tuple[RealBox, RealBox]) -> None:
    assert run(w)["stored"] == 2
    swapped, _ = boxes
    log_ins = swapped.run("cat", "/var/log/sshd.log").count("Accepted password")
    swapped.set_config("ip route 203.0.113.0/24 blackhole")
    swapped.rotate_host_key()
    counts = run(w)
    assert (counts["failed"], counts["unchanged"], counts["stored"]) == (1, 1, 0)
    assert swapped.run("cat", "/var/log/sshd.log").count("Accepted password") == log_ins
    offered = [
        d["name"] for d in w.json("devices", "list")["items"] if "offered" in {k["state"] for k in d["host_keys"]}
    ]
    assert offered == [swapped.name]
    w.ok("devices", "accept-key", swapped.name, "--yes")
    assert run(w)["stored"] == 1


def test_a_whole_cpe_is_backed_up_once_with_its_secrets_masked_and_none_of_its_own_passwords(
    cpe: RealCpe, tmp_path: Path
) -> None:
    cpe.run("sh", "-c", "echo 'rocommunity a-secret-word' >>/etc/snmp/snmpd.conf")
    with world(tmp_path) as made:
        made.data.mkdir()
        made.credentials.write_text(f"[credentials.root]\nusername = 'root'\npassword = '{cpe.password}'\n")
        made.credentials.chmod(0o600)
        made.inventory.write_text(
            f"name,address,port,family,credential\n{cpe.name},{cpe.address},{cpe.port},frr_linux,root\n"
        )
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory), "--no-backup")
        assert run(made)["stored"] == 1
        again = run(made)
        assert (again["stored"], again["unchanged"]) == (0, 1)
        shown = made.ok("backup", "show", cpe.name)
        assert "# file: /etc/dnsmasq.d/office.conf" in shown.splitlines()
        assert "rocommunity <snmp community #" in shown
        assert "wpa_passphrase=<wifi key #" in shown
        for word in ("a-secret-word", "a-first-key", cpe.password):
            assert word not in shown
        cpe.run("sh", "-c", "echo 'server=9.9.9.9' >>/etc/dnsmasq.conf")
        assert run(made)["stored"] == 1
        assert "+server=9.9.9.9" in made.ok("backup", "diff", cpe.name)
