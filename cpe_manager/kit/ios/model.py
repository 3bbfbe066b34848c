"""The neutral model written into an IOS configuration, part by part, in an order that a router takes."""

from __future__ import annotations

from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.kit.ios.box import Box
from cpe_manager.kit.ios.edit import Edit, check
from cpe_manager.kit.ios.inside import write_dhcp, write_wifi
from cpe_manager.kit.ios.mobile import write_mobile
from cpe_manager.kit.ios.outside import write_filter, write_mappings, write_routes, write_timers
from cpe_manager.kit.ios.reach import write_dns, write_management, write_snmp
from cpe_manager.kit.ios.read import read
from cpe_manager.kit.ios.wan import write_ipv6, write_lan, write_wan


def parse(text: str) -> CpeConfig:
    return read(Box(text))


def render(text: str, new: CpeConfig) -> tuple[str, ...]:
    """The commands that turn ``text`` into a configuration that means ``new``. Raises ``InputError``."""
    box = Box(text)
    old = read(box)
    if old == new:
        return ()
    check(box, new)
    return commands(box, old, new)


def commands(box: Box, old: CpeConfig, new: CpeConfig) -> tuple[str, ...]:
    edit = Edit(box, old, new)
    write_mappings(edit, gone=True)
    write_routes(edit, gone=True)
    write_wan(edit)
    write_lan(edit)
    write_ipv6(edit)
    write_dhcp(edit)
    write_wifi(edit)
    write_mappings(edit, gone=False)
    write_filter(edit)
    write_timers(edit)
    write_routes(edit, gone=False)
    write_mobile(edit)
    write_snmp(edit)
    write_management(edit)
    write_dns(edit)
    edit.tidy()
    # Last: until here the prompt is the one that was learned.
    edit.add(*([f"hostname {new.hostname}"] if new.hostname != old.hostname else []))
    return tuple(edit.commands)
