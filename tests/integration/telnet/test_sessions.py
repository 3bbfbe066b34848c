"""Sessions over Telnet: only where a group allows it, the log-in dialogue, and drivers over it on virtual CPEs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvloop
from structlog.testing import capture_logs

from cpe_manager.adapters.telnet.sessions import TelnetLimits, TelnetSessions
from cpe_manager.adapters.transports import Transports
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    DeviceError,
    DeviceTimeout,
    TelnetRefused,
)
from cpe_manager.ports.shell import Credential, Target
from simulators.faults import kinds
from simulators.fleet import Fleet
from tests.contract.drivers.harness import fetch, nothing_left_open, sessions_for, significant, specs_of, target_of
from tests.contract.drivers.roster import OVER_TELNET, DriverCase
from tests.contract.drivers.test_faults import outcomes, rostered, scattered, wrong_ones
from tests.fakes.credentials import FixedCredentials

every_case = pytest.mark.parametrize("case", OVER_TELNET, ids=str)
# What Telnet does not have, or cannot tell: host keys, and an end of the output with a status.
NOT_HERE = {"host_key_changed", "refuse-port-closed"}
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@every_case
async def test_the_capture_is_the_configuration_that_the_box_shows(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-0815", "edge.b-2"], seed=40), telnet=True) as fleet:
        sessions = sessions_for(fleet.devices)
        for device in fleet.devices:
            capture = await fetch(sessions, target_of(device, case))
            assert significant(capture.text, device) == significant(device.running_text(), device)
            assert capture.hostname == device.name
            assert (device.stats.passwords_accepted, device.stats.passwords_refused) == (1, 0)
        await nothing_left_open(fleet)


@every_case
async def test_every_fault_gives_the_truth_or_an_error(case: DriverCase) -> None:
    trials = [trial for trial in (*rostered(), *scattered(seed=5)) if trial.id not in case.blind_to | NOT_HERE]
    if "truncate-keeps-end" in case.blind_to:
        trials = [trial for trial in trials if not trial.id.startswith("truncate-last")]
    assert wrong_ones(await outcomes(case, trials)) == {}


EXPECTED = {
    "refuse": {"connect_failed"},
    "banner_hang": {"timeout"},
    "auth_failure": {"auth_failed"},
    "hang_at-middle": {"timeout"},
    "drop_at": {"dropped"},
    "reboot": {"dropped"},
    "eof_at-status-0": {"dropped"},
    "truncate-bytes": {"incomplete"},
    "error_reply": {"refused"},
}


@every_case
async def test_each_fault_has_the_error_code_that_an_operator_needs(case: DriverCase) -> None:
    trials = [trial for trial in rostered() if trial.id in EXPECTED]
    codes = {
        outcome.trial.id: outcome.result.code if isinstance(outcome.result, DeviceError) else "captured"
        for outcome in await outcomes(case, trials)
    }
    assert {name: code for name, code in codes.items() if code not in EXPECTED[name]} == {}


@asynccontextmanager
async def listening(script: Script) -> AsyncIterator[tuple[Target, list[bytes]]]:
    """A server that says what the script says; the list gets every byte that a client has sent."""
    heard: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        talk = asyncio.create_task(script(_Ear(reader, heard), writer))  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            await talk

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = Target(
        "d1", "box", "127.0.0.1", port, "any", "box", transport="telnet", telnet_allowed=True,
        connect_timeout=10.0, command_timeout=10.0,
    )  # fmt: skip
    try:
        yield target, heard
    finally:
        server.close()
        for writer in writers:
            writer.close()


class _Ear:
    def __init__(self, reader: asyncio.StreamReader, heard: list[bytes]) -> None:
        self._reader, self._heard = reader, heard

    async def line(self) -> bytes:
        """One line, without Telnet's commands."""
        data = await self._reader.readuntil(b"\n")
        self._heard.append(data)
        while (at := data.find(b"\xff")) >= 0:
            data = data[:at] + data[at + 3 :]
        return data

    async def rest(self) -> None:
        while data := await self._reader.read(1024):
            self._heard.append(data)


def opener(credential: Credential | None = None) -> TelnetSessions:
    return TelnetSessions(
        FixedCredentials({"box": credential or Credential("noc", "right")}), TelnetLimits(log_in_settle=0.1, close=0.5)
    )


async def refused(target: Target, error: type[DeviceError], credential: Credential | None = None) -> DeviceError:
    with pytest.raises(error) as caught:
        async with opener(credential).open(target):
            pytest.fail("a session was opened")
    return caught.value


async def silent(ear: _Ear, writer: asyncio.StreamWriter) -> None:
    await ear.rest()


