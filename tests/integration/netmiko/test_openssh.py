"""``netmiko:linux`` on a real OpenSSH server with a real shell behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cpe_manager.adapters.netmiko.sessions import NetmikoSessions
from cpe_manager.domain.errors import CommandRefused, HostKeyChanged
from cpe_manager.ports.driver import Script
from tests.contract.drivers.harness import DRIVERS
from tests.fakes.credentials import FixedCredentials
from tests.integration.ssh.openssh import openssh_server

LINUX = "netmiko:linux"


async def test_a_real_shell_is_read_and_typed_into_and_its_key_is_pinned(tmp_path: Path) -> None:
    file = tmp_path / "interfaces"
    # Long, with look-alikes of a prompt and of the mark at the end, and no line end behind the last line.
    lines = [f"iface eth{number} inet static  # {'x' * (number % 150)}" for number in range(2000)]
    file.write_text("\n".join([*lines, "root@box:~# ", "cpe-manager-status=0", "last"]))
    driver = DRIVERS.get(LINUX)
    async with openssh_server(tmp_path) as (target, credential):
        sessions = NetmikoSessions(FixedCredentials({"box": credential}))
        aim = replace(target, family=LINUX, options={"command": f"cat {file}; echo"})
        async with sessions.open(aim) as opened:
            assert opened.host_key == target.pinned_keys[0]
            assert (await driver.fetch(opened.shell)).text == file.read_text() + "\n"
            await driver.apply(opened.shell, Script((f"echo typed > {file}",)))  # type: ignore[attr-defined]
            with pytest.raises(CommandRefused, match="exit status 127"):
                await driver.apply(opened.shell, Script(("frobnicate-4711",)))  # type: ignore[attr-defined]
        assert file.read_text() == "typed\n"
        async with sessions.open(replace(aim, options={"command": f"cat {tmp_path}/nowhere"})) as opened:
            with pytest.raises(CommandRefused, match="exit status 1"):
                await driver.fetch(opened.shell)
        other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        with pytest.raises(HostKeyChanged) as caught:
            async with sessions.open(replace(aim, pinned_keys=(other,))):
                pytest.fail("a session was opened")
        assert caught.value.offered == target.pinned_keys[0]
