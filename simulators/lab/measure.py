"""Measuring what a customer notices: a datagram each millisecond, a stream over TCP, and voice.

    with Measuring(places, plan, number, seconds=5.0) as measured:
        control.cut_silent(1)
    print(measured.result().udp.outage)

Outages are told by the sender: from the first datagram that got no answer to the next one that did. The instrument's
own error is told beside it: ``late_most`` is by how much it was itself late to send at the worst.
"""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from simulators.lab.control import Counting
from simulators.lab.places import LabError, Places, run
from simulators.lab.plan import INTERNET_NET, LabPlan, second

_SETTLE: Final = 0.3
"""Seconds of undisturbed probing before anything is done."""


@dataclass(frozen=True, slots=True)
class UdpResult:
    """``outage``: the longest run of datagrams without an answer, in seconds; ``outage_at`` when it began, on the
    monotonic clock. ``lost_up``: how many of ``lost`` did not even get to the far end. ``gaps``: how many such runs
    there were. ``sources``: how many answers by the address that the internet saw the customer come from."""

    every: float
    sent: int
    lost: int
    lost_up: int
    gaps: int
    outage: float
    outage_at: float
    trip_median: float | None
    trip_most: float | None
    late_median: float
    late_most: float
    sources: dict[str, int]


@dataclass(frozen=True, slots=True)
class TcpResult:
    """``stall``: the longest time without a byte, in seconds. ``survived``: the connection that was open at the
    beginning is still open. ``bins``: bytes in each ``every`` seconds."""

    every: float
    bytes: int
    stall: float
    stall_at: float
    survived: bool
    bins: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class VoiceResult:
    """Datagrams of voice: sent by the customer's host, and how many of them either way carried. ``refused``: those that
    the host was told of at once that they cannot go out."""

    sent: int
    refused: int
    over_fixed: int
    over_mobile: int


@dataclass(frozen=True, slots=True)
class Result:
    """``marks``: when what was done, on the monotonic clock: name, begin, end."""

    cpe: str
    seconds: float
    udp: UdpResult | None
    tcp: TcpResult | None
    voice: VoiceResult | None
    marks: tuple[tuple[str, float, float], ...] = ()

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Measuring:
    """Probes that run from entering the context on, for ``seconds``; ``result`` waits for their end."""

    places: Places
    plan: LabPlan
    number: int
    seconds: float = 5.0
    kinds: tuple[str, ...] = ("udp", "tcp")
    every: float = 0.001
    """Seconds between two datagrams."""
    counted: Callable[[Counting], dict[str, int]] | None = None
    """Counters of a node (``Control.counted``); needed for ``voice``."""
    _probes: dict[str, subprocess.Popen[str]] = field(default_factory=dict, init=False, repr=False)
    _marks: list[tuple[str, float, float]] = field(default_factory=list, init=False)
    _before: dict[str, int] = field(default_factory=dict, init=False)
    _result: Result | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._before = self._counts()
        try:
            for kind in self.kinds:
                self._probes[kind] = self._start(kind)
            for probe in self._probes.values():
                _await_ready(probe)
        except BaseException:
            self._end()
            raise
        select.select([], [], [], _SETTLE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.result()
        finally:
            self._end()

    def do(self, name: str, what: Callable[[], None]) -> None:
        """Do something and note when."""
        begin = time.monotonic()
        what()
        self._marks.append((name, begin, time.monotonic()))

    def result(self) -> Result:
        if self._result is None:
            told = {kind: self._told(kind, probe) for kind, probe in self._probes.items()}
            udp, tcp = told.get("udp"), told.get("tcp")
            if udp:
                udp["lost_up"] = udp["sent"] - self._arrived(udp["probe"])
            self._result = Result(
                cpe=f"cpe{self.number}",
                seconds=self.seconds,
                udp=UdpResult(**_only(UdpResult, udp)) if udp else None,
                tcp=TcpResult(**_only(TcpResult, tcp | {"bins": tuple(tcp["bins"])})) if tcp else None,
                voice=self._voice(told["voice"]) if "voice" in told else None,
                marks=tuple(self._marks),
            )
        return self._result

    def _arrived(self, probe: int) -> int:
        far = (*self.places.within("internet"), self.places.python(), "-I", self.places.probes())
        return int(run(*far, "count", str(probe)))

    def _voice(self, told: dict[str, Any]) -> VoiceResult:
        after = self._counts()
        fixed, mobile = (after[place] - self._before[place] for place in ("edge", "mobile"))
        return VoiceResult(told["sent"], told["refused"], fixed, mobile)

    def _counts(self) -> dict[str, int]:
        if self.counted is None or "voice" not in self.kinds:
            return {}
        places: tuple[Counting, ...] = ("edge", "mobile")
        return {place: self.counted(place)[f"voice{self.number}"] for place in places}

    def _start(self, kind: str) -> subprocess.Popen[str]:
        inside = (*self.places.within(f"lan{self.number}"), self.places.python(), "-I", self.places.probes())
        told = (kind, str(second(INTERNET_NET)), str(self.seconds))
        rate = (str(self.every),) if kind == "udp" else ()
        return subprocess.Popen([*inside, *told, *rate], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _told(self, kind: str, probe: subprocess.Popen[str]) -> dict[str, Any]:
        try:
            out, err = probe.communicate(timeout=self.seconds + 30)
        except subprocess.TimeoutExpired:
            raise LabError(f"the probe {kind} did not come to its end") from None
        if probe.returncode != 0 or not out.strip():
            raise LabError(f"the probe {kind} ended with status {probe.returncode}: {err}")
        found: dict[str, Any] = json.loads(out)
        return found

    def _end(self) -> None:
        for probe in self._probes.values():
            if probe.poll() is None:
                probe.kill()
            probe.communicate()


def _await_ready(probe: subprocess.Popen[str]) -> None:
    assert probe.stdout is not None
    readable, _, _ = select.select([probe.stdout], [], [], 15.0)
    if not readable or probe.stdout.readline() != "ready\n":
        probe.kill()
        raise LabError(f"a probe did not start: {probe.communicate()[1]}")


def _only(kind: type[Any], told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in kind.__dataclass_fields__}
