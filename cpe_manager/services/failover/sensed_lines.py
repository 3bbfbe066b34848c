"""What the sensing keeps of each line while it looks at it: where, how often, and what came of it last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from cpe_manager.domain.failover.lines import FailoverPolicy, Line, LineSetup, Way
from cpe_manager.services.failover.agenda import NEVER, Entry
from cpe_manager.services.failover.evidence import EdgeMemory, PollMemory

FIRST_WAIT: Final = 1.0
"""Seconds for an answer while a way's own time is not known."""
LONGEST_WAIT: Final = 3.0
MOBILE_WAIT: Final = 1.0
"""The least for the mobile way: a cellular network under load takes its time, and nothing is switched in a hurry for
its sake."""
TIMES: Final = 4.0
"""An answer that takes so many times longer than usual is none."""
_SMOOTH = 0.125


@dataclass(frozen=True, slots=True)
class Place:
    """How the box itself is reached: the address and port that it is managed at."""

    host: str
    port: int


def _never(_now: float) -> float:
    return NEVER


class SensedLine:
    """One line. ``misses``: echoes over the fixed way in a row that nobody answered."""

    __slots__ = (
        "_setup", "_times", "answered_at", "connect", "connecting", "degraded_loss", "echo", "echoed_at", "edges",
        "fixed", "fixed_wait", "gone", "host", "hurried_until", "id", "misses", "mobile", "mobile_due",
        "mobile_wait", "moved", "place", "platform", "poll", "poll_every", "polled_at", "polling", "polls", "port",
        "probe_every",
    )  # fmt: skip

    def __init__(self, line: Line, place: Place | None, policy: FailoverPolicy) -> None:
        setup = line.setup
        self.id, self._setup, self.place = line.id, setup, place
        self.host, self.port = (place.host, place.port) if place is not None else ("", 0)
        self.fixed, self.mobile, self.platform = setup.line_address, setup.mobile_address, setup.platform
        self.probe_every, self.poll_every = policy.probe_every, policy.poll_every
        self.degraded_loss = policy.degraded_loss
        self.echo, self.poll, self.connect = Entry(_never), Entry(_never), Entry(_never)
        self.edges = tuple(
            (EdgeMemory(line.id, way), addresses)
            for way, addresses in (
                (Way.FIXED, _some(setup.fixed_gateway, setup.line_address)),
                (Way.MOBILE, _some(setup.mobile_gateway, setup.mobile_address)),
            )
            if addresses
        )
        self.polls = PollMemory()
        self._times: dict[Way, float] = {}
        self.gone = self.polling = self.connecting = False
        self.hurried_until = self.echoed_at = self.polled_at = self.answered_at = float("-inf")
        self.misses = 0
        self.mobile_due = float("-inf")
        self.moved = False
        self._waits()

    def asks_mobile(self, now: float, idle: float) -> bool:
        """Whether the mobile way gets an echo along with the fixed one at this moment. While the line is well one in
        ``idle`` seconds is enough, and spares the customer's volume; a line that is suspect or moved, and one whose
        outage has to stay below a second, is asked over both ways alike."""
        every = self.probe_every
        if every >= 1.0 and not self.moved and not self.misses and self.hurried_until <= now:
            every = max(every, idle)
        if now < self.mobile_due - self.probe_every / 2:
            return every <= self.probe_every
        self.mobile_due = now + every
        return True

    def is_of(self, setup: LineSetup, place: Place | None) -> bool:
        return setup == self._setup and place == self.place

    def take_over(self, before: SensedLine) -> None:
        """What was known of the line stays, where it is still the same box."""
        if before.place == self.place:
            self.polls, self.answered_at = before.polls, before.answered_at
        kept = {Way.FIXED: before.fixed == self.fixed, Way.MOBILE: before.mobile == self.mobile}
        self._times = {way: took for way, took in before._times.items() if kept.get(way)}
        old = {(memory.way, addresses): memory for memory, addresses in before.edges}
        self.edges = tuple((old.get((memory.way, at), memory), at) for memory, at in self.edges)
        self.hurried_until = before.hurried_until
        self._waits()

    def heard(self, way: Way) -> bool:
        """Whether an echo was ever answered over a way."""
        return way in self._times

    def answered(self, way: Way, took: float) -> None:
        before = self._times.get(way)
        self._times[way] = took if before is None else before + (took - before) * _SMOOTH
        if way is Way.FIXED:
            self.misses = 0
        # Reckoned anew only where it may be another: it is for hosts that are far away.
        if before is None or took * TIMES > self.probe_every or before * TIMES > self.probe_every:
            self._waits()

    def silent(self, way: Way) -> None:
        if way is Way.FIXED:
            self.misses += 1

    def next_echo(self, now: float, every: float) -> float:
        """By the plan and not from now, else each turn of the loop would move the phase."""
        planned = self.echoed_at + every
        self.echoed_at = planned if now - every < planned <= now else now
        return self.echoed_at + every

    def _waits(self) -> None:
        """How long an answer may take: as long as the rhythm, so that three of 200 ms find a loss within 0.6 s, unless
        the host is known to be further away than that."""
        self.fixed_wait = self._wait(Way.FIXED, min(self.probe_every, LONGEST_WAIT))
        self.mobile_wait = self._wait(Way.MOBILE, min(max(self.probe_every, MOBILE_WAIT), LONGEST_WAIT))

    def _wait(self, way: Way, least: float) -> float:
        usual = self._times.get(way)
        return max(least, FIRST_WAIT) if usual is None else min(LONGEST_WAIT, max(least, TIMES * usual))


def sensed(line: Line, place: Place | None, policy: FailoverPolicy, before: SensedLine | None) -> SensedLine:
    new = SensedLine(line, place, own_policy(policy, line.setup.policy))
    if before is not None:
        new.take_over(before)
    return new


def own_policy(policy: FailoverPolicy, own: Mapping[str, object]) -> FailoverPolicy:
    """The installation's policy with what a line has different; what is no value of a policy is passed over here, it
    was refused when it was set."""
    names = {field.name: type(getattr(policy, field.name)) for field in fields(policy)}
    fitting: dict[str, Any] = {
        name: value
        for name, value in own.items()
        if name in names and (isinstance(value, names[name]) or (names[name] is float and isinstance(value, int)))
    }
    return replace(policy, **fitting) if fitting else policy


def _some(*addresses: str) -> tuple[str, ...]:
    return tuple(address for address in addresses if address)
