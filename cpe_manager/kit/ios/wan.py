"""Changes of an IOS configuration: the internet side, the LAN's addresses, IPv6."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from cpe_manager.domain.model.cpe_config import Wan
from cpe_manager.kit.access_list import plain
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.indented import Block, named
from cpe_manager.kit.ios.box import POOL_OF, short
from cpe_manager.kit.ios.edit import Edit, default_of, dotted
from cpe_manager.kit.ios.read import PAP, PREFIX, packs_of, routes6_of, second_half
from cpe_manager.kit.ios.ways import DEFAULT

CALLIN: Final = "ppp authentication chap pap callin"
DIALER: Final = ("ip mtu 1492", "encapsulation ppp", CALLIN)
AUTOCONFIG: Final = "ipv6 address autoconfig default"


def write_wan(edit: Edit) -> None:
    old, new = edit.old.wan, edit.new.wan
    if (old and replace(old, ipv6_prefix=None, ipv6_router=None, ip_pack=None)) == (
        new and replace(new, ipv6_prefix=None, ipv6_router=None, ip_pack=None)
    ):
        return
    if edit.before and edit.before != edit.after:
        _leave_wan(edit)
    if new is not None and new.mode == "pppoe":
        _dial(edit, new)
    elif new is not None and edit.box.line is not None:
        address = f"ip address {dotted(new.address)}" if new.address else "ip address dhcp"
        extra = [line for line in ("ip nat outside",) if line not in edit.box.line.lines]
        up = ["no shutdown"] if "shutdown" in edit.box.line.lines else []
        edit.within(edit.box.line.head, [address, *extra, *up])
    _write_default(edit, old)
    if edit.before and edit.after and edit.before != edit.after:
        _move_translation(edit)


def _leave_wan(edit: Edit) -> None:
    """Take the internet off an interface; what else is configured there stays."""
    wan = edit.box.wan
    assert wan is not None
    lines = [f"no {line}" for line in wan.lines if line.startswith(("ip access-group ", "ppp chap ", "ppp pap sent-"))]
    lines += ["no ip nat outside"] if "ip nat outside" in wan.lines else []
    lines += ["no ip address"] if wan.value("ip address ") is not None else []
    if wan is edit.box.dialer and edit.box.line is not None:
        edit.within(edit.box.line.head, [f"no {POOL_OF}{edit.box.line.value(POOL_OF)}"])
        lines.append("shutdown")
    edit.within(wan.head, lines)


def _dial(edit: Edit, new: Wan) -> None:
    """PPPoE: the line carries the sessions of a dialer, which has the log-in and the address."""
    dialer = edit.box.dialer or Block(f"interface {edit.after}")
    pool = dialer.value("dialer pool ") or "1"
    if edit.box.line is not None and edit.box.line.value(POOL_OF) != pool:
        up = ["no shutdown"] if "shutdown" in edit.box.line.lines else []
        edit.within(edit.box.line.head, [f"{POOL_OF}{pool}", *up])
    lines = [line for line in (*DIALER, f"dialer pool {pool}", "ip nat outside") if line not in dialer.lines]
    if edit.box.dialer is not None:
        lines = [line for line in lines if line not in ("ip mtu 1492", CALLIN)]
    address = f"ip address {dotted(new.address)}" if new.address else "ip address negotiated"
    lines += [address] if address not in dialer.lines or edit.before != edit.after else []
    old = edit.old.wan
    if old is None or (old.username, old.password) != (new.username, new.password):
        lines += [f"ppp chap hostname {new.username}", f"ppp chap password 0 {new.password}"]
        lines += [f"{PAP}{new.username} password 0 {new.password}"]
    lines += ["no shutdown"] if "shutdown" in dialer.lines else []
    edit.within(dialer.head, lines)


def _write_default(edit: Edit, old: Wan | None) -> None:
    goal, present = edit.goal, False
    for words in edit.box.defaults:
        target = words.partition(" ")[0]
        present = present or target == goal
        if target != goal and target in {default_of(old, edit.before), "dhcp", edit.before}:
            edit.remove(DEFAULT + words)
    if goal and not present:
        edit.add(DEFAULT + goal)


def _move_translation(edit: Edit) -> None:
    """What translates the LAN's addresses towards the internet follows the internet to its new interface."""
    for words in edit.box.top.values("ip nat inside source "):
        rule = re.fullmatch(rf"((?:list|route-map) \S+ interface ){re.escape(edit.before)}( .*|)", words)
        if rule:
            edit.remove(f"ip nat inside source {words}")
            edit.add(f"ip nat inside source {rule[1]}{edit.after}{rule[2]}")
    for entry in named(edit.box.blocks, "route-map "):
        match = f"match interface {edit.before}"
        if match in entry.lines:
            edit.within(entry.head, [f"no {match}", f"match interface {edit.after}"])


