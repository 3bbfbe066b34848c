"""The virtual RouterOS box: its language, safe mode, scheduler, files and restarts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.dialects.routeros_lines import bare
from simulators.dialects.routeros_text import joined, quoted, wrapped

TAKEN, RELEASED = "[Safe Mode taken]", "[Safe Mode released]"
COUNT = "/ip firewall address-list print count-only"
CTRL_C, CTRL_D, CTRL_X = "\x03", "\x04", "\x18"


class Clock:
    """A box's clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 28, 14, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
async def box(start_box):
    return await start_box("routeros")


async def run(login, box, command):
    async with login(box) as connection:
        result = await connection.run(command)
    return result.stdout.replace("\r\n", "\n")


async def take_safe_mode(terminal, box):
    hand = await terminal(box)
    await hand.wait_for("] > ")
    hand.press(CTRL_X)
    await hand.wait_for(TAKEN)
    await hand.wait_for("<SAFE> ")
    return hand


async def gone(box):
    async with asyncio.timeout(10):
        while box.stats.open_sessions:
            await asyncio.sleep(0.01)


async def test_the_prompt_tells_the_menu_and_commands_are_found_from_there(box, terminal):
    hand = await terminal(box)
    await hand.wait_for("[backup@GENT-01] > ")
    await hand.type("/ip firewall", "[backup@GENT-01] /ip/firewall> ")
    await hand.type("nat", "[backup@GENT-01] /ip/firewall/nat> ")
    assert "masquerade" in await hand.type("print", "> ")
    await hand.type("..", "/ip/firewall> ")
    assert "name: GENT-01" in await hand.type("/system identity print", "/ip/firewall> ")
    await hand.type("/", "[backup@GENT-01] > ")
    assert "bad command name frobnicate (line 1 column 1)" in await hand.type("frobnicate", "] > ")


async def test_items_are_added_found_changed_moved_and_removed(box, login):
    address = "/ip firewall address-list"
    for command, answer in (
        (f'{address} add list=a address=10.1.0.0/16; {address} add list=b address=10.2.0.0/16 comment="two words"', ""),
        (f"{address} print count-only where list=b", "1\n"),
        (f"{address} set [find list=b] disabled=yes", ""),
        (f":put [:len [{address} find where list!=management and disabled=no]]", "1\n"),
        (f":put [{address} get [find list=b] comment]", "two words\n"),
        (f"{address} move [find list=b] 0; :put [{address} get 0 list]", "b\n"),
        (f"{address} remove [find list=a or list=b]; {address} print count-only", "1\n"),
        (f"{address} remove 7", "no such item\n"),
        ("/ip address add address=10.0.0.1/33 interface=bridge", "invalid value for argument address\n"),
        ("/ip address add address=10.0.0.1/24 interface=ether9", "input does not match any value of interface\n"),
        ("/ip address add address=10.0.0.1/24", "missing value(s) of argument(s) interface\n"),
        (
            "/ip address add address=10.0.0.1/24 interface=bridge colour=red",
            "expected end of command (line 1 column 54)\n",
        ),
        ('/ip address add address="10.0.0.1', "syntax error (line 1 column 34)\n"),
    ):
        assert await run(login, box, command) == answer, command


async def test_an_export_is_folded_hides_secrets_and_can_be_read_back(box, login):
    secret = box.spec.secrets.wifi
    shown, whole = await run(login, box, "/export"), await run(login, box, "/export show-sensitive")
    assert secret not in shown
    assert secret in whole
    assert max(len(line) for line in whole.splitlines()) <= 80
    assert " \\\n    " in whole
    before = box.running_text()
    box.state.flash["all.rsc"] = "".join(
        line for line in whole.splitlines(keepends=True) if line.startswith(("/system identity", "set name="))
    ).replace("GENT-01", "AALST-02")
    assert "executed successfully" in await run(login, box, "/import file-name=all.rsc")
    assert box.running_text().partition("\n")[2] == before.partition("\n")[2].replace("name=GENT-01", "name=AALST-02")
    verbose = await run(login, box, "/ip dhcp-server export terse verbose")
    assert "authoritative=yes" in verbose
    assert "authoritative" not in await run(login, box, "/ip dhcp-server export")


