"""What RouterOS takes as the value of a property, and how it stores it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from typing import Protocol

from simulators.dialects.routeros_menus import Property
from simulators.dialects.routeros_text import ConsoleError, duration, seconds

_PROTOCOLS = frozenset(
    {
        *("icmp", "igmp", "ggp", "ip-encap", "st", "tcp", "egp", "pup", "udp", "hmp", "xns-idp", "rdp", "iso-tp4"),
        *("dccp", "xtp", "ddp", "idpr-cmtp", "ipv6-encap", "rsvp", "gre", "ipsec-esp", "ipsec-ah", "rspf", "vmtp"),
        *("ospf", "ipip", "etherip", "encap", "pim", "vrrp", "l2tp", "sctp", "udp-lite", "icmpv6"),
    }
)
_AUTH_TYPES = frozenset(("wpa-psk", "wpa2-psk", "wpa3-psk", "wpa-eap", "wpa2-eap", "wpa3-eap", "wpa3-eap-192", "owe"))
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}")


class Names(Protocol):
    """Where values look up what else is there."""

    def names(self, path: str) -> Collection[str]:
        """The names of a menu's items."""
        ...

    def interfaces(self) -> Collection[str]: ...


def checked(item: Property, value: str, names: Names) -> str:
    """The value as it is stored. Raises ConsoleError with what the console says about a wrong one."""
    if item.type == "string" or value == "":
        return value
    if item.type.startswith("ref-"):
        return _each(item, value, names.names(item.type.removeprefix("ref-").replace("_", " ")))
    if item.type in _REFERENCES:
        return _reference(item, value, names)
    if "|" in item.type:
        return _one_of(item, value, item.type.split("|"))
    try:
        return _MAKERS[item.type](value)
    except ValueError:
        raise ConsoleError(f"invalid value for argument {item.name}") from None


def _one_of(item: Property, value: str, known: Collection[str]) -> str:
    if value in known:
        return value
    starting = [word for word in known if word.startswith(value)]
    if len(starting) == 1:
        return starting[0]
    raise ConsoleError(f"input does not match any value of {item.name}")


def _each(item: Property, value: str, known: Collection[str]) -> str:
    if any(part not in known and not part.startswith("*") for part in value.split(",")):
        raise ConsoleError(f"input does not match any value of {item.name}")
    return value


_REFERENCES = frozenset({"interface", "not-interface", "list", "not-list"})


def _reference(item: Property, value: str, names: Names) -> str:
    bare = value.removeprefix("!") if item.type.startswith("not-") else value
    known = names.names("interface list") if item.type.endswith("list") else names.interfaces()
    if bare not in known and not bare.startswith("*"):
        raise ConsoleError(f"input does not match any value of {item.name}")
    return value


def _bool(value: str) -> str:
    return {"yes": "yes", "true": "yes", "no": "no", "false": "no"}[value] if value in _TRUTH else _fail()


_TRUTH = frozenset({"yes", "true", "no", "false"})


def _fail() -> str:
    raise ValueError


def _int(value: str) -> str:
    return str(int(value, 0))


def _time(value: str) -> str:
    count = seconds(value)
    return _fail() if count is None else duration(count)


def _ip(value: str) -> str:
    return str(ipaddress.ip_address(value))


def _net(value: str) -> str:
    return str(ipaddress.IPv4Network(value, strict=False))


def _net6(value: str) -> str:
    return str(ipaddress.IPv6Network(value, strict=False))


def _any_net(value: str) -> str:
    return str(ipaddress.ip_network(value, strict=False))


def _cidr(value: str) -> str:
    return str(ipaddress.IPv4Interface(value))


def _cidr6(value: str) -> str:
    return str(ipaddress.IPv6Interface(value if "/" in value else f"{value}/64"))


def _range(value: str) -> str:
    first, dash, last = value.partition("-")
    low = ipaddress.ip_address(first)
    if not dash:
        return str(low)
    high = ipaddress.ip_address(last)
    if low.version != high.version or int(low) > int(high):
        _fail()
    return f"{low}-{high}"


def _span(value: str) -> str:
    """A range of addresses, or a network, which pools and targets take, too."""
    return _any_net(value) if "/" in value else _range(value)


def _matched(value: str) -> str:
    """An address matcher: host, network or range, perhaps negated. A host is stored without its /32."""
    bare = value.removeprefix("!")
    found = _range(bare) if "-" in bare else _any_net(bare)
    single = found.removesuffix("/32") if ":" not in found else found.removesuffix("/128")
    return "!" * value.startswith("!") + single


def _ports(value: str) -> str:
    bare = value.removeprefix("!")
    for part in bare.split(","):
        first, dash, last = part.partition("-")
        low, high = int(first), int(last if dash else first)
        if not 0 <= low <= high <= 65535:
            _fail()
    return value


def _protocol(value: str) -> str:
    bare = value.removeprefix("!")
    return value if bare in _PROTOCOLS or (bare.isdecimal() and int(bare) < 256) else _fail()


def _mac(value: str) -> str:
    if _MAC.fullmatch(value) is None:
        _fail()
    letters = re.sub("[:-]", "", value).upper()
    return ":".join(letters[at : at + 2] for at in range(0, 12, 2))


def _auth_types(value: str) -> str:
    return value if all(part in _AUTH_TYPES for part in value.split(",")) else _fail()


def _frequency(value: str) -> str:
    for part in value.split(","):
        for end in part.partition(":")[0].split("-"):
            if not 2192 <= int(end) <= 7300:
                _fail()
    return value


def _list_of(make: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: ",".join(make(part) for part in value.split(","))


_MAKERS: dict[str, Callable[[str], str]] = {
    "bool": _bool, "flag": _bool, "int": _int, "time": _time, "ip": _ip, "ips": _list_of(_ip), "net": _net,
    "net6": _net6, "nets": _list_of(_any_net), "cidr": _cidr, "cidr6": _cidr6, "ranges": _list_of(_span),
    "addresses": _list_of(_span), "not-net": _matched, "ports": _ports, "protocol": _protocol, "mac": _mac,
    "auth-types": _auth_types, "frequency": _frequency, "not": str,
}  # fmt: skip