def write_lan(edit: Edit) -> None:
    box, old, new = edit.box, edit.old, edit.new
    if box.lan is None:
        return
    was, pack = packs_of(box), new.wan.ip_pack_address if new.wan else None
    lines = [f"no {line}" for line, address in was if address != pack]
    if new.lan is None:
        lines += ["no ip address"] if old.lan else []
    elif new.lan != old.lan:
        lines.append(f"ip address {dotted(new.lan.address)}")
    if pack and pack not in [address for _, address in was]:
        lines.append(f"ip address {dotted(pack)} secondary")
    edit.within(box.lan.head, lines)
    if old.lan and new.lan and old.lan.address.network != new.lan.address.network:
        _translate(edit, old.lan.address.network, new.lan.address.network)


def _translate(edit: Edit, old: IPv4Network, new: IPv4Network) -> None:
    """The lists that choose what is translated name the LAN's network: they follow it."""
    rules = [w.split() for w in edit.box.top.values("ip nat inside source ") if w.startswith(("list ", "route-map "))]
    maps = {words[1] for words in rules if words[0] == "route-map"}
    lists = {words[1] for words in rules if words[0] == "list"}
    for entry in named(edit.box.blocks, "route-map "):
        if entry.head.split()[1] in maps:
            lists |= set((entry.value("match ip address ") or "").split())
    for block in named(edit.box.blocks, "ip access-list "):
        if short(block) in lists:
            named_old = f"{old.network_address} {old.hostmask}"
            for line in map(plain, block.lines):
                if line.startswith("permit ") and named_old in line:
                    fresh = line.replace(named_old, f"{new.network_address} {new.hostmask}")
                    edit.within(block.head, [fresh, f"no {line}"])


def write_ipv6(edit: Edit) -> None:
    box, old, new = edit.box, edit.old.wan, edit.new.wan
    was, now = (wan.ipv6_prefix if wan else None for wan in (old, new))
    if was != now and box.lan is not None:
        own = f"{was[1]}/64" if was else ""
        gone = [w for w in box.lan.values("ipv6 address ") if was and (w.endswith(" ::1/64") or w.lower() == own)]
        edit.within(box.lan.head, [f"no ipv6 address {words}" for words in gone])
        for words in box.top.values(PREFIX):
            if was and attempt(IPv6Network, words.rpartition(" ")[2]) == was:
                edit.remove(PREFIX + words)
        if now is not None:
            name = edit.free_name("FIXED-LINE")
            edit.add(*(line for line in ("ipv6 unicast-routing",) if line not in box.top.lines))
            edit.add(f"{PREFIX}{name} {now}")
            edit.within(box.lan.head, [f"ipv6 address {name} ::1/64"])
    router, wanted = (wan.ipv6_router if wan else None for wan in (old, new))
    if (was, router) != (now, wanted):
        for line, network, _ in routes6_of(box):
            if was and network == second_half(was):
                edit.remove(line)
        if new and wanted:
            edit.add(f"ipv6 route {new.routed_ipv6} {wanted}")
    if bool(was) != bool(now) or edit.before != edit.after:
        _write_ipv6_line(edit, had=bool(was), has=bool(now))


def _write_ipv6_line(edit: Edit, *, had: bool, has: bool) -> None:
    """IPv6 on the line itself: a PPP session needs no address; on Ethernet the router takes one, and the route."""
    old, new = edit.old.wan, edit.new.wan
    default = f"ipv6 route ::/0 {edit.before}"
    if had and edit.before and edit.box.wan is not None:
        lines = [line for line in edit.box.wan.lines if line in ("ipv6 enable", AUTOCONFIG)]
        edit.within(edit.box.wan.head, [f"no {line}" for line in lines])
        if old and default in edit.box.top.lines:
            edit.remove(default)
    if has and new is not None:
        edit.within(f"interface {edit.after}", ["ipv6 enable" if new.mode == "pppoe" else AUTOCONFIG])
        if new.mode == "pppoe":
            edit.add(f"ipv6 route ::/0 {edit.after}")
