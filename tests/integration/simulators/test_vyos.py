"""The VyOS router: working copies, commits, what nobody confirms, what survives a restart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from simulators.dialects import vyos_box

OP = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"
CFG = "/opt/vyatta/sbin/vyatta-cfg-cmd-wrapper"
PROMPT = "backup@GENT-01:~$ "
EDIT = "[edit]\r\nbackup@GENT-01# "


def minutes_later(box, minutes):
    """Move the box's clock and let it do what is due."""
    now = box.state.clock
    box.state.clock = lambda: now() + timedelta(minutes=minutes)
    box.tick()


async def configuring(terminal, box):
    hand = await terminal(box)
    await hand.wait_for(PROMPT)
    await hand.type("set terminal length 0", PROMPT)
    await hand.type("configure", EDIT)
    return hand


async def test_the_listing_on_an_exec_channel_is_the_truth_and_the_curly_form_hides_secrets(start_box, login):
    box = await start_box("vyos")
    async with login(box) as connection:
        lines = await connection.run(f"{OP} show configuration commands")
        curly = await connection.run(f"{OP} show configuration")
        saved = await connection.run("cat /config/config.boot")
    assert lines.stdout == box.running_text()
    secrets = box.spec.secrets
    assert secrets.ppp in lines.stdout
    assert not [one for one in (secrets.ppp, secrets.wifi) if one in curly.stdout]
    assert secrets.wifi in saved.stdout
    footer = saved.stdout.splitlines()[-3:]
    assert footer[0] == "// Warning: Do not remove the following line."
    assert footer[1].startswith('// vyos-config-version: "bgp@5:')
    assert footer[2] == "// Release version: 1.4.0"


@pytest.mark.parametrize(
    ("command", "out", "error", "status"),
    [
        ("show version", "", "vbash: line 1: show: command not found\n", 127),
        (f"{OP} show host name", "GENT-01\n", "", 0),
        (f"{OP} show nonsense", "", "\n  Invalid command: show [nonsense]\n\n", 1),
        (f"{OP} show configuration commands | grep -c host-name; hostname", "1\nGENT-01\n", "", 0),
        ("vbash -c 'uname -n'", "GENT-01\n", "", 0),
        ("sudo cat /etc/version", "VyOS 1.4.0\n", "", 0),
        (f"{CFG} set system host-name X1", "Not in a configuration session\n", "", 1),
    ],
)
async def test_a_shell_without_a_terminal_knows_the_wrappers_only(start_box, login, command, out, error, status):
    box = await start_box("vyos")
    async with login(box) as connection:
        result = await connection.run(command)
    assert (result.stdout, result.stderr, result.exit_status) == (out, error, status)


async def test_scripts_change_the_box_through_the_wrapper_and_through_standard_input(start_box, login):
    box = await start_box("vyos")
    script = (
        "source /opt/vyatta/etc/functions/script-template\nconfigure\nset service lldp interface eth0\ncommit\nexit\n"
    )
    async with login(box) as connection:
        steps = "; ".join(f"{CFG} {step}" for step in ("begin", "set system time-zone UTC", "commit", "save", "end"))
        await connection.run(steps)
        await connection.run("vbash -s", input=script)
    assert "set system time-zone 'UTC'\n" in box.state.startup
    assert "set service lldp interface eth0\n" in box.running_text()
    assert "set service lldp interface eth0\n" not in box.state.startup


