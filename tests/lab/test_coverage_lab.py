"""A transfer over the mobile interface of a real box, whose fixed line carries everything else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.ports.coverage import Transfer, Transferring
from cpe_manager.ports.shell import ExecResult
from drivers.roster import DriverRoster
from simulators.lab.netns import NetnsLab, Running
from simulators.lab.plan import INTERNET_NET, LabPlan, second
from tests.fakes.shell import ScriptedShell

pytestmark = [pytest.mark.lab, pytest.mark.slow]
PORT = 8080
DOWN, UP = 20, 8
"""Megabits per second that the lab's mobile operator gives."""


class CpeShell(ScriptedShell):
    """A shell whose exec channels are the lab box's own."""

    def __init__(self, lab: Running) -> None:
        super().__init__()
        self._lab = lab

    async def execute(self, command: str) -> ExecResult:
        within = self._lab.within("cpe1")
        process = await asyncio.create_subprocess_exec(
            *within, "sh", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        return ExecResult(out.decode(), err.decode(), process.returncode)


@pytest.fixture(scope="module")
def lab(network_possible: None) -> Iterator[Running]:
    with NetnsLab(LabPlan(mobile_down=DOWN, mobile_up=UP)) as running:
        web = [*running.within("internet"), sys.executable, str(Path(__file__).with_name("web.py")), str(PORT)]
        with subprocess.Popen(web, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield running
            server.terminate()


def driver() -> Transferring:
    found = DriverRoster().get("frr_linux")
    assert isinstance(found, Transferring)
    return found


def over(path: str, port: str = "wwan0", *, upload: bool = False, seconds: float = 3) -> Transfer:
    return Transfer(f"http://{second(INTERNET_NET)}:{PORT}{path}", port, upload, seconds)


def sent(lab: Running, port: str) -> int:
    """Bytes that an interface of the box has sent (proc_net(5): the ninth figure)."""
    rows = (line.partition(":") for line in lab.run("cpe1", "cat", "/proc/net/dev").splitlines())
    return next(int(figures.split()[8]) for name, _, figures in rows if name.strip() == port)


async def test_a_transfer_over_mobile_is_as_fast_as_mobile_is_while_the_fixed_line_carries(lab: Running) -> None:
    before = sent(lab, "eth0")
    down = await driver().transfer(CpeShell(lab), over("/4000000"))
    up = await driver().transfer(CpeShell(lab), over("/", upload=True))
    assert 1 < down <= DOWN * 1.1
    assert 1 < up <= UP * 1.3  # what the socket's buffer took is not on its way yet
    assert sent(lab, "eth0") - before < 100_000
    assert "dev eth0" in lab.run("cpe1", "ip", "-4", "route", "show", "default")


async def test_what_takes_too_long_is_broken_off_and_counts(lab: Running) -> None:
    assert 1 < await driver().transfer(CpeShell(lab), over("/90000000", seconds=2)) <= DOWN * 1.1


async def test_what_cannot_be_measured_is_said(lab: Running) -> None:
    for asked, words in (
        (over("/nothing"), "the server answered 404"),
        (over("/1000", "wwan9"), "wwan9"),
        (Transfer(f"http://{second(INTERNET_NET)}:1/", "wwan0"), "onnect"),
    ):
        with pytest.raises(CommandRefused, match=words):
            await driver().transfer(CpeShell(lab), asked)
