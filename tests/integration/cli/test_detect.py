"""``devices detect`` and ``devices add --detect`` against boxes that are there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec, Secrets
from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed

LOG_IN = Secrets(login="login-secret-1")


@pytest.fixture
def box(daemon: Live) -> Iterator[Device]:
    """An IOS router that the daemon's log-in `lab` opens; its line never carries the vendor's name."""
    fleet = Fleet([DeviceSpec("GENT-7", "cisco_ios", seed=3, given=LOG_IN)])
    daemon.run(fleet.start())
    yield fleet.devices[0]
    daemon.run(fleet.stop())


def where(box: Device) -> tuple[str, ...]:
    return (box.address, "--port", str(box.port), "--credential", "lab")


def test_a_detection_tells_what_was_seen_and_why(cli: Cli, box: Device) -> None:
    shown = ok(cli("devices", "detect", *where(box)))
    assert "SSH server  SSH-2.0-Cisco-1.25\n" in shown
    assert "prompt      GENT-7>\n" in shown
    assert "SHA256:" in shown
    assert "speaks for  cisco_ios: its answer 'C891F-K9" in shown
    assert shown.splitlines()[-1].startswith("family      cisco_ios (GENT-7, C891F-K9, ")
    assert "no devices" in cli("devices", "list").stderr


def test_a_detection_for_programs_has_every_reason(cli: Cli, box: Device) -> None:
    found = parsed(cli("devices", "detect", *where(box), "--json"))
    assert found["family"] == "cisco_ios"
    assert found["host_key"] == box.host_key_public
    own = next(one for one in found["candidates"] if one["family"] == "cisco_ios")
    assert {reason["source"] for reason in own["reasons"]} == {"answer", "prompt", "ssh_version"}
    assert [reason["strong"] for reason in own["reasons"]] == [True, False, False]
    assert LOG_IN.login not in str(found)


def test_a_device_is_added_with_what_was_detected_and_its_key_is_pinned(cli: Cli, box: Device) -> None:
    done = cli("devices", "add", "gent-7", *where(box), "--detect", "--site", "Bakery")
    assert "gent-7 added on site Bakery" in ok(done)
    assert "family      cisco_ios" in done.stderr
    added = parsed(cli("devices", "show", "gent-7", "--json"))
    assert (added["family"], added["model"]) == ("cisco_ios", "C891F-K9")
    assert added["serial"].startswith("SIM")
    assert [(key["state"], key["algorithm"]) for key in added["host_keys"]] == [("pinned", "ssh-ed25519")]
    assert box.stats.connections == box.stats.passwords_accepted == 1


def test_what_is_said_by_hand_goes_before_what_was_detected(cli: Cli, box: Device) -> None:
    added = parsed(cli("devices", "add", "gent-7", *where(box), "--detect", "--model", "C899", "--json"))
    assert (added["family"], added["model"]) == ("cisco_ios", "C899")
    one_line(cli("devices", "add", "x", *where(box), "--detect", "--family", "openwrt"), "input", "not both")


def test_a_box_of_no_known_family_is_refused_with_the_reason(cli: Cli, daemon: Live) -> None:
    fleet = Fleet([DeviceSpec("pc-1", "frr_linux", given=LOG_IN, options={"mode": "linux"})])
    daemon.run(fleet.start())
    try:
        box = fleet.devices[0]
        box.persona = _WithoutFrr(box.persona)
        done = cli("devices", "add", "pc-1", *where(box), "--detect")
        assert done.exit_code == 13
        assert "not          frr_linux" not in done.stdout
        assert "does not answer as frr_linux does" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("cpe-manager: 127.0.0.1: not sure of the family")
        assert "no devices" in cli("devices", "list").stderr
    finally:
        daemon.run(fleet.stop())


def test_what_stands_in_the_way_is_one_line(cli: Cli, box: Device) -> None:
    one_line(cli("devices", "detect", box.address, "--port", "1", "--credential", "lab"), "device", "127.0.0.1:1")
    one_line(cli("devices", "detect", box.address), "input", "log-in")
    one_line(cli("devices", "detect", "not an address", "--credential", "lab"), "input", "not an address")
    one_line(cli("devices", "detect", box.address, "--credential", "ghost"), "device", "ghost")
    one_line(cli("devices", "detect", box.address, "--group", "ghost"), "input", "ghost")
    assert box.stats.connections == 0


class _WithoutFrr:
    """The persona of a plain Linux: the same box without vtysh."""

    def __init__(self, persona: object) -> None:
        self._persona = persona

    def __getattr__(self, name: str) -> object:
        return getattr(self._persona, name)

    def execute(self, state: object, command: str, stdin: str) -> object:
        from simulators.personas.base import Reply

        return Reply(error=f"bash: line 1: {command.split(maxsplit=1)[0]}: command not found\n", status=127)
