"""The nouns of fail-over: a line, the two ways its traffic can take, what is known of it and what became of it (§3.8).

Times inside decisions are seconds since the epoch on the clock that is passed in, as ``float``: a day of them is looked
at in tests, and a restart reads them back. What is shown to people is a ``datetime``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal


class Carrier(StrEnum):
    """What a customer's traffic goes over."""

    FIXED = "fixed"
    MOBILE = "mobile"


class Way(StrEnum):
    """What a piece of evidence was seen over. ``management``: however we reach the box itself, which may be either."""

    FIXED = "fixed"
    MOBILE = "mobile"
    MANAGEMENT = "management"


class Source(StrEnum):
    """Who says so."""

    TRAP = "trap"
    """linkDown, linkUp: news, and they may come late, twice or never (UDP)."""
    SNMP = "snmp"
    """A poll: ifOperStatus, synchronisation, errors, registration. No answer is no word on the line."""
    ICMP = "icmp"
    TCP = "tcp"
    BFD = "bfd"
    """The edge's session with the box."""
    BGP = "bgp"
    CPE = "cpe"
    """What the box said over a session of ours."""


@dataclass(slots=True, unsafe_hash=True)
class Evidence:
    """One thing that was seen of a line, never changed once it is made (nor frozen: thousands are made a second, and
    that would double what each costs). ``ok``: True speaks for the way, False against it, None says that it could
    not be told. ``at``: when it was seen. ``order``: what the sender counts up (an agent's uptime in seconds), so that
    what comes late or twice is known; None when it has none. ``loss`` is a share from 0 to 1, ``signal`` dBm."""

    line_id: str
    source: Source
    way: Way
    ok: bool | None
    at: float
    what: str = ""
    order: float | None = None
    loss: float | None = None
    signal: float | None = None
    restarted: bool = False
    """The box said that it has just started (coldStart, or an uptime that began anew)."""
    carries: Carrier | None = None
    """Over what the box says that its own traffic goes at this moment (``Source.CPE``)."""
    octets: int = 0
    """What went over the way, in and out, since the last poll (``Source.SNMP``); of the month of ``at`` alone."""


class Condition(StrEnum):
    """What is the matter with a line, fused from all evidence."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    LINE_DOWN = "line-down"
    """The fixed line is gone and the box lives: what fail-over is for."""
    CPE_DEAD = "cpe-dead"
    """Nothing answers over either way: without power or dead. There is nothing to be switched."""
    MANAGEMENT_ONLY = "management-only"
    """Only our own way to the box is gone; the customer's traffic flows."""
    NODE_DOWN = "node-down"
    """One of many behind an access node that went at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The condition at a moment, since when it holds, and why: one line for each thing that weighed."""

    condition: Condition
    since: float
    reasons: tuple[str, ...] = ()
    suspicion: bool = False
    """Something speaks against the fixed line, not enough yet."""
    mobile_ok: bool | None = None
    """Whether the mobile way answers; None: nobody has asked."""
    look_again: float | None = None
    """When it may be another without new evidence."""
    mobile_since: float | None = None
    """Since when the mobile way answers, or does not."""
    carries: Carrier | None = None
    """Over what the box says that its traffic goes, and when it said so last; None: not told, or too long ago."""
    carries_at: float | None = None
    wait_until: float | None = None
    """Nothing is moved before: the box has just started and its line gets time to train, or it is coming back."""


class FailoverState(StrEnum):
    """Where a line stands. ``failed``: it is down and nothing carries it. ``held``: an operator has said hands off."""

    FIXED = "fixed"
    SUSPECT = "suspect"
    SWITCHING = "switching"
    MOBILE = "mobile"
    RETURNING = "returning"
    FAILED = "failed"
    HELD = "held"


class Act(StrEnum):
    """What has to be done now, outside of the decision."""

    NOTHING = "nothing"
    SWITCH = "switch"
    RETURN = "return"
    ROLL_BACK = "roll-back"
    """Undo a switch that did not hold what it promised."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``state`` the line goes to (the same: it stays), what is to be done, and why, line by line.

    ``priority``: of the line's open incident from now on; None: there is none (it is closed)."""

    state: FailoverState
    act: Act = Act.NOTHING
    reasons: tuple[str, ...] = ()
    priority: Literal[1, 2, 3] | None = None
    backup_defective: bool | None = False
    """Beside it, or alone: the mobile backup itself is not well (P3, §5.1.1). None: not known at the moment, an open
    incident of the backup stays open and none is opened."""
    look_again: float | None = None
    condition: Condition = Condition.UNKNOWN
    """What the line is in from now on: the verdict's, or ``node-down``; the last known one while nothing is known."""
    by: str = ""
    """Who moves or has moved it, where that changes; empty: as the record has it."""
    answered: bool = False
    """The operator's order is done, or refused for one of the reasons: it is no longer wanted."""
    settled: bool = False
    """No switch is under way or in force any more: the fixed line carries, ``switch_id`` and ``push_id`` are over."""
    proved: bool | None = None
    """The backup has just been proved to work (True) or not to (False), by a test or in earnest."""


