"""Which interfaces of the hardware a VyOS configuration speaks of, and for what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words
from cpe_manager.kit.vyos import roles
from cpe_manager.kit.vyos.set_lines import SetLines

_HARDWARE_ID: Final = re.compile(r"^set (?P<path>interfaces \w+ \S+) hw-id '[^'\n]*'\n", re.MULTILINE)
"""Which card has the name: with that of another box the interfaces would get other names at the next start."""


def interfaces(text: str) -> Interfaces:
    box = SetLines(text)
    names = [name for kind in ("ethernet", "wireless", "wwan") for name in box.names(("interfaces", kind))]
    outside, inside = roles.wan_of(box), roles.lan_of(box)
    line = roles.line_below(box, outside).partition(".")[0] if outside else ""
    lan = roles.bridged(box, inside) or [inside.partition(".")[0]]
    return interface_words.interfaces(
        names, {Role.WAN: [line], Role.LAN: lan, Role.MOBILE: [roles.mobile_of(box)]}
    )  # fmt: skip


def adopted(text: str, present: str, names: Mapping[str, str]) -> str:
    own = {found["path"]: found.group() for found in _HARDWARE_ID.finditer(present)}
    return _HARDWARE_ID.sub(lambda found: own.get(found["path"], ""), interface_words.renamed(text, names))