async def test_what_is_typed_is_a_working_copy_until_it_is_committed(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    before = box.running_text()
    await hand.type("set system time-zone 'UTC'", EDIT)
    assert box.running_text() == before
    shown = await hand.type("compare", EDIT)
    assert '[system]\r\n- time-zone "Europe/Brussels"\r\n+ time-zone "UTC"\r\n' in shown
    assert ">time-zone UTC" in await hand.type("show system", EDIT)
    refused = await hand.type("exit", EDIT)
    assert "Cannot exit: configuration modified.\r\nUse 'exit discard' to discard the changes and exit." in refused
    await hand.type("commit", EDIT)
    assert "set system time-zone 'UTC'\n" in box.running_text()
    assert "No configuration changes to commit" in await hand.type("commit", EDIT)
    assert "have not been saved" in await hand.type("exit", PROMPT)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("set nonsense", "Configuration path: [nonsense] is not valid\n  Set failed"),
        (
            "set interfaces ethernet eth0 colour red",
            "Configuration path: interfaces ethernet eth0 [colour] is not valid",
        ),
        ("set system host-name", "Configuration path: [system host-name] requires a value\n  Set failed"),
        ("set interfaces ethernet eth0 address 10.0.0.300/24", "Value validation failed\n  Set failed"),
        ("set system host-name a_b", "Value validation failed\n  Set failed"),
        ("set service snmp community with.dot", "Community string is limited to alphanumerical characters"),
        ("set interfaces pppoe pppoe0 mtu 9000", "Number is not in any of allowed ranges"),
        (
            'set system login user a authentication plaintext-password "it\'s"',
            "Cannot use the single quote (') character",
        ),
        ("set system host-name GENT-01", "Configuration path: [system host-name GENT-01] already exists"),
        ("delete system domain-name", "Nothing to delete (the specified node does not exist)"),
        ("delete system name-server 9.9.9.9", "Nothing to delete (the specified value does not exist)"),
        ("delete nonsense", "Configuration path: [nonsense] is not valid\n  Delete failed"),
        ("frobnicate", "vbash: frobnicate: command not found"),
        ("edit system host-name", 'The "edit" command cannot be issued at the specified level'),
    ],
)
async def test_what_the_box_says_of_a_line_that_it_does_not_take(start_box, terminal, line, said):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    before = box.running_text()
    assert said in (await hand.type(line, EDIT)).replace("\r\n", "\n")
    assert "No configuration changes to commit" in await hand.type("commit", EDIT)
    assert box.running_text() == before


