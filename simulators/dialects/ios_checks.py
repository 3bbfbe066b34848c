"""What the virtual IOS router refuses though the syntax is right, in its own words, and what it asks first."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from simulators.dialects.tree import Node

_LOGICAL = re.compile(r"(?:Loopback|Vlan|Dialer|Tunnel|BVI|Port-channel|Virtual-Template)\d+|\S+\.\d+")
_STATIC = re.compile(r"ip nat inside source static (tcp|udp) (\S+) (\d+) (interface \S+|\S+) (\d+)")
# Ports to which somebody is connected all day long.
_BUSY = frozenset({"25", "80", "443"})


def refusal(root: Node, block: Node, text: str) -> str:
    """What the box says against a line; empty when it takes it."""
    return next((said for check in _CHECKS if (said := check(root, block, text))), "")


def removal(block: Node, text: str, hits: list[str]) -> str:
    """What the box says against the removal of these lines."""
    if text.startswith("interface ") and not _LOGICAL.fullmatch(text.split()[1]):
        return "% Removal of physical interfaces is not permitted\n"
    if text.startswith("ip address ") and not hits and re.match(r"ip address \d", text):
        return "%Invalid address\n" if block.text.startswith("interface ") else ""
    primary = [line for line in hits if re.match(r"ip address \d", line) and not line.endswith(" secondary")]
    others = [n.text for n in block.children if n.text.endswith(" secondary")]
    if primary and text != "ip address" and others:
        return "Must delete secondary before deleting primary\n"
    if text.startswith("ip route ") and not hits:
        return "%No matching route to delete\n"
    return ""


def question(hits: list[str]) -> str:
    """What the box asks before it removes these lines."""
    if any(line.startswith("username ") for line in hits):
        return (
            "This operation will remove all username related configurations with same name.Do you want to continue? "
            "[confirm]"
        )
    used = [found for line in hits if (found := _STATIC.match(line)) and found[5] in _BUSY]
    return "Static entry in use, do you want to delete child entries? [no]: " if used else ""


def exact(text: str) -> bool:
    """Whether a `no` line has to name the whole of what it removes."""
    return bool(re.match(r"ip address \d|ip route |profile id", text))


def _hostname(_root: Node, _block: Node, text: str) -> str:
    name = text.removeprefix("hostname ")
    if not text.startswith("hostname ") or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        return ""
    return "% Hostname contains one or more illegal characters.\n\n"


def _physical(root: Node, _block: Node, text: str) -> str:
    name = text.removeprefix("interface ")
    known = any(node.text == text for node in root.children)
    return "" if name == text or known or _LOGICAL.fullmatch(name) else "% Invalid input detected at '^' marker.\n\n"


def _addresses(root: Node) -> Iterator[tuple[Node, str, ipaddress.IPv4Interface]]:
    for node in root.children:
        if node.text.startswith("interface "):
            for line in node.children:
                found = re.match(r"ip address (\d\S+) (\S+)", line.text)
                if found:
                    yield node, line.text, ipaddress.IPv4Interface(f"{found[1]}/{found[2]}")


def _address(root: Node, block: Node, text: str) -> str:
    found = re.match(r"ip address (\d\S+) (\S+)( secondary)?$", text)
    if not found or not block.text.startswith("interface "):
        return ""
    own = ipaddress.IPv4Interface(f"{found[1]}/{found[2]}")
    network = own.network
    if network.prefixlen < 31 and own.ip in (network.network_address, network.broadcast_address):
        return f"Bad mask /{network.prefixlen} for address {own.ip}\n"
    if found[3] and not any(re.match(r"ip address \S+ \S+$", node.text) for node in block.children):
        return "% Primary address must be set before a secondary one\n"
    for node, line, other in _addresses(root):
        replaced = node is block and not found[3] and not line.endswith(" secondary")
        if network.overlaps(other.network) and not replaced and line != text:
            name = node.text.split()[1]
            where = f"secondary address on {name}" if line.endswith(" secondary") else name
            return f"% {network.network_address} overlaps with {where}\n"
    return ""


def _next_hop(root: Node, _block: Node, text: str) -> str:
    found = re.match(r"ip route \S+ \S+ (\d+\.\S+)", text)
    if found and any(str(address.ip) == found[1] for _, _, address in _addresses(root)):
        return "%Invalid next hop address (it's this router)\n"
    network = re.match(r"ip route (\S+) (\S+)", text)
    if network and not _is_network(network[1], network[2]):
        return "%Inconsistent address and mask\n"
    return ""


def _is_network(address: str, mask: str) -> bool:
    return int(ipaddress.IPv4Address(address)) & ~int(ipaddress.IPv4Address(mask)) & 0xFFFF_FFFF == 0


def _translation(root: Node, _block: Node, text: str) -> str:
    wanted = _STATIC.match(text)
    for node in root.children if wanted else ():
        other = _STATIC.match(node.text)
        if (
            other
            and wanted
            and node.text != text
            and (other[1], other[4], other[5]) == (wanted[1], wanted[4], wanted[5])
        ):
            return f"% similar static entry ({other[2]}:{other[3]} -> {other[4]}:{other[5]}) already exists\n"
    return ""


def _client(root: Node, block: Node, text: str) -> str:
    if not text.startswith(("client-identifier ", "hardware-address ")) or not block.text.startswith("ip dhcp pool "):
        return ""
    taken = [node for node in root.children if node is not block and any(line.text == text for line in node.children)]
    return "% A binding for this client already exists.\n" if taken else ""


def _ssid(root: Node, block: Node, text: str) -> str:
    if not block.text.startswith("interface Dot11Radio") or not text.startswith("ssid "):
        return ""
    known = any(node.text == f"dot11 {text}" for node in root.children)
    return "" if known else "% Error: the SSID is not configured globally\n"


_CHECKS: tuple[Callable[[Node, Node, str], str], ...] = (
    _hostname,
    _physical,
    _address,
    _next_hop,
    _translation,
    _client,
    _ssid,
)
