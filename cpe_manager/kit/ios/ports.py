"""Which interfaces of the hardware an IOS configuration speaks of, and for what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words
from cpe_manager.kit.indented import Block
from cpe_manager.kit.ios.box import Box, short

# Dialers, loopbacks, tunnels and VLANs are made by the configuration itself.
_HARDWARE: Final = re.compile(r"(?P<name>(?:[A-Za-z]*Ethernet|ATM|Cellular|Dot11Radio|Serial)[\d/]+)(?:[.:]\d+)?")
_PARTS: Final = re.compile(r"([A-Za-z]+)([\d/]+)")


def interfaces(text: str) -> Interfaces:
    box = Box(text)

    def of(*blocks: Block | None) -> list[str]:
        found = (_HARDWARE.fullmatch(short(block)) for block in blocks if block is not None)
        return [match["name"] for match in found if match]

    roles = {Role.WAN: of(box.line), Role.LAN: of(box.lan), Role.MOBILE: of(box.cellular)}
    return interface_words.interfaces(of(*box.interfaces), roles)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Also where a line parts kind and number, as in ``controller Cellular 0/2/0``."""
    parted = {_parted(name): _parted(target) for name, target in names.items()}
    return interface_words.renamed(text, {**names, **parted})


def _parted(name: str) -> str:
    return _PARTS.sub(r"\1 \2", name, count=1)