@pytest.mark.parametrize("change", [{"telnet_allowed": False}, {"transport": "ssh"}])
async def test_where_no_group_allows_it_not_a_connection_is_made(change: dict[str, object]) -> None:
    accepted: list[int] = []

    async def count(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)

    async with listening(count) as (target, heard):
        error = await refused(replace(target, **change), TelnetRefused)  # type: ignore[arg-type]
        assert "allow_telnet" in str(error)
        assert (error.retryable, error.device_state) == (False, "untouched")
        await asyncio.sleep(0.05)
        assert (accepted, heard) == ([], [])


async def test_a_user_and_a_password_are_answered_and_no_command_of_telnet_is_part_of_the_data() -> None:
    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x1f\xff\xfd\x18Welcome\r\n\r\nUser")
        await asyncio.sleep(0.05)
        writer.write(b"name: ")
        assert b"noc" in await ear.line()
        writer.write(b"noc\r\nPassword: ")
        assert b"right" in await ear.line()
        writer.write(b"\r\n\xff\xf1motd \xff\xff\r\0\r\nR1#")
        await ear.rest()

    async with listening(box) as (target, heard), opener().open(target) as opened:
        assert opened.host_key == ""
        assert b"".join(heard).count(b"right") == 1
        with pytest.raises(CommandRefused):
            await opened.shell.execute("show version")


@pytest.mark.parametrize("questions", [[b"Password: "], [b"login: ", b"Password for noc: "], []])
async def test_a_box_is_logged_in_to_by_as_many_questions_as_it_asks(questions: list[bytes]) -> None:
    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        for question in questions:
            writer.write(question)
            await ear.line()
            writer.write(b"\r\n")
        writer.write(b"Last login: yesterday\r\n# motd #\r\nR1>")
        await ear.rest()

    async with listening(box) as (target, _), opener().open(target):
        pass


@pytest.mark.parametrize(
    "answer", [b"% Login invalid\r\n\r\nUsername: ", b"\r\nPassword: ", b"\r\nLogin incorrect\r\n", b""]
)
async def test_a_refused_password_is_told_and_never_given_again(answer: bytes) -> None:
    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Username: ")
        await ear.line()
        writer.write(b"Password: ")
        await ear.line()
        if not answer:
            writer.close()
            return
        writer.write(answer)
        await ear.rest()

    async with listening(box) as (target, heard):
        error = await refused(target, AuthFailed, Credential("noc", "wrong"))
        assert "wrong" not in str(error)
        assert b"".join(heard).count(b"wrong") == 1
        assert error.retryable is False


async def test_a_question_for_a_password_that_the_credential_does_not_have_gets_no_answer() -> None:
    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Password: ")
        await ear.rest()

    async with listening(box) as (target, heard):
        await refused(target, AuthFailed, Credential("noc"))
        assert b"\r\n" not in b"".join(heard)


async def test_a_box_that_says_nothing_runs_into_the_connect_deadline_and_leaves_no_socket() -> None:
    gone = asyncio.Event()

    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        await ear.rest()
        gone.set()

    async with listening(box) as (target, _):
        await refused(replace(target, connect_timeout=0.3), DeviceTimeout)
        await gone.wait()
    await refused(target, ConnectFailed)


async def test_a_session_that_is_cancelled_in_its_log_in_leaves_no_socket() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Username: ")
        await ear.line()
        asked.set()
        await ear.rest()
        gone.set()

    async with listening(box) as (target, _):

        async def visit() -> None:
            async with opener().open(target):
                pytest.fail("a session was opened")

        task = asyncio.create_task(visit(), name="visit")
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()


async def test_every_connect_over_telnet_is_warned_of() -> None:
    async def box(ear: _Ear, writer: asyncio.StreamWriter) -> None:
        writer.write(b"R1#")
        await ear.rest()

    async with listening(box) as (target, _):
        sessions = Transports({"telnet": opener()})
        with capture_logs() as logs:
            for _ in range(2):
                async with sessions.open(target):
                    pass
        warned = [(entry["log_level"], entry["why"]) for entry in logs if entry["event"] == "session.insecure"]
        assert warned == [("warning", "telnet")] * 2


def test_it_works_on_the_event_loop_that_the_daemon_has() -> None:
    """uvloop's transports are none of asyncio's classes, and end in their own way."""

    async def visit() -> None:
        case = OVER_TELNET[0]
        async with Fleet(specs_of(case, ["SITE-1"]), telnet=True) as fleet:
            (device,) = fleet.devices
            sessions, target = sessions_for(fleet.devices), target_of(device, case)
            assert (await fetch(sessions, target)).text.endswith("\nend\n")
            device.set_fault(kinds.HangAt(at=0.5))
            with pytest.raises(DeviceTimeout):
                await fetch(sessions, replace(target, command_timeout=0.5))
            device.clear_faults()
            device.set_fault(kinds.DropAt(at=0.5))
            with pytest.raises(DeviceError):
                await fetch(sessions, target)
            await nothing_left_open(fleet)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(visit())
