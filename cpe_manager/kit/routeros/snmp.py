"""SNMP of a RouterOS box in the neutral model."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final

from cpe_manager.domain.model.cpe_config import Snmp, SnmpCommunity
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item

_AGENT: Final = "snmp"
_COMMUNITY: Final = "snmp community"
_ANYBODY: Final = frozenset({"", "::/0", "0.0.0.0/0"})


def _items(box: Box) -> list[Item]:
    """All communities; the one that is always there is called ``public`` on a box that does not say otherwise."""
    box.own(_COMMUNITY, "default=yes", name="public", default="yes")
    return box.all(_COMMUNITY)


def _community(item: Item) -> SnmpCommunity | None:
    """None for one that the model cannot say: of v3, for nobody, or for several networks."""
    addresses = item.text("addresses")
    if not item.active or item.text("security", "none") != "none" or not item.on("read-access", default=True):
        return None
    source = None
    if addresses not in _ANYBODY:
        source = attempt(IPv4Network, addresses, strict=False)
        if source is None:
            return None
    return attempt(SnmpCommunity, item.text("name", "public"), item.on("write-access"), source)


def read_snmp(box: Box) -> Snmp:
    agent = box.one(_AGENT)
    communities: dict[str, SnmpCommunity] = {}
    for item in _items(box) if agent.on("enabled") else ():
        made = _community(item)
        if made is not None:
            communities.setdefault(made.name, made)
    traps = [attempt(IPv4Address, word) for word in agent.words("trap-target")]
    hosts = tuple(host for host in traps if host is not None)
    location, contact = agent.text("location"), agent.text("contact")
    return (
        attempt(Snmp, tuple(communities.values()), location, contact, hosts)
        or attempt(Snmp, tuple(communities.values()), location, "", hosts)
        or attempt(Snmp, tuple(communities.values()), "", contact, hosts)
        or Snmp(tuple(communities.values()), "", "", hosts)
    )


def write_snmp(edit: Edit, wanted: Snmp) -> None:
    found = read_snmp(edit.box)
    if found == wanted:
        return
    agent = edit.box.one(_AGENT)
    if found.communities != wanted.communities:
        _write_communities(edit, wanted)
    values: dict[str, str | None] = {}
    for name in ("location", "contact"):
        if getattr(found, name) != getattr(wanted, name):
            values[name] = getattr(wanted, name)
    if found.trap_hosts != wanted.trap_hosts:
        values["trap-target"] = ",".join(str(host) for host in wanted.trap_hosts)
    names = [community.name for community in wanted.communities]
    if wanted.trap_hosts and names and (not found.trap_hosts or agent.text("trap-community", "public") not in names):
        values |= {"trap-version": "2", "trap-community": names[0]}
    if agent.on("enabled") != bool(wanted.communities):
        values["enabled"] = "yes" if wanted.communities else "no"
    edit.put_all(agent, values)


def _write_communities(edit: Edit, wanted: Snmp) -> None:
    if not wanted.communities:
        # The agent is switched off: nobody is answered, whatever communities there are.
        return
    missing = {community.name: community for community in wanted.communities}
    for item in list(_items(edit.box)):
        name = item.text("name", "public")
        community = missing.pop(name, None)
        if community is not None:
            if _community(item) != community:
                edit.put_all(item, _values(community, item))
        elif _community(item) is not None:
            if item.handle:
                edit.put(item, disabled="yes")
            else:
                edit.drop(item)
    for community in missing.values():
        values = {"comment": f"{OURS}snmp", "name": community.name, **_values(community, None)}
        edit.add(_COMMUNITY, values)


def _values(community: SnmpCommunity, item: Item | None) -> dict[str, str | None]:
    values: dict[str, str | None] = {
        "addresses": "::/0" if community.source is None else str(community.source),
        "write-access": "yes" if community.write else "no",
    }
    if item is not None and item.on("disabled"):
        values["disabled"] = "no"
    if item is not None and not item.on("read-access", default=True):
        values["read-access"] = "yes"
    if item is not None and item.text("security", "none") != "none":
        values["security"] = "none"
    return values