async def test_a_session_that_is_cut_in_safe_mode_takes_its_changes_back(box, login, terminal):
    before = box.state.running
    hand = await take_safe_mode(terminal, box)
    await hand.type("/system identity set name=LOST", "[backup@LOST] <SAFE> ")
    # What others do meanwhile is undone with it.
    await run(login, box, "/ip dns set servers=9.9.9.9")
    assert "F system identity changed" in await run(login, box, "/system history print")
    assert box.state.startup == box.state.running != before
    box.hang_up()
    await gone(box)
    assert box.state.running == box.state.startup == before


@pytest.mark.parametrize("how", ["twice", "quit"])
async def test_safe_mode_that_is_left_in_good_order_keeps_the_changes(box, terminal, how):
    hand = await take_safe_mode(terminal, box)
    await hand.type("/system identity set name=KEPT", "<SAFE> ")
    if how == "twice":
        hand.press(CTRL_X)
        await hand.wait_for(RELEASED)
        await hand.wait_for("[backup@KEPT] > ")
        box.hang_up()
    else:
        await hand.type("/quit", "")
        await hand.rest()
    await gone(box)
    assert box.persona.hostname(box.state) == "KEPT"


async def test_ctrl_d_leaves_and_undoes(box, terminal):
    before = box.state.running
    hand = await take_safe_mode(terminal, box)
    await hand.type("/system identity set name=LOST", "[backup@LOST] <SAFE> ")
    hand.press(CTRL_D)
    await hand.rest()
    assert box.state.running == before


async def test_more_than_a_hundred_actions_end_safe_mode_and_nothing_is_undone(box, terminal):
    hand = await take_safe_mode(terminal, box)
    for number in range(100):
        await hand.type(f"/ip firewall address-list add list=many address=10.8.0.{number}", "<SAFE> ")
    # The hundred and first has no room in the history.
    await hand.type("/ip firewall address-list add list=many address=10.8.1.0", "[backup@GENT-01] > ")
    box.hang_up()
    await gone(box)
    assert box.state.running.count("list=many") == 101


async def test_a_hundred_actions_are_all_undone(box, terminal):
    before = box.state.running
    hand = await take_safe_mode(terminal, box)
    for number in range(100):
        await hand.type(f"/ip firewall address-list add list=many address=10.8.0.{number}", "<SAFE> ")
    box.hang_up()
    await gone(box)
    assert box.state.running == before


@pytest.mark.parametrize(("key", "kept", "safe"), [("u", False, True), ("r", True, True), ("d", True, False)])
async def test_somebody_else_is_asked_before_safe_mode_changes_hands(box, terminal, key, kept, safe):
    first = await take_safe_mode(terminal, box)
    await first.type("/system identity set name=MINE", "[backup@MINE] <SAFE> ")
    second = await terminal(box)
    await second.wait_for("[backup@MINE] > ")
    second.press(CTRL_X)
    await second.wait_for("[u/r/d]: ")
    second.press(key)
    name = "MINE" if kept else "GENT-01"
    await second.wait_for(f"[backup@{name}] {'<SAFE>' if safe else '>'} ")
    assert box.persona.hostname(box.state) == name


