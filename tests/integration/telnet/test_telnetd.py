"""A real Telnet server, Debian's inetutils telnetd, with a real shell behind a log-in of the test's own."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cpe_manager.adapters.telnet.sessions import TelnetLimits, TelnetSessions
from cpe_manager.domain.errors import AuthFailed, CommandRefused, SessionDropped
from cpe_manager.ports.shell import Credential, PromptRules, Target
from tests.fakes.credentials import FixedCredentials

TELNETD = shutil.which("telnetd", path="/usr/sbin:/sbin:/usr/bin")
RULES = PromptRules(re.compile(r"(?P<host>box)(?:\(\w+\))?[#$]"), errors=re.compile(r"^.*not found$", re.MULTILINE))
LOGIN = """\
#!/bin/sh
printf 'login: '; read -r user
stty -echo; printf 'Password: '; read -r password; stty echo; echo
if [ "$user $password" != "noc right" ]; then echo 'Login incorrect'; sleep 1; exit 1; fi
echo "Welcome, $TERM"
PS1='box# ' ENV= exec sh -i 2>&1
"""


@asynccontextmanager
async def telnetd(folder: Path) -> AsyncIterator[Target]:
    """Serves each connection as inetd would: the socket is the server's standard input and output."""
    script = folder / "login"
    script.write_text(LOGIN)
    script.chmod(0o755)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    children: list[asyncio.subprocess.Process] = []

    async def accept() -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            with connection:
                connection.setblocking(True)
                children.append(
                    await asyncio.create_subprocess_exec(
                        str(TELNETD), "-h", f"--exec-login={script}",
                        stdin=connection, stdout=connection, stderr=asyncio.subprocess.DEVNULL,
                    )
                )  # fmt: skip

    accepting = asyncio.create_task(accept(), name="inetd")
    try:
        yield Target(
            "d1", "box", "127.0.0.1", listener.getsockname()[1], "any", "box", transport="telnet", telnet_allowed=True,
            connect_timeout=30.0, command_timeout=30.0,
        )  # fmt: skip
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listener.close()
        for child in children:
            if child.returncode is None:
                child.terminate()
            await child.wait()


def opener(password: str = "right") -> TelnetSessions:
    return TelnetSessions(FixedCredentials({"box": Credential("noc", password)}), TelnetLimits(close=2.0))


@pytest.mark.skipif(TELNETD is None, reason="no Telnet server on this machine (inetutils-telnetd)")
async def test_a_real_server_is_negotiated_with_logged_in_to_and_spoken_to(tmp_path: Path) -> None:
    text = "\n".join(f"line {number} with a byte \xff and {'x' * (number % 300)}" for number in range(3000))
    (tmp_path / "config").write_text(f"{text}\nbox# \nend\n", encoding="utf-8")
    async with telnetd(tmp_path) as target:
        async with opener().open(target) as opened:
            terminal = await opened.shell.terminal(RULES)
            assert terminal.hostname == "box"
            # The whole width was agreed on, so that no line is wrapped; nothing of this machine's user was told.
            assert (await terminal.run("stty size")).split() == ["0", "511"]
            assert (await terminal.run("echo $TERM.$DISPLAY.$USER")).startswith("vt100..")
            shown = await terminal.run(f"cat {tmp_path}/config", evidence=re.compile(r"^end\n\Z", re.MULTILINE))
            assert shown == (tmp_path / "config").read_text(encoding="utf-8")
            with pytest.raises(CommandRefused):
                await terminal.run("frobnicate-4711")
            with pytest.raises(SessionDropped):
                await terminal.run("exit")
        with pytest.raises(AuthFailed):
            async with opener("wrong").open(target):
                pytest.fail("a session was opened")
