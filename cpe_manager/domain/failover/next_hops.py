"""A box's next hops as an edge sees them, written as one text: an address for each family at most.

``10.2.0.2``; ``10.2.0.2, 2001:db8:2::2``; ``10.2.0.2, fe80::1%mob0``: an address may name the interface that it is
reached over, and a link-local one has to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cpe_manager.domain.errors import InputError

_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,31}")


@dataclass(frozen=True, slots=True)
class NextHop:
    """``interface``: empty where the address alone says enough."""

    address: IPv4Address | IPv6Address
    interface: str = ""

    def __str__(self) -> str:
        return f"{self.address} {self.interface}".rstrip()


@dataclass(frozen=True, slots=True)
class NextHops:
    """None: there is none of that family."""

    ipv4: NextHop | None = None
    ipv6: NextHop | None = None


def next_hops(text: str) -> NextHops:
    """Read them; the empty text has none. Raises ``InputError``."""
    found: dict[int, NextHop] = {}
    for word in (part.strip() for part in text.split(",")):
        if not word:
            continue
        hop = _next_hop(word)
        if hop.address.version in found:
            raise InputError(
                f"{text!r} names two next hops of IPv{hop.address.version}; one of each family is what fits"
            )
        found[hop.address.version] = hop
    return NextHops(found.get(4), found.get(6))


def _next_hop(word: str) -> NextHop:
    address_text, percent, interface = word.partition("%")
    try:
        address = ip_address(address_text)
    except ValueError:
        raise InputError(f"{word!r} is not an address of a next hop") from None
    if percent and not _INTERFACE.fullmatch(interface):
        raise InputError(f"{word!r}: {interface!r} is not a name of an interface")
    if address.is_link_local and not interface:
        raise InputError(f"{word!r} is link-local: write the interface behind it, as in {word}%eth0")
    if address.is_unspecified or address.is_multicast:
        raise InputError(f"{word!r} is no address that a router can pass traffic to")
    return NextHop(address, interface)
