"""Changes of an IOS configuration: opened ports, the inbound filter, session timers, routes."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Final

from cpe_manager.domain.model.cpe_config import AccessRule, CpeConfig, PortMapping
from cpe_manager.kit.access_list import OPENED, Filter, line_of, same, wildcard, with_rules, written
from cpe_manager.kit.access_list import read as read_filter
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.ios.edit import Edit
from cpe_manager.kit.ios.read import STATIC, TIMER, guard_of, mappings_of, routes_of

INBOUND: Final = "INTERNET-IN"
OUTBOUND: Final = "INTERNET-OUT"
SESSIONS: Final = "INTERNET-SESSIONS"
# Where somebody else's list guards the way out and nothing is remembered.
_ESTABLISHED: Final = "permit tcp any any established"


def write_mappings(edit: Edit, *, gone: bool) -> None:
    """First what goes, at the end what comes: a mapping names an interface that may change in between."""
    here = {_mapping_key(mapping): (line, mapping) for line, mapping in _mappings_of(edit)}
    stays = edit.before == edit.after
    wanted = {_mapping_key(mapping): mapping for mapping in edit.new.port_mappings}
    if gone:
        for key, (line, _) in here.items():
            if key not in wanted or not stays:
                edit.remove(line)
        return
    for key, mapping in wanted.items():
        if key not in here or not stays:
            inside = f"{mapping.protocol} {mapping.inside} {mapping.inside_port}"
            edit.add(f"{STATIC}{inside} interface {edit.after} {mapping.ports.first}")


def _mappings_of(edit: Edit) -> list[tuple[str, PortMapping]]:
    return mappings_of(edit.box, edit.old.wan, Filter())


def _mapping_key(mapping: PortMapping) -> PortMapping:
    return replace(mapping, source=None)


def _opened(config: CpeConfig) -> list[str]:
    """The entries that let in what a mapping is for. Where everything is let in, only what one source may have."""
    lines: list[str] = []
    free = config.firewall.inbound == "accept"
    for mapping in config.port_mappings:
        rule = AccessRule("accept", mapping.protocol, mapping.source, None, mapping.ports)
        if mapping.source is not None:
            lines += [line_of(rule), *([line_of(replace(rule, action="drop", source=None))] if free else [])]
        elif not free:
            lines.append(line_of(rule))
    return lines


def _operator_entries(edit: Edit, answers: str) -> list[str]:
    """What the operator and the router itself need, before any rule of the customer's is tried: answers to what was
    asked from inside, management, name service, time, and the messages that path discovery lives on."""
    new, top = edit.new, edit.box.top
    who = [wildcard(source) for source in new.management.sources] or ["any"]
    lines = [answers] if answers else []
    lines += [f"permit tcp {source} any eq 22" for source in who if new.management.ssh]
    lines += [f"permit tcp {source} any eq telnet" for source in who if new.management.telnet]
    lines += [f"permit udp {wildcard(c.source)} any eq snmp" for c in new.snmp.communities]
    lines += [f"permit udp host {server} eq domain any" for server in new.dns]
    hosts = [words.split()[-1] for words in top.values("ntp server ")]
    lines += [f"permit udp host {host} any eq ntp" for host in hosts if attempt(IPv4Address, host)]
    lines += ["permit udp any eq bootps any eq bootpc"] if new.wan and new.wan.mode == "dhcp" else []
    lines += [f"permit icmp {source} any echo" for source in who]
    lines += [f"permit icmp any any {kind}" for kind in ("echo-reply", "time-exceeded", "unreachable")]
    return list(dict.fromkeys(lines))


def write_filter(edit: Edit) -> None:
    """The inbound list (§3.7). A changed list is written beside the old one and takes its place with one command: at
    no moment is the line open, or shut to the session that makes the change. Ports come and go within it."""
    old, new = edit.old, edit.new
    name, outward = guard_of(edit.box, "in"), guard_of(edit.box, "out")
    lines = (edit.box.access_list("extended", name) if name else None) or ()
    current = read_filter(lines) if lines else Filter(accept=True)
    foreign = bool(lines) and not current.marked
    if _reasons(old, foreign=foreign) == _reasons(new, foreign=foreign):
        if edit.before != edit.after:
            groups = [(name, "in"), (outward, "out")]
            edit.within(
                f"interface {edit.after}", [f"ip access-group {n} {way}" for n, way in groups if n and edit.after]
            )
        return
    session, inspected = _session(edit, outward)
    operator = _operator_entries(edit, f"evaluate {session}" if session else "" if inspected else _ESTABLISHED)
    rules = with_rules(current, new.firewall.rules, operator) if lines else new.firewall.rules
    free = new.firewall.inbound == "accept"
    wanted = Filter(tuple(operator), tuple(rules), tuple(_opened(new)), free, True, current.logged)
    text = written(wanted)
    moved = edit.before != edit.after
    if new.wan is None or (wanted.accept and not wanted.rules and not wanted.opened):
        _drop_filter(edit, name, outward, moved=moved)
    elif [same(line) for line in lines] == [same(line) for line in text]:
        _guard_with(edit, name or "", outward, session, moved=moved)
    elif name and _grown(current, wanted):
        had, has = (list(map(same, part.opened)) for part in (current, wanted))
        taken = set(map(same, (*text[: text.index(f"remark {OPENED}")],)))
        gone = [f"no {line}" for line in current.opened if same(line) not in has]
        more = [line for line in wanted.opened if same(line) not in had and same(line) not in taken]
        edit.within(f"ip access-list extended {name}", gone + more)
        _guard_with(edit, name, outward, session, moved=moved)
    else:
        fresh = edit.free_name(INBOUND)
        edit.within(f"ip access-list extended {fresh}", text)
        if name:
            edit.loosen("extended", name)
            if not moved:
                edit.gone_lines.add(f"ip access-group {name} in")
        _guard_with(edit, fresh, outward, session, moved=moved or name != fresh)


def _reasons(config: CpeConfig, *, foreign: bool) -> tuple[object, ...]:
    """What makes the list other than it was. The operator's part of it depends on more than the rules; in a list that
    somebody else has written there is no such part."""
    own = (config.firewall.inbound, config.firewall.rules, _opened(config))
    mode = config.wan.mode if config.wan else ""
    return own if foreign else (*own, config.management, config.dns, config.snmp.communities, mode)


def _session(edit: Edit, outward: str | None) -> tuple[str, bool]:
    """The reflexive list that remembers what was asked from inside, and whether the interface inspects anyway."""
    inspected = edit.before == edit.after and bool(edit.box.wan and edit.box.wan.value("ip inspect "))
    if outward is None:
        return ("" if inspected else SESSIONS), inspected
    lines = edit.box.access_list("extended", outward) or ()
    found = next((match for line in lines if (match := re.search(r" reflect (\S+)", line))), None)
    return (found[1] if found else ""), inspected


def _grown(current: Filter, wanted: Filter) -> bool:
    """Whether two lists differ in their opened ports only, which stand at the end."""
    head = [list(map(same, f.operator)) + [str(r) for r in f.rules] for f in (current, wanted)]
    return current.marked and not current.accept and not wanted.accept and head[0] == head[1]


def _guard_with(edit: Edit, name: str, outward: str | None, session: str, *, moved: bool) -> None:
    lines = [f"ip access-group {name} in"] if moved else []
    if session and (moved or outward is None):
        kept = outward or OUTBOUND
        if edit.box.access_list("extended", kept) is None:
            entry = f"permit ip any any reflect {session}"
            edit.within(f"ip access-list extended {kept}", [entry])
        lines.append(f"ip access-group {kept} out")
    edit.within(f"interface {edit.after}", lines)


def _drop_filter(edit: Edit, name: str | None, outward: str | None, *, moved: bool) -> None:
    lists = edit.box.access_list("extended", outward) if outward else None
    ours = bool(lists) and all(" reflect " in line for line in lists or ())
    groups = [f"ip access-group {name} in"] if name else []
    groups += [f"ip access-group {outward} out"] if ours else []
    if not moved and edit.box.wan is not None:
        edit.within(edit.box.wan.head, [f"no {group}" for group in groups])
    for each in (name, outward if ours else None):
        if each:
            edit.loosen("extended", each)


def write_timers(edit: Edit) -> None:
    spelled = {
        t: f"port-timeout {t.protocol} {t.port}" if t.port else f"{t.protocol}-timeout"
        for t in (*edit.old.firewall.timers, *edit.new.firewall.timers)
    }
    for timer in edit.old.firewall.timers:
        if timer not in edit.new.firewall.timers:
            edit.remove(f"{TIMER}{spelled[timer]} {timer.seconds}")
    for timer in edit.new.firewall.timers:
        if timer not in edit.old.firewall.timers:
            edit.add(f"{TIMER}{spelled[timer]} {timer.seconds}")


def write_routes(edit: Edit, *, gone: bool) -> None:
    here = routes_of(edit.box)
    if gone:
        for line, route in here:
            if route not in edit.new.routes:
                edit.remove(line)
        return
    for route in edit.new.routes:
        if route not in [known for _, known in here]:
            far = f" {route.distance}" if route.distance != 1 else ""
            edit.add(f"ip route {route.network.network_address} {route.network.netmask} {route.gateway}{far}")
