"""Which interfaces of the hardware a Linux router's files speak of."""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words

_HEADS: Final = re.compile(r"^(?:interface|iface|interface=)[ ]?([A-Za-z][\w-]*)", re.MULTILINE)
_BRIDGED: Final = re.compile(r"^[ \t]+bridge_ports[ \t]+(.+)$", re.MULTILINE)
# What the configuration makes itself, and what is no wire.
_MADE: Final = re.compile(r"(?:lo|ppp\d+|br.*|dummy\d*|vrrp.*)")


def interfaces(text: str, nic: str, lan: str) -> Interfaces:
    """``nic`` is the Ethernet towards the provider, ``lan`` the interface or bridge of the inside."""
    bridged = [name for line in _BRIDGED.findall(text) for name in line.split()]
    names = [name for name in (nic, *_HEADS.findall(text), *bridged) if not _MADE.fullmatch(name)]
    return interface_words.interfaces(names, {Role.WAN: [nic], Role.LAN: bridged or [lan]})
