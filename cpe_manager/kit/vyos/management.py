"""Rules in the chains of a VyOS filter, and those among them that say who may manage the box."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

from cpe_manager.domain.model.cpe_config import Management
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.vyos.roles import lowest_free
from cpe_manager.kit.vyos.set_lines import Path, SetLines

FORWARD: Final = ("firewall", "ipv4", "forward", "filter")
INPUT: Final = ("firewall", "ipv4", "input", "filter")
_SOURCES: Final = "MANAGEMENT"


def network(text: str) -> IPv4Network | None:
    """An address or a prefix; ranges and whatever is negated are none."""
    return attempt(IPv4Network, text)


def written(one: IPv4Network) -> str:
    return str(one.network_address) if one.prefixlen == 32 else str(one)


def ports(text: str) -> Ports | None:
    first, _, last = text.partition("-")
    return attempt(lambda: Ports(int(first), int(last or first)))


def rules(box: SetLines, chain: Path) -> list[tuple[int, Path]]:
    numbers = sorted(int(name) for name in box.names((*chain, "rule")) if name.isdecimal())
    return [(number, (*chain, "rule", str(number))) for number in numbers if is_active(box, chain, number)]


def is_active(box: SetLines, chain: Path, number: int) -> bool:
    return not box.has((*chain, "rule", str(number), "disable"))


def _ssh_port(box: SetLines) -> str:
    return box.value("service ssh port", "22")


def ssh_rules(box: SetLines, action: str) -> list[Path]:
    """Rules for log-ins to the box itself, from wherever."""
    known = {"action", "protocol", "destination port", "source address", "source group network-group", "description"}
    port = _ssh_port(box)
    return [
        path
        for _, path in rules(box, INPUT)
        if box.value((*path, "action")) == action
        and box.value((*path, "destination", "port")) == port
        and box.value((*path, "protocol")) == "tcp"
        and not set(box.leaves(path)) - known - {"log"}
    ]


def _allowed(box: SetLines, rule: Path) -> list[IPv4Network]:
    """The networks that a rule names; none: it names none."""
    group = box.value((*rule, "source", "group", "network-group"))
    named = box.values(("firewall", "group", "network-group", group, "network")) if group else []
    named += box.values((*rule, "source", "address"))
    return [one for one in map(network, named) if one is not None]


def _closed(box: SetLines) -> bool:
    """Whether log-ins that no rule allows are refused."""
    everybody = [rule for rule in ssh_rules(box, "drop") + ssh_rules(box, "reject") if not box.names((*rule, "source"))]
    return bool(everybody) or box.value((*INPUT, "default-action")) == "drop"


def read_management(box: SetLines) -> Management:
    found = [_allowed(box, rule) for rule in ssh_rules(box, "accept")]
    restricted = found and all(found) and _closed(box)
    sources = tuple({one for several in found for one in several}) if restricted else ()
    return Management(sources, box.has("service ssh"))


def write_management(box: SetLines, wanted: Management) -> None:
    now = read_management(box)
    if now.ssh != wanted.ssh:
        if wanted.ssh:
            box.put("service ssh port", "22")
        else:
            box.drop("service ssh")
    if now.sources == wanted.sources:
        return
    if wanted.sources:
        _restrict(box, [str(one) for one in wanted.sources])
    else:
        _open(box)


def _restrict(box: SetLines, sources: list[str]) -> None:
    allowing = ssh_rules(box, "accept")
    rule = allowing[0] if allowing else write_ssh_rule(box, "accept", 20)
    for other in allowing[1:]:
        box.drop(other, keep=len(INPUT))
    group = box.value((*rule, "source", "group", "network-group")) or _SOURCES
    box.drop((*rule, "source"), keep=len(rule))
    if _uses(box, group):
        group = _SOURCES
    box.put(("firewall", "group", "network-group", group, "network"), *sources)
    box.put((*rule, "source", "group", "network-group"), group)
    if not _closed(box):
        write_ssh_rule(box, "drop", int(rule[-1]) + 1)


def _open(box: SetLines) -> None:
    for rule in ssh_rules(box, "accept"):
        group = box.value((*rule, "source", "group", "network-group"))
        box.drop((*rule, "source"), keep=len(rule))
        if group and not _uses(box, group):
            box.drop(("firewall", "group", "network-group", group))
    for rule in ssh_rules(box, "drop") + ssh_rules(box, "reject"):
        if not box.names((*rule, "source")):
            box.drop(rule, keep=len(INPUT))


def _uses(box: SetLines, group: str) -> bool:
    """Whether anything but its definition names a group."""
    return any(line[-2:] == ("network-group", f"'{group}'") for line in box.lines())


def write_ssh_rule(box: SetLines, action: str, first: int) -> Path:
    rule = (*INPUT, "rule", lowest_free(box.names((*INPUT, "rule")), first, 1))
    box.put((*rule, "action"), action)
    box.put((*rule, "destination", "port"), _ssh_port(box))
    box.put((*rule, "protocol"), "tcp")
    return rule
