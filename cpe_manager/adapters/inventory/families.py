"""What other programs call the families that we drive."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Oxidized models, RANCID types
        "cisco": "cisco_ios",
        "cisco-xe": "cisco_ios",
        "ios": "cisco_ios",
        "iosxe": "cisco_ios",
        "frr": "frr_linux",
        "linux": "frr_linux",
        "linuxgeneric": "frr_linux",
        "openwrt": "openwrt",
        "vyos": "vyos",
        # Nornir, NAPALM, Netmiko and Ansible platforms
        "cisco_ios": "cisco_ios",
        "cisco_xe": "cisco_ios",
        "cisco_iosxe": "cisco_ios",
        "ios-xe": "cisco_ios",
        "ios_xe": "cisco_ios",
        "frrouting": "frr_linux",
        "vyos.vyos.vyos": "vyos",
        # NetBox platform slugs as people write them
        "cisco-ios": "cisco_ios",
        "cisco-ios-xe": "cisco_ios",
        "cisco-iosxe": "cisco_ios",
        "frr-linux": "frr_linux",
        "open-wrt": "openwrt",
        "vyos-router": "vyos",
    }
)
"""Lower-case name there to family here. A name that is not listed is taken as it stands."""


def family_of(name: str) -> str:
    """Our family for the name that another program uses; unknown names pass, and are refused later by name."""
    return ALIASES.get(name.strip().lower(), name.strip())
