"""Families of netmiko through the whole pipeline: what was cut on the way never becomes a version."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.faults import kinds
from simulators.faults.kinds import Fault
from tests.contract.drivers.roster import LONG_TAIL, DriverCase
from tests.integration.faults.pipeline import end_of, not_backed_up, pipeline, wrong_texts

DAMAGE: dict[str, Fault] = {
    "P-drop": kinds.DropAt(at=0.6, times=1),
    "P-eof": kinds.EofAt(at=0.6, times=1),
    "P-cut": kinds.Truncate(at=0.5, times=1),
    "P-middle": kinds.Truncate(at=0.4, unit="lines", keep_end=True, times=1),
    "P-shrunk": kinds.Shrunk(times=1),
    "P-noise": kinds.SyslogNoise(at=0.5, times=1),
    "P-foreign": kinds.ForeignConfig(times=1),
    "P-well": kinds.Slow(chunk=600, delay=0.01, times=1),
}


@pytest.mark.parametrize("case", LONG_TAIL, ids=str)
async def test_a_configuration_that_is_damaged_once_is_not_believed(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with pipeline(tmp_path, sqlite_url, case, list(DAMAGE), seed=30) as made:
        for name, fault in DAMAGE.items():
            made.fleet.device(name).set_fault(fault)
        ends = {name: end_of(row) for name, row in (await made.run()).items()}
        first = await made.standings()
        assert wrong_texts(made, first) == {}
        assert ends["P-well"] == "true"
        assert {name for name, end in ends.items() if end == "true"} < set(DAMAGE)
        assert ends["P-middle"] == "incomplete", "two readings differ"
        await made.nothing_left()
        await made.run()
        healed = await made.standings()
        assert (not_backed_up(made, healed), wrong_texts(made, healed)) == ({}, {})
        assert [len(one.good) for one in healed.values()] == [1] * len(DAMAGE)
        # Changed behind our back, and read twice again: a version more, with the truth in it.
        made.fleet.device("P-well").change()
        await made.run(["P-well"])
        after = await made.standings()
        assert (len(after["P-well"].good), wrong_texts(made, after)) == (2, {})
