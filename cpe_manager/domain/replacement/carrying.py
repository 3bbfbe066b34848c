"""What of a configuration another family cannot carry: taken out of the model part by part, each with its reason.

Nothing is dropped in silence: what is taken out is listed, and a person accepts the list before it takes effect
(§5.1.2.4). What is taken out of a firewall is never replaced by something that lets more in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cpe_manager.domain.model.cpe_config import CpeConfig, Snmp, WifiSecurity
from cpe_manager.domain.model.cpe_features import Feature, missing


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that does not come over. ``part`` is a part of the model, or where the lines stand in the old text;
    ``lines`` are the lines themselves, redacted, for what is outside the model."""

    part: str
    reason: str
    lines: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        return {"part": self.part, "reason": self.reason, "lines": list(self.lines)}


Without = Callable[[CpeConfig, CpeConfig], CpeConfig]
"""(what is wanted, what the new box has) -> what is wanted without a feature."""


def carried(wanted: CpeConfig, present: CpeConfig, features: frozenset[Feature]) -> tuple[CpeConfig, tuple[Loss, ...]]:
    """What of ``wanted`` a family with ``features`` can have, and what is lost. ``present`` is what the new box means
    now: where a family cannot even reach the internet in the wanted way, its own way stays."""
    losses = []
    for feature in missing(wanted, features):
        losses.append(Loss(feature.value, _WHY[feature]))
        wanted = _WITHOUT[feature](wanted, present)
    left = missing(wanted, features)
    for feature in left:  # a feature that hides behind another one
        losses.append(Loss(feature.value, _WHY[feature]))
        wanted = _WITHOUT[feature](wanted, present)
    return wanted, tuple(losses)


def fingerprint(data: Mapping[str, Sequence[Any]]) -> str:
    """A dozen hexadecimal digits that stand for a list of what has to be accepted; empty when it is empty."""
    if not any(data.values()):
        return ""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def _wan(config: CpeConfig, **changes: Any) -> CpeConfig:
    return config if config.wan is None else replace(config, wan=replace(config.wan, **changes))


def _firewall(config: CpeConfig, **changes: Any) -> CpeConfig:
    return replace(config, firewall=replace(config.firewall, **changes))


def _mobile(config: CpeConfig, **changes: Any) -> CpeConfig:
    return config if config.mobile is None else replace(config, mobile=replace(config.mobile, **changes))


def _own_wan(config: CpeConfig, present: CpeConfig) -> CpeConfig:
    return replace(config, wan=present.wan)


def _plain_wifi(config: CpeConfig, _: CpeConfig) -> CpeConfig:
    newer = (WifiSecurity.WPA3, WifiSecurity.WPA2_WPA3)
    wifi = (replace(w, security=WifiSecurity.WPA2) if w.security in newer else w for w in config.wifi)
    return replace(config, wifi=tuple(wifi))


def _no_reject(config: CpeConfig, _: CpeConfig) -> CpeConfig:
    firewall = config.firewall
    rules = tuple(replace(r, action="drop") if r.action == "reject" else r for r in firewall.rules)
    return _firewall(config, rules=rules, inbound="drop" if firewall.inbound == "reject" else firewall.inbound)


_WITHOUT: Final[Mapping[Feature, Without]] = {
    Feature.WAN_DHCP: _own_wan,
    Feature.WAN_STATIC: _own_wan,
    Feature.WAN_PPPOE: _own_wan,
    Feature.WAN_PPPOE_ADDRESS: lambda c, _: _wan(c, address=None),
    Feature.WAN_IPV6: lambda c, _: _wan(c, ipv6_prefix=None, ipv6_router=None),
    Feature.IP_PACK: lambda c, _: _wan(c, ip_pack=None),
    Feature.DHCP_SERVER: lambda c, _: replace(c, dhcp=None),
    Feature.WIFI: lambda c, _: replace(c, wifi=()),
    Feature.WIFI_WPA3: _plain_wifi,
    Feature.PORT_MAPPING: lambda c, _: replace(c, port_mappings=()),
    Feature.PORT_RANGE: lambda c, _: replace(c, port_mappings=tuple(m for m in c.port_mappings if m.ports.count == 1)),
    # Without its source it would let everybody in: it goes as a whole.
    Feature.PORT_SOURCE: lambda c, _: replace(c, port_mappings=tuple(m for m in c.port_mappings if m.source is None)),
    Feature.FIREWALL_RULES: lambda c, _: _firewall(c, rules=()),
    Feature.FIREWALL_REJECT: _no_reject,
    Feature.TIMER_PROTOCOL: lambda c, _: _firewall(c, timers=tuple(t for t in c.firewall.timers if t.port is not None)),
    Feature.TIMER_PORT: lambda c, _: _firewall(c, timers=tuple(t for t in c.firewall.timers if t.port is None)),
    Feature.MOBILE: lambda c, _: replace(c, mobile=None),
    Feature.MOBILE_PREFERRED: lambda c, _: _mobile(c, preferred=False),
    Feature.MOBILE_BARRED: lambda c, _: _mobile(c, barred=()),
    Feature.SNMP: lambda c, _: replace(c, snmp=Snmp()),
    Feature.SNMP_TRAPS: lambda c, _: replace(c, snmp=replace(c.snmp, trap_hosts=())),
    Feature.TELNET: lambda c, _: replace(c, management=replace(c.management, telnet=False)),
}
_WHY: Final[Mapping[Feature, str]] = {
    Feature.WAN_DHCP: "the new family does not get its address by DHCP; its own way to the internet stays",
    Feature.WAN_STATIC: "the new family takes no fixed address; its own way to the internet stays",
    Feature.WAN_PPPOE: "the new family speaks no PPPoE; its own way to the internet stays",
    Feature.WAN_PPPOE_ADDRESS: "the new family cannot insist on an address over PPPoE; it takes what the line gives",
    Feature.WAN_IPV6: "the new family takes no fixed IPv6 block",
    Feature.IP_PACK: "the new family takes no extra IPv4 addresses",
    Feature.DHCP_SERVER: "the new family has no DHCP server",
    Feature.WIFI: "the new family has no wifi",
    Feature.WIFI_WPA3: "the new family knows WPA2 only; the network keeps its key",
    Feature.PORT_MAPPING: "the new family opens no ports",
    Feature.PORT_RANGE: "the new family opens single ports only; ranges stay closed",
    Feature.PORT_SOURCE: "the new family cannot say who may come in by an opened port; those that say so stay closed",
    Feature.FIREWALL_RULES: "the new family takes no list for what comes in; what no rule names is treated as before",
    Feature.FIREWALL_REJECT: "the new family does not say no to what it stops; it drops it in silence",
    Feature.TIMER_PROTOCOL: "the new family has no session timers by protocol",
    Feature.TIMER_PORT: "the new family has no session timers by port",
    Feature.MOBILE: "the new family has no mobile interface: there is no backup for the line",
    Feature.MOBILE_PREFERRED: "the new family's mobile connection stands by: traffic goes over the fixed line",
    Feature.MOBILE_BARRED: "the new family keeps nothing off its mobile connection: voice goes over it as well",
    Feature.SNMP: "the new family is not asked over SNMP",
    Feature.SNMP_TRAPS: "the new family sends no traps",
    Feature.TELNET: "the new family has no Telnet server",
}
