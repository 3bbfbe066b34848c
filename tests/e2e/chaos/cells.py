"""What is tried: every family, in every phase of a push, with everything that can go wrong there. Data, no doing.

A fault of the device strikes at one command of one session, chosen by the cell's own random numbers: which command of
which session belongs to which phase is learned from a push that goes well, and from one that is taken back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

FAMILIES: Final = ("cisco_ios", "frr_linux", "openwrt", "routeros", "teltonika", "vyos")
PHASES: Final = ("plan", "check", "arm", "apply", "probe", "confirm", "revert")
"""``check`` stands for what is thought and written down between reading and arming: check and snapshot."""


class Trouble(StrEnum):
    NONE = "nothing"
    KILL = "kill -9"
    CUT = "path cut"
    RESTART = "reboot"
    DROP = "session drop"
    REJECT = "rejected"
    SLOW = "slow device"
    DISK = "disk full"
    DATABASE = "database gone"
    FLASH = "device's disk full"
    SELF_CUT = "cuts itself off"
    REFUSES = "refuses to go back"


OF_PROCESS: Final = (Trouble.KILL, Trouble.DISK, Trouble.DATABASE)
OF_DEVICE: Final = (Trouble.CUT, Trouble.RESTART, Trouble.DROP, Trouble.REJECT, Trouble.SLOW)
MISSED: Final = "missed"
WITHOUT_SESSION: Final = frozenset({("check", Trouble.DROP), ("check", Trouble.SLOW)})
"""While a push is checked no session is open: there is nothing to drop, and nobody to be slow."""

WRITES: Final = {
    "arm": ("cisco_ios", "frr_linux", "openwrt", "routeros", "teltonika"),
    "apply": ("frr_linux", "openwrt", "teltonika"),
    "confirm": ("cisco_ios", "frr_linux", "vyos"),
}
"""Where a family writes a file: there its own disk may be full."""

SESSION: Final = {"plan": (1,), "arm": (2,), "apply": (3,), "probe": (4,), "confirm": (5, 6), "revert": (4, 5, 6, 7)}
"""Which log-in of a push belongs to which phase; those of ``revert`` follow upon an apply that failed."""


@dataclass(frozen=True)
class Run:
    """One push, and what befalls it. ``done``: the command that is struck has had its effect by then."""

    family: str
    phase: str
    trouble: Trouble
    number: int = 0
    done: bool = False

    @property
    def cell(self) -> tuple[str, str, Trouble]:
        return self.family, self.phase, self.trouble

    def __str__(self) -> str:
        return f"{self.family}/{self.phase}/{self.trouble}#{self.number}{' done' if self.done else ''}"

    def rng(self) -> random.Random:
        return random.Random(str(self))


@dataclass(frozen=True)
class Trace:
    """How many commands each session of a push had: of one that went well, and of one that was taken back."""

    well: tuple[int, ...]
    back: tuple[int, ...]


@dataclass(frozen=True)
class Arming:
    """Faults to be set before the push is asked for: name and parameters."""

    faults: tuple[tuple[str, dict[str, Any]], ...] = ()
    strikes: str = ""
    """The one that has to have struck."""


def every_cell() -> set[tuple[str, str, Trouble]]:
    full = {(family, phase, Trouble.FLASH) for phase, families in WRITES.items() for family in families}
    return full | {
        (family, phase, trouble)
        for family in FAMILIES
        for phase in PHASES
        for trouble in (*OF_PROCESS, *OF_DEVICE)
        if (phase, trouble) not in WITHOUT_SESSION
    }


def of_device(rounds: int) -> Iterator[Run]:
    """Every cell of a device's fault, where it makes a difference before and behind the command's effect."""
    for number in range(rounds):
        yield from (Run(family, phase, Trouble.FLASH, number) for phase in WRITES for family in WRITES[phase])
        for phase in PHASES:
            for trouble in OF_DEVICE:
                if (phase, trouble) in WITHOUT_SESSION:
                    continue
                both = phase != "check" and trouble is not Trouble.REJECT
                for family in FAMILIES:
                    yield Run(family, phase, trouble, number)
                    if both:
                        yield Run(family, phase, trouble, number, done=True)


def of_process(trouble: Trouble, number: int) -> list[Run]:
    """One round of a trouble that befalls all pushes at once: each family in each phase."""
    runs = [Run(family, phase, trouble, number) for phase in PHASES for family in FAMILIES]
    return [Run(run.family, run.phase, trouble, number, run.rng().random() < 0.5) for run in runs]


def arming(run: Run, trace: Trace) -> Arming:
    """How the simulated device is prepared for a run."""
    rng = run.rng()
    if run.trouble is Trouble.REFUSES:
        return Arming((_failing_apply(trace, "drop_at_command"), ("reject_command", {"session": 4, "commands": 0})))
    if run.trouble is Trouble.SELF_CUT:
        last = {"session": 3, "command": trace.well[2], "done": True, "down": 0}
        return Arming((("cut_at_command", last),), "cut_at_command")
    if run.trouble is Trouble.NONE:
        return Arming((_failing_apply(trace, "reject_command"),) if run.phase == "revert" else ())
    if run.phase == "check":
        return Arming()
    if run.trouble is Trouble.FLASH:
        return Arming((("flash_full", {"session": SESSION[run.phase][0], "commands": 99}),), "flash_full")
    counts = trace.back if run.phase == "revert" else trace.well
    session = rng.choice([number for number in SESSION[run.phase] if number <= len(counts)])
    # A session is not as long each time: what is beyond the shorter one may never be typed.
    shared = session <= SESSION["arm"][0]
    most = min(trace.well[session - 1], trace.back[session - 1]) if shared else counts[session - 1]
    place = {"session": session, "command": rng.randint(min(2, most) if run.phase == "apply" else 1, most)}
    name, more = _fault(run)
    faults = [(name, {**place, **more})]
    if run.phase == "revert":
        faults.append(_failing_apply(trace, "drop_at_command" if name == "reject_command" else "reject_command"))
    return Arming(tuple(faults), name)


def _fault(run: Run) -> tuple[str, dict[str, Any]]:
    done = {"done": run.done}
    if run.trouble in OF_PROCESS:
        # Held until the daemon was struck; shorter than its patience with one command.
        return "stall_at_command", {"delay": 27, **done}
    if run.trouble is Trouble.SLOW and not run.done:
        return "stall_at_command", {"command": 1, "commands": 99, "delay": 0.6}
    return {
        Trouble.CUT: ("cut_at_command", {"down": 3, **done}),
        Trouble.RESTART: ("restart_at_command", {"down": 0.5, **done}),
        Trouble.DROP: ("drop_at_command", done),
        Trouble.REJECT: ("reject_command", {}),
        # Longer than the manager's patience: what was done is done behind its back.
        Trouble.SLOW: ("stall_at_command", {"delay": 40, **done}),
    }[run.trouble]


def _failing_apply(trace: Trace, fault: str) -> tuple[str, dict[str, Any]]:
    """What makes a push be taken back: the apply breaks off in its middle."""
    return fault, {"session": 3, "command": max(1, trace.well[2] - 1)}


@dataclass
class Tally:
    """What came of all runs."""

    ends: dict[tuple[str, str, Trouble], list[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def note(self, run: Run, end: str, *, missed: bool) -> None:
        """``missed``: it counts as a push, and for no cell."""
        cell = (run.family, MISSED, run.trouble) if missed else run.cell
        self.ends.setdefault(cell, []).append(end)

    @property
    def runs(self) -> int:
        return sum(len(ends) for ends in self.ends.values())

    def table(self) -> str:
        """Phases down, troubles across: runs over all families, and how they ended."""
        troubles = [trouble for trouble in Trouble if any(cell[2] is trouble for cell in self.ends)]
        rows = [f"{'':8} " + " ".join(f"{trouble.value:>18}" for trouble in troubles)]
        for phase in (*PHASES, MISSED):
            row = []
            for trouble in troubles:
                ends = [end for cell, some in self.ends.items() if cell[1:] == (phase, trouble) for end in some]
                counts = " ".join(f"{ends.count(end)}{end[0]}" for end in sorted(set(ends)))
                row.append(f"{counts:>18}")
            rows.append(f"{phase:8} " + " ".join(row))
        return "\n".join([*rows, "c confirmed, r reverted, s stuck, w withdrawn"])
