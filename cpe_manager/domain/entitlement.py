"""What a customer has to have ordered for a change to be his: the components of §2 that the neutral model can show."""

from __future__ import annotations

from enum import StrEnum

from cpe_manager.domain.cpe_config import CpeConfig, Firewall


class Component(StrEnum):
    """Components that only some formulas have (§2), by the section that describes them."""

    FIXED_IPV4 = "fixed IPv4 address (§3.3.1)"
    FIXED_IPV6 = "fixed IPv6 block (§3.3.1)"
    IP_PACK = "IP pack (§3.3.2)"
    FIREWALL = "managed firewall (§3.7)"
    MOBILE_BACKUP = "mobile backup (§3.8)"


def used(config: CpeConfig) -> frozenset[Component]:
    """The components that a device makes use of."""
    wan = config.wan
    found = {
        Component.FIXED_IPV4: wan is not None and wan.address is not None,
        Component.FIXED_IPV6: wan is not None and wan.ipv6_prefix is not None,
        Component.IP_PACK: wan is not None and wan.ip_pack is not None,
        Component.FIREWALL: bool(config.firewall.rules or config.firewall.timers),
        Component.MOBILE_BACKUP: config.mobile is not None and config.mobile.active,
    }
    return frozenset(component for component, there in found.items() if there)


def newly_used(before: CpeConfig, after: CpeConfig) -> tuple[Component, ...]:
    """The components that a change brings into use, in the order of `Component`."""
    new = used(after) - used(before)
    if before.firewall != after.firewall and after.firewall != Firewall():
        new |= {Component.FIREWALL} & used(after)
    return tuple(component for component in Component if component in new)
