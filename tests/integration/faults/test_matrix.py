"""Every fault on every family, through the whole pipeline: nothing untrue is kept, nothing good is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.jobs import DeviceWork, Outcome
from simulators.faults.kinds import fault_types
from tests.contract.drivers.harness import significant
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.integration.faults.injections import UNSENT, Injection, injections, rounds
from tests.integration.faults.pipeline import (
    IMPATIENCE,
    PATIENCE,
    Pipeline,
    Standing,
    each,
    end_of,
    not_backed_up,
    pipeline,
    wrong_texts,
)

ROUNDS = 2
Struck = Mapping[str, Injection]
"""Injections by the name of the device that they hit."""
every_case = pytest.mark.parametrize("case", ROSTER, ids=str)


def test_every_kind_of_fault_is_injected_and_all_together_are_three_hundred_at_least() -> None:
    for case in ROSTER:
        assert {one.fault.name for one in injections(case)} == set(fault_types())
    assert sum(len(injections(case)) for case in ROSTER) >= 300


@every_case
async def test_no_fault_makes_an_untrue_version_or_loses_a_good_one(
    case: DriverCase, tmp_path: Path, sqlite_url: str, record_property: Callable[[str, object], None]
) -> None:
    dealt = rounds(injections(case), ROUNDS)
    names = {name for struck in dealt for name in struck}
    figures: Counter[str] = Counter()
    async with pipeline(tmp_path, sqlite_url, case, sorted(names)) as made:
        await made.run()
        before = await made.standings()
        assert not_backed_up(made, before) == {}
        for struck in dealt:
            rows = await strike(made, struck)
            after = await made.standings()
            assert by_injection(struck, wrong_texts(made, after)) == {}
            assert wrong_ends(made, struck, rows, before, after) == {}
            figures.update(end_of(row) for row in rows.values())
            await made.heal()
            await made.run()
            await made.nothing_left()
            before = await made.standings()
            assert by_injection(struck, wrong_texts(made, before)) == {}
            assert by_injection(struck, not_backed_up(made, before)) == {}
        assert (await made.verified())["broken"] == 0
    assert figures.total() == len(injections(case))
    assert (figures["quarantined"] > 0) == bool(case.blind_to)
    record_property("faults", json.dumps({"case": str(case), "ends": figures}))


async def strike(made: Pipeline, struck: Struck) -> Mapping[str, DeviceWork]:
    """One run over the devices that are hit, each with its fault; then nothing may be left open."""
    await made.patience(IMPATIENCE)
    made.remember()
    for name, one in struck.items():
        device = made.fleet.device(name)
        if one.changed:
            device.change()
        device.set_fault(one.fault)
    log_ins = each(made.fleet.devices, lambda device: device.stats.passwords_accepted + device.stats.passwords_refused)
    rows = await made.run(list(struck))
    await made.nothing_left()
    await made.patience(PATIENCE)
    for name, one in struck.items():
        stats = made.fleet.device(name).stats
        tried = stats.passwords_accepted + stats.passwords_refused - log_ins[name]
        assert tried == 0 or not isinstance(one.fault, UNSENT), f"{one}: {tried} log-ins were sent"
    assert rows.keys() == struck.keys()
    return rows


def by_injection(struck: Struck, found: Mapping[str, object]) -> dict[str, object]:
    """What was found of devices, by what had hit them."""
    return {f"{name}: {struck.get(name, 'not hit')}": what for name, what in found.items()}


def wrong_ends(
    made: Pipeline,
    struck: Struck,
    rows: Mapping[str, DeviceWork],
    before: Mapping[str, Standing],
    after: Mapping[str, Standing],
) -> dict[str, str]:
    """By injection, what is not as it has to be after the run."""
    wrong: dict[str, str] = {}
    for name, one in struck.items():
        end, expected = end_of(rows[name]), one.expected(made.case)
        if end not in expected:
            wrong[str(one)] = f"ended in {end} ({rows[name].error}) and not in {' or '.join(expected)}"
        elif end == "true":
            device = made.fleet.device(name)
            if significant(after[name].current_text, device) != made.truth(device):
                wrong[str(one)] = "counts as backed up, and the current version is not what the box has"
        elif problem := not_kept(rows[name], before[name], after[name]):
            wrong[str(one)] = problem
    return wrong


def not_kept(row: DeviceWork, before: Standing, after: Standing) -> str:
    """What is wrong about the versions and the status after a fetch that did not count."""
    if after.current_id != before.current_id or after.current_text != before.current_text:
        return "the last good version is not the current one any more"
    if after.good != before.good:
        return "there is another good version"
    if row.outcome is Outcome.QUARANTINED:
        held = {one.id for one in after.other if one.state is BackupState.QUARANTINED}
        return "" if row.backup_id in held else "it is not in quarantine"
    status = after.view.status
    if (status.last_error_code, status.failures) != (row.error_code, 1) or not status.last_error:
        return f"the status does not show the error: {status}"
    return "" if after.other == before.other else "something is in quarantine"
