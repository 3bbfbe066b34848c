"""Parameters of change requests: declared as frozen dataclasses, read strictly from plain data, and told again.

A field says in its metadata (`told`) what it means and what it holds at most; the schema, the reference page and the
reader all go by that. Reading is the neutral model's (``cpe_config_data``): wrong types, unknown names, host bits,
ranges that run backwards and lists without end are refused as a `Misfit`, which names the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model import requirements
from cpe_manager.domain.model.cpe_config_data import BOUNDS, Bounds, Data, Misfit, masked, plain, read_as

TOLD: Final = "told"
"""Key of a field's metadata under which `Told` is."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Told:
    """``words``: what a field means. ``example`` as plain data. ``preset``: the catalogue knows the values."""

    words: str
    example: Data = None
    secret: bool = False
    preset: bool = False


def told(words: str, bounds: Bounds | None = None, **more: Any) -> Mapping[str, Any]:
    """Metadata of a field; ``more`` as in `Told`. A secret has to be called ``key`` or ``password`` and be kept from
    ``repr`` by the field itself."""
    return {TOLD: Told(words, **more)} | ({} if bounds is None else {BOUNDS: bounds})


def read_parameters(kind: type, data: Data) -> Any:
    """Raises ``InputError`` that names the field: ``ports[0].inside: 'x' is no IPv4 address``."""
    return read_as(kind, data)


def to_plain(wanted: Any) -> dict[str, Data]:
    """Plain data that `read_parameters` makes the same of; what is as by default is left out."""
    found: dict[str, Data] = {}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value != field.default:
            found[field.name] = _plain(value)
    return found


def _plain(value: Any) -> Data:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    own = is_dataclass(value) and any(TOLD in field.metadata for field in fields(value))
    return to_plain(value) if own else plain(value)


def shown(wanted: Any) -> dict[str, Data]:
    """The same without secrets: each has a mask in its place."""
    found: dict[str, Data] = masked(to_plain(wanted))
    return found


def misfit(field: str, reason: str) -> Misfit:
    """A `Misfit` to raise: ``misfit("ports[0].port", "23 is reserved")``."""
    return Misfit(field, f": {reason}")


def named(value: str) -> None:
    """A name of the catalogue."""
    requirements.require(_NAME.fullmatch(value) is not None, "a name is lower-case letters, digits and hyphens")


def printed(what: str) -> Callable[[str], None]:
    return lambda value: requirements.text(what, value)


def spoken(what: str) -> Callable[[str], None]:
    """Printable, without blanks."""
    return lambda value: requirements.word(what, value)


def mac(value: str) -> None:
    requirements.require(
        _MAC.fullmatch(value) is not None, "a MAC address is six pairs of hex digits, 02:00:5e:00:00:0a"
    )


def domain(value: str) -> None:
    requirements.require(not value or requirements.is_domain(value), "that is no domain name")


def host(address: IPv4Address | IPv4Interface) -> None:
    """One that a host of a network can have."""
    ip = address.ip if isinstance(address, IPv4Interface) else address
    kinds = {
        "a multicast address": ip.is_multicast,
        "a loopback address": ip.is_loopback,
        "no address": ip.is_unspecified or int(ip) >> 24 == 0,
        "a link-local address": ip.is_link_local,
        "a broadcast or reserved address": ip.is_reserved,
    }
    for kind, it_is in kinds.items():
        requirements.require(not it_is, f"{ip} is {kind}")
    if isinstance(address, IPv4Interface):
        requirements.host_on(address)


def some_network(network: IPv4Network) -> None:
    """Any but all of them: for that a field is left out."""
    requirements.require(network.prefixlen > 0, "that is everybody: leave it out")


def private_or_public(network: IPv4Network) -> None:
    """Addresses of hosts, as `host` says."""
    host(network.network_address)
    host(network.broadcast_address if network.prefixlen >= 31 else network.broadcast_address - 1)


def global_ipv6(value: IPv6Address | IPv6Network) -> None:
    """An address of the internet, and none that another one is hidden in."""
    ip = value.network_address if isinstance(value, IPv6Network) else value
    hidden = (ip.ipv4_mapped, ip.sixtofour, ip.teredo) != (None, None, None) or int(ip) < 2**32
    requirements.require(not hidden, f"{value} holds an IPv4 address")
    requirements.require(int(ip) >> 125 == 1, f"{value} is not of the internet (2000::/3)")


def fitting(field: str, make: Callable[[], Any]) -> Any:
    """What ``make`` makes; what it refuses without naming a field is about ``field``."""
    try:
        return make()
    except Misfit:
        raise
    except InputError as error:
        raise misfit(field, str(error)) from error
