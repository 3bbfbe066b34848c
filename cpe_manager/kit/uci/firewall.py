"""The neutral model in UCI: opened ports, the firewall's rules, and who may manage the box.

Access rules are ours alone: a box's own rules (DHCP, ping, what a customer's installer added) stay text. A packet from
the internet is either for the box or goes through it, and UCI has a chain for each: so an access rule is two sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Final, cast

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    Action,
    CpeConfig,
    Firewall,
    Management,
    PortMapping,
)
from cpe_manager.domain.model.cpe_mobile import Ports, Protocol
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.uci import snmp as uci_snmp
from cpe_manager.kit.uci.language import OURS, Edit, Section, Uci, network

_RULE: Final = f"{OURS}rule_"
_THROUGH: Final = f"{OURS}through_"
_CLOSED: Final = f"{OURS}management_rest"
_ACTIONS: Final[tuple[Action, ...]] = ("accept", "drop", "reject")
# One redirect cannot move a range of ports: the kernel would pick any port of the new range. So each port has its own,
# and this name says which of them belong together.
_MOVED: Final = re.compile(r"cpe-(tcp|udp)-([0-9]{1,5})-([0-9]{1,5})")


def write(edit: Edit, wanted: CpeConfig) -> None:
    """The whole of this module's part of the model. Raises ``InputError``."""
    _write_inbound(edit, wanted.firewall.inbound)
    _write_mappings(edit, wanted.port_mappings)
    # The first rule that fits decides: what keeps the operator in has to stand before what somebody wants dropped.
    again = _write_management(edit, wanted.management)
    again = uci_snmp.write_snmp(edit, wanted.snmp, wanted.management) or again
    _write_rules(edit, wanted.firewall.rules, again=again)


def _zone(box: Uci) -> Section | None:
    return next((section for section in box.all("firewall", "zone") if section.text("name") == "wan"), None)


def zone_takes(edit: Edit, interface: str, inside: bool) -> None:
    """Whether the zone of the internet covers an interface."""
    zone = _zone(edit.box)
    if zone is None:
        raise InputError("the box has no firewall zone 'wan'")
    words = zone.words("network")
    if (interface in words) != inside:
        edit.put(zone, "network", [*words, interface] if inside else [word for word in words if word != interface])


def keep_public(edit: Edit, before: IPv4Network | None, after: IPv4Network | None) -> None:
    """The addresses of an IP pack go out as they are, not behind the box's own."""
    zone = _zone(edit.box)
    if zone is not None:
        words = [word for word in zone.words("masq_src") if word != f"!{before}"]
        edit.put(zone, "masq_src", [*words, f"!{after}"] if after else words)


def read_firewall(box: Uci) -> Firewall:
    rules = (attempt(_rule, section) for section in _sections_of(box, _RULE))
    return Firewall(_inbound(box), tuple(rule for rule in rules if rule))


def _inbound(box: Uci) -> Action:
    section = _zone(box) or box.first("firewall", "defaults")
    return _action(section.text("input")) if section else "accept"


def _action(target: str) -> Action:
    return next((action for action in _ACTIONS if action.upper() == target.upper()), "reject")


def _write_inbound(edit: Edit, wanted: Action) -> None:
    zone = _zone(edit.box)
    if zone is not None and _inbound(edit.box) != wanted:
        edit.put(zone, "input", wanted.upper())
        edit.put(zone, "forward", wanted.upper())


def _sections_of(box: Uci, stem: str) -> list[Section]:
    return [section for section in box.all("firewall", "rule") if section.name.startswith(stem)]


def _ports(text: str) -> Ports:
    first, _, last = text.replace(":", "-").partition("-")
    return Ports(int(first), int(last or first))


def _rule(section: Section) -> AccessRule:
    protocol, ports = section.text("proto"), section.text("dest_port")
    if protocol not in ("all", "icmp", "tcp", "udp"):
        raise ValueError("no protocol of the model")
    return AccessRule(
        _action(section.text("target")),
        "ip" if protocol == "all" else cast("Protocol", protocol),
        network(section.text("src_ip")),
        network(section.text("dest_ip")),
        _ports(ports) if ports else None,
    )


