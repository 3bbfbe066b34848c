"""What people say of a line, checked: addresses, prefixes, names, switches, from JSON or from the text of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, cast, get_args

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import FORMULAS, Coverage, LineSetup
from cpe_manager.domain.failover.next_hops import next_hops

SETTABLE: Final = tuple(
    field.name
    for field in fields(LineSetup)
    if field.name not in {"line_id", "coverage", "coverage_reason", "subscribed"}
)
"""What people set; the verdict on coverage comes of a check (§3.8), what is subscribed of the site's subscription."""
POLICY_PREFIX: Final = "policy."
"""A column or option ``policy.misses`` is one value of the line's own policy."""
_ADDRESSES: Final = frozenset({"line_address", "mobile_address"})
_GATEWAYS: Final = frozenset({"fixed_gateway", "mobile_gateway"})
"""An address of each family at the most; see `domain.failover.next_hops`."""
_SWITCHES: Final = frozenset({"watched", "ordered"})
_COVERAGE: Final = frozenset({"coverage", "coverage_reason"})
_LONGEST: Final = 200
_YES: Final = frozenset({"true", "yes", "1", "on"})
_NO: Final = frozenset({"false", "no", "0", "off"})


def setup_of(values: Mapping[str, object], base: LineSetup) -> LineSetup:
    """``base`` with what is given. Empty text or None takes a value away; ``policy`` replaces the line's policy as a
    whole, ``policy.NAME`` one value of it (None or empty: as the installation has it). Raises ``InputError``, which
    names the value."""
    if unknown := sorted(name for name in values if name not in SETTABLE and not name.startswith(POLICY_PREFIX)):
        raise InputError(f"a line has no {', '.join(unknown)}; it has {', '.join(SETTABLE)} and {POLICY_PREFIX}NAME")
    changed: dict[str, Any] = {}
    for name in SETTABLE:
        if name in values and name != "policy":
            changed[name] = _value(name, values[name])
    policy = dict(_policy(values.get("policy", base.policy)))
    for name, value in values.items():
        if not name.startswith(POLICY_PREFIX):
            continue
        key = name.removeprefix(POLICY_PREFIX)
        if value is None or value == "":
            policy.pop(key, None)
        else:
            policy[key] = _number(value)
    return checked(replace(base, **changed, policy=policy))


def with_coverage(values: Mapping[str, object], base: LineSetup) -> LineSetup:
    """As ``setup_of``, and a verdict on coverage that was come to elsewhere (``coverage``, ``coverage_reason``): a
    fleet that is taken over brings its checks along."""
    rest = {name: value for name, value in values.items() if name not in _COVERAGE}
    setup = setup_of(rest, base)
    verdict = str(values.get("coverage") or setup.coverage).strip()
    if verdict not in get_args(Coverage):
        raise InputError(f"coverage is one of {', '.join(get_args(Coverage))}, not {verdict!r}")
    reason = _value("coverage_reason", values.get("coverage_reason", setup.coverage_reason))
    return replace(setup, coverage=cast("Coverage", verdict), coverage_reason=cast("str", reason))


def checked(setup: LineSetup) -> LineSetup:
    """The setup itself. Raises ``InputError`` when its parts do not go together."""
    if setup.line_address and setup.line_address == setup.mobile_address:
        raise InputError("line_address and mobile_address are the same: each answers over its own way")
    for name in ("line_address", "mobile_address"):
        text = getattr(setup, name)
        for block in (setup.fixed_ipv4, setup.fixed_ipv6):
            if text and block is not None and ip_address(text) in block:
                raise InputError(f"{name} {text} lies in {block}, which moves with the traffic: it tells no way apart")
    if setup.platform and setup.fixed_ipv4 is None and setup.fixed_ipv6 is None:
        raise InputError(f"platform {setup.platform} is named, but no fixed address that it would move")
    return setup


def gaps(setup: LineSetup) -> tuple[str, ...]:
    """What is missing for a line to be moved and verified end to end, in words; empty: nothing."""
    found = []
    if not setup.line_address:
        found.append("no line_address: the fixed line is judged by traps, polls and the edge alone")
    ordered = setup.ordered if setup.subscribed is None else not setup.subscribed
    if ordered and not setup.mobile_address:
        found.append("no mobile_address: nothing tells whether the mobile backup answers")
    if (setup.fixed_ipv4 or setup.fixed_ipv6) and not setup.platform:
        found.append("no platform: the fixed address does not follow to mobile (§3.8)")
    if setup.platform and not (setup.fixed_gateway and setup.mobile_gateway):
        found.append("fixed_gateway or mobile_gateway is missing: an edge needs both as next hops")
    return tuple(found)


def _value(name: str, value: object) -> object:
    if name in _SWITCHES:
        return _switch(name, value)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise InputError(f"{name} is a text, not {value!r}")
    text = value.strip()
    if len(text) > _LONGEST or not text.isprintable():
        raise InputError(f"{name} is too long, or holds what cannot be printed")
    if name in _GATEWAYS:
        next_hops(text)
        return text
    if name in _ADDRESSES:
        return _address(name, text)
    if name == "fixed_ipv4":
        return _block(name, text, IPv4Network)
    if name == "fixed_ipv6":
        return _block(name, text, IPv6Network)
    if name == "formula" and text and text not in FORMULAS:
        raise InputError(f"formula {text!r} is none of {', '.join(FORMULAS)} (§2)")
    if name == "moves" and text not in {"manager", "cpe"}:
        raise InputError(f"moves is manager or cpe, not {text!r}")
    return text


def _switch(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().casefold() in _YES | _NO:
        return value.strip().casefold() in _YES
    raise InputError(f"{name} is true or false, not {value!r}")


def _address(name: str, text: str) -> str:
    if not text:
        return ""
    try:
        found = ip_address(text)
    except ValueError:
        raise InputError(f"{name}: {text!r} is no IP address") from None
    if found.is_multicast or found.is_unspecified or found.is_loopback:
        raise InputError(f"{name}: {found} is no address of one interface elsewhere")
    return str(found)


def _block(name: str, text: str, kind: type[IPv4Network | IPv6Network]) -> IPv4Network | IPv6Network | None:
    if not text:
        return None
    try:
        found = ip_network(text)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    if not isinstance(found, kind):
        raise InputError(f"{name}: {text} is of the other IP version")
    if found.is_multicast or found.is_unspecified or found.is_loopback or found.prefixlen < 8:
        raise InputError(f"{name}: {found} is no customer's block")
    return found


def _policy(values: object) -> Mapping[str, object]:
    if values is None or values == "":
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError("policy is a set of names and values")
    return values


def _number(value: object) -> object:
    """A number where the text of a table reads as one."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value.strip()
