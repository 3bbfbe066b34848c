"""Meeting a box of an unknown family: what it shows by itself is heard, and nothing is typed before somebody asks."""

from __future__ import annotations

import asyncio
import re

import pytest

from cpe_manager.domain.errors import AuthFailed, CommandRefused, PromptLost
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules
from tests.integration.ssh.box import Manners, Process, RunningBox, running, sessions

IOS = PromptRules(prompt=re.compile(r"(?P<host>[\w.-]+)[#>]"), errors=re.compile(r"^% .*", re.MULTILINE))
UNIX = PromptRules(prompt=re.compile(r"\w+@(?P<host>[\w.-]+):\S*[#$]"))


class Talking:
    """A shell that prints pieces with rests between them, then echoes and answers lines; notes what was typed."""

    def __init__(self, *pieces: bytes | float, prompt: bytes = b"r1#") -> None:
        self._pieces, self._prompt = pieces, prompt
        self.typed: list[bytes] = []

    async def __call__(self, process: Process) -> None:
        if process.command is not None:
            process.stdout.write(b"ran " + process.command.encode())
            process.exit(0)
            return
        for piece in self._pieces:
            if isinstance(piece, bytes):
                process.stdout.write(piece)
            else:
                await asyncio.sleep(piece)
        while line := await process.stdin.readline():
            self.typed.append(line.strip())
            process.stdout.write(line.strip() + b"\r\nsaid " + line.strip() + b"\r\n" + self._prompt)


async def test_identification_banner_and_prompt_are_heard_and_nothing_is_typed() -> None:
    talk = Talking(b"\r\nWelcome to R1\r\n\r\n", 0.05, b"r1#")
    async with running(Manners(talk, options={"server_version": "Cisco-1.25"})) as box:
        async with sessions().meet(box.target()) as met:
            assert met.greeting.ssh_version == "SSH-2.0-Cisco-1.25"
            assert met.greeting.banner.strip() == "Welcome to R1"
            assert met.greeting.prompt == "r1#"
            assert met.host_key == box.public()
            assert talk.typed == []
        await box.all_gone()


async def test_a_line_of_the_banner_that_looks_like_a_prompt_is_waited_behind() -> None:
    talk = Talking(b"* staff only\r\nR9#", 0.1, b"\r\n* really\r\n", 0.1, b"r1>")
    async with running(Manners(talk)) as box, sessions().meet(box.target()) as met:
        assert met.greeting.prompt == "r1>"
        assert "R9#" in met.greeting.banner


async def test_colours_and_questions_about_the_cursor_leave_no_trace() -> None:
    talk = Talking(b"\x1b[6n\x1b[1;32mroot@box:~#\x1b[0m ")
    async with running(Manners(talk)) as box, sessions().meet(box.target()) as met:
        assert met.greeting.prompt == "root@box:~#"
        terminal = await met.shell.terminal(UNIX)
        assert terminal.hostname == "box"


async def test_the_one_terminal_becomes_that_of_whoever_asks_one_after_the_other() -> None:
    talk = Talking(b"hello\r\nr1#")
    opened = 0

    async def counting(process: Process) -> None:
        nonlocal opened
        opened += 1
        await talk(process)

    async with running(Manners(counting)) as box, sessions().meet(box.target()) as met:
        with pytest.raises(PromptLost, match="no prompt of this family"):
            await met.shell.terminal(UNIX)
        for _ in range(2):
            terminal = await met.shell.terminal(IOS)
            assert terminal.hostname == "r1"
            assert await terminal.run("show version") == "said show version\n"
        assert talk.typed == [b"show version"] * 2
        assert opened == 1


async def test_a_box_that_shows_no_prompt_is_met_without_one_and_still_runs_commands() -> None:
    talk = Talking(b"Press any key to continue")
    async with running(Manners(talk)) as box, sessions().meet(box.target(command_timeout=0.8)) as met:
        assert met.greeting.prompt == ""
        assert "Press any key" in met.greeting.banner
        assert await met.shell.execute("uname") == ExecResult("ran uname", "", 0)
        with pytest.raises(PromptLost):
            await met.shell.terminal(IOS)


async def test_a_box_that_closes_its_shell_at_once_is_met_by_what_it_said() -> None:
    def farewell(process: Process) -> None:
        process.stdout.write(b"This account is for file transfers\r\n")
        process.exit(1)

    async with running(Manners(farewell)) as box, sessions().meet(box.target()) as met:
        assert met.greeting.banner == "This account is for file transfers"
        assert met.greeting.prompt == ""
        with pytest.raises(CommandRefused):
            await met.shell.terminal(IOS)


async def test_a_refused_log_in_is_offered_once_and_leaves_nothing_open() -> None:
    async with running() as box:
        with pytest.raises(AuthFailed):
            await met_once(box)
        assert box.secrets_seen == ["wrong"]
        await box.all_gone()


async def met_once(box: RunningBox) -> None:
    async with sessions(Credential("noc", "wrong")).meet(box.target()):
        raise AssertionError("let in")
