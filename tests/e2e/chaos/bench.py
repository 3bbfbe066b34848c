"""One daemon, one simulated fleet, and a push at a time on each of its devices, with something that goes wrong.

What came of a push is read from the simulated device itself: what runs, what a restart would bring, what it is going to
do by itself. A push moves a device between two configurations, A and B, so that both are known to the letter.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from drivers.roster import DriverRoster
from simulators.control import ControlClient
from tests.e2e.chaos.cells import (
    FAMILIES,
    OF_PROCESS,
    PHASES,
    SESSION,
    Arming,
    Run,
    Tally,
    Trace,
    Trouble,
    arming,
    of_process,
)
from tests.e2e.chaos.stores import Line, Store
from tests.e2e.world import Process, World, eventually

SETTINGS: Final = {
    "CPE_MANAGER_LEASE_SECONDS": "3",
    "CPE_MANAGER_SESSIONS_PER_ACCESS_NODE": "0",
    "CPE_MANAGER_HANDSHAKES_PER_SECOND": "500",
    "CPE_MANAGER_SWEEP_SECONDS": "0.5",
    # Most of these pushes are meant to fail: nobody is to be kept waiting for that.
    "CPE_MANAGER_PUSH_FAILURES_PER_HOUR": "0",
    "CPE_MANAGER_PUSH_LIMIT_PER_ACCESS_NODE": "0",
    "CPE_MANAGER_PUSH_LIMIT_IN_FLIGHT": "0",
}
PATIENCE: Final = 400.0
"""Seconds that any push may take to its end: the device's own timer, five attempts behind it, and a busy machine."""
FULL_SECONDS: Final = 8.0
HELD_SECONDS: Final = 22.0
TRIES: Final = 5
LATER: Final = 7200
"""Seconds by which a device's clock is put forward once a push has ended: nothing may be left that happens then."""
_DRIVERS = DriverRoster()
_OURS: Final = "cpe-manager"
_ENDS: Final = {"confirmed", "reverted", "withdrawn", "stuck"}


def wanted(side: str, number: int) -> dict[str, Any]:
    """The change that makes side A or B of a device."""
    servers = {"A": ["9.9.9.9", "149.112.112.112"], "B": ["1.1.1.1"]}[side]
    return {
        "hostname": f"CHAOS-{side}-{number}",
        "dns": servers,
        "snmp": {"location": f"Rack {side}", "contact": f"noc-{side.lower()}@example.net"},
    }


@dataclass
class Lane:
    """One device. ``known``: its configuration on each side, without what changes by itself; ``side`` is where it is,
    ``-`` as it was delivered."""

    name: str
    family: str
    number: int
    alarms: list[str]
    side: str = "-"
    known: dict[str, str] = field(default_factory=dict)
    run: Run | None = None
    push_id: str = ""
    armed: Arming = field(default_factory=Arming)
    asked_at: float = 0.0
    missed: bool = False
    """It was elsewhere when its trouble came."""
    moved: bool = False
    """What the bench does in the middle of a run, it has done."""

    @property
    def target(self) -> str:
        assert self.run is not None
        nothing = self.run.phase == "check" and self.run.trouble is Trouble.REJECT
        return self.side if nothing else {"A": "B"}.get(self.side, "A")


def start(w: World, count: int) -> None:
    """So many devices, families in turns, each with its first backup."""
    w.fleet(count, extra=("--mix", ",".join(FAMILIES), "--option", "frr_linux.mode=linux"))
    w.init()
    w.serve(piped=True)
    w.ok("devices", "import", str(w.inventory))
    eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] == "done")


