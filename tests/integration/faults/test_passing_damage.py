"""Damage that strikes once: also where no driver can see it, it never becomes a version."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulators.device import Device
from simulators.faults import kinds
from simulators.faults.kinds import Fault
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.integration.faults.pipeline import each, end_of, not_backed_up, pipeline, wrong_texts

CUTS = 18
WHOLE: tuple[Fault, ...] = (
    kinds.Shrunk(times=1),
    kinds.ForeignConfig(times=1),
    kinds.Empty(times=1),
    kinds.Garbage(at=0.3, times=1),
    kinds.SyslogNoise(at=0.6, mid_line=True, times=1),
    kinds.Truncate(at=0.9, times=1),
)
NAMES = [f"P-{number:04d}" for number in range(CUTS + len(WHOLE))]


def cut(device: Device, number: int) -> Fault:
    """The middle of the configuration is missing once, and its end is there; more is missing than a change adds.

    Half of the places are behind a separator, where every block that is left is whole (a family whose text has none is
    of whole lines anywhere); a quarter is close to the end, where so little is missing that a count of bytes would
    hardly show it; the others are anywhere.
    """
    lines = device.running_text().rstrip("\n").split("\n")
    inner = range(8, len(lines) - 3)
    behind = [index + 1 for index in inner if lines[index] in ("!", "")] or [index + 1 for index in inner]
    places = (
        behind[-1 - number // 2 % len(behind)],
        len(lines) - 3 - number // 4,
        behind[-1 - number // 2 % len(behind)],
        random.Random(f"{device.name} {number}").randrange(2, len(lines) - 3),
    )
    return kinds.Truncate(at=places[number % 4], unit="lines", keep_end=True, times=1)


def damages(devices: tuple[Device, ...]) -> Iterator[tuple[Device, Fault]]:
    """One for each device; half of the devices are changed behind our back at the same time."""
    for number, device in enumerate(devices):
        if number % 8 >= 4:
            device.change()
        yield device, cut(device, number) if number < CUTS else WHOLE[number - CUTS]


@pytest.mark.parametrize("case", ROSTER, ids=str)
async def test_a_configuration_that_is_damaged_once_is_not_believed(
    case: DriverCase, tmp_path: Path, sqlite_url: str, record_property: Callable[[str, object], None]
) -> None:
    async with pipeline(tmp_path, sqlite_url, case, NAMES, seed=70) as made:
        await made.run()
        before = await made.standings()
        assert not_backed_up(made, before) == {}
        for device, fault in damages(made.fleet.devices):
            device.set_fault(fault)
        connections = each(made.fleet.devices, lambda device: device.stats.connections)
        rows = await made.run()
        await made.nothing_left()
        assert [device.name for device in made.fleet.devices if device.faults] == [], "each one has struck"
        after = await made.standings()
        assert wrong_texts(made, after) == {}
        ends = {name: end_of(row) for name, row in rows.items()}
        assert not_backed_up(made, {name: after[name] for name, end in ends.items() if end == "true"}) == {}
        again = [one.name for one in made.fleet.devices if one.stats.connections > connections[one.name] + 1]
        if case.blind_to:
            assert again, "some of the damage was beyond what the driver can see"
        await made.run()
        healed = await made.standings()
        assert (not_backed_up(made, healed), wrong_texts(made, healed)) == ({}, {})
    record_property("faults", json.dumps({"case": str(case), "ends": Counter(ends.values())}))