async def test_a_scheduler_runs_by_the_boxs_clock_and_reverts_what_nobody_confirmed(box, login):
    clock = Clock()
    box.state.clock = clock
    before = (await run(login, box, "/export terse show-sensitive")).partition("\n")[2]
    await run(login, box, "/export terse show-sensitive file=before")
    event = '/system identity set name=GENT-01; /system scheduler remove [find name=\\"revert\\"]'
    await run(login, box, f'/system scheduler add name=revert interval=5m on-event="{event}"')
    await run(login, box, "/system identity set name=UNCONFIRMED")
    clock.pass_by(minutes=4, seconds=59)
    assert box.persona.hostname(box.state) == "UNCONFIRMED"
    clock.pass_by(seconds=1)
    assert box.persona.hostname(box.state) == "GENT-01"
    assert (await run(login, box, "/export terse show-sensitive")).partition("\n")[2] == before
    assert 'name="before.rsc" type="script"' in await run(login, box, "/file print")


async def test_a_schedule_that_was_removed_in_time_never_fires_and_an_interval_repeats(box, login):
    clock = Clock()
    box.state.clock = clock
    note = "/ip firewall address-list add list=ticks address=10.9.9.9"
    await run(login, box, f'/system script add name=tick source="{note}"')
    await run(login, box, "/system scheduler add name=every interval=1m on-event=tick")
    await run(login, box, '/system scheduler add name=never interval=10m on-event="/system identity set name=X"')
    clock.pass_by(minutes=3)
    await run(login, box, "/system scheduler remove [find name=never]")
    clock.pass_by(minutes=30)
    assert box.running_text().count("list=ticks\n") == 33
    assert box.persona.hostname(box.state) == "GENT-01"


async def test_a_backup_file_is_loaded_whole_and_files_survive_a_restart(box, login):
    before = box.state.running
    assert "Configuration backup saved" in await run(login, box, "/system backup save name=good")
    await run(login, box, "/system identity set name=CHANGED")
    box.restart(0.0)
    assert box.persona.hostname(box.state) == "CHANGED", "RouterOS writes every change at once"
    async with login(box) as connection:
        process = await connection.create_process("/system backup load name=good")
        assert "rebooting" in await process.stdout.read()
    assert box.state.running == before
    assert box.state.boots == 3


async def test_a_reboot_is_asked_for_and_ends_the_session(box, terminal):
    hand = await terminal(box)
    await hand.wait_for("> ")
    await hand.type("/system reboot", "Reboot, yes? [y/N]: ")
    await hand.type("n", "[backup@GENT-01] > ")
    assert box.state.boots == 1
    await hand.type("/system reboot", "[y/N]: ")
    await hand.type("y", "system will reboot shortly")
    await gone(box)
    assert box.state.boots == 2


async def test_scripts_have_variables_conditions_loops_and_errors_that_are_caught(box, login):
    for source, answer in (
        (':local a 5; :if ($a > 3) do={:put "more $a"} else={:put less}', "more 5\n"),
        (
            ":foreach i in=[/interface list find] do={:put [/interface list get $i name]}",
            "all\nnone\ndynamic\nstatic\nWAN\nLAN\n",
        ),
        (":do {/ip address remove 99} on-error={:put caught}", "caught\n"),
        (':put [:pick [:tostr "abcdef"] 1 3]', "bc\n"),
        (":put ([:len [/interface list find]] * 2)", "12\n"),
        (":put [/system routerboard get serial-number]", None),
        (':put [:len [:execute script="/export terse show-sensitive" as-string]]', None),
    ):
        found = await run(login, box, source)
        if answer is not None:
            assert found == answer, source
        else:
            assert found.strip(), source
    assert int(found) == len(box.running_text())


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=150), min_size=1, max_size=5), st.integers(40, 90))
@settings(max_examples=200, deadline=None)
def test_a_line_that_was_folded_is_the_same_when_it_is_joined(values, width):
    line = " ".join(["add", *(f"name-{number}={quoted(value)}" for number, value in enumerate(values))])
    folded = wrapped(line, width)
    assert joined(folded) == line
    assert max(len(row) for row in folded.split("\n")) <= width
    words = [row.partition("=")[2] for row in line.split(" name-")[1:]]
    assert [bare(word) for word in words] == values or any(" name-" in value for value in values)
