"""Commands, terminals, deadlines and endings, against a real SSH server."""

from __future__ import annotations

import asyncio
import re

import pytest

from cpe_manager.adapters.ssh.limits import HandshakePacer, SshLimits
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    DeviceTimeout,
    FetchIncomplete,
    PromptLost,
    SessionDropped,
)
from cpe_manager.ports.shell import ExecResult, PromptRules
from tests.fakes.clock import SimulatedClock, settle
from tests.integration.ssh.box import Manners, Process, running, sessions

RULES = PromptRules(
    prompt=re.compile(r"(?P<host>[\w.-]+)[#>]"),
    pager=re.compile(r"^--More--$"),
    errors=re.compile(r"^% .*", re.MULTILINE),
)
MODES = PromptRules(prompt=re.compile(r"(?P<host>[\w.-]+)(?:\([\w-]+\))?[#>]"))
END = re.compile(r"\nend\n\Z")


def saying(stdout: bytes = b"", stderr: bytes = b"", status: int | None = 0) -> Manners:
    def answer(process: Process) -> None:
        process.stdout.write(stdout)
        process.stderr.write(stderr)
        if status is None:
            process.close()
        else:
            process.exit(status)

    return Manners(answer)


async def silence(process: Process) -> None:
    await process.stdin.read()


def shell_of(*replies: bytes, greeting: bytes = b"\r\nr1#") -> Manners:
    """A shell that echoes each line and gives the replies in turn, each with whatever prompt is in it."""

    async def answer(process: Process) -> None:
        process.stdout.write(greeting)
        for reply in replies:
            line = await process.stdin.readline()
            process.stdout.write(line.rstrip(b"\n") + b"\r\n" + reply)
        await process.stdin.read()

    return Manners(answer)


@pytest.mark.parametrize("status", [0, 1, 127])
async def test_a_command_gives_both_outputs_and_its_status(status: int) -> None:
    async with running(saying("é\n".encode(), b"oops", status)) as box, sessions().open(box.target()) as opened:
        assert await opened.shell.execute("show") == ExecResult("é\n", "oops", status)


async def test_a_channel_that_ends_without_a_status_says_so() -> None:
    async with running(saying(b"half", status=None)) as box, sessions().open(box.target()) as opened:
        assert await opened.shell.execute("show") == ExecResult("half", "", None)


async def test_several_commands_share_one_connection() -> None:
    async with running(saying(b"x")) as box:
        async with sessions().open(box.target()) as opened:
            results = await asyncio.gather(*(opened.shell.execute("show") for _ in range(5)))
        assert {result.stdout for result in results} == {"x"}
        assert box.accepted == 1


async def test_a_command_that_never_ends_runs_into_its_deadline() -> None:
    async with running(Manners(silence)) as box, sessions().open(box.target(command_timeout=0.2)) as opened:
        with pytest.raises(DeviceTimeout, match=r"'show' took over 0\.2 s"):
            await opened.shell.execute("show")


async def test_a_dropped_connection_is_told_from_a_refused_command() -> None:
    def drop(process: Process) -> None:
        process.channel.get_connection().abort()

    async with running(Manners(drop)) as box, sessions().open(box.target()) as opened:
        with pytest.raises(SessionDropped):
            await opened.shell.execute("show")
        with pytest.raises(SessionDropped):
            await opened.shell.execute("again")


async def test_a_box_that_refuses_terminals_refuses_a_command() -> None:
    manners = Manners(options={"allow_pty": False})
    async with running(manners) as box, sessions().open(box.target()) as opened:
        with pytest.raises(CommandRefused):
            await opened.shell.terminal(RULES)


async def test_output_beyond_the_limit_is_an_error_on_either_kind_of_channel() -> None:
    limits = SshLimits(handshakes_per_second=0, output_bytes=1000)
    async with running(saying(b"x" * 5000)) as box, sessions(limits=limits).open(box.target()) as opened:
        with pytest.raises(FetchIncomplete, match="1000 bytes"):
            await opened.shell.execute("show")
    async with running(shell_of(b"x\r\n" * 5000)) as box, sessions(limits=limits).open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        with pytest.raises(FetchIncomplete, match="1000 bytes"):
            await terminal.run("show")


async def test_a_terminal_learns_the_prompt_and_returns_replies_bare() -> None:
    manners = shell_of(b"r1#", b"one\r\ntwo\r\nr1#", greeting=b"\r\nWELCOME#\r\n\x1b[6n\r\nr1#")
    async with running(manners) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        assert terminal.hostname == "r1"
        assert await terminal.run("terminal length 0") == ""


async def test_the_evidence_decides_and_its_absence_is_an_incomplete_reply() -> None:
    manners = shell_of(b"r1#", b"a\r\nr1#\r\nb\r\nend\r\nr1#", b"a\r\nb\r\nr1#")
    async with running(manners) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        await terminal.run("first")
        assert await terminal.run("show run", evidence=END) == "a\nr1#\nb\nend\n"
        with pytest.raises(FetchIncomplete):
            await terminal.run("show run", evidence=END)


async def test_a_refused_command_is_reported_with_the_devices_words() -> None:
    manners = shell_of(b"r1#", b"% Invalid input\r\nr1#", b"fine\r\nr1#")
    async with running(manners) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        await terminal.run("first")
        with pytest.raises(CommandRefused, match="% Invalid input"):
            await terminal.run("show run", evidence=END)
        assert await terminal.run("show") == "fine\n"


