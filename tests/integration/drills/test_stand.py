"""The stand gives real boxes in processes of their own, and leaves none behind, however its own process ends."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.drill_process import ProcessStand
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import ConnectFailed, CredentialMissing, DeviceError, ProtocolError, UnknownFamily
from drivers.roster import DriverRoster
from tests.integration.drills.bench import SIM

PATIENCE = 60.0


def stand(command: str = SIM) -> ProcessStand:
    return ProcessStand(command, lambda logins: SshSessions(logins, SystemClock()))


def python(code: str) -> str:
    """A command line that runs this instead of a simulator."""
    return shlex.join([sys.executable, "-c", code])


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE}


def eventually(what: str, probe: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not probe():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.05)  # noqa: TID251  a test process has no event loop to hold up here


async def test_a_box_is_reached_over_ssh_restarts_and_is_gone_afterwards() -> None:
    before, one = children(), stand()
    driver = DriverRoster().get("openwrt")
    async with one.box("openwrt", username="root") as box:
        assert len(children() - before) == 1
        assert one.get(box.target.credential_ref).username == "root"
        assert box.target.pinned_keys
        assert box.secrets[0] not in repr(box)
        async with one.open(box.target) as opened:
            first = (await driver.fetch(opened.shell)).text
            await opened.shell.execute("uci set system.@system[0].hostname='CHANGED'")
        await box.restart()
        async with one.open(box.target) as opened:
            assert (await driver.fetch(opened.shell)).text == first, "what was not committed is gone"
    assert children() <= before
    assert one.names() == ()
    with pytest.raises(CredentialMissing):
        one.get(box.target.credential_ref)


async def test_two_boxes_of_a_family_are_not_the_same_box() -> None:
    one, driver = stand(), DriverRoster().get("openwrt")
    texts = []
    for _ in range(2):
        async with one.box("openwrt") as box, one.open(box.target) as opened:
            texts.append((await driver.fetch(opened.shell)).text)
    differing = set(texts[0].splitlines()) ^ set(texts[1].splitlines())
    assert any("hostname" in line for line in differing)
    assert any("ipaddr" in line for line in differing)


async def test_a_failure_and_a_cancellation_inside_leave_no_box_behind() -> None:
    before, one = children(), stand()
    with pytest.raises(ZeroDivisionError):
        async with one.box("openwrt"):
            raise ZeroDivisionError
    assert children() <= before
    inside = asyncio.Event()

    async def holds() -> None:
        async with one.box("openwrt"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(holds())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert children() <= before


async def test_a_box_that_does_not_listen_any_more_is_killed() -> None:
    before, one = children(), stand()
    async with one.box("openwrt"):
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
    assert children() <= before


HOLDER = f"""
import asyncio
from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.drill_process import ProcessStand
from cpe_manager.adapters.ssh.sessions import SshSessions

async def main():
    stand = ProcessStand({SIM!r}, lambda logins: SshSessions(logins, SystemClock()))
    async with stand.box("openwrt") as box:
        print(box.target.credential_ref.removeprefix("box-"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_daemon_leaves_no_box_behind() -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    argv = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        try:
            assert holder.stdout is not None
            pid = int(holder.stdout.readline())
            assert psutil.pid_exists(pid)
        finally:
            holder.kill()
    eventually("the end of the box", lambda: not psutil.pid_exists(pid))


async def test_a_family_without_boxes_is_told_apart_from_a_box_that_fails() -> None:
    with pytest.raises(UnknownFamily, match="no virtual boxes of toy"):
        async with stand().box("toy"):
            pass
    with pytest.raises(ConnectFailed, match="that went wrong"):
        async with stand(python("raise SystemExit('that went wrong')")).box("openwrt"):
            pass


@pytest.mark.parametrize(
    "said",
    ["'hello'", "'[1]'", """'{"box": 2}'""", """'{"box": 1, "name": "x", "port": "22"}'""", "'x' * 200_000"],
    ids=["no JSON", "no object", "another contract", "incomplete", "without an end"],
)
async def test_a_command_that_speaks_another_language_is_refused(said: str) -> None:
    before = children()
    code = f"import sys; sys.stdout.write({said} + '\\n'); sys.stdout.flush(); sys.stdin.read()"
    with pytest.raises(ProtocolError):
        async with stand(python(code)).box("openwrt"):
            pass
    assert children() <= before


async def test_a_box_is_told_nothing_of_the_daemons_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPE_MANAGER_DATABASE_URL", "postgresql://u:secret@h/d")
    code = "import os, sys; sys.exit('told' if any(n.startswith('CPE_MANAGER_') for n in os.environ) else 'not told')"
    with pytest.raises(ConnectFailed, match="not told"):
        async with stand(python(code)).box("openwrt"):
            pass


async def test_what_is_not_installed_is_said_before_anything_is_tried() -> None:
    missing = stand("no-such-program-anywhere --fast")
    assert missing.hindrance() == (
        "no boxes to restore onto: no-such-program-anywhere is not installed (setting drill_command)"
    )
    with pytest.raises(DeviceError, match="not installed"):
        async with missing.box("openwrt"):
            pass
    assert "no command line" in (stand("'unclosed").hindrance() or "")
    assert stand().hindrance() is None