def _write_rules(edit: Edit, wanted: tuple[AccessRule, ...], *, again: bool) -> None:
    present = _sections_of(edit.box, _RULE)
    if not again and read_firewall(edit.box).rules == wanted:
        return
    kept = 0
    while not again and kept < min(len(present), len(wanted)) and attempt(_rule, present[kept]) == wanted[kept]:
        kept += 1
    numbers = [int(found[1]) for s in present if (found := re.fullmatch(rf"{_RULE}([0-9]+)", s.name))]
    twins = {section.name.removeprefix(_THROUGH): section for section in _sections_of(edit.box, _THROUGH)}
    standing = {section.name.removeprefix(_RULE) for section in present[:kept]}
    for section in (*present[kept:], *(twin for number, twin in twins.items() if number not in standing)):
        edit.drop(section)
    for number, rule in enumerate(wanted[kept:], max(numbers, default=0) + 1):
        for stem, dest in ((_RULE, None), (_THROUGH, "*")):
            edit.add(
                "firewall", "rule", f"{stem}{number}",
                src="wan", dest=dest, proto="all" if rule.protocol == "ip" else rule.protocol,
                src_ip=str(rule.source) if rule.source else None,
                dest_ip=str(rule.destination) if rule.destination else None,
                dest_port=str(rule.ports) if rule.ports else None,
                target=rule.action.upper(),
            )  # fmt: skip


def _redirect(section: Section) -> Iterator[PortMapping]:
    """The mappings that a redirect makes; none when it says what the model cannot. Raises ``ValueError``."""
    plain = section.text("target", "DNAT") == "DNAT" and section.text("src") == "wan"
    if (
        not plain
        or section.text("dest", "lan") != "lan"
        or not section.on("enabled", True)
        or "src_dip" in section.options
    ):
        return
    outside = _ports(section.text("src_dport"))
    inside = _ports(section.text("dest_port") or str(outside))
    if inside.count != outside.count or (outside.count > 1 and inside != outside):
        return
    protocols = section.words("proto") or ["tcp", "udp"]
    for protocol in ("tcp", "udp") if protocols == ["tcpudp"] else protocols:
        if protocol in ("tcp", "udp"):
            yield PortMapping(
                protocol, outside, IPv4Address(section.text("dest_ip")), inside.first,
                network(section.text("src_ip")),
            )  # fmt: skip


def _mappings(box: Uci) -> list[tuple[tuple[PortMapping, ...], list[Section]]]:
    """What each redirect, or each set of redirects that moves a range, opens."""
    single: list[tuple[tuple[PortMapping, ...], list[Section]]] = []
    moved: dict[str, list[tuple[PortMapping, Section]]] = {}
    for section in box.all("firewall", "redirect"):
        made = attempt(lambda item: tuple(_redirect(item)), section)
        if not made:
            continue
        label = section.text("name")
        if len(made) == 1 and _MOVED.fullmatch(label):
            moved.setdefault(label, []).append((made[0], section))
        else:
            single.append((made, [section]))
    for label, group in moved.items():
        whole = _whole(label, [mapping for mapping, _ in group])
        if whole is not None:
            single.append(((whole,), [section for _, section in group]))
        else:
            single += [((mapping,), [section]) for mapping, section in group]
    return single


def _whole(label: str, parts: list[PortMapping]) -> PortMapping | None:
    """The range that was opened port by port, when nothing of it is missing or different."""
    found = _MOVED.fullmatch(label)
    parts = sorted(parts, key=lambda mapping: mapping.ports.first)
    if found is None or int(found[2]) > int(found[3]):
        return None
    first = parts[0]
    ports = Ports(int(found[2]), int(found[3]))
    whole = PortMapping(first.protocol, ports, first.inside, first.inside_port, first.source)
    return whole if parts == list(_each(whole)) else None


def _each(whole: PortMapping) -> Iterator[PortMapping]:
    for step in range(whole.ports.count):
        port = Ports.one(whole.ports.first + step)
        yield PortMapping(whole.protocol, port, whole.inside, whole.inside_port + step, whole.source)


