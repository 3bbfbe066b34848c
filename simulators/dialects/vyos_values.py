"""Value types of the VyOS configuration and what the box says of a value that does not fit."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], bool]


def _is(make: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            make(value)
        except ValueError:
            return False
        return True

    return check


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _prefixed(value: str) -> object:
    if "/" not in value:
        raise ValueError(value)
    return ipaddress.ip_interface(value)


def _network(make: Callable[[str], object]) -> Check:
    """A prefix without host bits, its length written out."""
    strict = _is(make)
    return lambda value: "/" in value and strict(value)


def _in_range(first: int, last: int) -> Check:
    return lambda value: value.isdecimal() and first <= int(value) <= last


def _ports(value: str) -> bool:
    """Numbers, ranges and names of services with commas between, the whole list perhaps negated."""
    return all(_port(part) for part in value.removeprefix("!").split(","))


def _port(part: str) -> bool:
    if re.fullmatch(r"[a-z][a-z0-9-]*", part):
        return True
    ends = part.split("-")
    return len(ends) <= 2 and all(map(_in_range(1, 65535), ends)) and int(ends[0]) <= int(ends[-1])


def _port_range(value: str) -> bool:
    return not re.search(r"[a-z,!]", value) and _port(value)


def _address_match(value: str) -> bool:
    """What a filter compares an address with: an address, a prefix or a range, perhaps negated."""
    value = value.removeprefix("!")
    ends = value.split("-")
    if len(ends) == 2:
        return all(map(_is(ipaddress.IPv4Address), ends))
    return _is(ipaddress.IPv4Address)(value) or _network(ipaddress.IPv4Network)(value)


_INTERFACE = r"(?:bond|br|dum|eth|lo|pppoe|tun|vtun|wg|wlan|wwan)[0-9]*(?:\.[0-9]+)?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"

TYPES: dict[str, tuple[Check, str]] = {
    "txt": (_matches(r".*"), "Invalid value"),
    "description": (_matches(r".{1,255}"), "Description too long (limit 255 characters)"),
    "ip4": (_is(ipaddress.IPv4Address), "Invalid value"),
    "ip": (_is(ipaddress.ip_address), "Invalid value"),
    "ip6": (_is(ipaddress.IPv6Address), "Invalid value"),
    "net4": (_network(ipaddress.IPv4Network), "Invalid IPv4 prefix"),
    "net6": (_network(ipaddress.IPv6Network), "Invalid IPv6 prefix"),
    "net": (_network(ipaddress.ip_network), "Invalid value"),
    "address": (lambda value: value in ("dhcp", "dhcpv6") or _is(_prefixed)(value), "Invalid value"),
    "match4": (_address_match, "Invalid value"),
    "nat4": (
        lambda value: _matches(r"[\d.]+(?:-[\d.]+|/\d+)?")(value) and _address_match(value),
        "Invalid value",
    ),
    "snat4": (
        lambda value: value == "masquerade" or _address_match(value),
        "Invalid value",
    ),
    "mac": (_matches(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}"), "Invalid MAC address"),
    "hostname": (
        _matches(r"[A-Za-z0-9][-.A-Za-z0-9]*[A-Za-z0-9]"),
        "Host-name must be alphanumeric and can contain hyphens",
    ),
    "fqdn": (_matches(rf"{_NAME}"), "Invalid value"),
    "name": (_matches(_NAME), "Invalid name. May only contain letters, numbers and .-_"),
    "ports": (_ports, "Invalid value"),
    "portrange": (_port_range, "Invalid value"),
    "interface": (_matches(rf"!?(?:any|{_INTERFACE})"), "Invalid interface name"),
    "dns": (lambda value: _is(ipaddress.ip_address)(value) or _matches(_INTERFACE)(value), "Invalid value"),
    "community": (
        _matches(r"[A-Za-z0-9\-_!@*#]{1,100}"),
        "Community string is limited to alphanumerical characters, -, _, !, @, *, and # with a total lenght of 100",
    ),
    "ascii": (_matches(r"[\x00-\x7f]{1,128}"), "Limited to ASCII characters only, with a total length of 128"),
    "ssid": (_matches(r".{1,32}"), "Invalid SSID"),
    "psk": (_matches(r".{8,63}"), "Invalid WPA pass phrase, must be 8 to 63 printable characters!"),
    "apn": (_matches(r"\S+"), "Invalid value"),
    "protocol": (_matches(r"!?(?:all|tcp_udp|[a-z][a-z0-9-]*|[0-9]{1,3})"), "Invalid value"),
    "hex": (_matches(r"[0-9a-f]*"), "Encrypted key must only contain hex digits"),
    "pw8": (_matches(r".{8,}"), "Key must contain 8 or more characters"),
    "eth": (_matches(r"(?:eth|lan)[0-9]+"), "Invalid Ethernet interface name"),
    "br": (_matches(r"br[0-9]+"), "Bridge interface must be named brN"),
    "bond": (_matches(r"bond[0-9]+"), "Bonding interface must be named bondN"),
    "dum": (_matches(r"dum[0-9]+"), "Dummy interface must be named dumN"),
    "lo": (_matches(r"lo"), "Loopback interface must be named lo"),
    "pppoe": (_matches(r"pppoe[0-9]+"), "PPPoE interface must be named pppoeN"),
    "wlan": (_matches(r"wlan[0-9]+"), "Wireless interface must be named wlanN"),
    "wwan": (_matches(r"wwan[0-9]+"), "Wireless Modem interface must be named wwanN"),
    "wg": (_matches(r"wg[0-9]+"), "WireGuard interface must be named wgN"),
    "channel": (lambda value: value.isdecimal() and int(value) <= 233, "Invalid value"),
    "prefix64": (_network(ipaddress.IPv6Network), "Invalid IPv6 prefix"),
    "url": (_matches(r"\w[\w+.-]*://\S+"), "Invalid value"),
}


def problem_with(kind: str, value: str) -> str:
    """What the box says of a value; empty when it takes it. kind: a name of `TYPES`, `a|b|c`, or `1-65535`."""
    for letter, called in (("'", "single quote (')"), ("\n", "newline"), ('"', 'double quote (")')):
        if letter in value:
            return f"Cannot use the {called} character in a value string"
    if kind in TYPES:
        check, message = TYPES[kind]
        return "" if check(value) else message
    if re.fullmatch(r"\d+-\d+", kind):
        first, last = map(int, kind.split("-"))
        return "" if _in_range(first, last)(value) else "Number is not in any of allowed ranges"
    return "" if value in kind.split("|") else "Invalid value"
