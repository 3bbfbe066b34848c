"""What an order makes of a box's configuration: one merge patch of the neutral model for each step (§4.2). All pure.

A patch is made from what the box runs at that moment, so it is right to make it again after a crash; a step whose patch
changes nothing is done. The same patches are the measure of the tests: a box has what was ordered when none of them
would change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from ipaddress import IPv6Address
from typing import Any, Final

from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import ActivationOrder
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.failover.voice_barrier import barred_of, joined
from cpe_manager.domain.model.cpe_config import CpeConfig, PortMapping
from cpe_manager.domain.model.cpe_config_data import changed, plain
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature

Patch = Mapping[str, Any]
ROUTER_HOST: Final = 0x10
"""The customer's router behind an IP pack is ``::10`` of the first /64 unless changed (§3.3.2)."""


def patch_of(
    step: Step, order: ActivationOrder, now: CpeConfig, features: frozenset[Feature], barrier: Barrier
) -> Patch:
    """What a step changes on a box of a family with ``features`` that means ``now``; empty: nothing. ``barrier``: what
    stays off mobile (§7.6). Raises ``InputError`` for what was ordered and this box cannot have."""
    if step is Step.CONFIGURE:
        return _configured(order, now, features, barrier)
    if step is Step.ADDRESS:
        return _addressed(order, now, features)
    if step is Step.WIFI:
        return _wifi(order, now, features)
    raise ValueError(f"{step} configures nothing")


def lacking(patch: Patch, now: CpeConfig) -> tuple[str, ...]:
    """What a box does not have of a step, in parts of the model; empty when it is as ordered."""
    return tuple(one.part for one in differences(now, changed(now, patch))) if patch else ()


def managed_after(address: str, before: CpeConfig, after: CpeConfig) -> str | None:
    """The address at which a box is managed once its own address has changed, where it was managed at that one (outside
    or inside); None: where it was. ``address``: at which it is managed now."""
    pairs = [
        (getattr(before.wan, "address", None), getattr(after.wan, "address", None)),
        (getattr(before.lan, "address", None), getattr(after.lan, "address", None)),
    ]
    for old, new in pairs:
        if old is not None and new is not None and str(old.ip) == address and new.ip != old.ip:
            return str(new.ip)
    return None


def _configured(order: ActivationOrder, now: CpeConfig, features: frozenset[Feature], barrier: Barrier) -> Patch:
    patch: dict[str, Any] = {}
    for part in ("lan", "dhcp", "firewall"):
        value = getattr(order, part)
        if value is not None and value != getattr(now, part):
            patch[part] = _whole(value)
    if order.dns and order.dns != now.dns:
        patch["dns"] = plain(order.dns)
    ports = _with_ports(order, now)
    if ports != now.port_mappings:
        patch["port_mappings"] = plain(ports)
    if order.with_backup and (mobile := _mobile(order, now, features, barrier)):
        patch["mobile"] = mobile
    return patch


def _with_ports(order: ActivationOrder, now: CpeConfig) -> tuple[PortMapping, ...]:
    """Those that are open stay so, but for what was ordered otherwise."""
    kept = [one for one in now.port_mappings if not any(_meet(one, ordered) for ordered in order.ports)]
    return replace(now, port_mappings=(*kept, *order.ports)).port_mappings


def _meet(one: PortMapping, other: PortMapping) -> bool:
    apart = one.ports.last < other.ports.first or other.ports.last < one.ports.first
    return one.protocol == other.protocol and not apart


def _mobile(order: ActivationOrder, now: CpeConfig, features: frozenset[Feature], barrier: Barrier) -> Patch:
    """The backup stands by, and voice is barred from it (§3.8, §7.6) where the family can bar anything."""
    if Feature.MOBILE not in features:
        raise InputError("mobile backup was ordered, and this family has no mobile interface (§3.8)")
    if order.mobile is None and now.mobile is None:
        raise InputError("mobile backup was ordered; the order has to say its APN (§3.8)")
    before = now.mobile
    wanted = order.mobile or before
    assert wanted is not None
    there = () if before is None else before.barred
    barred = joined((*there, *wanted.barred, *barred_of(barrier))) if Feature.MOBILE_BARRED in features else there
    # Traffic that is on mobile at this moment stays there: moving it is not this step's business.
    preferred = before is not None and before.preferred
    wanted = replace(wanted, active=True, preferred=preferred, barred=barred)
    return {} if wanted == before else _whole(wanted)


def _addressed(order: ActivationOrder, now: CpeConfig, features: frozenset[Feature]) -> Patch:
    wan = order.wan
    if wan is None:
        return {}
    if wan.mode == "pppoe" and Feature.WAN_PPPOE_ADDRESS not in features:
        wan = replace(wan, address=None)  # the line gives it, and the tests look whether it did
    if wan.ip_pack is not None and wan.ipv6_prefix is not None and wan.ipv6_router is None:
        host = int(wan.ipv6_prefix.network_address) + ROUTER_HOST
        wan = replace(wan, ipv6_router=IPv6Address(host))
    return {} if wan == now.wan else {"wan": _whole(wan)}


def _wifi(order: ActivationOrder, now: CpeConfig, features: frozenset[Feature]) -> Patch:
    choice = order.wifi
    if choice is None:
        return {}
    if choice.on and Feature.WIFI not in features:
        raise InputError("wifi was ordered on, and this family has none")
    named = {one.band: one for one in choice.networks}
    if choice.on and not named and not now.wifi:
        raise InputError("wifi was ordered on; the box has no network yet, and the order names none")
    kept = [replace(one, enabled=choice.on and not named) for one in now.wifi if one.band not in named]
    wanted = replace(now, wifi=(*kept, *named.values())).wifi
    return {} if wanted == now.wifi else {"wifi": plain(wanted)}


def _whole(value: Any) -> dict[str, Any]:
    """As a patch that leaves nothing of what was there: what is unset is taken away by name."""
    data: dict[str, Any] = plain(value)
    return {**{one.name: None for one in fields(value)}, **data}
