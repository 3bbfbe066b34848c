"""The definitions of the VyOS configuration as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from simulators.dialects.vyos_definitions import DEFINITIONS, PIECES

Kind = Literal["node", "tag", "leaf", "multi"]


@dataclass(slots=True)
class Schema:
    """A node of the definitions; `type` is that of a tag's name or of a leaf's value."""

    kind: Kind
    type: str = ""
    children: dict[str, Schema] = field(default_factory=dict)

    @property
    def valueless(self) -> bool:
        return self.kind == "node" and not self.children


_BY_RELEASE = {
    "1.4": {"DHCP": "dhcpoptions", "MAC": "mac-address =mac", "SUBNETID": "", "CONFIRM": ""},
    "1.5": {
        "DHCP": "option/dhcpoptions",
        "MAC": "mac =mac",
        "SUBNETID": "subnet-id =1-4294967295",
        "CONFIRM": "commit-confirm =reload|reboot",
    },
}


def _piece(name: str, release: str) -> list[str]:
    """The lines that `+name` stands for."""
    special = _BY_RELEASE[release]
    if name == "DHCP":
        piece = special[name]
        node, _, piece = piece.rpartition("/")
        lines = PIECES[piece].strip().split("\n")
        return [node, *(f"  {line}" for line in lines)] if node else lines
    if name in special:
        return [line for line in (special[name],) if line]
    if name == "nat/rule":
        # Already below a rule: without the first line, and one level less deep.
        return [line[2:] for line in PIECES["nat"].strip().split("\n")[1:]]
    return PIECES[name].strip().split("\n")


def _expanded(lines: list[str], release: str) -> list[str]:
    found: list[str] = []
    for line in lines:
        text = line.lstrip(" ")
        indent = line[: len(line) - len(text)]
        for part in text.split("; "):
            if part.startswith("+"):
                found += [indent + more for more in _expanded(_piece(part[1:], release), release)]
            else:
                found.append(indent + part)
    return found


_MARKS: dict[str, Kind] = {"<": "tag", "=": "leaf", "*": "multi"}


@cache
def schema_of(release: str) -> Schema:
    """The definitions of a release, `1.4` or `1.5`."""
    root = Schema("node")
    stack = [(-1, root)]
    for line in _expanded(DEFINITIONS.strip("\n").split("\n"), release):
        name, _, kind = line.strip().partition(" ")
        depth = len(line) - len(line.lstrip(" "))
        node = Schema(_MARKS[kind[0]], kind[1:]) if kind else Schema("node")
        while stack[-1][0] >= depth:
            stack.pop()
        stack[-1][1].children[name] = node
        stack.append((depth, node))
    return root
