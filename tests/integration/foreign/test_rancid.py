"""RANCID, the oldest of the programs that operators back their routers up with, works on a virtual IOS router."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.integration.foreign.rancid import GROUP, Rancid, installed

# What RANCID leaves out on purpose: what changes by itself, and what wraps a configuration.
_FILTERED = re.compile(
    r"^(?:ntp clock-period|Building configuration\.\.\.|Current configuration|! Last configuration change).*\n",
    re.MULTILINE,
)
_SORTED = re.compile(r"(?:^ip nat inside source static .*\n)+", re.MULTILINE)
"""Runs of lines that RANCID sorts, since their order is of no importance to a box."""


@pytest.fixture
def rancid() -> Iterator[Rancid]:
    with installed() as made:
        yield made


@pytest.fixture
async def boxes() -> AsyncIterator[tuple[Device, Device]]:
    """One that wants an enable password, one that gives enable mode at once.

    clogin takes the first `#` that it sees for a prompt of enable mode, in a banner too: so the banner is a plain one.
    """
    plain, enabled = {"banner": "plain"}, {"banner": "plain", "login": "privileged"}
    specs = [
        DeviceSpec("GENT-1", "cisco_ios", seed=5, address="127.0.6.1", options=plain),
        DeviceSpec("GENT-2", "cisco_ios", seed=6, address="127.0.6.2", options=enabled),
    ]
    async with Fleet(specs) as fleet:
        first, second = fleet.devices
        yield first, second


def significant(text: str) -> str:
    """A configuration as RANCID keeps it, from its first line to `end`, without lines that hold a lone `!`."""
    body = _SORTED.sub(lambda run: "".join(sorted(run.group().splitlines(keepends=True))), _FILTERED.sub("", text))
    body = body[body.index("\nversion ") + 1 :]
    return re.sub(r"^!\n", "", body, flags=re.MULTILINE).rstrip() + "\n"


async def run(rancid: Rancid) -> None:
    done = await asyncio.to_thread(rancid.run, "rancid-run", "-f", f"{rancid.home}/rancid.conf", GROUP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missed cmd" not in rancid.logs(), rancid.logs()
    assert "End of run not found" not in rancid.logs(), rancid.logs()


async def test_clogin_logs_in_enables_and_runs_a_command(rancid: Rancid, boxes: tuple[Device, Device]) -> None:
    box = boxes[0]
    rancid.knows(box)
    done = await asyncio.to_thread(rancid.run, "clogin", "-t", "20", "-c", "show privilege;show clock", box.address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Current privilege level is 15" in done.stdout
    assert "GENT-1#exit" in done.stdout
    assert box.stats.passwords_accepted == 1


async def test_clogin_gets_nothing_with_a_wrong_enable_password(rancid: Rancid, boxes: tuple[Device, Device]) -> None:
    box = boxes[0]
    rancid.knows(box, enable="not-the-enable")
    done = await asyncio.to_thread(rancid.run, "clogin", "-t", "5", "-c", "show privilege", box.address)
    # It knows the words of boxes with an `enable password` alone; with an `enable secret` they are these.
    assert done.stdout.count("Password: ") == 3
    assert "% Bad secrets" in done.stdout
    assert "Error: " in done.stdout
    assert "Current privilege level is 15" not in done.stdout


@pytest.mark.timeout(240)
async def test_a_whole_run_keeps_what_the_boxes_have_and_sees_what_changes(
    rancid: Rancid, boxes: tuple[Device, Device]
) -> None:
    rancid.knows(*boxes)
    await run(rancid)
    for box in boxes:
        kept = rancid.collected(box)
        assert kept, rancid.logs()
        assert significant(kept) == significant(box.running_text())
        assert kept.startswith("!RANCID-CONTENT-TYPE: cisco\n!\n!Chassis type: C891F-K9\n")
        assert "!Image: Software: C800-UNIVERSALK9-M, 15.7(3)M8" in kept
        assert len(rancid.history(box)) == 1
    changed, same = boxes
    changed.change("ip route 10.77.0.0 255.255.0.0 Null0")
    await run(rancid)
    assert "\nip route 10.77.0.0 255.255.0.0 Null0\n" in rancid.collected(changed)
    assert len(rancid.history(changed)) == 2
    assert len(rancid.history(same)) == 1, "two readings of a box that nobody changed are one version"
    assert "+ ip route 10.77.0.0 255.255.0.0 Null0" in (rancid.home / "mail").read_text()
