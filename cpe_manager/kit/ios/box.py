"""An IOS configuration taken apart: its blocks, and which of its interfaces plays which role."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv4Network
from typing import Final

from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.indented import Block, blocks, named

POOL: Final = "ip dhcp pool "
POOL_OF: Final = "pppoe-client dial-pool-number "
"""On the port that carries PPPoE, with the number of the dialer's pool."""
_ANYWHERE: Final = "0.0.0.0 0.0.0.0 "
# What a line can come in on. A switch port's VLAN may be one, too; tunnels, dialers and radios are not.
_PORT: Final = re.compile(r"(?:[A-Za-z]*Ethernet|Vlan|ATM|BDI|Port-channel)[\d/.:]+")
_WAN_WORDS: Final = re.compile(r"(?i)\b(?:wan|internet|(?:fixed|access) line)\b")
_MASKED: Final = re.compile(r"(\d[\d.]*)(?: ?/| )([\d.]+)")
# The publicly known key of the reversible "type 7" spelling.
_TYPE7: Final = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"


class Box:
    """A configuration taken apart once, and which of its interfaces plays which role.

    Roles are read from what the interfaces do (NAT, PPPoE, addresses) and only then from what they are called.
    """

    def __init__(self, text: str) -> None:
        self.blocks = blocks(text)
        self.top = Block("", tuple([block.head for block in self.blocks if not block.lines]))
        self.routes = self.top.values("ip route ")
        self.defaults = tuple([words[len(_ANYWHERE) :] for words in self.routes if words.startswith(_ANYWHERE)])
        self.interfaces = named(self.blocks, "interface ")
        self.pools = named(self.blocks, POOL)
        networks = ((pool, network_of(pool.value("network "))) for pool in self.pools)
        self.served = [(pool, network) for pool, network in networks if network is not None]
        self.line = self._line()
        self.dialer = self._dialer()
        self.lan = self._lan()
        self.cellular = next((i for i in self.interfaces if i.head.startswith("interface Cellular")), None)
        self.radios = tuple(i for i in self.interfaces if re.fullmatch(r"interface Dot11Radio[\d/]+", i.head))
        self.vtys = named(self.blocks, "line vty ")

    def block(self, head: str) -> Block | None:
        return next((block for block in self.blocks if block.head == head), None)

    def access_list(self, kind: str, name: str) -> tuple[str, ...] | None:
        """The entries of a list, named or numbered; None when there is none."""
        block = self.block(f"ip access-list {kind} {name}")
        return block.lines if block is not None else self.top.values(f"access-list {name} ") or None

    @property
    def wan(self) -> Block | None:
        """The interface with the internet address: the dialer where the line carries PPPoE."""
        return self.dialer if self.dialer is not None and self.dials else self.line

    @property
    def dials(self) -> bool:
        return self.line is not None and self.line.value(POOL_OF) is not None

    def _line(self) -> Block | None:
        ports = [i for i in self.interfaces if _PORT.fullmatch(short(i))]
        marks: tuple[Callable[[Block], bool], ...] = (
            lambda i: i.value(POOL_OF) is not None,
            lambda i: "ip nat outside" in i.lines,
            lambda i: _WAN_WORDS.search(i.value("description ") or "") is not None,
        )
        return next((i for mark in marks for i in ports if mark(i)), None)

    def _dialer(self) -> Block | None:
        dialers = [i for i in self.interfaces if i.head.startswith("interface Dialer")]
        pool = self.line.value(POOL_OF) if self.line is not None else None
        return next((i for i in dialers if i.value("dialer pool ") == pool), next(iter(dialers), None))

    def _lan(self) -> Block | None:
        inside = [i for i in self.interfaces if "ip nat inside" in i.lines and i is not self.line]
        served = {network for _, network in self.served}
        marks: tuple[Callable[[Block], bool], ...] = (
            lambda i: (own := address_of(i)) is not None and own.network in served,
            lambda i: address_of(i) is not None,
            lambda _: True,
        )
        return next((i for mark in marks for i in inside if mark(i)), None)


def short(block: Block) -> str:
    """`GigabitEthernet0/1` of `interface GigabitEthernet0/1`, `LAN` of `ip dhcp pool LAN`."""
    return block.head.rpartition(" ")[2]


def interface_of(words: str | None) -> IPv4Interface | None:
    """An address with a dotted or a slashed mask."""
    found = _MASKED.fullmatch(words) if words else None
    return attempt(IPv4Interface, f"{found[1]}/{found[2]}") if found else None


def network_of(words: str | None) -> IPv4Network | None:
    found = interface_of(words)
    return found.network if found else None


def address_of(block: Block | None) -> IPv4Interface | None:
    """The primary address of an interface."""
    return next((a for a in map(interface_of, block.values("ip address ")) if a), None) if block else None


def secret_of(words: str) -> str:
    """A secret as it was typed, out of type and spelling; empty for spellings that only the box can read."""
    kind, blank, spelled = words.partition(" ")
    if not blank or not re.fullmatch(r"\d", kind):
        return words
    return {"0": spelled, "7": type7_plain(spelled)}.get(kind, "")


def type7_plain(spelled: str) -> str:
    """What a type 7 spelling hides: two digits say where in the key it begins. Empty for what is none."""
    if not re.fullmatch(r"\d\d(?:[0-9A-Fa-f]{2})+", spelled):
        return ""
    start, hidden = int(spelled[:2]), bytes.fromhex(spelled[2:])
    letters = (byte ^ _TYPE7[(start + place) % len(_TYPE7)] for place, byte in enumerate(hidden))
    return bytes(letters).decode("ascii", "replace")
