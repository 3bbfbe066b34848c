"""The IOS router behaves in a terminal as people and tools expect of one."""

from __future__ import annotations

import asyncio
import re

import asyncssh
import pytest


async def test_login_shows_the_banner_with_its_prompt_look_alike_and_then_user_mode(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios"))
    greeting = await hand.wait_for("GENT-01>")
    assert "\r\nR1#\r\n" in greeting


async def test_enable_takes_the_right_password_without_showing_it(start_box, terminal):
    box = await start_box("cisco_ios")
    hand = await terminal(box)
    await hand.wait_for("GENT-01>")
    await hand.type("enable", "Password: ")
    await hand.type("wrong", "Password: ")
    shown = await hand.type(box.spec.secrets.enable, "GENT-01#")
    assert box.spec.secrets.enable not in shown
    assert "(password)" in box.stats.commands
    assert box.spec.secrets.enable not in box.stats.commands


async def test_enable_gives_up_after_three_wrong_passwords(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios"))
    await hand.type("enable", "Password: ")
    await hand.type("a", "Password: ")
    await hand.type("b", "Password: ")
    assert "% Bad secrets" in await hand.type("c", "GENT-01>")


async def test_user_mode_does_not_show_the_configuration(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios"))
    await hand.wait_for("GENT-01>")
    answer = await hand.type("show running-config", "GENT-01>")
    assert "% Invalid input detected at '^' marker." in answer
    assert "hostname" not in answer


async def test_the_caret_stands_below_the_word_that_is_wrong(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios", options={"login": "privileged"}))
    await hand.wait_for("GENT-01#")
    answer = await hand.type("show nonsense", "marker.")
    typed, caret = answer.split("\r\n")[:2]
    assert f"GENT-01#{typed}".index("nonsense") == caret.index("^")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("show", "% Incomplete command."), ("te", "% Incomplete command."), ("c", '% Ambiguous command:  "c"')],
)
async def test_commands_cut_too_short_are_refused_in_the_boxs_words(start_box, terminal, typed, answer):
    hand = await terminal(await start_box("cisco_ios", options={"login": "privileged"}))
    await hand.wait_for("GENT-01#")
    assert answer in await hand.type(typed, "GENT-01#")


async def test_the_pager_stops_each_page_and_wipes_its_own_prompt(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios", options={"login": "privileged"}))
    await hand.wait_for("GENT-01#")
    first = await hand.type("sh run", " --More-- ")
    assert first.count("\r\n") == 24  # the typed line and 23 lines of the page
    hand.press(" ")
    second = await hand.wait_for(" --More-- ")
    assert second.startswith("\b" * 10 + " " * 10 + "\b" * 10)
    hand.press("\r")
    assert (await hand.wait_for(" --More-- ")).count("\r\n") == 1
    hand.press("q")
    await hand.wait_for("GENT-01#")


async def test_terminal_length_zero_turns_the_pager_off(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios", options={"login": "privileged"}))
    await hand.type("terminal length 0", "length 0\r\nGENT-01#")
    shown = await hand.type("show running-config", "\r\nend\r\n")
    assert "--More--" not in shown


async def test_paging_through_gives_the_same_text_as_no_pager(start_box, terminal):
    hand = await terminal(await start_box("cisco_ios", options={"login": "privileged"}))
    wipe = "\b" * 10 + " " * 10 + "\b" * 10
    await hand.wait_for("GENT-01#")
    paged = await hand.type("show startup-config", " --More-- ")
    while not paged.endswith("\r\nend\r\n\r\nGENT-01#"):
        hand.press(" ")
        paged = paged.removesuffix(" --More-- ") + (await hand.wait_for(" --More-- ", "GENT-01#")).removeprefix(wipe)
    await hand.type("terminal length 0", "GENT-01#")
    assert paged == await hand.type("show startup-config", "\r\nend\r\n\r\nGENT-01#")


async def test_configuration_mode_changes_what_runs_and_not_what_starts(start_box, terminal, login):
    box = await start_box("cisco_ios", options={"login": "privileged"})
    hand = await terminal(box)
    await hand.type("terminal length 0", "length 0\r\nGENT-01#")
    await hand.type("conf t", "GENT-01(config)#")
    await hand.type("int gi0/1", "GENT-01(config-if)#")
    await hand.type("ip address 10.9.9.1 255.255.255.0", "GENT-01(config-if)#")
    await hand.type("no description", "GENT-01(config-if)#")
    await hand.type("ip route 10.20.0.0 255.255.0.0 10.9.9.2", "GENT-01(config)#")
    await hand.type("ip dhcp pool GUESTS", "GENT-01(dhcp-config)#")
    await hand.type("network 192.168.250.0 255.255.255.0", "GENT-01(dhcp-config)#")
    await hand.type("line vty 0 4", "GENT-01(config-line)#")
    await hand.type("exit", "GENT-01(config)#")
    await hand.type("hostname BRUGGE-7", "BRUGGE-7(config)#")
    await hand.type("end", "BRUGGE-7#")
    running = box.running_text()
    block = re.search(r"^interface GigabitEthernet0/1\n((?: .*\n)*)", running, re.MULTILINE)
    assert block
    assert " ip address 10.9.9.1 255.255.255.0\n" in block.group(1)
    assert block.group(1).count("ip address") == 1
    assert "description" not in block.group(1)
    assert "\nip route 10.20.0.0 255.255.0.0 10.9.9.2\n" in running
    assert "\nip dhcp pool GUESTS\n network 192.168.250.0 255.255.255.0\n!\n" in running
    assert "\nhostname BRUGGE-7\n" in running
    async with login(box) as connection:
        startup = str((await connection.run("show startup-config")).stdout)
        assert "hostname GENT-01" in startup
        assert "GUESTS" not in startup
        assert "[OK]" in str((await connection.run("write memory")).stdout)
        startup = str((await connection.run("show startup-config")).stdout)
    assert "GUESTS" in startup


async def test_no_removes_lines_and_whole_blocks(start_box):
    box = await start_box("cisco_ios")
    box.change("no interface Dialer1\nno snmp-server location\ninterface gi0/1\nno ip address")
    running = box.running_text()
    assert "\ninterface Dialer1\n" not in running
    assert "snmp-server location" not in running
    assert "\n!\n!\n" not in running.partition("version ")[2]


async def test_a_secret_typed_in_clear_is_stored_as_a_hash(start_box):
    box = await start_box("cisco_ios")
    box.change("enable secret hunter2hunter2")
    assert "hunter2hunter2" not in box.running_text()
    assert box.running_text().count("\nenable secret 9 $9$") == 1


async def test_a_line_that_is_no_configuration_is_refused_and_changes_nothing(start_box, terminal):
    box = await start_box("cisco_ios", options={"login": "privileged"})
    before = box.state.running
    hand = await terminal(box)
    await hand.type("configure terminal", "(config)#")
    assert "% Invalid input" in await hand.type("frobnicate all", "(config)#")
    assert box.state.running == before
    with pytest.raises(ValueError, match="frobnicate"):
        box.change("frobnicate all")


async def test_copy_asks_for_the_file_name_and_saves(start_box, terminal):
    box = await start_box("cisco_ios", options={"login": "privileged"})
    box.change("hostname OOSTENDE")
    hand = await terminal(box)
    await hand.wait_for("OOSTENDE#")
    await hand.type("copy run start", "[startup-config]? ")
    assert "[OK]" in await hand.type("", "OOSTENDE#")
    assert box.state.startup == box.state.running


async def test_reload_drops_the_session_stays_away_and_forgets_what_was_not_saved(start_box, terminal, login):
    box = await start_box("cisco_ios", options={"login": "privileged"})
    saved = box.state.startup
    box.change("hostname LOST")
    hand = await terminal(box)
    await hand.wait_for("LOST#")
    await hand.type("reload", "[yes/no]: ")
    await hand.type("no", "[confirm]")
    hand.press("y")
    await hand.rest()
    assert box.stats.open_connections == 0
    with pytest.raises((OSError, asyncssh.Error)):
        await login(box).__aenter__()
    await asyncio.sleep(0.25)
    async with login(box) as connection:
        assert "hostname GENT-01" in str((await connection.run("show running-config")).stdout)
    assert box.state.running == saved


async def test_the_byte_count_is_true_and_the_volatile_lines_vary(start_box, login):
    box = await start_box("cisco_ios")
    async with login(box) as connection:
        first, second = [str((await connection.run("show running-config")).stdout) for _ in range(2)]
    text = first.replace("\r\n", "\n")
    count = re.search(r"Current configuration : (\d+) bytes", text)
    assert count
    assert len(text[text.index("version 15.7") :]) == int(count.group(1))
    assert "! Last configuration change at " in text
    assert first != second
    assert re.sub(r"clock-period \d+", "", first) == re.sub(r"clock-period \d+", "", second)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("show version", ["Cisco IOS Software", "GENT-01 uptime is", "Processor board ID SIM"]),
        ("show inventory", ["PID: C891F-K9", "SN: SIM"]),
        ("show clock", ["UTC"]),
        ("show ip interface brief", ["GigabitEthernet0/1", "administratively down", "unassigned"]),
        ("show running-config | include hostname", ["hostname GENT-01"]),
        ("show running-config interface dialer1", ["interface Dialer1", "ppp chap password"]),
        ("show running-config | section router bgp", ["router bgp", "remote-as 65000"]),
    ],
)
async def test_show_commands_answer_on_an_exec_channel(start_box, login, command, words):
    async with login(await start_box("cisco_ios")) as connection:
        shown = str((await connection.run(command)).stdout)
    assert [word for word in words if word not in shown] == []
