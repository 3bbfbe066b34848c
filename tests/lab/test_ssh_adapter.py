"""The SSH adapter against Debian's OpenSSH server."""

from __future__ import annotations

import re

import pytest

from cpe_manager.domain.errors import AuthFailed, DeviceTimeout, HostKeyChanged, SessionDropped
from cpe_manager.ports.shell import Credential, PromptRules
from tests.lab.box import USER, RealBox
from tests.lab.product import Login, credential, sessions, target

pytestmark = pytest.mark.lab

LOGINS: tuple[Login, ...] = ("password", "key")
VTYSH_PROMPT = PromptRules(
    prompt=re.compile(r"(?P<host>[\w.-]+)(\([\w-]+\))?[#>] ?"), errors=re.compile(r"^% .*", re.MULTILINE)
)


def log_of(box: RealBox) -> str:
    return box.run("cat", "/var/log/sshd.log")


@pytest.mark.parametrize("login", LOGINS)
async def test_a_command_comes_back_with_its_output_and_status(bash_box: RealBox, login: Login) -> None:
    async with sessions(credential(bash_box, login)).open(target(bash_box)) as session:
        good = await session.shell.execute("vtysh -c 'show running-config'")
        bad = await session.shell.execute("echo lost >&2; exit 7")
    assert (good.exit_status, good.stderr) == (0, "")
    assert good.stdout.replace("\r", "") == bash_box.running_config()
    assert (bad.exit_status, bad.stderr) == (7, "lost\n")


@pytest.mark.parametrize("login", LOGINS)
async def test_the_router_is_spoken_to_in_its_own_shell(vtysh_box: RealBox, login: Login) -> None:
    vtysh_box.set_config("interface wan0", "description to the access node")
    async with sessions(credential(vtysh_box, login)).open(target(vtysh_box)) as session:
        terminal = await session.shell.terminal(VTYSH_PROMPT)
        await terminal.run("terminal length 0")
        text = await terminal.run("show running-config", evidence=re.compile(r"^end$", re.MULTILINE))
    assert terminal.hostname == vtysh_box.name
    assert text.strip() == vtysh_box.running_config().strip()


async def test_first_contact_reports_the_key_that_the_box_has(vtysh_box: RealBox) -> None:
    async with sessions(credential(vtysh_box, "password")).open(target(vtysh_box)) as session:
        assert session.host_key == vtysh_box.host_key


async def test_a_changed_host_key_stops_the_session_before_any_secret_is_sent(vtysh_box: RealBox) -> None:
    pinned = vtysh_box.host_key
    ours = sessions(credential(vtysh_box, "password"))
    async with ours.open(target(vtysh_box, pinned_keys=(pinned,))):
        pass
    offered = vtysh_box.rotate_host_key()
    entries = log_of(vtysh_box).count("password for")
    with pytest.raises(HostKeyChanged) as refusal:
        async with ours.open(target(vtysh_box, pinned_keys=(pinned,))):
            pass
    assert refusal.value.offered == offered
    assert log_of(vtysh_box).count("password for") == entries == 1
    async with ours.open(target(vtysh_box, pinned_keys=(offered,))) as session:
        assert session.host_key == offered


async def test_a_wrong_password_is_tried_once_and_no_more(vtysh_box: RealBox) -> None:
    with pytest.raises(AuthFailed):
        async with sessions(Credential(USER, password="wrong")).open(target(vtysh_box)):
            pass
    assert log_of(vtysh_box).count("Failed password for admin") == 1


async def test_a_server_that_dies_in_mid_session_is_a_dropped_session(bash_box: RealBox) -> None:
    async with sessions(credential(bash_box, "key")).open(target(bash_box)) as session:
        with pytest.raises(SessionDropped):
            await session.shell.execute("kill -9 $PPID; sleep 30")


async def test_a_line_that_is_cut_ends_in_a_timeout(bash_box: RealBox) -> None:
    async with sessions(credential(bash_box, "key")).open(target(bash_box, command_timeout=1.0)) as session:
        bash_box.run("ip", "link", "set", "wan0", "down")
        with pytest.raises(DeviceTimeout):
            await session.shell.execute("true")
