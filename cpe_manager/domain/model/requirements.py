"""Checks that the values of the neutral model make of themselves. Each raises ``InputError`` with a reason."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from ipaddress import IPv4Interface
from typing import Final

from cpe_manager.domain.errors import InputError

_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise InputError(reason)


def host_on(address: IPv4Interface) -> None:
    network = address.network
    if network.prefixlen < 31:
        outer = (network.network_address, network.broadcast_address)
        if address.ip in outer:
            raise InputError(f"{address} is the network's own or its broadcast address")


def text(what: str, value: str) -> None:
    require(_PRINTABLE.fullmatch(value) is not None, f"{what} is not printable ASCII without blanks at its ends")


def word(what: str, value: str) -> None:
    text(what, value)
    require(" " not in value, f"{what} holds a blank")


def is_domain(value: str) -> bool:
    return len(value) <= 100 and all(is_label(label) for label in value.split("."))


def unique(what: str, values: Sequence[Hashable]) -> None:
    require(len(values) == len(set(values)), f"one {what} occurs twice")


def is_label(value: str) -> bool:
    """A host name, or one label of a domain name (RFC 1123)."""
    return _LABEL.fullmatch(value) is not None