Who = Literal["manager", "cpe"]
"""Who moves a box's own traffic: it waits for us, or does it by itself (floating route, IP SLA, mwan3, failover)."""
Coverage = Literal["untested", "passed", "refused"]


@dataclass(frozen=True, slots=True)
class FailoverPolicy:
    """How a line is watched and moved. Seconds, unless the name says otherwise; a line's own or the installation's."""

    probe_every: float = 1.0
    """Between echoes over each way; 0.2 for lines whose outage has to stay below a second."""
    poll_every: float = 5.0
    """Between SNMP polls."""
    misses: int = 3
    """Probes in a row that fail before the line is down."""
    trap_confirm: float = 2.0
    """How long a linkDown alone waits for a second witness before it is believed."""
    recover: int = 3
    """Probes in a row that are answered before a line that was down is up; ten times as many after a brown-out."""
    bfd_detect: float = 0.3
    """What BFD at the edge takes to see a loss: its interval times its multiplier."""
    witness_within: float = 5.0
    """How long a loss waits for word from the mobile way (or from BFD, which said up) before it is believed without."""
    stale_after: float = 30.0
    """What was seen longer ago says nothing any more; at least three times the slower of probes and polls."""
    restart_grace: float = 120.0
    """What a line gets to train after its box has started, before it counts as one to be moved."""
    up_for: float = 300.0
    """How long a line has to be up without a break before traffic returns (§3.8: "and is stable")."""
    flap_factor: float = 2.0
    """By how much that grows with each loss within ``flap_memory``."""
    up_for_most: float = 14_400.0
    flap_memory: float = 3600.0
    degraded_loss: float = 0.1
    """Share of probes lost, or of frames with errors, over a minute, from which a line is degraded (until it is less
    than half of that)."""
    down_loss: float = 0.5
    """Share of probes lost, over a minute, from which a line is as good as down (brown-out)."""
    mobile_silent_for: float = 300.0
    """How long the mobile way has to be silent, while the box lives, before the backup is called defective."""
    node_share: float = 0.5
    node_least: int = 4
    """So many lines, and such a share, behind one access node within ``node_within``: the node is down."""
    node_within: float = 3.0
    node_switches_at_once: int = 20
    """So many lines of one access node are being switched at a time, no more."""
    self_switch_grace: float = 10.0
    """What a box that moves by itself gets before we step in."""
    switch_within: float = 60.0
    """A switch that is not verified by then is rolled back."""
    retry_after: float = 120.0
    """Until a switch that failed is tried again, growing with ``flap_factor``."""
    quiet_hours: str = ""
    """No return by itself in these hours, as ``domain.push.push_windows`` writes windows; empty: at any time."""
    data_cap_mb: int = 0
    """Mobile volume of a calendar month beyond which nothing is moved there by itself; 0: no cap."""
    data_cap_near: int = 80
    """Percent of the cap from which it is told that a line nears it."""
    test_every_days: int = 30
    """Between planned exercises; 0: none."""
    test_window: str = "Mon-Fri 05:00-06:00 Europe/Brussels"


@dataclass(frozen=True, slots=True)
class Barrier:
    """What stays off the mobile connection: voice (§7.6). UDP and TCP ports, as ranges ``first-last``."""

    sip: str = "5060-5061"
    rtp: str = "10000-20000"


