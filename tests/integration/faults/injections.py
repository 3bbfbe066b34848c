"""Which faults are injected, and what each of them has to come to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulators.faults import kinds
from simulators.faults.kinds import Fault
from simulators.faults.roster import fault_roster
from tests.contract.drivers.roster import DriverCase

CODES: dict[type[Fault], frozenset[str]] = {
    kinds.Refuse: frozenset({"connect_failed"}),
    kinds.BannerHang: frozenset({"timeout"}),
    kinds.HostKeyChanged: frozenset({"host_key"}),
    kinds.AuthFailure: frozenset({"auth_failed"}),
    kinds.WrongPrompt: frozenset({"foreign_text", "prompt"}),
    kinds.HangAt: frozenset({"timeout"}),
    kinds.DropAt: frozenset({"dropped"}),
    kinds.EofAt: frozenset({"dropped", "incomplete"}),
    kinds.Restart: frozenset({"dropped"}),
    kinds.Truncate: frozenset({"incomplete"}),
    kinds.ForeignConfig: frozenset({"foreign_text", "incomplete"}),
    kinds.Shrunk: frozenset({"incomplete"}),
    kinds.ErrorReply: frozenset({"refused"}),
    kinds.Empty: frozenset({"incomplete"}),
    kinds.Garbage: frozenset({"incomplete"}),
    kinds.SyslogNoise: frozenset({"incomplete"}),
    kinds.DropAtCommand: frozenset({"dropped"}),
    kinds.CutAtCommand: frozenset({"dropped"}),
    kinds.RestartAtCommand: frozenset({"dropped"}),
    kinds.RejectCommand: frozenset({"refused"}),
}
"""The error codes that an operator is shown. Benign faults have none."""

UNSENT = (kinds.Refuse, kinds.BannerHang, kinds.HostKeyChanged)
"""Faults that end a connection before a log-in may be tried."""


@dataclass(frozen=True)
class Injection:
    """changed: the box is changed behind our back at the same time, so that a new version is due.

    certain: from the roster, whose examples always bite; at places that nobody chose, a fault may hit nothing.
    """

    id: str
    fault: Fault
    silent: bool = False
    changed: bool = False
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.id}{' with a change' if self.changed else ''}"

    def expected(self, case: DriverCase) -> frozenset[str]:
        """What the run may end in: error codes, `quarantined`, or `true` for the whole true configuration."""
        if self.fault.benign or self._misses(case):
            return frozenset({"true"})
        codes = CODES[type(self.fault)]
        if self.id in case.blind_to:  # whether the marks of completeness are left may depend on the place
            return codes | {"quarantined"}
        return codes if self.certain else codes | {"true"}

    def _misses(self, case: DriverCase) -> bool:
        """On exec channels there is no prompt that could be wrong."""
        return isinstance(self.fault, kinds.WrongPrompt) and case.family != "cisco_ios"


def rostered() -> Iterator[Injection]:
    """Every fault that the simulator knows, without and with a change."""
    for one in fault_roster():
        yield Injection(one.id, one.fault, one.silences)
        yield Injection(one.id, one.fault, one.silences, changed=True)


def scattered(seed: int) -> Iterator[Injection]:
    """Faults at places that nobody chose: each seed has others, and the same ones every time."""
    rng = random.Random(seed)
    for number in range(2):
        at = [rng.uniform(0.01, 0.99) for _ in range(8)]
        faults: dict[str, Fault] = {
            "hang": kinds.HangAt(at=at[0]),
            "drop": kinds.DropAt(at=at[1]),
            "reboot": kinds.Restart(at=at[2], down=0.1),
            "eof": kinds.EofAt(at=at[3]),
            "eof-no-status": kinds.EofAt(at=at[3], exit_status=-1),
            "truncate-bytes": kinds.Truncate(at=at[4]),
            "truncate-lines": kinds.Truncate(at=at[5], unit="lines"),
            "truncate-last-bytes": kinds.Truncate(at=1.0 - rng.randint(2, 9) / 4000),
            "garbage": kinds.Garbage(at=at[6], size=rng.randint(1, 40)),
            "noise": kinds.SyslogNoise(at=at[7], mid_line=bool(number % 2)),
            "split": kinds.SplitReads(most=rng.choice((1, 2, 17, 300))),
            "slow": kinds.Slow(chunk=rng.randint(200, 3000), delay=0.005),
        }
        for name, fault in faults.items():
            silent, changed = isinstance(fault, kinds.HangAt), rng.random() < 0.5
            yield Injection(f"{name}-{number}", fault, silent, changed, certain=False)


def injections(case: DriverCase) -> list[Injection]:
    """All of one driver case."""
    return [*rostered(), *scattered(seed=len(str(case)))]


def rounds(chosen: Sequence[Injection], count: int) -> list[dict[str, Injection]]:
    """Dealt out evenly over ``count`` runs, by the name of the device that is hit: `Q-...` are waited for less."""
    dealt = []
    for number in range(count):
        silent = [one for one in chosen if one.silent][number::count]
        loud = [one for one in chosen if not one.silent][number::count]
        names = [*(f"Q-{index:04d}" for index in range(len(silent))), *(f"P-{index:04d}" for index in range(len(loud)))]
        dealt.append(dict(zip(names, [*silent, *loud], strict=True)))
    return dealt
