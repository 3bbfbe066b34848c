"""Changes of an IOS configuration: SNMP, management, name servers."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Final

from cpe_manager.kit.access_list import sources, standard
from cpe_manager.kit.indented import named
from cpe_manager.kit.ios.box import short
from cpe_manager.kit.ios.edit import Edit
from cpe_manager.kit.ios.read import (
    COMMUNITY,
    HOST,
    communities_of,
    name_servers_of,
    trap_hosts_of,
)

MANAGEMENT: Final = "MANAGEMENT"


def write_snmp(edit: Edit) -> None:
    old, new = edit.old.snmp, edit.new.snmp
    here = {community: line for line, community in communities_of(edit.box)}
    names = {community.name for community in new.communities}
    for community, line in here.items():
        if community not in new.communities:
            guard = re.search(r" R[OW] (\S+)$", line)
            if guard:
                edit.loosen("standard", guard[1])
            if community.name not in names:
                edit.remove(line)
            else:
                edit.gone_lines.add(line)
    for community in new.communities:
        if community not in here:
            was = next((line for known, line in here.items() if known.name == community.name), "")
            view = found[0] if (found := re.search(r" view \S+", was)) else ""
            by = f" {_guard_list(edit, community.source)}" if community.source else ""
            edit.add(f"{COMMUNITY}{community.name}{view} {'RW' if community.write else 'RO'}{by}")
    for what in ("location", "contact"):
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            edit.add(f"snmp-server {what} {now}" if now else f"no snmp-server {what} {was}")
    word = next(iter(sorted(new.communities, key=lambda c: c.write)), None)
    kept = set()
    for line, host in trap_hosts_of(edit.box):
        stale = line.split()[-1] not in names and line.split()[-1] in {c.name for c in old.communities}
        if host in new.trap_hosts and not stale:
            kept.add(host)
        else:
            edit.remove(line)
    edit.add(*(f"{HOST}{h} version 2c {word.name}" for h in new.trap_hosts if h not in kept and word is not None))


def _guard_list(edit: Edit, network: IPv4Network) -> str:
    """The name of a standard list that permits this network and nothing else."""
    for block in named(edit.box.blocks, "ip access-list standard "):
        if sources(block.lines) == (network,):
            return short(block)
    name = f"NET-{network.network_address}-{network.prefixlen}"
    head = f"ip access-list standard {name}"
    if head not in edit.commands:
        edit.within(head, [standard(network)])
    return name


def write_management(edit: Edit) -> None:
    old, new = edit.old.management, edit.new.management
    lines: list[str] = []
    if (old.ssh, old.telnet) != (new.ssh, new.telnet):
        kinds = [kind for kind, on in (("telnet", new.telnet), ("ssh", new.ssh)) if on] or ["none"]
        lines.append(f"transport input {' '.join(kinds)}")
    guard = ""
    if old.sources != new.sources and new.sources:
        guard = edit.free_name(MANAGEMENT)
        edit.within(f"ip access-list standard {guard}", [standard(network) for network in new.sources])
    for vty in edit.box.vtys:
        was = vty.value("access-class ")
        more = list(lines)
        if old.sources != new.sources and was is not None:
            edit.loosen("standard", was.partition(" ")[0])
            edit.gone_lines.add(f"access-class {was}")
            more += [] if guard else [f"no access-class {was}"]
        if guard:
            more.append(f"access-class {guard} in" + (" vrf-also" if was and was.endswith("vrf-also") else ""))
        edit.within(vty.head, more)


def write_dns(edit: Edit) -> None:
    if edit.old.dns != edit.new.dns:
        for line, _ in name_servers_of(edit.box):
            edit.remove(line)
        edit.add(*(f"ip name-server {server}" for server in edit.new.dns))
