"""An office that changes are asked for: what its box runs, what it has ordered, what the operator sells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.model.cpe_config import CpeConfig, DhcpServer, Lan, PortMapping, Reservation, Wan, Wifi
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.subscription.catalogue import Formula, ServiceCatalogue
from cpe_manager.domain.subscription.subscriptions import Subscription

PRESETS = {"mail": (25, 110, 220, 143), "web": (80, 443), "news": (119,), "ftp": (20, 21), "ssh": (22,)}
"""The typical ports of §3.4."""
CATALOGUE = ServiceCatalogue(
    version=1,
    components={},
    formulas={
        "pro-plus": Formula("pro-plus", {LineKind.COPPER: "Internet Pro+"}, {}, {}, end_users=253),
        "small": Formula("small", {LineKind.COPPER: "A small one"}, {}, {}, end_users=20),
    },
    port_presets=PRESETS,
)
SETTING = Setting(CATALOGUE, Subscription("s1", "SITE-1", "ACME", "pro-plus", LineKind.COPPER))
SMALL = replace(SETTING, subscription=replace(SETTING.subscription, formula="small"))
WEB = PortMapping("tcp", Ports.one(8080), IPv4Address("192.168.77.20"), 80)
GAMES = PortMapping("udp", Ports(6000, 6010), IPv4Address("192.168.77.21"), 6000, IPv4Network("203.0.113.0/24"))
OFFICE = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("198.51.100.2/24"), IPv4Address("198.51.100.1")),
    lan=Lan(IPv4Interface("192.168.77.1/24")),
    dhcp=DhcpServer(
        IPv4Address("192.168.77.100"),
        IPv4Address("192.168.77.199"),
        reservations=(
            Reservation("02:00:5e:00:00:0a", IPv4Address("192.168.77.20")),
            Reservation("02:00:5e:00:00:0b", IPv4Address("192.168.77.120")),
        ),
    ),
    wifi=(Wifi("2.4", "Office", key="first secret key", channel=6),),
    port_mappings=(WEB, GAMES),
    dns=(IPv4Address("192.168.77.20"), IPv4Address("9.9.9.9")),
)


def effect(name: str, data: Any, now: CpeConfig = OFFICE, setting: Setting = SETTING) -> Effect:
    found: Effect = CHANGE_TYPES[name].effect(read(name, data), now, setting)
    return found


def after(name: str, data: Any, now: CpeConfig = OFFICE, setting: Setting = SETTING) -> CpeConfig:
    return changed(now, effect(name, data, now, setting).patch)


def told(
    name: str, data: Any, now: CpeConfig = OFFICE, setting: Setting = SETTING
) -> Sequence[tuple[Check, bool, str]]:
    """Findings: which check, whether it refuses, in which words (of what cannot be meant, with the field)."""
    found = CHANGE_TYPES[name].check(read(name, data), now, setting)
    return [(one.check, one.refuses, str(one) if one.check is Check.MODEL else one.reason) for one in found]


def refusals(name: str, data: Any, now: CpeConfig = OFFICE, setting: Setting = SETTING) -> str:
    """All that refuses, as ``code: reason`` lines."""
    return "\n".join(f"{check}: {reason}" for check, refuses, reason in told(name, data, now, setting) if refuses)


def notes(name: str, data: Any, now: CpeConfig = OFFICE, setting: Setting = SETTING) -> str:
    return "\n".join(f"{check}: {reason}" for check, refuses, reason in told(name, data, now, setting) if not refuses)
