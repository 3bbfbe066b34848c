"""What may be ordered for a site, by the catalogue (§2), and by when it is to be done (§4.2, §4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from cpe_manager.domain.activation.activations import ActivationOrder
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.subscription.catalogue import C, ServiceCatalogue, Terms
from cpe_manager.domain.subscription.entitlement import entitled
from cpe_manager.domain.subscription.subscriptions import Operation, Subscription
from cpe_manager.domain.working_days import Promise, WorkingDay, end_of, local_day, moved, target

LONGEST_AHEAD: Final = 366
"""Days ahead that a ready-for-service date may lie."""
_ON_THE_ROUTER: Final = ("lan", "dhcp", "wifi", "ports", "firewall", "dns", "mobile")


def check(order: ActivationOrder, subscription: Subscription, catalogue: ServiceCatalogue) -> None:
    """Raises ``InputError`` with the field, and the component and section that a refusal comes of."""
    formula = catalogue.formulas.get(order.formula)
    if formula is None:
        raise InputError(f"formula: there is no {order.formula!r}; known: {', '.join(catalogue.formulas)}")
    if order.technology not in formula.technologies:
        raise InputError(f"technology: {order.formula} does not exist on {order.technology} (§2)")
    for option in order.options:
        if option not in catalogue.components:
            raise InputError(f"options: there is no component {option!r} (§2)")
        if formula.terms.get(option) is Terms.STANDARD:
            raise InputError(f"options: {option} is part of {order.formula} already (§2)")
    operation = Operation.CONFIGURE if formula.router else Operation.BACKUP
    for field, component in (*_options(order), *_used(order)):
        found = entitled(catalogue, subscription, operation, components=(component,))
        if not found.allowed:
            raise InputError(f"{field}: {found.reason}")
    if not formula.router and (given := [name for name in _ON_THE_ROUTER if getattr(order, name)]):
        raise InputError(f"{given[0]}: the router is the customer's, nothing on it is configured (§3.2, §5.2.1)")
    if order.rush:
        # To ask for one is to order it; it is over with the installation, and no option that the site keeps.
        asking = replace(subscription, options=subscription.options | {C.RUSH})
        found = entitled(catalogue, asking, Operation.RUSH)
        if not found.allowed:
            raise InputError(f"rush: {found.reason}")


def _options(order: ActivationOrder) -> Iterator[tuple[str, str]]:
    for option in order.options:
        yield "options", option


def _used(order: ActivationOrder) -> Iterator[tuple[str, str]]:
    wan = order.wan
    if wan is not None and wan.address is not None:
        yield "wan.address", C.FIXED_IPV4
    if wan is not None and wan.ipv6_prefix is not None:
        yield "wan.ipv6_prefix", C.FIXED_IPV6
    if wan is not None and wan.ip_pack is not None:
        yield "wan.ip_pack", C.IP_PACK
    if order.ports:
        yield "ports", C.PORTS
    if order.firewall is not None:
        yield "firewall", C.FIREWALL
    if order.mobile is not None:
        yield "mobile", C.MOBILE_BACKUP


def promise_of(
    order: ActivationOrder, catalogue: ServiceCatalogue, at: datetime, working: WorkingDay, zone: str
) -> Promise:
    """By when it is to be done, and a rush to be answered. Raises ``InputError`` for a day that is none to promise."""
    today = local_day(at, zone)
    if order.wished is not None:
        check_day(order.wished, today)
    found = target(at, catalogue.installation_days, order.wished, working, zone)
    if not order.rush:
        return found
    return Promise(found.due_at, found.risk_at, end_of(moved(today, catalogue.rush_days, working), zone))


def check_day(day: date, today: date) -> None:
    """Raises ``InputError``."""
    if day < today:
        raise InputError(f"ready_for_service: {day} is over")
    if (day - today).days > LONGEST_AHEAD:
        raise InputError(f"ready_for_service: {day} is more than a year ahead")
