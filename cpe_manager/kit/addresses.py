"""Reading addresses, of which a configuration may hold thousands."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface
from socket import AF_INET, inet_pton

from cpe_manager.kit.attempts import attempt


def ipv4(text: str) -> IPv4Address | None:
    """The address that a dotted quad is, None for anything else: what ``IPv4Address`` says, at a third of its price."""
    try:
        return IPv4Address(int.from_bytes(inet_pton(AF_INET, text)))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def ipv4_interface(text: str) -> IPv4Interface | None:
    """The address with its network that ``192.168.1.1/24`` is, None for what is none. Readers ask for those of the LAN
    again and again."""
    return attempt(IPv4Interface, text)
