"""Configuration mode of IOS-like boxes: which lines there are, what replaces what, how passwords are stored."""

from __future__ import annotations

import hashlib
import re

from simulators.dialects.editing import Grammar, Mode

# The publicly known key of the reversible "type 7" spelling.
_TYPE7_KEY = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_HASH_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_INTERFACES = ("GigabitEthernet", "FastEthernet", "Loopback", "Vlan", "Dialer", "Cellular", "Dot11Radio", "Tunnel")
_WORDS = {
    "int": "interface",
    "inter": "interface",
    "desc": "description",
    "shut": "shutdown",
    "hostn": "hostname",
    "host": "hostname",
    "addr": "address",
    "user": "username",
    "rou": "router",
}


def secret9(password: str, salt: str) -> str:
    """A spelling that looks as a type 9 secret does; deterministic, and no scrypt: nothing verifies it."""
    digest = hashlib.sha512(f"{salt}:{password}".encode()).digest()
    letters = "".join(_HASH_ALPHABET[byte % 64] for byte in digest)
    return f"$9${letters[:14]}${letters[14:57]}"


def type7(password: str, offset: int = 8) -> str:
    """The reversible spelling that `service password-encryption` gives."""
    encoded = "".join(
        f"{ord(letter) ^ ord(_TYPE7_KEY[(offset + index) % len(_TYPE7_KEY)]):02X}"
        for index, letter in enumerate(password)
    )
    return f"{offset:02d}{encoded}"


def full_interface(name: str) -> str:
    """`gi0/1` is GigabitEthernet0/1."""
    found = re.fullmatch(r"([A-Za-z0-9]*[A-Za-z])\s*([0-9][0-9/.:]*)", name)
    if not found:
        return name
    for full in _INTERFACES:
        if full.lower().startswith(found.group(1).lower()):
            return full + found.group(2)
    return name


def normalise(line: str) -> str:
    """A typed configuration line in the form in which it is stored."""
    words = line.split()
    start = 1 if words[0].lower() == "no" and len(words) > 1 else 0
    words[0] = words[0].lower()
    first = words[start].lower()
    words[start] = _WORDS.get(first, first)
    if words[start] == "interface" and len(words) > start + 1:
        words = [*words[: start + 1], full_interface("".join(words[start + 1 :]))]
    return _hash_secret(" ".join(words))


def _hash_secret(line: str) -> str:
    found = re.fullmatch(r"((?:enable|username \S+(?: privilege \d+)?) secret) (\S+)", line)
    return f"{found.group(1)} 9 {secret9(found.group(2), found.group(1))}" if found else line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _mode(header: str, suffix: str, keywords: str) -> Mode:
    return Mode(re.compile(header), suffix, _words(keywords))


_IF_WORDS = (
    "ip ipv6 description shutdown duplex speed encapsulation pppoe-client ppp dialer dialer-group switchport bandwidth "
    "mtu service-policy ssid encryption channel station-role crypto zone-member load-interval standby keepalive"
)

GRAMMAR = Grammar(
    globals_=_words(
        "hostname interface ip ipv6 router username enable snmp-server banner line logging ntp access-list route-map "
        "service aaa archive clock crypto class-map policy-map vlan dot11 track event spanning-tree alias privilege "
        "version boot license redundancy multilink memory-size dialer-list key tacacs radius object-group vrf"
    ),
    modes=(
        _mode(r"interface \S+\.\d+", "config-subif", _IF_WORDS),
        _mode(r"interface \S+", "config-if", _IF_WORDS),
        _mode(
            r"line (con|vty|aux)",
            "config-line",
            "login password transport exec-timeout access-class logging privilege stopbits",
        ),
        _mode(
            r"router \S+",
            "config-router",
            "network neighbor redistribute bgp address-family passive-interface router-id version auto-summary",
        ),
        _mode(
            r"ip dhcp pool \S+",
            "dhcp-config",
            "network default-router dns-server domain-name lease host hardware-address client-identifier option import",
        ),
        _mode(r"ip access-list extended \S+", "config-ext-nacl", "permit deny remark"),
        _mode(r"ip access-list standard \S+", "config-std-nacl", "permit deny remark"),
        _mode(r"dot11 ssid \S+", "config-ssid", "vlan authentication guest-mode wpa-psk mbssid"),
        _mode(r"vlan \d+", "config-vlan", "name"),
        _mode(r"route-map \S+", "config-route-map", "match set description"),
        _mode(r"class-map ", "config-cmap", "match description"),
        _mode(r"policy-map ", "config-pmap", "class description"),
        _mode(r"archive$", "config-archive", "path maximum write-memory log"),
        _mode(r"ip sla \d+", "config-ip-sla", "icmp-echo frequency threshold timeout"),
    ),
    shadowed=re.compile(
        r"ip (route|nat inside source|nat pool|dhcp|access-list|name-server|domain|ssh|http|forward-protocol|cef|sla)\b"
        r"|ipv6 (route|unicast-routing)\b|crypto (isakmp|ipsec|key)\b|logging (host|buffered|trap|\d)|version \d"
    ),
    unique=tuple(
        re.compile(pattern)
        for pattern in (
            r"hostname",
            r"version",
            r"enable (secret|password)",
            r"username \S+",
            r"description",
            r"shutdown$",
            r"ip address(?! \S+ \S+ secondary)",
            r"ip domain[ -](name|lookup)",
            r"ip http \S+",
            r"ip mtu",
            r"mtu",
            r"snmp-server (location|contact|chassis-id)",
            r"banner \S+",
            r"duplex",
            r"speed",
            r"encapsulation",
            r"exec-timeout",
            r"password",
            r"transport input",
            r"login",
            r"network \S+ 255\.\S+$",
            r"lease",
            r"domain-name",
            r"ssid",
            r"default-router",
            r"dns-server",
            r"host",
            r"hardware-address",
            r"wpa-psk",
            r"authentication (open|key-management)",
            r"channel",
            r"ppp (chap|pap)( hostname| password)?",
            r"dialer pool",
            r"clock timezone",
            r"clock summer-time",
            r"name",
            r"service (timestamps )?\S+",
            r"ip cef",
            r"ip ssh version",
            r"logging buffered",
            r"bandwidth",
            r"access-class",
            r"path",
        )
    ),
    remembered_no=re.compile(r"ip (http|domain[ -]lookup|cef|address$)|service \S+|cdp run"),
    normalise=normalise,
)