def read_mappings(box: Uci) -> tuple[PortMapping, ...]:
    """Of redirects that open the same port the first counts, as in the firewall."""
    kept: list[PortMapping] = []
    for made, _ in _mappings(box):
        for mapping in made:
            if not any(
                other.protocol == mapping.protocol
                and other.ports.first <= mapping.ports.last
                and mapping.ports.first <= other.ports.last
                for other in kept
            ):
                kept.append(mapping)
    return tuple(sorted(kept, key=lambda mapping: (mapping.protocol, mapping.ports.first)))


def _write_mappings(edit: Edit, wanted: tuple[PortMapping, ...]) -> None:
    if read_mappings(edit.box) == wanted:
        return
    missing = list(wanted)
    for made, sections in _mappings(edit.box):
        if all(mapping in missing for mapping in made):
            missing = [mapping for mapping in missing if mapping not in made]
        else:
            for section in sections:
                edit.drop(section)
    for mapping in missing:
        moved = mapping.ports.count > 1 and mapping.inside_port != mapping.ports.first
        label = f"cpe-{mapping.protocol}-{mapping.ports.first}" + (f"-{mapping.ports.last}" if moved else "")
        for part in _each(mapping) if moved else (mapping,):
            edit.add(
                "firewall", "redirect", f"{OURS}{part.protocol}_{part.ports.first}",
                name=label, src="wan", dest="lan", proto=part.protocol, src_dport=str(part.ports),
                dest_ip=str(part.inside),
                dest_port=str(Ports(part.inside_port, part.inside_port + part.ports.count - 1)),
                src_ip=str(part.source) if part.source else None, target="DNAT",
            )  # fmt: skip


def _ssh(box: Uci) -> tuple[Section | None, str]:
    """The SSH server, and the port that it listens on."""
    section = box.first("dropbear", "dropbear")
    return section, section.text("Port", "22") if section else "22"


def _doors(box: Uci) -> list[tuple[Section, tuple[IPv4Network, ...]]]:
    """The rules that let somebody reach SSH from the internet, and whom; nobody in particular: empty."""
    found = []
    port = _ssh(box)[1]
    for section in box.all("firewall", "rule"):
        theirs = not section.name.startswith((_RULE, _THROUGH))
        plain = section.text("src") == "wan" and section.text("target") == "ACCEPT" and section.on("enabled", True)
        ours = section.words("dest_port") == [port] and section.words("proto") == ["tcp"]
        if theirs and plain and ours and not section.options.keys() & {"dest", "dest_ip"}:
            networks = [attempt(IPv4Network, word, strict=False) for word in section.words("src_ip")]
            if None not in networks:
                found.append((section, tuple(network for network in networks if network)))
    return found


def read_management(box: Uci) -> Management:
    section, _ = _ssh(box)
    doors = _doors(box)
    anybody = any(not networks for _, networks in doors)
    sources = () if anybody else tuple(network for _, networks in doors for network in networks)
    return Management(sources, ssh=section is None or section.on("enable", True))


def _write_management(edit: Edit, wanted: Management) -> bool:
    """True when new rules stand at the end now."""
    found = read_management(edit.box)
    section, port = _ssh(edit.box)
    if found.ssh != wanted.ssh and section is not None:
        edit.put(section, "enable", None if wanted.ssh else "0")
    if found.sources == wanted.sources:
        return False
    doors = [door for door, _ in _doors(edit.box)]
    for door in doors[1:]:
        edit.drop(door)
    sources = [str(network) for network in wanted.sources]
    if doors:
        edit.put(doors[0], "src_ip", sources)
    else:
        edit.add(
            "firewall", "rule", f"{OURS}management", src="wan", proto="tcp", dest_port=port, src_ip=sources,
            target="ACCEPT",
        )  # fmt: skip
    # Where the zone lets everything in, everybody else has to be kept out by a rule.
    rest = edit.box.named("firewall", _CLOSED)
    if rest is None and sources:
        edit.add("firewall", "rule", _CLOSED, src="wan", proto="tcp", dest_port=port, target="DROP")
    elif rest is not None and not sources:
        edit.drop(rest)
    return True