async def test_a_prompt_of_another_host_is_a_lost_prompt() -> None:
    manners = shell_of(b"r1#", b"text\r\nr2#")
    async with running(manners) as box, sessions().open(box.target(command_timeout=0.3)) as opened:
        terminal = await opened.shell.terminal(RULES)
        await terminal.run("first")
        with pytest.raises(PromptLost, match="'r2#' instead of 'r1#'"):
            await terminal.run("show")


async def test_a_new_mode_and_a_new_name_are_learned_from_the_commands_that_make_them() -> None:
    manners = shell_of(
        b"r1#", b"Enter commands\r\nr1(config)#", b"edge-7(config)#", b"edge-7#", b"hostname edge-7\r\nend\r\nedge-7#"
    )
    limits = SshLimits(handshakes_per_second=0, settle=0.05)
    async with running(manners) as box, sessions(limits=limits).open(box.target()) as opened:
        terminal = await opened.shell.terminal(MODES)
        await terminal.run("first")
        assert await terminal.run("configure terminal") == "Enter commands\n"
        assert await terminal.run("hostname edge-7") == ""
        assert terminal.hostname == "edge-7"
        assert await terminal.run("end") == ""
        assert await terminal.run("show run", evidence=END) == "hostname edge-7\nend\n"


async def test_a_box_without_any_prompt_is_a_lost_prompt_and_a_silent_one_a_timeout() -> None:
    async with (
        running(shell_of(greeting=b"\r\nno prompt here\r\n")) as box,
        sessions().open(box.target(command_timeout=0.2)) as opened,
    ):
        with pytest.raises(PromptLost):
            await opened.shell.terminal(RULES)
    async with running(Manners(silence)) as box, sessions().open(box.target(command_timeout=0.2)) as opened:
        with pytest.raises(DeviceTimeout):
            await opened.shell.terminal(RULES)


async def test_a_shell_that_ends_is_a_dropped_session() -> None:
    async def leave(process: Process) -> None:
        process.stdout.write(b"r1#")
        await process.stdin.readline()
        process.stdout.write(b"show\r\nhalf of it\r\n")
        process.exit(0)

    async with running(Manners(leave)) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        with pytest.raises(SessionDropped):
            await terminal.run("show")
        with pytest.raises(SessionDropped):
            await terminal.run("show")


def asking(secret: bytes) -> Manners:
    async def answer(process: Process) -> None:
        process.stdout.write(b"r1>")
        await process.stdin.readline()
        process.stdout.write(b"enable\r\nPassword: ")
        given = (await process.stdin.readline()).strip()
        process.stdout.write(b"\r\nr1#" if given == secret else b"\r\n% Bad secrets\r\n\r\nr1>")
        line = (await process.stdin.readline()).strip()
        process.stdout.write(line + b"\r\ndone\r\nr1#")
        await process.stdin.read()

    return Manners(answer)


ASK = re.compile(r"^Password:")


async def test_elevating_learns_the_new_prompt() -> None:
    async with running(asking(b"enable-word")) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        await terminal.elevate("enable", ask=ASK, secret="enable-word")
        assert await terminal.run("show") == "done\n"


async def test_a_refused_elevation_is_an_authentication_failure_without_the_secret_in_it() -> None:
    async with running(asking(b"enable-word")) as box, sessions().open(box.target()) as opened:
        terminal = await opened.shell.terminal(RULES)
        with pytest.raises(AuthFailed) as caught:
            await terminal.elevate("enable", ask=ASK, secret="guessed-word")
        assert "guessed-word" not in str(caught.value)


async def test_the_whole_session_has_a_deadline_of_its_own() -> None:
    async with running() as box:
        with pytest.raises(DeviceTimeout, match=r"session over 0\.2 s"):
            async with sessions().open(box.target(session_timeout=0.2)):
                await asyncio.Event().wait()
        await box.all_gone()


async def test_the_callers_own_timeout_passes_through_unchanged() -> None:
    async with running() as box:
        with pytest.raises(TimeoutError) as caught:
            async with sessions().open(box.target()):
                raise TimeoutError("mine")
        assert caught.value.args == ("mine",)
        await box.all_gone()


async def test_a_cancelled_session_closes_its_connection_and_stays_cancelled() -> None:
    opened_it = asyncio.Event()
    async with running(Manners(silence)) as box:

        async def work() -> None:
            async with sessions().open(box.target()) as opened:
                opened_it.set()
                await opened.shell.execute("show")

        task = asyncio.create_task(work(), name="work")
        await opened_it.wait()
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await box.all_gone()


async def test_new_handshakes_are_spaced_evenly() -> None:
    clock = SimulatedClock()
    pacer = HandshakePacer(clock, per_second=4)
    turns: list[float] = []

    async def take() -> None:
        await pacer.turn()
        turns.append(clock.monotonic())

    tasks = [asyncio.create_task(take(), name=f"turn-{index}") for index in range(4)]
    await clock.advance(10.0)
    assert turns == [0.0, 0.25, 0.5, 0.75]
    await asyncio.gather(*tasks)
    await take()
    assert turns[-1] == 10.0


async def test_an_idle_time_saves_up_no_burst() -> None:
    clock = SimulatedClock()
    pacer = HandshakePacer(clock, per_second=1)
    await pacer.turn()
    await clock.advance(100.0)
    await pacer.turn()
    late = asyncio.create_task(pacer.turn(), name="late")
    await settle()
    assert not late.done()
    await clock.advance(1.0)
    await late