class Bench:
    def __init__(self, world: World, sim: ControlClient, store: Store, daemon: Process) -> None:
        self.world, self.sim, self.store, self.daemon = world, sim, store, daemon
        self.tally = Tally()
        self.traces: dict[str, Trace] = {}
        self.again: list[Run] = []
        self.apart: list[Lane] = []
        """Looked at beside whatever else goes on."""
        self.lanes = [
            Lane(device["name"], device["family"], number, sim.standing(device["name"])["alarms"])
            for number, device in enumerate(world.get("devices", limit=200)["items"])
        ]
        for lane in self.lanes:
            standing = self._standing(lane)
            lane.known["-"] = standing[0]
            assert standing[0] == standing[1], f"{lane.name} was not saved when it was delivered"

    # One push on one device.

    def begin(self, lane: Lane, run: Run) -> None:
        lane.run, lane.moved, lane.missed = run, False, False
        lane.armed = arming(run, self.traces[lane.family]) if lane.family in self.traces else Arming()
        for name, parameters in lane.armed.faults:
            self.sim.set_fault(lane.name, name, **parameters)
        if run.phase == "check" and run.trouble not in (Trouble.REJECT, Trouble.NONE):
            self.store.refuse(lane.name, run.rng().choice(["check", "snapshot"]))
        self.ask(lane)

    def ask(self, lane: Lane) -> None:
        change = {"hostname": lane.name} if lane.target == "-" else wanted(lane.target, lane.number)
        body = {"device": lane.name, "change": change, "guard_seconds": 120}
        with self.world.api() as api:
            answer = api.post("/api/v1/pushes", json=body)
        assert answer.status_code == 202, answer.text
        lane.push_id, lane.asked_at = answer.json()["id"], time.monotonic()

    def _struck(self, lane: Lane) -> list[str]:
        return list(self.sim.call("typing", name=lane.name)["struck"])

    def end(self, lane: Lane) -> None:
        """The push has ended: see what came of it, and make the device whole for the next one."""
        run = lane.run
        assert run is not None
        shown = self.world.get(f"pushes/{lane.push_id}")
        if lane.armed.strikes and lane.armed.strikes not in self._struck(lane):
            # The command was not typed this time: it is tried at another one.
            lane.missed = True
            if run.number < 1000 * TRIES:
                self.again.append(replace(run, number=run.number + 1000))
            else:
                self.tally.violations.append(f"{run}: the fault never struck; {_told(shown)}")
        self.sim.clear(lane.name)
        self.sim.call("forget", name=lane.name)
        for problem in self._problems(lane, run, shown):
            self.tally.violations.append(f"{run} on {lane.name}: {problem}; {_told(shown)}")
        self.tally.note(run, shown["phase"], missed=lane.missed)
        lane.run = None

    def _problems(self, lane: Lane, run: Run, shown: Mapping[str, Any]) -> list[str]:
        phase, target = shown["phase"], lane.target
        if phase not in _ENDS:
            return [f"it ended as {phase}"]
        problems = []
        armed = any(line["step"] == "arm" for line in shown["journal"])
        if phase == "withdrawn" and armed:
            problems.append("withdrawn, though it had begun to have an effect")
        if phase == "stuck":
            problems += [] if run.trouble is Trouble.REFUSES else ["stuck, though the device refused nothing"]
            problems += [] if self._alarmed(lane) else ["stuck without an alarm"]
        elif run.trouble is Trouble.REFUSES:
            problems.append("not stuck, though the device refused to go back")
        side = target if phase == "confirmed" else lane.side
        if phase == "confirmed":
            problems += self._is_wanted(lane, side)
        problems += self._is(lane, side, "at the end")
        self.sim.advance(lane.name, LATER)
        problems += self._is(lane, side, "two hours later")
        standing = self.sim.standing(lane.name)
        left = [alarm for alarm in standing["alarms"] if alarm not in lane.alarms]
        left += [name for name in standing["files"] if _OURS in name]
        left += [line[:120] for line in standing["running"].splitlines() if _OURS in line]
        if left and phase != "stuck":
            problems.append(f"something is left of it: {left}")
        lane.side = side
        return problems

    def _is_wanted(self, lane: Lane, side: str) -> list[str]:
        """Whether what was confirmed is what was wanted; it is the side's text from then on. On the way to and fro a
        device may put lines into another order, but no others."""
        text = self.sim.standing(lane.name)["running"]
        driver: Any = _DRIVERS.get(lane.family)
        found = driver.parse(text)
        seen = {
            "hostname": found.hostname,
            "dns": [str(server) for server in found.dns],
            "snmp": {"location": found.snmp.location, "contact": found.snmp.contact},
        }
        if seen != wanted(side, lane.number):
            return [f"it is {seen}, and not what was wanted"]
        before, running = lane.known.get(side), self._standing(lane)[0]
        lane.known[side] = running
        if before is not None and sorted(before.split()) != sorted(running.split()):
            return [f"it is {side}, and more or less than that:\n{_difference(before, running)}"]
        return []

    def _is(self, lane: Lane, side: str, when: str) -> list[str]:
        """Whether what runs, and what a restart would bring, is a device's side, and nothing else."""
        running, after_restart = self._standing(lane)
        problems = []
        for what, text in (("what runs", running), ("what a restart would bring", after_restart)):
            if text != lane.known[side]:
                other = next((name for name, known in lane.known.items() if known == text), "neither before nor after")
                problems.append(f"{when} {what} is {other}, not {side}:\n{_difference(lane.known[side], text)}")
                lane.known[side] = text if what == "what runs" else lane.known[side]
        return problems

    def _standing(self, lane: Lane) -> tuple[str, str]:
        found = self.sim.standing(lane.name)
        patterns = _DRIVERS.get(lane.family).spec.volatile
        texts = []
        for text in (found["running"], found["after_restart"]):
            for pattern in patterns:
                text = re.sub(rf"(?:{pattern.pattern})\n?", "", text, flags=pattern.flags)  # noqa: PLW2901
            texts.append(text)
        return texts[0], texts[1]

    def _alarmed(self, lane: Lane) -> bool:
        alarms = self.world.get("alarms")["items"]
        return any(alarm["kind"] == "push.stuck" and lane.name in str(alarm) for alarm in alarms)

    # Many of them.

    def learn(self) -> None:
        """How many commands each session has. On a busy machine a session may be one too many, as a box was too slow
        to be believed at once: then it is learnt anew."""
        for _ in range(TRIES):
            self._learn()
            if all(len(trace.well) == SESSION["confirm"][-1] for trace in self.traces.values()):
                break
        for family, trace in self.traces.items():
            assert len(trace.well) == SESSION["confirm"][-1], (family, trace)
            assert len(trace.back) >= SESSION["revert"][0], (family, trace)

    def _learn(self) -> None:
        """By one push of each family that goes well, and one that is taken back."""
        first = [next(lane for lane in self.lanes if lane.family == family) for family in FAMILIES]
        counts: dict[str, list[tuple[int, ...]]] = {family: [] for family in FAMILIES}
        for number in range(2):
            before = {lane.name: len(self._sessions(lane)) for lane in first}
            for lane in first:
                self.begin(lane, Run(lane.family, "revert" if number else "apply", Trouble.NONE))
            self.finish(first)
            for lane in first:
                counts[lane.family].append(tuple(self._sessions(lane)[before[lane.name] :]))
            if not number:
                self.traces = {family: Trace(well, well) for family, (well,) in counts.items()}
        self.traces = {family: Trace(well, back) for family, (well, back) in counts.items()}

    def _sessions(self, lane: Lane) -> list[int]:
        return [int(count) for count in self.sim.call("typing", name=lane.name)["sessions"]]

    def through(self, lanes: Sequence[Lane], queue: Sequence[Run]) -> None:
        """All runs, each on a free device of its family."""
        waiting: dict[str, list[Run]] = {family: [] for family in FAMILIES}
        for run in queue:
            waiting[run.family].append(run)
        deadline = time.monotonic() + PATIENCE + 3.0 * len(queue)
        while self.again or any(waiting.values()) or any(lane.run for lane in lanes):
            while self.again:
                missed = self.again.pop()
                waiting[missed.family].append(missed)
            assert time.monotonic() < deadline, f"it does not end: {[str(lane.run) for lane in lanes if lane.run]}"
            for lane in lanes:
                if lane.run is None and waiting[lane.family]:
                    self.begin(lane, waiting[lane.family].pop())
            self.look(lanes)
            time.sleep(0.2)  # noqa: TID251  a test process has no event loop to hold up

    def finish(self, lanes: Sequence[Lane]) -> None:
        self.through(lanes, [])

    def look(self, lanes: Sequence[Lane]) -> None:
        """Take note of what has ended, and do what is due in the middle of a run."""
        journals: Mapping[str, Sequence[Line]] = {}
        watched = [*lanes, *(lane for lane in self.apart if lane not in lanes)]
        if any(self._waits_for_us(lane) for lane in watched):
            journals = self.store.journals()
        still_open = {push["id"] for push in self.world.get("pushes", open="true", limit=200)["items"]}
        for lane in watched:
            if lane.run is None:
                continue
            if lane.push_id not in still_open:
                self.end(lane)
            elif self._waits_for_us(lane):
                self._act(lane, lane.run, journals.get(lane.push_id, ()))

    def _waits_for_us(self, lane: Lane) -> bool:
        run = lane.run
        if run is None or lane.moved or run.trouble in OF_PROCESS:
            return False
        return run.trouble is Trouble.SELF_CUT or (run.phase == "check" and run.trouble is not Trouble.REJECT)

    def _act(self, lane: Lane, run: Run, journal: Sequence[Line]) -> None:
        if run.trouble is Trouble.SELF_CUT:
            if "cut_at_command" in self._struck(lane) and any(step == "revert" for step, _ in journal):
                # Its own timer, and nobody else, brings back the path that the change had cut.
                lane.moved = True
                self.sim.advance(lane.name, 300)
                if self._standing(lane)[0] != lane.known[lane.side]:
                    self.tally.violations.append(f"{run}: its timer did not bring it back")
                self.sim.clear(lane.name)
        elif held(run, journal):
            lane.moved = True
            if run.trouble is Trouble.CUT:
                self.sim.cut(lane.name, 3.0)
            elif run.trouble is Trouble.RESTART:
                self.sim.restart(lane.name, 0.5)
            self.store.lift(lane.name)

    def round(self, lanes: Sequence[Lane], trouble: Trouble, number: int, strike: Callable[[], None]) -> None:
        """Have a push in every phase on every family, then strike all of them at once. On a machine that is too busy to
        hold all of them at the same time, those that were missed are struck again."""
        missing = of_process(trouble, number)
        for _ in range(TRIES):
            missing = self._once(lanes, missing, strike)
            if not missing:
                return
        self.tally.violations.append(f"never in their phase when it struck: {', '.join(map(str, missing))}")

    # What befalls all of them.

    def release(self) -> None:
        """What was held by its device goes on."""
        for lane in self.lanes:
            if lane.run is not None and lane.run.trouble in OF_PROCESS:
                self.sim.clear(lane.name, "stall_at_command")

    def kill(self) -> None:
        self.daemon.kill()
        self.release()
        self.store.lift()
        self.daemon = self.world.serve(piped=True)

    def fill_disk(self) -> None:
        """No file of the daemon grows: what a full disk is to a database."""
        self.store.lift()
        pid = self.daemon.popen.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
        self.release()
        time.sleep(FULL_SECONDS)  # noqa: TID251  the daemon is to run into it
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _once(self, lanes: Sequence[Lane], runs: Sequence[Run], strike: Callable[[], None]) -> list[Run]:
        """The runs that were not in their phase when it struck."""
        free = {family: [lane for lane in lanes if lane.family == family] for family in FAMILIES}
        # Those that have furthest to go first; what is held waits no longer than the daemon has patience.
        ordered = sorted(runs, key=lambda run: PHASES.index(run.phase), reverse=True)
        taken = [(free[run.family].pop(), run) for run in ordered]
        for lane, run in taken:
            self.begin(lane, run)
        until = time.monotonic() + HELD_SECONDS
        journals = self.store.journals()
        while time.monotonic() < until and not all(held(run, journals.get(lane.push_id, ())) for lane, run in taken):
            time.sleep(0.05)  # noqa: TID251  a test process has no event loop to hold up
            journals = self.store.journals()
        missed = [(lane, run) for lane, run in taken if not held(run, journals.get(lane.push_id, ()))]
        for lane, _ in missed:
            lane.missed, lane.armed = True, Arming()
        strike()
        self.finish([lane for lane, _ in taken])
        return [run for _, run in missed]


def held(run: Run, journal: Sequence[Line]) -> bool:
    """Whether a push's phase has begun and not ended."""
    if not journal or journal[-1][1] is not None:
        return False
    steps = {"check": ("check", "snapshot")}.get(run.phase, (run.phase,))
    return journal[-1][0] in steps


def _told(shown: Mapping[str, Any]) -> str:
    lines = [f"{line['step']}:{line['result'] or 'begun'}" for line in shown["journal"]]
    return f"{shown['phase']} ({shown['reason']}); {' '.join(lines)}"


def _difference(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    gone = [f"  - {line}" for line in before if line not in after]
    more = [f"  + {line}" for line in after if line not in before]
    if not gone and not more:
        pairs = [(one, other) for one, other in zip(before, after, strict=False) if one != other]
        moved = "\n".join(f"  - {one}\n  + {other}" for one, other in pairs[:6])
        return f"  the same lines, {len(before)} and now {len(after)}, in another order:\n{moved}"
    return "\n".join([*gone[:12], *more[:12]])
