"""Files, archive, replace, timed rollback and scheduled restart of the virtual IOS router."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncssh
import pytest

from simulators.device import Device
from simulators.dialects.ios_dialogue import IosDialogue
from simulators.personas.base import Effect, Reply
from simulators.spec import DeviceSpec


class Console:
    """Types into a box without a network. What a question is answered with is typed like any line."""

    def __init__(self, box: Device) -> None:
        self.box = box
        self.dialogue = IosDialogue(box.state, privileged=True)

    def type(self, *lines: str) -> str:
        said = [self.reply(line) for line in lines]
        return "".join(reply.text for reply in said) + self.dialogue.prompt

    def reply(self, line: str) -> Reply:
        return self.dialogue.feed(line)


@pytest.fixture
def box() -> Device:
    return Device(DeviceSpec("GENT-01", "cisco_ios", seed=5))


@pytest.fixture
def console(box: Device) -> Console:
    return Console(box)


@pytest.fixture
def later(box: Device) -> Callable[[float], None]:
    """Let minutes pass on the box's clock; nobody has to be connected."""
    now: list[datetime] = [box.state.clock()]
    box.state.clock = lambda: now[0]

    def pass_by(minutes: float) -> None:
        now[0] += timedelta(minutes=minutes)
        box.tick()

    return pass_by


def test_files_are_copied_listed_shown_verified_and_deleted(console: Console) -> None:
    assert console.type("copy running-config flash:kept.cfg") == "Destination filename [kept.cfg]? "
    assert " bytes copied in " in console.type("")
    assert " kept.cfg\n" in console.type("dir")
    assert "Directory of flash:/kept.cfg\n" in console.type("dir flash:/kept.cfg")
    text = console.reply("more flash:kept.cfg").text
    assert "\nhostname GENT-01\n" in text
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    assert f"verify /md5 (flash:kept.cfg) = {digest}" in console.type("verify /md5 flash:kept.cfg")
    assert console.type("delete flash:kept.cfg") == "Delete filename [kept.cfg]? "
    assert console.type("").endswith("Delete flash:/kept.cfg? [confirm]")
    console.type("y")
    assert "%Error opening flash:/kept.cfg (No such file or directory)" in console.type("dir flash:/kept.cfg")


def test_a_copy_over_a_file_is_asked_about(console: Console, box: Device) -> None:
    console.type("copy run flash:a", "")
    box.change("hostname OTHER")
    console.type("copy run flash:a", "")
    assert console.dialogue.prompt == "Do you want to over write? [confirm]"
    console.type("n")
    assert "hostname GENT-01" in box.state.flash["a"]
    console.type("copy run flash:a", "", "y")
    assert "hostname OTHER" in box.state.flash["a"]


def test_a_quiet_box_asks_nothing(console: Console, box: Device) -> None:
    box.change("file prompt quiet")
    assert console.type("copy running-config flash:/a").endswith("GENT-01#")
    assert console.type("delete flash:a") == "GENT-01#"


def test_a_file_is_merged_line_by_line_and_bad_lines_are_told(console: Console, box: Device) -> None:
    box.state.flash["m"] = "hostname MERGED\nfrobnicate\ninterface GigabitEthernet0/1\n description merged\nend\n"
    said = console.type("copy flash:m running-config", "")
    assert "frobnicate\n" in said
    assert "% Invalid input detected at '^' marker." in said
    assert "\nhostname MERGED\n" in box.state.running
    assert " description merged\n" in box.state.running
    assert "\nhostname GENT-01\n" in box.state.startup


def test_what_is_on_flash_survives_a_restart(console: Console, box: Device) -> None:
    console.type("copy run flash:a", "")
    box.state.restart()
    assert "a" in box.state.flash


def test_the_archive_counts_names_and_drops_the_oldest(console: Console) -> None:
    assert "There are currently 0 archive configurations saved." in console.type("show archive")
    for _ in range(7):
        console.type("archive config")
    shown = console.type("show archive")
    assert "The maximum archive configurations allowed is 5." in shown
    assert "There are currently 5 archive configurations saved." in shown
    assert "-6 <- Most Recent\n" in shown
    assert shown.count("flash:archive-") == 6


def test_saving_archives_where_that_is_wanted(console: Console, box: Device) -> None:
    console.type("write memory")
    assert "currently 0 archive" in console.type("show archive")
    box.change("archive\nwrite-memory")
    console.type("write memory")
    assert "currently 1 archive" in console.type("show archive")


def test_without_a_path_there_is_no_archive_and_no_timer(console: Console, box: Device) -> None:
    box.change("no archive")
    assert "Archive feature not enabled" in console.type("show archive")
    assert "%Please turn config archive on" in console.type("configure terminal revert timer 5")
    assert console.dialogue.prompt == "GENT-01#"


def test_differences_are_shown_in_their_context(console: Console, box: Device) -> None:
    assert "!No changes were found" in console.type("show archive config differences")
    box.change("interface gi0/1\ndescription moved\nexit\nno snmp-server contact")
    shown = console.reply("show archive config differences nvram:startup-config system:running-config").text
    assert "interface GigabitEthernet0/1\n +description moved\n" in shown
    assert "interface GigabitEthernet0/1\n -description customer LAN\n" in shown
    assert "\n-snmp-server contact noc@operator.example\n" in shown


