"""The managed firewall as a change (§3.7): policy, access list, timers per protocol, port and application.

Inspection is stateful in every family and cannot be turned off here: what a host inside began is let back in for as
long as the session is remembered. How long that is, when nothing passes, is what the timers say; that is the part of
session monitoring that can be set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, ClassVar, Final, Literal

from cpe_manager.domain.changes.base import Entry, after_patch
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import misfit, some_network, told
from cpe_manager.domain.model.cpe_config import AccessRule, Action, CpeConfig, Timer
from cpe_manager.domain.model.cpe_config_data import Bounds, plain
from cpe_manager.domain.model.cpe_mobile import Ports, Protocol
from cpe_manager.domain.push.checks import RESERVED_PORT, Check, Finding
from cpe_manager.domain.push.probes import Probe

MOST_RULES: Final = 200
MOST_TIMERS: Final = 50
Application = Literal["dns", "ftp", "http", "https", "imap", "ntp", "pop3", "rdp", "sip", "smtp", "ssh"]
APPLICATIONS: Final[Mapping[Application, tuple[Protocol, int]]] = {
    "dns": ("udp", 53),
    "ftp": ("tcp", 21),
    "http": ("tcp", 80),
    "https": ("tcp", 443),
    "imap": ("tcp", 143),
    "ntp": ("udp", 123),
    "pop3": ("tcp", 110),
    "rdp": ("tcp", 3389),
    "sip": ("udp", 5060),
    "smtp": ("tcp", 25),
    "ssh": ("tcp", 22),
}
"""Well-known ports (IANA) of what has a timer of its own by name."""


_FROM: Final = told("Where it comes from", Bounds(check=some_network), example="198.51.100.0/24")
_TO: Final = told("Where it goes", Bounds(check=some_network), example="203.0.113.8/29")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the access list, for what comes in from the internet. What is not given is any."""

    action: Action = field(metadata=told("What becomes of what it matches"))
    protocol: Literal["ip", "icmp", "tcp", "udp"] = field(default="ip", metadata=told("`ip` is all of them"))
    source: IPv4Network | None = field(default=None, metadata=_FROM)
    destination: IPv4Network | None = field(default=None, metadata=_TO)
    ports: Ports | None = field(
        default=None, metadata=told("Destination port or range; of `tcp` and `udp` only", example=443)
    )

    def __post_init__(self) -> None:
        if self.ports is not None and self.protocol not in ("tcp", "udp"):
            raise misfit("ports", "ports need tcp or udp")

    @property
    def rule(self) -> AccessRule:
        return AccessRule(self.action, self.protocol, self.source, self.destination, self.ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimer:
    """How long an idle session is remembered: of an ``application``, of a ``port``, or of a whole ``protocol``."""

    seconds: int = field(metadata=told("10 seconds to a day", Bounds(10, 86_400), example=300))
    protocol: Protocol | None = field(default=None, metadata=told("Of which sessions", example="udp"))
    port: int | None = field(default=None, metadata=told("Of one port of the protocol", Bounds(1, 65535), example=5060))
    application: Application | None = field(
        default=None, metadata=told("Instead of protocol and port: an application by name", example="sip")
    )

    def __post_init__(self) -> None:
        if self.application is None and self.protocol is None:
            raise misfit("protocol", "give a protocol or an application")
        if self.application is not None and (self.protocol is not None or self.port is not None):
            raise misfit("application", "give either an application or a protocol and port")

    @property
    def timer(self) -> Timer:
        if self.application is not None:
            protocol, port = APPLICATIONS[self.application]
            return Timer(protocol, self.seconds, port)
        assert self.protocol is not None
        return Timer(self.protocol, self.seconds, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallSettings:
    """What is not given stays as it is; lists are given whole."""

    inbound: Action | None = field(
        default=None, metadata=told("Policy: what becomes of what comes in and no rule matches", example="drop")
    )
    rules: tuple[Rule, ...] | None = field(
        default=None, metadata=told("The whole access list, in the order in which it is tried", Bounds(0, MOST_RULES))
    )
    timers: tuple[SessionTimer, ...] | None = field(
        default=None, metadata=told("All session timers; the family's own apply where there is none",
                                    Bounds(0, MOST_TIMERS))
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.inbound is None and self.rules is None and self.timers is None:
            raise misfit("inbound", "give a policy, rules or timers")
        seen: dict[tuple[str, int | None], int] = {}
        for number, one in enumerate(self.timers or ()):
            of = (one.timer.protocol, one.timer.port)
            if of in seen:
                raise misfit(f"timers[{number}]", f"there is one for that already (see timers[{seen[of]}])")
            seen[of] = number
        known: dict[Rule, int] = {}
        for number, rule in enumerate(self.rules or ()):
            if rule in known:
                raise misfit(f"rules[{number}]", f"the same as rules[{known[rule]}]")
            known[rule] = number


class FirewallChange(Entry[FirewallSettings]):
    """Changes the settings of the managed firewall: policy, access list, session timers (§3.7)."""

    name: ClassVar[str] = "firewall"
    parameters: ClassVar[type] = FirewallSettings

    def summary(self, wanted: FirewallSettings, /) -> str:
        words = [] if wanted.inbound is None else [f"policy {wanted.inbound}"]
        words += [] if wanted.rules is None else [f"{len(wanted.rules)} access rules"]
        words += [] if wanted.timers is None else [f"{len(wanted.timers)} session timers"]
        return f"firewall: {', '.join(words)}"

    def conflicts(self, wanted: FirewallSettings, _now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        for number, rule in enumerate(wanted.rules or ()):
            if rule.ports is not None and rule.ports.first <= RESERVED_PORT <= rule.ports.last:
                reason = f"it is about port {RESERVED_PORT}, which is reserved for the operator (§5.2.2.1)"
                yield Finding(Check.RESERVED, reason, field=f"rules[{number}].ports")

    def effect(self, wanted: FirewallSettings, now: CpeConfig, _setting: Setting, /) -> Effect:
        part: dict[str, Any] = {} if wanted.inbound is None else {"inbound": wanted.inbound}
        if wanted.rules is not None:
            part["rules"] = [plain(one.rule) for one in wanted.rules]
        if wanted.timers is not None:
            part["timers"] = [plain(one.timer) for one in wanted.timers]
        name = next(name for name in ("rules", "timers", "inbound") if name in part)
        after_patch(name, now, {"firewall": part})
        probes = () if wanted.inbound is None else (Probe("config", "firewall.inbound", value=wanted.inbound),)
        return Effect({"firewall": part}, probes)
