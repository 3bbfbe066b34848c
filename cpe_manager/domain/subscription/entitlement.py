"""What a subscription entitles to: one function, `entitled`, that every operation asks (§2).

Beside it the components of §2 that the neutral model can show: what a change brings into use is part of the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from cpe_manager.domain.model.cpe_config import CpeConfig, Firewall
from cpe_manager.domain.subscription.catalogue import C, CatalogueComponent, Formula, ServiceCatalogue, Speed, Terms
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation, Subscription


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


IDS: Final[Mapping[Component, str]] = {
    Component.FIXED_IPV4: C.FIXED_IPV4,
    Component.FIXED_IPV6: C.FIXED_IPV6,
    Component.IP_PACK: C.IP_PACK,
    Component.FIREWALL: C.FIREWALL,
    Component.MOBILE_BACKUP: C.MOBILE_BACKUP,
}
"""What the catalogue calls them."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    Operation.OPEN_PORT: (C.PORTS, C.STANDARD_CHANGES),
    Operation.CLOSE_PORT: (C.PORTS, C.STANDARD_CHANGES),
    Operation.WAN_ADDRESS: (C.FIXED_IPV4, C.STANDARD_CHANGES),
    Operation.LAN_ADDRESS: (C.STANDARD_CHANGES,),
    Operation.IP_PACK: (C.IP_PACK, C.STANDARD_CHANGES),
    Operation.IPV6: (C.FIXED_IPV6, C.STANDARD_CHANGES),
    Operation.FIREWALL: (C.FIREWALL,),
    Operation.WIFI: (C.CPE_CONFIGURATION,),
    Operation.WIFI_RIGHTS: (C.CPE_CONFIGURATION,),
    Operation.DHCP: (C.CPE_CONFIGURATION,),
    Operation.PPP: (C.CPE_CONFIGURATION,),
    Operation.REBOOT: (C.CPE_CONFIGURATION,),
    Operation.CONFIGURE: (C.CPE_CONFIGURATION,),
    Operation.MOBILE_BACKUP: (C.MOBILE_BACKUP,),
    Operation.FAILOVER: (C.MOBILE_BACKUP,),
    Operation.BACKUP: (C.BACKUP,),
    Operation.RESTORE: (C.RESTORE,),
    Operation.REPLACE: (C.REPLACEMENT,),
    Operation.RUSH: (C.RUSH,),
}
"""Every one of these has to be part of the subscription; the one that is missing first is cited."""
_NOT_ON_THE_BOX: Final = frozenset({Operation.BACKUP, Operation.REPLACE, Operation.FAILOVER, Operation.RUSH})
"""Operations that write no configuration of a customer: what is refused for a customer's own router is the rest."""
_CUSTOMERS_ROUTER: Final = "the router is the customer's own and is not configured by the operator (§3.2, §5.2.1)"


def entitled(
    catalogue: ServiceCatalogue,
    subscription: Subscription,
    operation: Operation | str,
    *,
    components: Sequence[str] = (),
) -> Entitled:
    """Whether an operation is part of a subscription. ``components``: ids of what it needs beside what lies in its
    nature: the terms of an entry, or what a push brings into use. An operation that is unknown here (an entry of the
    change catalogue that came later) needs these alone, and is taken for one that configures the box.

    A refusal cites the component that is missing first, and the section that says so. Raises nothing: a formula that
    the catalogue has not (any more) entitles to nothing.
    """
    formula = catalogue.formulas.get(subscription.formula)
    if formula is None or subscription.technology not in formula.titles:
        where = "" if formula is None else f" on {subscription.technology}"
        return Entitled(False, "", "§2", f"the catalogue has no formula {subscription.formula}{where} (§2)")
    if not formula.router and operation not in _NOT_ON_THE_BOX:
        cpe = catalogue.components[C.CPE]
        title = formula.titles[subscription.technology]
        return Entitled(False, cpe.id, cpe.section, f"{title}: {_CUSTOMERS_ROUTER}")
    needed = dict.fromkeys((*NEEDS.get(operation, ()), *components)) or (C.CPE_CONFIGURATION,)
    found = [part_of(catalogue, subscription, component) for component in needed]
    return next((one for one in found if not one.allowed), found[0])


def part_of(catalogue: ServiceCatalogue, subscription: Subscription, component: str) -> Entitled:
    """Whether one component is: included, or an option that was ordered or is ordered by its use."""
    formula = catalogue.formulas.get(subscription.formula)
    known = catalogue.components.get(component)
    if formula is None or known is None or subscription.technology not in formula.titles:
        what = f"component {component}" if known is None else f"formula {subscription.formula}"
        return Entitled(False, component, "§2", f"the catalogue has no {what} (§2)")
    title = formula.titles[subscription.technology]
    if (why := unavailable(formula, known, subscription)) is not None:
        return Entitled(False, known.id, known.section, f"{known.title} {why} {title} ({known.section})")
    if formula.terms[component] is Terms.OPTION and not known.by_use and component not in subscription.options:
        reason = f"{known.title} is an option of {title} that was not ordered ({known.section})"
        return Entitled(False, known.id, known.section, reason)
    return Entitled(True, known.id, known.section)


def unavailable(formula: Formula, component: CatalogueComponent, subscription: Subscription) -> str | None:
    """Words between a component and a formula where the one cannot be had with the other; None where it can."""
    if subscription.technology not in component.technologies:
        return f"does not exist on {subscription.technology}, so not with"
    if formula.terms.get(component.id, Terms.NONE) is Terms.NONE:
        return "is not part of"
    return None


def speed_of(catalogue: ServiceCatalogue, subscription: Subscription) -> Speed | None:
    """Mbps that a line is to have, with the options that were ordered (§3.1.2); None for a formula that is unknown."""
    formula = catalogue.formulas.get(subscription.formula)
    speeds = {} if formula is None else formula.speeds.get(subscription.technology, {})
    boosted = [speed for option, speed in speeds.items() if option in subscription.options]
    return max(boosted, key=lambda speed: (speed.down, speed.up), default=speeds.get(""))


def all_entitled(catalogue: ServiceCatalogue, subscription: Subscription) -> Mapping[Operation, Entitled]:
    """The answer for every operation that is known."""
    return {operation: entitled(catalogue, subscription, operation) for operation in Operation}