@dataclass(frozen=True, slots=True)
class LineSetup:
    """What is known of a line beforehand. ``line_address``: what answers on the fixed line itself, never the fixed
    address that moves; ``mobile_address``: what answers over mobile; each empty where there is none.

    ``fixed_ipv4``, ``fixed_ipv6``: what follows the traffic (§3.8). ``platform``: name of the platform that routes
    them; empty: nothing has to be moved there. ``fixed_gateway``, ``mobile_gateway``: the box's next hops as the
    platform sees them. ``formula``: ``pro-plus`` and so on, as the order names it; ``ordered``: with mobile backup.
    """

    line_id: str
    watched: bool = True
    formula: str = ""
    ordered: bool = False
    coverage: Coverage = "untested"
    coverage_reason: str = ""
    moves: Who = "manager"
    line_address: str = ""
    mobile_address: str = ""
    platform: str = ""
    fixed_ipv4: IPv4Network | None = None
    fixed_ipv6: IPv6Network | None = None
    fixed_gateway: str = ""
    mobile_gateway: str = ""
    fixed_port: str = ""
    """Native name of the box's interface (ifName) to the fixed line; empty: as the driver finds it."""
    mobile_port: str = ""
    policy: Mapping[str, object] = field(default_factory=dict)
    """What differs from the installation's policy, by the names of ``FailoverPolicy``."""
    subscribed: str | None = None
    """Whether the site's subscription has mobile backup: empty for yes, else why not. None: the site has none, and
    ``formula`` and ``ordered`` tell. Not kept with the line."""

    @property
    def entitled(self) -> str:
        """Empty when the line may be moved, else why not (§2: P+ alone, as an option; §3.8: coverage)."""
        return self._not_ordered or self._not_covered

    @property
    def _not_ordered(self) -> str:
        if self.subscribed is not None:
            return self.subscribed
        if self.formula not in ENTITLED:
            return f"formula {self.formula or 'not known'}: mobile backup is an option of Pro+ alone (§2, §3.8)"
        if not self.ordered:
            return "mobile backup was not ordered (§3.8)"
        return ""

    @property
    def _not_covered(self) -> str:
        if self.coverage != "passed":
            return f"coverage check {self.coverage}{': ' if self.coverage_reason else ''}{self.coverage_reason} (§3.8)"
        return ""


ENTITLED: Final = frozenset({"pro-plus", "pro-plus-fullfiber"})
FORMULAS: Final = (
    "office-go-comfort", "office-go-comfort-ftth", "maxi", "maxi-fiber", "pro", "pro-fullfiber", "pro-plus",
    "pro-plus-fullfiber", "pro-plus-essential", "pro-plus-essential-fullfiber",
)  # fmt: skip
"""The formulas of §2, copper before fibre, as orders name them here."""


@dataclass(frozen=True, slots=True)
class Line:
    """A watched line with the box on it. ``node``: the access node."""

    id: str
    ref: str
    site: str
    device_id: str
    device: str
    node: str
    setup: LineSetup
    site_id: str = ""


@dataclass(frozen=True, slots=True)
class LineRecord:
    """Where a line stands; all of it survives a restart. ``flaps``: times (epoch seconds) of the last losses, oldest
    first, at most 32. ``switch_id``: names the switch under way or in force, so that none is done twice."""

    line: Line
    state: FailoverState = FailoverState.FIXED
    since: float = 0.0
    carrier: Carrier = Carrier.FIXED
    condition: Condition = Condition.UNKNOWN
    reasons: tuple[str, ...] = ()
    flaps: tuple[float, ...] = ()
    switch_id: str = ""
    push_id: str = ""
    by: str = ""
    """Who moved it: ``manager``, ``cpe``, or an operator's name."""
    attempts: int = 0
    """Switches that failed since the line went down."""
    held_from: FailoverState | None = None
    wanted: str = ""
    """What an operator asked for and is not done yet: switch, return, hold, release, test."""
    wanted_by: str = ""
    wanted_reason: str = ""
    """Why, in the operator's words; may be empty."""
    wanted_at: float | None = None
    due: str = ""
    """What happens next by itself unless something else is seen, in words, as the watcher last reckoned; may be empty.
    """
    due_at: float | None = None
    """When."""
    tested_at: float | None = None
    test_ok: bool | None = None
    mobile_bytes: int = 0
    """Over mobile in the calendar month ``mobile_month``, as it was written last (`domain.failover.mobile_volume`)."""
    mobile_month: str = ""
    """``2026-11``, of Brussels; empty: nothing was counted yet."""
    revision: int = 0
    """Counts up with each write: who writes names the one it has read."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A line of a line's history. ``last_change``: the push that was confirmed last before it, with its time."""

    id: str
    line_id: str
    at: datetime
    before: FailoverState
    after: FailoverState
    condition: Condition
    reasons: tuple[str, ...]
    by: str
    switch_id: str = ""
    push_id: str = ""
    last_change: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """A service event with a priority (§5.1.1). ``subject``: ``line`` (P1 without backup, P2 backup active), ``backup``
    (P3: the backup is defective) or ``node`` (the parent of its lines'). At most one open one of a line and subject."""

    id: str
    subject: Literal["line", "backup", "node"]
    line_id: str | None
    node: str
    priority: int
    opened_at: datetime
    reason: str
    closed_at: datetime | None = None
    parent_id: str | None = None
    device: str = ""
    site: str = ""
    closed_reason: str = ""
