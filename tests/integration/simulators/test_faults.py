"""Each fault does what it says, on each family, and heals when it is told to."""

from __future__ import annotations

import asyncio
import re

import asyncssh
import pytest
import uvloop

from simulators.faults import kinds
from simulators.faults.kinds import fault_types, make_fault
from simulators.faults.roster import fault_roster
from simulators.fleet import Fleet
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec

FAMILIES = sorted(all_personas())
SHOW = {
    "cisco_ios": "show startup-config",
    "frr_linux": "show running-config",
    "openwrt": "uci export",
    "routeros": "/export terse show-sensitive",
    "teltonika": "uci export",
    "vyos": "/opt/vyatta/bin/vyatta-op-cmd-wrapper show configuration commands",
}
ROSTER = {case.id: case for case in fault_roster()}


def timeless(text):
    """Without the line in which RouterOS says when it wrote an export."""
    return re.sub(r"^# \S+ \S+ by RouterOS.*\n", "", text)


def text_of(family, result):
    return timeless(result.stdout.replace("\r\n", "\n")) if family in ("cisco_ios", "routeros") else result.stdout


async def fetch(login, box, timeout=60.0):
    async with asyncio.timeout(timeout), login(box) as connection:
        result = await connection.run(SHOW[box.spec.family], errors="replace")
    return text_of(box.spec.family, result), result


def test_the_roster_has_every_fault():
    assert {case.fault.name for case in ROSTER.values()} == set(fault_types())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", [case for case in ROSTER.values() if case.benign], ids=lambda case: case.id)
async def test_a_benign_fault_leaves_the_configuration_whole(start_box, login, family, case):
    box = await start_box(family)
    box.set_fault(case.fault)
    text, result = await fetch(login, box)
    truth, _ = await fetch(login, await start_box(family, name="TRUTH"))
    assert result.exit_status == 0
    assert text.splitlines()[-1] == truth.splitlines()[-1]
    assert len(text) > 3000
    if family != "cisco_ios":
        assert text == timeless(box.running_text())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", [case for case in ROSTER.values() if not case.benign], ids=lambda case: case.id)
async def test_a_fatal_fault_never_gives_the_whole_configuration_and_heals(start_box, login, family, case):
    box = await start_box(family)
    truth, _ = await fetch(login, box)
    box.set_fault(case.fault)
    try:
        text, _ = await fetch(login, box, timeout=0.3 if case.silences else 60)
    except (OSError, asyncssh.Error, TimeoutError):
        text = ""
    if case.id == "wrong_prompt":  # shows in terminals only
        assert text == truth
    else:
        assert text != truth
    box.clear_faults()
    await asyncio.sleep(0.55 if case.id in ("reboot", "restart_at_command") else 0)
    healed, _ = await fetch(login, box)
    assert healed == truth


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_fault_with_times_heals_by_itself(start_box, login, family):
    box = await start_box(family)
    truth, _ = await fetch(login, box)
    box.set_fault(kinds.Truncate(times=2))
    texts = [(await fetch(login, box))[0] for _ in range(3)]
    assert [text == truth for text in texts] == [False, False, True]
    box.set_fault(kinds.AuthFailure(times=1))
    with pytest.raises(asyncssh.PermissionDenied):
        await fetch(login, box)
    assert (await fetch(login, box))[0] == truth


async def test_refuse_resets_or_closes_the_port(start_box):
    box = await start_box("openwrt")
    box.set_fault(kinds.Refuse(how="refused"))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(box.address, box.port)
    box.set_fault(kinds.Refuse(how="reset"))
    reader, writer = await asyncio.open_connection(box.address, box.port)
    with pytest.raises(ConnectionResetError):
        assert await reader.read() == b"reset comes as an error, not as the end"
    writer.close()
    box.clear_faults()
    reader, writer = await asyncio.open_connection(box.address, box.port)
    assert (await reader.readline()).startswith(b"SSH-2.0-")
    writer.close()


def test_faults_at_the_door_work_on_uvloop_too():
    doors = (
        (kinds.Refuse(how="refused"), ConnectionRefusedError),
        (kinds.Refuse(), ConnectionResetError),
    )

    async def knock(box):
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(box.address, box.port)
            try:
                return await reader.readline()
            finally:
                writer.close()

    async def visit():
        async with Fleet([DeviceSpec("a", "openwrt")]) as fleet:
            box = fleet.device("a")
            for fault, error in doors:
                box.set_fault(fault)
                await fleet.settled()
                with pytest.raises(error):
                    await knock(box)
                box.clear_faults()
            await fleet.settled()
            return await knock(box)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(visit()).startswith(b"SSH-2.0-")


async def test_banner_hang_takes_the_connection_and_says_nothing(start_box):
    box = await start_box("cisco_ios")
    box.set_fault(kinds.BannerHang())
    reader, writer = await asyncio.open_connection(box.address, box.port)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    writer.close()


async def test_a_changed_or_rotated_host_key_is_not_the_one_announced_before(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.HostKeyChanged(times=1))
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await login(box).__aenter__()
    await fetch(login, box)
    old = login(box)
    assert box.rotate_host_key() == box.host_key_public
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await old.__aenter__()
    await fetch(login, box)


async def test_cut_outputs_end_each_in_their_own_way(start_box, login):
    box = await start_box("openwrt")
    truth = box.running_text()
    box.set_fault(kinds.EofAt(at=700, exit_status=0))
    text, result = await fetch(login, box)
    assert (text, result.exit_status) == (truth[:700], 0)
    box.set_fault(kinds.EofAt(at=700, exit_status=-1))
    assert (await fetch(login, box))[1].exit_status is None
    box.clear_faults()
    box.set_fault(kinds.DropAt(at=700))
    async with login(box) as connection:
        process = await connection.create_process("uci export")
        assert await process.stdout.read() == truth[:700]
        async with asyncio.timeout(60):
            await connection.wait_closed()
    box.clear_faults()
    box.set_fault(kinds.HangAt(at=700))
    async with login(box) as connection:
        process = await connection.create_process("uci export")
        assert await process.stdout.readexactly(700) == truth[:700]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.stdout.read(1), 0.2)