def test_a_replacement_brings_back_exactly_what_a_file_holds(console: Console, box: Device) -> None:
    before = box.state.running
    console.type("copy run flash:good", "")
    box.change("hostname WRONG\ninterface Loopback9\nip address 10.9.9.9 255.255.255.255\nexit\nno ip dhcp pool LAN")
    assert "?" in console.type("configure replace flash:good")
    assert "Rollback Done" in console.type("y")
    assert box.state.running == before


def test_a_replacement_that_is_not_wanted_after_all_changes_nothing(console: Console, box: Device) -> None:
    console.type("copy run flash:good", "")
    box.change("hostname WRONG")
    assert "Rollback aborted" in console.type("configure replace flash:good", "n")
    assert "\nhostname WRONG\n" in box.state.running


def test_an_unconfirmed_replacement_is_taken_back_while_nobody_is_there(
    console: Console, box: Device, later: Callable[[float], None]
) -> None:
    console.type("copy run flash:good", "")
    box.change("hostname NEW")
    now = box.state.running
    assert "Backing up current running config" in console.type("configure replace flash:good force time 5")
    assert "\nhostname GENT-01\n" in box.state.running
    later(4.9)
    assert "\nhostname GENT-01\n" in box.state.running
    later(0.2)
    assert box.state.running == now


def test_a_confirmed_change_stays(console: Console, box: Device, later: Callable[[float], None]) -> None:
    console.type("configure terminal revert timer 2", "hostname STAYS", "end")
    assert "Timer value: 2 min" in console.type("show archive config rollback timer")
    console.type("configure confirm")
    later(10)
    assert "\nhostname STAYS\n" in box.state.running
    assert "%No Rollback Confirmed Change pending" in console.type("configure confirm")


def test_a_change_with_a_timer_goes_back_even_from_within_configuration_mode(
    console: Console, box: Device, later: Callable[[float], None]
) -> None:
    before = box.state.running
    console.type("configure terminal revert timer 1", "hostname GOES")
    later(1.1)
    assert box.state.running == before
    # The session is still there, and goes on from what the box has now.
    assert console.type("ip route 10.66.0.0 255.255.0.0 Null0") == "GENT-01(config)#"
    assert "GOES" not in box.state.running


def test_reverting_now_and_later(console: Console, box: Device, later: Callable[[float], None]) -> None:
    before = box.state.running
    console.type("configure terminal revert timer 5", "hostname GOES", "end", "configure revert timer 60")
    later(30)
    assert "\nhostname GOES\n" in box.state.running
    assert "Rollback Done" in console.type("configure revert now")
    assert box.state.running == before
    assert box.state.alarms == {}


async def test_a_scheduled_restart_brings_back_what_was_saved(
    console: Console, box: Device, later: Callable[[float], None]
) -> None:
    box.change("hostname UNSAVED")
    assert console.type("reload in 10").endswith("Save? [yes/no]: ")
    said = console.type("no")
    assert "Reload scheduled for" in said
    assert said.endswith("Proceed with reload? [confirm]")
    console.type("")
    assert "(in 10 minutes)" in console.type("show reload")
    later(9)
    assert "\nhostname UNSAVED\n" in box.state.running
    later(1.1)
    assert box.is_away
    assert "\nhostname GENT-01\n" in box.state.running
    assert box.state.boots == 2


def test_a_scheduled_restart_is_called_off(console: Console, box: Device, later: Callable[[float], None]) -> None:
    console.type("reload in 1", "")
    assert "SHUTDOWN ABORTED" in console.type("reload cancel")
    assert "No reload is scheduled." in console.type("show reload")
    later(5)
    assert box.state.boots == 1
    assert "%No reload is scheduled." in console.type("reload cancel")


def test_a_restart_forgets_what_was_to_be_confirmed(console: Console, box: Device) -> None:
    console.type("configure terminal revert timer 5", "hostname GOES", "end")
    box.state.restart()
    assert "%No Rollback Confirmed Change pending" in console.type("show archive config rollback timer")
    assert box.state.alarms == {}


def test_a_restart_at_once_asks_and_restarts(console: Console) -> None:
    assert console.type("reload") == "Proceed with reload? [confirm]"
    assert console.reply("").effect is Effect.RESTART


async def test_scp_brings_a_file_and_takes_it(start_box, login, tmp_path) -> None:
    box = await start_box("cisco_ios")
    (tmp_path / "here").write_bytes(b"\x00\xff" * 5000 + b"text\n")
    async with login(box) as connection:
        await asyncssh.scp(str(tmp_path / "here"), (connection, "flash:/there"))
        await asyncssh.scp((connection, "flash:/there"), str(tmp_path / "back"))
        await asyncssh.scp((connection, "running-config"), str(tmp_path / "running"))
        with pytest.raises(asyncssh.SFTPError, match="No such file"):
            await asyncssh.scp((connection, "flash:/nowhere"), str(tmp_path / "none"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "here").read_bytes()
    assert "\nhostname GENT-01\n" in (tmp_path / "running").read_text()


async def test_scp_is_refused_where_its_server_is_off(start_box, login, tmp_path) -> None:
    box = await start_box("cisco_ios")
    box.change("no ip scp server enable")
    (tmp_path / "here").write_text("x")
    async with login(box) as connection:
        with pytest.raises(asyncssh.SFTPError, match="Administratively disabled"):
            await asyncssh.scp(str(tmp_path / "here"), (connection, "flash:/there"))
    assert "there" not in box.state.flash
