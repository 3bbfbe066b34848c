"""The neutral model in UCI: the package of net-snmp's snmpd, and the firewall's rule that lets polls in."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from cpe_manager.domain.model.cpe_config import Management, Snmp, SnmpCommunity
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.uci.language import OURS, Edit, Section, Uci, network

_RULE: Final = f"{OURS}snmp"


def _writable(box: Uci, security: str) -> bool:
    groups = {s.text("group") for s in box.all("snmpd", "group") if s.text("secname") == security}
    access = [s for s in box.all("snmpd", "access") if s.text("group") in groups]
    return any(s.text("write", "none") != "none" for s in access) if access else security == "rw"


def _community(box: Uci, section: Section) -> SnmpCommunity:
    source = section.text("source", "default")
    asking = None if source == "default" else network("127.0.0.1" if source == "localhost" else source)
    return SnmpCommunity(section.text("community"), _writable(box, section.text("secname")), asking)


def _communities(box: Uci) -> list[tuple[SnmpCommunity, Section]]:
    sections = box.all("snmpd", "com2sec")
    return [(made, section) for section in sections if (made := attempt(_community, box, section))]


def _off(box: Uci) -> Section | None:
    """The section that has the agent switched off; then nobody answers to any community."""
    general = box.named("snmpd", "general")
    return general if general is not None and not general.on("enabled", True) else None


def read_snmp(box: Uci) -> Snmp:
    named = {} if _off(box) else {made.name: made for made, _ in reversed(_communities(box))}
    section = box.first("snmpd", "system")
    location, contact = (section.text(word) if section else "" for word in ("sysLocation", "sysContact"))
    return Snmp(
        tuple(named.values()),
        location if attempt(Snmp, location=location) else "",
        contact if attempt(Snmp, contact=contact) else "",
        tuple(host for host, _ in _traps(box)),
    )


def _traps(box: Uci) -> list[tuple[IPv4Address, Section]]:
    sections = box.all("snmpd", "trap2sink")
    return [(host, section) for section in sections if (host := attempt(IPv4Address, section.text("host")))]


def write_snmp(edit: Edit, wanted: Snmp, management: Management) -> bool:
    """True when new firewall rules stand at the end now."""
    before = found = read_snmp(edit.box)
    if found == wanted:
        return False
    if wanted.communities and (general := _off(edit.box)):
        edit.put(general, "enabled", "1")
        found = read_snmp(edit.box)
    if (found.location, found.contact) != (wanted.location, wanted.contact):
        system = edit.box.first("snmpd", "system") or edit.add("snmpd", "system", f"{OURS}system")
        for option, old, new in (
            ("sysLocation", found.location, wanted.location),
            ("sysContact", found.contact, wanted.contact),
        ):
            if old != new:
                edit.put(system, option, new)
    _write_communities(edit, found, wanted)
    if found.trap_hosts != wanted.trap_hosts or found.communities != wanted.communities:
        for _, section in _traps(edit.box):
            edit.drop(section)
        for host in wanted.trap_hosts:
            community = wanted.communities[0].name if wanted.communities else None
            edit.add("snmpd", "trap2sink", f"{OURS}trap", host=str(host), community=community)
    return before.communities != wanted.communities and _write_door(edit, wanted, management)


def _write_communities(edit: Edit, found: Snmp, wanted: Snmp) -> None:
    if found.communities == wanted.communities:
        return
    missing = list(wanted.communities)
    for made, section in _communities(edit.box):
        if made in missing:
            missing.remove(made)
        else:
            edit.drop(section)
    for community in missing:
        name = "rw" if community.write else "ro"
        if _writable(edit.box, name) != community.write or not _granted(edit.box, name):
            name = f"{OURS}{name}"
        if not _granted(edit.box, name):
            view = edit.box.first("snmpd", "view") or edit.add(
                "snmpd", "view", f"{OURS}all", viewname="all", type="included", oid=".1"
            )
            edit.add("snmpd", "group", f"{OURS}group_{name}", group=name, version="v2c", secname=name)
            edit.add(
                "snmpd", "access", f"{OURS}access_{name}",
                group=name, context="none", version="any", level="noauth", prefix="exact",
                read=view.text("viewname"), write=view.text("viewname") if community.write else "none", notify="none",
            )  # fmt: skip
        source = str(community.source) if community.source else "default"
        edit.add("snmpd", "com2sec", f"{OURS}community", secname=name, source=source, community=community.name)


def _granted(box: Uci, security: str) -> bool:
    groups = {s.text("group") for s in box.all("snmpd", "group") if s.text("secname") == security}
    return any(s.text("group") in groups for s in box.all("snmpd", "access"))


def _write_door(edit: Edit, wanted: Snmp, management: Management) -> bool:
    """Polls come in from the internet side: from where the communities say, or from where the box is managed."""
    rule = edit.box.named("firewall", _RULE, "rule")
    if not wanted.communities:
        if rule is not None:
            edit.drop(rule)
        return False
    named = [community.source for community in wanted.communities]
    networks = [n for n in named if n] if all(named) else list(management.sources)
    sources = list(dict.fromkeys(map(str, networks)))
    if rule is not None:
        edit.put(rule, "src_ip", sources)
        return False
    edit.add("firewall", "rule", _RULE, src="wan", proto="udp", dest_port="161", src_ip=sources, target="ACCEPT")
    return True
