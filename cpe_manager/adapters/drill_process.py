"""Fresh boxes for drills: each one is a process of its own, by default ``cpe-sim box``, reached over SSH like a device.

The contract with the command: it is called with ``box --family FAMILY``, perhaps ``--username NAME`` and options, tells
of the box in one JSON line on standard output, and ends when its standard input does. Nothing of it is imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cpe_manager.domain.errors import ConnectFailed, CredentialMissing, DeviceTimeout, ProtocolError, UnknownFamily
from cpe_manager.ports.drills import FreshBox
from cpe_manager.ports.sessions import Credentials, OpenedSession, Sessions
from cpe_manager.ports.shell import Credential, Target

PROGRAM: Final = "cpe-sim"
CONTRACT: Final = 1
START_SECONDS: Final = 60.0
RESTART_SECONDS: Final = 15.0
END_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 64 * 1024
_KEPT_COMPLAINTS: Final = 2000
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {"frr_linux": ("--option", "frr_linux.mode=linux")}
"""What a box of a family needs beyond its name: FRR's is one that is managed whole, as root."""


class ProcessStand:
    """``ports.drills.DrillStand``; also the ``Credentials`` of the boxes it has running, and of nothing else."""

    def __init__(self, command: str, sessions: Callable[[Credentials], Sessions]) -> None:
        """``command``: a command line, or empty for ``cpe-sim`` beside this Python or on the path."""
        self._command = command
        self._logins: dict[str, Credential] = {}
        self._sessions = sessions(self)

    def hindrance(self) -> str | None:
        try:
            argv = shlex.split(self._command)
        except ValueError as error:
            return f"the setting drill_command is no command line: {error}"
        if self._program(argv) is not None:
            return None
        wanted = argv[0] if argv else PROGRAM
        return f"no boxes to restore onto: {wanted} is not installed (setting drill_command)"

    def get(self, ref: str) -> Credential:
        """``ports.sessions.Credentials``."""
        if ref not in self._logins:
            raise CredentialMissing(f"no box {ref} is running")
        return self._logins[ref]

    def names(self) -> tuple[str, ...]:
        return tuple(self._logins)

    def open(self, target: Target) -> AbstractAsyncContextManager[OpenedSession]:
        return self._sessions.open(target)

    @asynccontextmanager
    async def box(self, family: str, *, username: str = "") -> AsyncIterator[FreshBox]:
        argv = self._argv(family, username)
        # Settings travel in variables too, such as the database's password: they are none of a box's business.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CPE_MANAGER_")}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, limit=_LONGEST_LINE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ConnectFailed(f"no box: {argv[0]} does not start ({error.strerror})") from error
        complaints = asyncio.create_task(_complaints(process), name=f"drill box {process.pid}")
        ref = f"box-{process.pid}"
        try:
            told = await self._introduction(process, complaints, family)
            self._logins[ref] = Credential(told["username"], told["password"], told["enable_password"])
            yield _fresh(process, told, family, ref, self._logins[ref].secrets())
        finally:
            self._logins.pop(ref, None)
            await _end(process)
            complaints.cancel()
            await asyncio.gather(complaints, return_exceptions=True)

    def _argv(self, family: str, username: str) -> list[str]:
        if hindrance := self.hindrance():
            raise ConnectFailed(hindrance)
        given = shlex.split(self._command)
        program = self._program(given) or PROGRAM
        user = ("--username", username) if username else ()
        # A command line that says more than the program's name may say how the box is to be made.
        words = given[1:] if "box" in given[1:] else [*given[1:], "box"]
        return [program, *words, "--family", family, *user, *OPTIONS.get(family, ())]

    @staticmethod
    def _program(argv: list[str]) -> str | None:
        if argv:
            return shutil.which(argv[0])
        beside = Path(sys.executable).parent / PROGRAM
        return shutil.which(beside) or shutil.which(PROGRAM)

    @staticmethod
    async def _introduction(process: Process, complaints: asyncio.Task[str], family: str) -> dict[str, Any]:
        told = await _told(process, START_SECONDS, "tell of itself")
        if told is None:
            await asyncio.wait({complaints}, timeout=1.0)
            why = complaints.result() if complaints.done() else ""
            raise ConnectFailed(f"no box: {why or 'the command ended without a word'}")
        if told.get("unknown_family"):
            raise UnknownFamily(f"there are no virtual boxes of {family}")
        texts = all(isinstance(told.get(name), str) for name in _TEXTS)
        if told.get("box") != CONTRACT or not texts or not isinstance(told.get("port"), int):
            raise ProtocolError("the command for boxes speaks another language than expected")
        return told


_TEXTS: Final = ("name", "host", "host_key", "username", "password", "enable_password")


def _fresh(process: Process, told: Mapping[str, Any], family: str, ref: str, secrets: tuple[str, ...]) -> FreshBox:
    async def restart() -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(b"restart\n")
            await process.stdin.drain()
        except OSError as error:
            raise ConnectFailed("the box is gone") from error
        answer = await _told(process, RESTART_SECONDS, "restart")
        if answer is None or answer.get("restarted") is not True:
            raise ConnectFailed("the box did not restart")

    target = Target(
        device_id=ref,
        name=told["name"],
        host=told["host"],
        port=told["port"],
        family=family,
        credential_ref=ref,
        pinned_keys=(told["host_key"],),
    )
    return FreshBox(target, restart, secrets)


async def _told(process: Process, seconds: float, what: str) -> dict[str, Any] | None:
    """The next line of the box; None when it has ended. Raises a ``DeviceError``."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
        told = json.loads(line) if line else None
    except TimeoutError as error:
        raise DeviceTimeout(f"the box did not {what} within {seconds:g} s") from error
    except ValueError as error:  # no JSON, or a line without an end
        raise ProtocolError("the command for boxes said something that is no JSON") from error
    if told is not None and not isinstance(told, dict):
        raise ProtocolError("the command for boxes said something that is no JSON object")
    return told


async def _complaints(process: Process) -> str:
    """The last line of standard error, which has to be read: a box that nobody listens to would stop at a full pipe."""
    assert process.stderr is not None
    kept = b""
    while part := await process.stderr.read(4096):
        kept = (kept + part)[-_KEPT_COMPLAINTS:]
    lines = kept.decode(errors="replace").strip().splitlines()
    return " ".join(lines[-1].split()) if lines else ""


async def _end(process: Process) -> None:
    """The end of its input ends it; what does not listen is killed, by its id. Cancelled meanwhile: killed at once."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
