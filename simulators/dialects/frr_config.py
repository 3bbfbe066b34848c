"""Configuration mode of FRR's vtysh: which lines there are, what replaces what, how blocks are closed."""

from __future__ import annotations

import re

from simulators.dialects.editing import Grammar, Mode

_WORDS = {"int": "interface", "desc": "description", "hostn": "hostname", "neigh": "neighbor", "rou": "router"}
_BGP = "neighbor network bgp timers redistribute maximum-paths distance aggregate-address no"


def normalise(line: str) -> str:
    """A typed configuration line in the form in which it is stored."""
    words = line.split()
    start = 1 if words[0] == "no" and len(words) > 1 else 0
    words[start] = _WORDS.get(words[start], words[start])
    return " ".join(words)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GRAMMAR = Grammar(
    globals_=_words(
        "hostname password enable log service ip ipv6 interface router route-map access-list bgp debug banner line vrf "
        "bfd frr domainname key agentx zebra nexthop-group"
    ),
    modes=(
        Mode(
            re.compile(r"interface \S+"),
            "config-if",
            _words("ip ipv6 description shutdown bandwidth link-detect multicast mpls"),
            close="exit",
        ),
        Mode(re.compile(r"router bgp \d+"), "config-router", _words(f"{_BGP} address-family"), close="exit"),
        Mode(
            re.compile(r"router (ospf|ospf6|rip|isis)"),
            "config-router",
            _words("network redistribute passive-interface area ospf default-information version"),
            close="exit",
        ),
        Mode(
            re.compile(r"address-family \S+"),
            "config-router-af",
            _words(_BGP),
            nested=True,
            close="exit-address-family",
        ),
        Mode(
            re.compile(r"route-map \S+ (permit|deny) \d+"),
            "config-route-map",
            _words("match set description on-match call"),
            close="exit",
        ),
        Mode(re.compile(r"bfd$"), "config-bfd", _words("peer profile"), close="exit"),
        Mode(re.compile(r"vrf \S+"), "config-vrf", _words("ip ipv6 vni"), close="exit-vrf"),
    ),
    shadowed=re.compile(r"ip(v6)? (route|prefix-list|nht|forwarding|community-list|access-list)\b"),
    unique=tuple(
        re.compile(pattern)
        for pattern in (
            r"hostname",
            r"domainname",
            r"password",
            r"enable password",
            r"log \S+",
            r"service \S+",
            r"description",
            r"neighbor \S+ (remote-as|description|password|timers|route-map \S+ (in|out))",
            r"bgp router-id",
            r"ip(v6)? forwarding",
            r"shutdown$",
            r"bandwidth",
            r"banner motd",
            r"frr \S+",
            r"ip(v6)? route \S+ \S+",
        )
    ),
    remembered_no=re.compile(r"ip(v6)? forwarding|ipv6 nd suppress-ra|bgp (ebgp-requires-policy|default \S+)"),
    silent=re.compile(r"ipv6 (forwarding|nd suppress-ra)$"),
    normalise=normalise,
)
