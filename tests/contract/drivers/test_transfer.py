"""How a Linux box's answer to a measured transfer is read; that it measures is tried in the lab (tests/lab)."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.ports.coverage import Transfer, Transferring
from cpe_manager.ports.shell import ExecResult
from drivers._transfer import command, linux_transfer
from drivers.roster import DriverRoster
from tests.fakes.shell import ScriptedShell

DOWN = Transfer("http://198.51.100.2/25mb?a=1&b='2'", "wwan0", seconds=7)
UP = replace(DOWN, upload=True)


def printed(curl: str, end: str, stderr: str = "") -> ScriptedShell:
    return ScriptedShell(commands={"*": ExecResult(f"\n{curl}\n{end}\n", stderr, 0)})


@pytest.mark.parametrize("family", ["frr_linux", "openwrt", "teltonika"])
async def test_linux_boxes_measure(family: str) -> None:
    driver = DriverRoster().get(family)
    assert isinstance(driver, Transferring)
    shell = printed("curl 200 1250000.5 4000000", "cpe-manager 0 4100000")
    assert await driver.transfer(shell, DOWN) == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize(
    ("test", "curl", "end"),
    [
        (DOWN, "curl 206 1250000 4000000", "cpe-manager 0 4100000"),
        (DOWN, "curl 200 1250000 9000000", "cpe-manager 28 9200000"),
        (UP, "curl 201 1250000 25000000", "cpe-manager 0 26000000"),
        (UP, "curl 000 1250000 9000000", "cpe-manager 28 8000000"),
    ],
)
async def test_what_passed_counts_also_when_it_was_broken_off(test: Transfer, curl: str, end: str) -> None:
    assert await linux_transfer(printed(curl, end), test) == 10


@pytest.mark.parametrize(
    ("test", "shell", "words"),
    [
        (DOWN, printed("curl 404 900 162", "cpe-manager 0 900"), "the server answered 404"),
        (DOWN, printed("curl 000 0 0", "cpe-manager 7 120", "curl: (7) Failed to connect"), "Failed to connect"),
        (DOWN, printed("curl 000 0 0", "cpe-manager 28 0"), "curl ended with status 28"),
        (DOWN, printed("curl 200 0 0", "cpe-manager 0 90"), "the server answered 200"),
        (UP, printed("curl 405 1250000 65536", "cpe-manager 0 70000"), "the server answered 405"),
        (DOWN, printed("", "cpe-manager 127 0", "sh: curl: not found"), "no curl"),
        (DOWN, printed("curl 200 1250000 4000000", "cpe-manager 0 12"), "wwan0 counted 12"),
        (DOWN, ScriptedShell(commands={"*": ExecResult("", "no interface wwan0\n", 1)}), "no interface wwan0"),
        (DOWN, ScriptedShell(commands={"*": ExecResult("", "", 1)}), "no interface wwan0"),
    ],
)
async def test_what_was_not_measured_is_said(test: Transfer, shell: ScriptedShell, words: str) -> None:
    with pytest.raises(CommandRefused, match=words):
        await linux_transfer(shell, test)


@pytest.mark.parametrize("test", [DOWN, UP, replace(DOWN, port="eth0; reboot")], ids=["down", "up", "odd name"])
def test_the_line_is_one_that_a_shell_reads_and_names_stay_words(test: Transfer) -> None:
    line = command(test)
    assert subprocess.run(["sh", "-n", "-c", line], check=False).returncode == 0
    assert "'http://198.51.100.2/25mb?a=1&b='\"'\"'2'\"'\"''" in line
    assert "; reboot" not in line.replace("'eth0; reboot'", "")
