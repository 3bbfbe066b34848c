"""The lab is what it says: real servers, reached as a stranger would, private, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.lab.box import USER, LabError, RealBox
from tests.lab.conftest import StartBox

pytestmark = pytest.mark.lab


def show_command(box: RealBox) -> str:
    show = "show running-config"
    return show if box.shell == "/usr/bin/vtysh" else f"vtysh -c '{show}'"


def openssh(box: RealBox, known_hosts: Path, command: str) -> subprocess.CompletedProcess[str]:
    options = {"UserKnownHostsFile": known_hosts, "StrictHostKeyChecking": "yes", "BatchMode": "yes"}
    flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
    return subprocess.run(
        ["ssh", "-F", "/dev/null", *flags, "-i", box.private_key_file, f"{USER}@{box.address}", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def pin(box: RealBox, file: Path) -> Path:
    file.write_text(f"{box.address} {box.host_key}\n")
    return file


def configuration(text: str) -> list[str]:
    """The lines between the heading that vtysh prints and ``end``."""
    lines = text.replace("\r\n", "\n").splitlines()
    return lines[lines.index("Current configuration:") : lines.index("end") + 1]


def test_openssh_gets_the_running_configuration_with_a_key(box: RealBox, tmp_path: Path) -> None:
    box.set_config("ip route 198.51.100.0/24 blackhole")
    answer = openssh(box, pin(box, tmp_path / "known"), show_command(box))
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert "ip route 198.51.100.0/24 blackhole" in answer.stdout
    assert configuration(answer.stdout) == configuration(box.running_config())


async def test_asyncssh_gets_the_running_configuration_with_a_password(box: RealBox) -> None:
    pinned = asyncssh.import_public_key(box.host_key)
    async with asyncssh.connect(
        box.address,
        box.port,
        username=USER,
        password=box.password,
        client_keys=None,
        known_hosts=([pinned], [], []),
        config=None,
    ) as connection:
        answer = await connection.run(show_command(box), check=True, timeout=20)
    assert configuration(str(answer.stdout)) == configuration(box.running_config())


async def test_a_wrong_password_is_refused(vtysh_box: RealBox) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            vtysh_box.address,
            username=USER,
            password="wrong",
            client_keys=None,
            known_hosts=None,
            config=None,
            preferred_auth="password",
        )


async def test_the_login_shell_of_a_vtysh_user_is_the_router(vtysh_box: RealBox) -> None:
    async with (
        asyncssh.connect(
            vtysh_box.address,
            username=USER,
            password=vtysh_box.password,
            client_keys=None,
            known_hosts=None,
            config=None,
        ) as connection,
        connection.create_process(term_type="vt100") as shell,
    ):
        seen = await shell.stdout.readuntil(f"{vtysh_box.name}# ")
        shell.stdin.write("show interface brief\n")
        seen = await shell.stdout.readuntil(f"{vtysh_box.name}# ")
    assert "wan0" in seen
    assert vtysh_box.address in seen


def test_a_swapped_host_key_is_noticed_by_openssh(vtysh_box: RealBox, tmp_path: Path) -> None:
    known = pin(vtysh_box, tmp_path / "known")
    before = vtysh_box.host_key
    after = vtysh_box.rotate_host_key()
    assert after != before
    refused = openssh(vtysh_box, known, "show version")
    assert refused.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    assert openssh(vtysh_box, pin(vtysh_box, known), "show version").returncode == 0


def test_boxes_side_by_side_know_nothing_of_each_other(start_box: StartBox) -> None:
    first, second = start_box("leuven-r1", "/usr/bin/vtysh"), start_box("liege-r1", "/bin/bash")
    first.set_config("ip route 203.0.113.0/24 blackhole")
    assert first.address != second.address
    assert "203.0.113.0/24" in first.running_config()
    assert "203.0.113.0/24" not in second.running_config()
    assert "hostname liege-r1" in second.running_config()


@pytest.mark.parametrize("bad", ["no such command", "ip route 198.51.100.0/99 blackhole"])
def test_a_refused_configuration_line_is_an_error(vtysh_box: RealBox, bad: str) -> None:
    with pytest.raises(LabError, match="%"):
        vtysh_box.set_config(bad)


def test_a_line_that_only_a_daemon_refuses_is_an_error_too(vtysh_box: RealBox) -> None:
    with pytest.raises(LabError, match="remote-as"):
        vtysh_box.set_config("router bgp 65001", "neighbor 198.51.100.9 timers 3 9")


def test_the_machine_is_as_before_once_a_box_has_stopped(vtysh_box: RealBox) -> None:
    state, line = vtysh_box.private_key_file.parent, Path("/sys/class/net", vtysh_box.line)
    assert line.exists()
    assert USER not in {entry.split(":")[0] for entry in Path("/etc/passwd").read_text().splitlines()}
    vtysh_box.stop()
    assert not line.exists()
    assert not state.exists()


@pytest.mark.usefixtures("lab_possible")
def test_a_box_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "from tests.lab.box import RealBox\n"
        "box = RealBox('mons-r1', '/usr/bin/vtysh')\n"
        "box.start()\n"
        "print(box.line, box.run('readlink', '/proc/1/ns/net').strip(), flush=True)\n"
        "input()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert owner.stdout is not None
    line, namespace = owner.stdout.readline().split()
    assert Path("/sys/class/net", line).exists()
    assert namespace in _namespaces_in_use()
    owner.kill()
    owner.communicate(timeout=20)
    assert _gone_within(20, line), f"{line} outlived its owner"
    assert namespace not in _namespaces_in_use()


def _gone_within(seconds: int, line: str) -> bool:
    watch = f"for i in {{1..{seconds * 20}}}; do [ -e /sys/class/net/{line} ] || exit 0; sleep 0.05; done; exit 1"
    return subprocess.run(["bash", "-c", watch], check=False).returncode == 0


def _namespaces_in_use() -> set[str]:
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):  # the process ended while we looked
            found.add(str(link.readlink()))
    return found