async def test_truncation_keeps_or_loses_the_end(start_box, login):
    box = await start_box("frr_linux")
    truth = box.running_text().splitlines()
    box.set_fault(kinds.Truncate(at=10, unit="lines", keep_end=True))
    text, result = await fetch(login, box)
    assert (text.splitlines(), result.exit_status) == ([*truth[:10], "end"], 0)
    box.set_fault(kinds.Truncate(at=0.999, unit="lines"))
    assert (await fetch(login, box))[0].splitlines() == truth[:-1]


async def test_damaged_configurations_look_as_described(start_box, login):
    box = await start_box("cisco_ios")
    box.set_fault(kinds.ForeignConfig(hostname="ELSEWHERE"))
    text, _ = await fetch(login, box)
    assert "hostname ELSEWHERE" in text
    box.clear_faults()
    box.set_fault(kinds.Shrunk())
    text, _ = await fetch(login, box)
    assert text.rstrip().endswith("\nend")
    assert "hostname GENT-01" in text
    assert "interface" not in text
    box.clear_faults()
    box.set_fault(kinds.SyslogNoise())
    text, _ = await fetch(login, box)
    assert "\n*Nov 23 02:31:07.123: %LINK-3-UPDOWN: Interface" in text
    box.clear_faults()
    box.set_fault(kinds.Garbage())
    assert "\ufffd" in (await fetch(login, box))[0]


async def test_a_reboot_in_the_middle_loses_what_was_not_saved(start_box, login):
    box = await start_box("cisco_ios")
    box.change("hostname UNSAVED")
    box.set_fault(kinds.Restart(at=0.5, down=0.1, times=1))
    text, _ = await fetch(login, box)
    assert not text.rstrip().endswith("end")
    await asyncio.sleep(0.2)
    assert "hostname GENT-01" in (await fetch(login, box))[0]
    assert box.state.boots == 2


async def test_terminal_faults_show_in_the_terminal(start_box, terminal):
    box = await start_box("cisco_ios", options={"login": "privileged"})
    for fault in (kinds.Ansi(), kinds.CursorQuery(), kinds.WrongPrompt(hostname="R99"), kinds.LostEcho()):
        box.set_fault(fault)
    hand = await terminal(box)
    assert "\x1b[6n\x1b[0m\x1b[1;32mR99#\x1b[0m" in await hand.wait_for("\x1b[K")
    answer = await hand.type("show clock", "\x1b[K")
    assert "show clock" not in answer
    assert "UTC" in answer


async def test_the_answer_to_a_cursor_query_is_no_input(start_box, terminal):
    box = await start_box("openwrt")
    box.set_fault(kinds.CursorQuery())
    hand = await terminal(box)
    await hand.wait_for("\x1b[6n")
    hand.press("\x1b[12;34R")
    assert "GENT-01\r\n" in await hand.type("hostname", "GENT-01\r\n")


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_pager_that_stays_on_pages_every_family(start_box, terminal, family):
    box = await start_box(family, options={"login": "privileged"})
    box.set_fault(kinds.NoPagerOff(lines=10))
    hand = await terminal(box)
    page = await hand.type("terminal length 0\r" + SHOW[family], f"\r\n{box.persona.traits.more}")
    assert page.count("\r\n") < 40
    hand.press("q")
    await hand.wait_for(box.persona.config_prompt(box.state))


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_planted_prompt_is_part_of_the_true_configuration(start_box, terminal, family):
    box = await start_box(family, options={"login": "privileged"})
    hand = await terminal(box)
    await hand.type("terminal length 0", "GENT-01")
    box.set_fault(kinds.PromptInConfig(pause=0.1))
    prompt = box.persona.config_prompt(box.state).rstrip()
    command = "show running-config" if family == "cisco_ios" else SHOW[family]
    await hand.type(command, command)
    await hand.wait_for(prompt)
    assert hand.seen == ""
    rest = await hand.wait_for(prompt)
    assert len(rest) > 200
    assert prompt in box.running_text()


async def test_split_reads_tears_output_into_small_chunks(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.SplitReads(most=7))
    async with login(box) as connection:
        channel, collector = await connection.create_session(Collector, "cat /etc/openwrt_release")
        await channel.wait_closed()
    assert max(map(len, collector.chunks)) <= 7
    assert len(collector.chunks) > 10


class Collector(asyncssh.SSHClientSession):
    def __init__(self):
        self.chunks = []

    def data_received(self, data, datatype):
        self.chunks.append(data)


async def test_slow_takes_its_time(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.Slow(chunk=500, delay=0.02))
    started = asyncio.get_running_loop().time()
    text, _ = await fetch(login, box)
    # At least one pause for each chunk: a lower bound holds however busy the machine is.
    assert asyncio.get_running_loop().time() - started >= 0.02 * (len(text) // 500)


def test_faults_are_made_from_text_and_nonsense_is_refused():
    assert make_fault("truncate", {"at": "0.25", "keep_end": "true", "times": "3"}) == kinds.Truncate(
        at=0.25, keep_end=True, times=3
    )
    for name, parameters in [
        ("nope", {}),
        ("slow", {"speed": "1"}),
        ("slow", {"delay": "x"}),
        ("truncate", {"keep_end": "2"}),
    ]:
        with pytest.raises(ValueError, match=r".+"):
            make_fault(name, parameters)
