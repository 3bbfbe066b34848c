"""Which interfaces of the hardware a RouterOS export speaks of, and for what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words
from cpe_manager.kit.routeros.lan import lan_interface
from cpe_manager.kit.routeros.language import Box

_HARDWARE: Final = re.compile(r"(?:ether|sfp|sfp-sfpplus|qsfpplus|combo|wifi|wlan|lte)\d+")
_NAMED: Final = re.compile(r"(?<![\w-])(?:ether|sfp|sfp-sfpplus|qsfpplus|combo|wifi|wlan|lte)\d+(?![\w-])")

_OWN_MAC: Final = re.compile(r"(?<= )admin-mac=(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")


def interfaces(text: str) -> Interfaces:
    box = Box(text)
    lan = lan_interface(box)
    bridged = [item.text("interface") for item in box.all("interface bridge port", bridge=lan)] or [lan]
    members = [item.text("interface") for item in box.all("interface list member", list="WAN")]
    dialled = [item.text("interface") for item in box.all("interface pppoe-client")]
    clients = [item.text("interface") for item in box.all("ip dhcp-client")]
    outside = [name for name in (*dialled, *members, *clients) if _HARDWARE.fullmatch(name)]
    lte = [name for name in _NAMED.findall(text) if name.startswith("lte")]
    wan = [name for name in outside if not name.startswith("lte") and name not in bridged]
    return interface_words.interfaces(_NAMED.findall(text), {Role.WAN: wan, Role.LAN: bridged, Role.MOBILE: lte})


def adopted(text: str, present: str, names: Mapping[str, str]) -> str:
    """The bridge takes its address from the box's own ports. Where there are several bridges nobody knows which."""
    own = _OWN_MAC.findall(present)
    renamed = interface_words.renamed(text, names)
    return _OWN_MAC.sub(own[0], renamed) if len(own) == len(_OWN_MAC.findall(text)) == 1 else renamed