async def test_leaves_with_several_values_add_one_and_others_replace(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    await hand.type("edit interfaces ethernet eth1", "[edit interfaces ethernet eth1]\r\nbackup@GENT-01# ")
    await hand.type("set mtu 1400", "eth1]\r\nbackup@GENT-01# ")
    await hand.type("set mtu 1300", "eth1]\r\nbackup@GENT-01# ")
    await hand.type("top", EDIT)
    await hand.type("set system name-server 9.9.9.9", EDIT)
    await hand.type("delete system name-server 198.18.0.53", EDIT)
    await hand.type("commit", EDIT)
    text = box.running_text()
    assert [line for line in text.splitlines() if " mtu " in line and "eth1" in line] == [
        "set interfaces ethernet eth1 mtu '1300'"
    ]
    servers = [line.split(" ")[-1] for line in text.splitlines() if line.startswith("set system name-server")]
    assert servers == ["'198.18.1.53'", "'9.9.9.9'"]


async def test_a_commit_takes_the_parts_that_are_right_and_refuses_the_others(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    await hand.type("delete nat destination rule 10 protocol", EDIT)
    await hand.type("set system time-zone UTC", EDIT)
    said = await hand.type("commit", EDIT)
    assert "ports can only be specified when protocol is either tcp, udp or tcp_udp!" in said
    assert "[[nat]] failed\r\nCommit failed" in said
    assert "set system time-zone 'UTC'\n" in box.running_text()
    assert "set nat destination rule 10 protocol" in box.running_text()
    assert "Cannot exit" in await hand.type("exit", EDIT)
    assert "Changes have been discarded" in await hand.type("discard", EDIT)


async def test_two_sessions_do_not_see_each_other_and_a_commit_in_progress_locks_the_other_out(start_box, terminal):
    box = await start_box("vyos")
    one, two = await configuring(terminal, box), await configuring(terminal, box)
    await one.type("set system time-zone UTC", EDIT)
    await two.type("delete service lldp", EDIT)
    assert ">time-zone" not in await two.type("show system", EDIT)
    box.state.scratch[vyos_box.LOCK] = ""
    locked = await one.type("commit", EDIT)
    assert "Configuration system temporarily locked due to another commit in progress" in locked
    del box.state.scratch[vyos_box.LOCK]
    await one.type("commit", EDIT)
    await two.type("commit", EDIT)
    assert "set system time-zone 'UTC'\n" in box.running_text()
    assert "service lldp" not in box.running_text()


async def commit_confirm(hand, minutes=5):
    await hand.type("set system time-zone UTC", EDIT)
    asked = await hand.type(f"commit-confirm {minutes}", "Proceed ? [Y/n] ")
    return asked + await hand.type("y", EDIT)


async def test_what_nobody_confirms_is_undone_by_a_restart_with_the_saved_configuration(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    said = await commit_confirm(hand)
    assert "will automatically reboot in 5 minutes" in said
    assert "Initialized commit-confirm; 5 minutes to confirm before reboot" in said
    assert "set system time-zone 'UTC'\n" in box.running_text()
    minutes_later(box, 4)
    assert "set system time-zone 'UTC'\n" in box.running_text()
    minutes_later(box, 1.1)
    assert "set system time-zone 'Europe/Brussels'\n" in box.running_text()
    assert box.state.boots == 2
    async with asyncio.timeout(10):
        while box.stats.open_sessions:
            await asyncio.sleep(0.02)


async def test_it_is_undone_too_when_the_session_is_long_gone(start_box, login):
    box = await start_box("vyos")
    script = "configure\nset system time-zone UTC\ncommit-confirm 5\ny\nexit\n"
    async with login(box) as connection:
        await connection.run("vbash -s", input=script)
    assert "set system time-zone 'UTC'\n" in box.running_text()
    minutes_later(box, 5.1)
    assert "set system time-zone 'Europe/Brussels'\n" in box.running_text()


async def test_the_boxs_own_event_loop_rings_without_anybody_asking(start_box, login):
    box = await start_box("vyos")
    async with login(box) as connection:
        await connection.run("vbash -s", input="configure\nset system time-zone UTC\ncommit-confirm 1\ny\n")
    now = box.state.clock
    box.state.clock = lambda: now() + timedelta(seconds=59.8)
    box.state.alarm_changed()
    async with asyncio.timeout(10):
        while box.state.boots == 1:
            await asyncio.sleep(0.05)
    assert "set system time-zone 'Europe/Brussels'\n" in box.running_text()


async def test_the_timer_is_a_unit_that_can_be_asked_stopped_and_run_at_once(start_box, login):
    box = await start_box("vyos", options={"release": "1.5"})
    script = "configure\nset system time-zone UTC\ncommit-confirm 5\ny\nexit\n"
    ask = "systemctl is-active commit-confirm.timer"
    async with login(box) as connection:
        before = await connection.run(ask)
        await connection.run("vbash -s", input=script)
        during = await connection.run(ask)
        await connection.run("sudo systemctl start commit-confirm.service")
        after = await connection.run("sudo systemctl stop commit-confirm.timer")
    assert (before.stdout, before.exit_status, during.stdout, during.exit_status) == ("inactive\n", 3, "active\n", 0)
    assert (after.exit_status, after.stderr.startswith("Failed to stop")) == (5, True)
    assert "set system time-zone 'Europe/Brussels'\n" in box.running_text()


async def test_a_confirmation_keeps_it_and_a_second_one_finds_nothing(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    await commit_confirm(hand)
    await hand.type("set service lldp interface eth0", EDIT)
    assert "Another confirm is pending" in await hand.type("commit-confirm 5", EDIT)
    assert "Reboot timer stopped" in await hand.type("confirm", EDIT)
    assert "No confirm pending" in await hand.type("confirm", EDIT)
    minutes_later(box, 60)
    assert "set system time-zone 'UTC'\n" in box.running_text()
    assert box.state.boots == 1


async def test_the_newer_release_reloads_the_previous_configuration_without_a_restart(start_box, terminal):
    box = await start_box("vyos", options={"release": "1.5"})
    hand = await configuring(terminal, box)
    assert "Initialized commit-confirm; 5 minutes to confirm before reload" in await commit_confirm(hand)
    minutes_later(box, 5.1)
    assert "set system time-zone 'Europe/Brussels'\n" in box.running_text()
    assert box.state.boots == 1
    assert "time-zone Europe/Brussels" in await hand.type("show system", EDIT)


async def test_what_is_saved_survives_a_restart_and_what_is_not_does_not(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    await hand.type("set system time-zone UTC", EDIT)
    await hand.type("commit", EDIT)
    assert "Saving configuration to '/config/config.boot'...\r\nDone" in await hand.type("save", EDIT)
    assert "No changes between working and saved configurations." in await hand.type("compare saved", EDIT)
    await hand.type("delete service lldp", EDIT)
    await hand.type("commit", EDIT)
    await hand.type("exit", PROMPT)
    asked = await hand.type("reboot", "Are you sure you want to reboot this system (GENT-01)? [y/N] ")
    assert "there are unsaved configuration changes!" in asked
    await hand.type("n", PROMPT)
    assert "Reboot is scheduled" in await hand.type("reboot in 3", PROMPT)
    minutes_later(box, 3.1)
    assert box.state.boots == 2
    assert "set system time-zone 'UTC'\n" in box.running_text()
    assert "set service lldp interface eth1\n" in box.running_text()


async def test_revisions_are_kept_listed_compared_and_gone_back_to(start_box, terminal):
    box = await start_box("vyos")
    hand = await configuring(terminal, box)
    for zone in ("UTC", "Europe/Paris"):
        await hand.type(f"set system time-zone {zone}", EDIT)
        await hand.type(f"commit comment 'to {zone}'", EDIT)
    log = await hand.type("run show system commit", EDIT)
    rows = [line.split() for line in log.splitlines()]
    assert [row[3:] for row in rows if row[:1] in (["0"], ["1"])] == [["by", "backup", "via", "cli"]] * 2
    assert [" ".join(row) for row in rows if row[:1] == ["to"]] == ["to Europe/Paris", "to UTC"]
    assert '- time-zone "UTC"\r\n+ time-zone "Europe/Paris"' in await hand.type("compare 1", EDIT)
    assert "Invalid revision number 7: must be 0 < rev < 2" in await hand.type("rollback 7", EDIT)
    await hand.type("rollback 1", "Proceed with reboot ? [Y/n] ")
    hand.press("y\r")
    async with asyncio.timeout(10):
        while box.state.boots == 1:
            await asyncio.sleep(0.02)
    assert "set system time-zone 'UTC'\n" in box.running_text()


async def test_files_are_loaded_and_merged_into_the_working_copy(start_box, terminal, login):
    box = await start_box("vyos")
    async with login(box) as connection:
        await connection.run(
            "cat > /config/more", input="service {\n    lldp {\n        interface eth0 {\n        }\n    }\n}\n"
        )
    hand = await configuring(terminal, box)
    assert "Merge complete." in await hand.type("merge /config/more", EDIT)
    await hand.type("commit", EDIT)
    assert "set service lldp interface eth0\n" in box.running_text()
    assert "Load complete." in await hand.type("load", EDIT)
    await hand.type("commit", EDIT)
    assert box.state.running == box.state.startup
    assert "No such file" in await hand.type("load /config/nothing", EDIT)


async def test_long_output_is_paged_until_the_pager_is_switched_off(start_box, terminal):
    box = await start_box("vyos")
    hand = await terminal(box)
    await hand.wait_for(PROMPT)
    first = await hand.type("show configuration commands", "\r\n:")
    assert first.count("\r\n") < 30
    hand.press("q")
    await hand.wait_for(PROMPT)
    whole = await hand.type("show configuration commands | no-more", PROMPT)
    assert whole.count("\r\nset ") > 100
    await hand.type("set terminal length 0", PROMPT)
    assert (await hand.type("show configuration commands", PROMPT)).count("\r\nset ") > 100
