"""Whatever goes wrong on a box or on the way: the whole truth or one of our errors, and nothing left open."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cpe_manager.domain.errors import DeviceError
from cpe_manager.ports.driver import Capture
from simulators.device import Device
from simulators.faults import kinds
from simulators.faults.roster import fault_roster
from simulators.fleet import Fleet
from tests.contract.drivers.harness import Trial, nothing_left_open, run_trials, significant, specs_of
from tests.contract.drivers.roster import ROSTER, DriverCase

# Long enough that a slow machine does not turn a benign delay into an error, short enough for a test of silence.
_PATIENCE_WITH_SILENCE = 0.8
# A text that comes byte by byte takes its time when the machine has others to serve.
_PATIENCE = 45.0
every_case = pytest.mark.parametrize("case", ROSTER, ids=str)


def rostered() -> Iterator[Trial]:
    for case in fault_roster():
        yield Trial(case.id, case.fault, _PATIENCE_WITH_SILENCE if case.silences else _PATIENCE)


def scattered(seed: int) -> Iterator[Trial]:
    """Faults at places that nobody chose: each seed has others, and the same ones every time."""
    rng = random.Random(seed)
    for number in range(4):
        at = rng.uniform(0.01, 0.99)
        yield Trial(f"hang-{number}", kinds.HangAt(at=at), _PATIENCE_WITH_SILENCE)
        yield Trial(f"drop-{number}", kinds.DropAt(at=at))
        yield Trial(f"eof-{number}", kinds.EofAt(at=at))
        yield Trial(f"eof-no-status-{number}", kinds.EofAt(at=at, exit_status=-1))
        yield Trial(f"truncate-bytes-{number}", kinds.Truncate(at=at))
        yield Trial(f"truncate-lines-{number}", kinds.Truncate(at=at, unit="lines"))
        yield Trial(f"garbage-{number}", kinds.Garbage(at=at, size=rng.randint(1, 40)))
        yield Trial(f"noise-{number}", kinds.SyslogNoise(at=at, mid_line=bool(number % 2)))
        yield Trial(f"split-{number}", kinds.SplitReads(most=rng.choice((1, 2, 17, 300))))
        yield Trial(f"slow-{number}", kinds.Slow(chunk=rng.randint(200, 3000), delay=0.005))
    for last in (1, 2, 3, 5, 8):
        # The very last bytes: the end mark itself is what is cut.
        yield Trial(f"truncate-last-{last}", kinds.Truncate(at=1.0 - last / 4000))
        yield Trial(f"eof-last-{last}", kinds.EofAt(at=1.0 - last / 4000))


@dataclass(frozen=True)
class Outcome:
    trial: Trial
    result: Capture | DeviceError
    true: bool
    """Whether the result is a capture of exactly what the box has."""


async def outcomes(case: DriverCase, trials: list[Trial]) -> list[Outcome]:
    """What came of each trial, after everything has been seen to be closed."""
    by_name = {f"SITE-{index:04d}": trial for index, trial in enumerate(trials)}
    async with Fleet(specs_of(case, by_name), telnet=case.transport == "telnet") as fleet:
        before = len(asyncio.all_tasks())
        results = await run_trials(fleet, case, by_name)
        await nothing_left_open(fleet)
        assert len(asyncio.all_tasks()) <= before
        return [
            Outcome(trial, results[name], is_true(results[name], fleet.device(name))) for name, trial in by_name.items()
        ]


def is_true(result: Capture | DeviceError, device: Device) -> bool:
    return isinstance(result, Capture) and significant(result.text, device) == significant(
        device.running_text(), device
    )


def wrong_ones(found: list[Outcome]) -> dict[str, str]:
    """Texts that were believed and are not the configuration, and benign faults that were not lived with."""
    wrong: dict[str, str] = {}
    for outcome in found:
        fault = outcome.trial.fault
        if isinstance(outcome.result, Capture) and not outcome.true:
            wrong[outcome.trial.id] = f"believed a text that is not the configuration: {fault}"
        if isinstance(outcome.result, DeviceError) and fault is not None and fault.benign:
            wrong[outcome.trial.id] = f"gave up on {fault}: {outcome.result}"
    return wrong


@every_case
async def test_every_fault_of_the_simulator_gives_the_truth_or_an_error(case: DriverCase) -> None:
    trials = [trial for trial in rostered() if trial.id not in case.blind_to]
    assert wrong_ones(await outcomes(case, trials)) == {}


@every_case
async def test_faults_at_any_place_give_the_truth_or_an_error(case: DriverCase) -> None:
    trials = list(scattered(seed=len(str(case))))
    assert len(trials) * len(ROSTER) >= 300
    assert wrong_ones(await outcomes(case, trials)) == {}


@every_case
async def test_damage_that_strikes_once_is_healed_within_the_session(case: DriverCase) -> None:
    trials = [
        Trial("noise", kinds.SyslogNoise(at=0.4, times=1)),
        Trial("noise-mid-line", kinds.SyslogNoise(at=0.7, mid_line=True, times=1)),
        Trial("garbage", kinds.Garbage(at=0.3, times=1)),
        Trial("truncate", kinds.Truncate(at=0.5, times=1)),
        Trial("foreign", kinds.ForeignConfig(times=1)),
    ]
    found = await outcomes(case, trials)
    assert [(outcome.trial.id, outcome.result) for outcome in found if not outcome.true] == []


EXPECTED = {
    "refuse": {"connect_failed"},
    "refuse-port-closed": {"connect_failed"},
    "banner_hang": {"timeout"},
    "host_key_changed": {"host_key"},
    "auth_failure": {"auth_failed"},
    "hang_at-middle": {"timeout"},
    "drop_at": {"dropped"},
    "reboot": {"dropped"},
    "eof_at-status-0": {"dropped", "incomplete"},
    "truncate-bytes": {"incomplete"},
    "foreign_config": {"foreign_text", "incomplete"},
    "error_reply": {"refused"},
    "empty": {"incomplete"},
    "garbage": {"incomplete"},
    "syslog_noise": {"incomplete"},
}


@every_case
async def test_each_fault_has_the_error_code_that_an_operator_needs(case: DriverCase) -> None:
    trials = [trial for trial in rostered() if trial.id in EXPECTED]
    assert {trial.id for trial in trials} == set(EXPECTED)
    codes = {
        outcome.trial.id: outcome.result.code if isinstance(outcome.result, DeviceError) else "captured"
        for outcome in await outcomes(case, trials)
    }
    assert {name: code for name, code in codes.items() if code not in EXPECTED[name]} == {}
