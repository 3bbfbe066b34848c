"""Hypothesis strategies for the neutral model, within what a family can carry."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

from hypothesis import strategies as st

from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    Management,
    PortMapping,
    Reservation,
    Snmp,
    SnmpCommunity,
    StaticRoute,
    Timer,
    Wan,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_features import Feature, missing
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_CHANNELS = {"2.4": (0, 1, 6, 11, 13), "5": (0, 36, 44, 100, 116)}

hostnames = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}[A-Za-z0-9]", fullmatch=True)
words = st.text(_LETTERS, min_size=1, max_size=12)
domains = st.lists(words.map(str.lower), min_size=1, max_size=3).map(".".join)
ports = st.integers(1, 65535)
public_networks = st.builds(
    lambda number, length: IPv4Network((int(IPv4Address("80.0.0.0")) + (number << 8), length), strict=False),
    st.integers(0, 0xFFFFF),
    st.integers(16, 32),
)
macs = st.lists(st.integers(0, 255), min_size=5, max_size=5).map(lambda bs: ":".join(f"{b:02x}" for b in (2, *bs)))


hosts_of_the_operator = st.builds(lambda n: IPv4Network((0x0A640000 + (n << 8), 24)), st.integers(0, 255))
managers = st.builds(lambda n: IPv4Network((0x0A650000 + (n << 8), 24)), st.integers(0, 255))
far_networks = st.builds(
    lambda n, length: IPv4Network((0x0AC80000 + (n << 8), length), strict=False),
    st.integers(0, 255),
    st.integers(20, 32),
)


# Making a strategy takes longer than drawing from it.
@cache
def secrets(shortest: int, longest: int, *, blanks: bool, without: str = "") -> st.SearchStrategy[str]:
    """Printable secrets without blanks at their ends; ``without`` are characters that the family cannot write."""
    alphabet = "".join(c for c in _LETTERS + _MARKS + (" " if blanks else "") if c not in without)
    return st.text(alphabet, min_size=shortest, max_size=longest).filter(lambda text: text == text.strip())


@cache
def communities(without: str) -> st.SearchStrategy[str]:
    word = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}", fullmatch=True)
    return word.filter(lambda one: not set(one) & set(without))


@st.composite
def lans(draw: st.DrawFn) -> Lan:
    base = draw(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]))
    length = draw(st.integers(24, 28))
    space = IPv4Network(base)
    count = 1 << (length - space.prefixlen)
    start = int(space.network_address) + (draw(st.integers(0, count - 1)) << (32 - length))
    return Lan(IPv4Interface((start + draw(st.sampled_from([1, (1 << (32 - length)) - 2])), length)))


def inside(lan: Lan) -> st.SearchStrategy[IPv4Address]:
    """A host of the LAN that is not the CPE."""
    network = lan.address.network
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    return st.integers(first, last).map(IPv4Address).filter(lambda address: address != lan.address.ip)


@st.composite
def wans(draw: st.DrawFn, features: frozenset[Feature], without: str) -> Wan:
    modes = [mode for mode in ("dhcp", "static", "pppoe") if Feature(f"wan.{mode}") in features]
    mode = draw(st.sampled_from(modes))
    prefix = router = pack = None
    if Feature.WAN_IPV6 in features and draw(st.booleans()):
        start = (0x2A02_0000 << 96) + (draw(st.integers(0, 0xFFFFFF)) << 72)
        prefix = IPv6Network((start, 56))
        if draw(st.booleans()):
            router = IPv6Address(start + draw(st.sampled_from([0x10, 0x20, 0xABCD])))
    if Feature.IP_PACK in features and draw(st.booleans()):
        length = draw(st.integers(27, 30))
        pack = IPv4Network((int(IPv4Address("91.0.0.0")) + (draw(st.integers(0, 9999)) << 5), length))
    if mode == "static":
        network = draw(public_networks.filter(lambda n: n.prefixlen <= 30))
        own, gateway = int(network.network_address) + 2, int(network.network_address) + 1
        return Wan(
            "static", IPv4Interface((own, network.prefixlen)), IPv4Address(gateway), "", "", prefix, router, pack
        )
    if mode == "dhcp":
        return Wan("dhcp", None, None, "", "", prefix, router, pack)
    address = None
    if Feature.WAN_PPPOE_ADDRESS in features and draw(st.booleans()):
        address = IPv4Interface((int(IPv4Address("81.240.0.0")) + draw(st.integers(0, 0xFFFF)), 32))
    user = draw(st.builds("{}@{}".format, words, words))
    return Wan("pppoe", address, None, user, draw(secrets(1, 24, blanks=False, without=without)), prefix, router, pack)


@st.composite
def dhcp_servers(draw: st.DrawFn, lan: Lan) -> DhcpServer:
    network, own = lan.address.network, int(lan.address.ip)
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    low, high = (own + 1, last) if own == first else (first, own - 1)
    ends = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    reserved = draw(st.lists(st.builds(Reservation, macs, inside(lan)), max_size=3, unique_by=(_mac, _address)))
    lease = 60 * draw(st.sampled_from([2, 10, 60, 61, 1440, 10080, 100_000]))
    domain = draw(st.one_of(st.just(""), domains))
    return DhcpServer(IPv4Address(ends[0]), IPv4Address(ends[1]), lease, domain, tuple(reserved))


def _mac(reservation: Reservation) -> str:
    return reservation.mac


def _address(reservation: Reservation) -> IPv4Address:
    return reservation.address


@st.composite
def wifis(draw: st.DrawFn, features: frozenset[Feature], without: str) -> tuple[Wifi, ...]:
    if Feature.WIFI not in features:
        return ()
    securities = [WifiSecurity.OPEN, WifiSecurity.WPA2]
    securities += [WifiSecurity.WPA2_WPA3, WifiSecurity.WPA3] if Feature.WIFI_WPA3 in features else []
    found = []
    for band in draw(st.sets(st.sampled_from(["2.4", "5"]))):
        security = draw(st.sampled_from(securities))
        key = "" if security is WifiSecurity.OPEN else draw(secrets(8, 63, blanks=True, without=without))
        ssid = draw(secrets(1, 32, blanks=True, without=without))
        found.append(Wifi(band, ssid, security, key, draw(st.sampled_from(_CHANNELS[band])), draw(st.booleans())))
    return tuple(found)


@st.composite
def mappings(draw: st.DrawFn, features: frozenset[Feature], lan: Lan) -> tuple[PortMapping, ...]:
    if Feature.PORT_MAPPING not in features:
        return ()
    found: list[PortMapping] = []
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(1, 65000).filter(lambda port: port not in (22, 23)))
        width = (
            draw(st.one_of(st.integers(0, 12), st.integers(0, 300)))
            if Feature.PORT_RANGE in features and draw(st.booleans())
            else 0
        )
        span = Ports(first, first + width)
        protocol = draw(st.sampled_from(["tcp", "udp"]))
        if any(m.protocol == protocol and m.ports.first <= span.last and span.first <= m.ports.last for m in found):
            continue
        target = draw(st.one_of(st.just(first), st.integers(1, 65535 - width)))
        source = draw(st.one_of(st.none(), public_networks)) if Feature.PORT_SOURCE in features else None
        found.append(PortMapping(protocol, span, draw(inside(lan)), target, source))
    return tuple(found)


@st.composite
def firewalls(draw: st.DrawFn, features: frozenset[Feature]) -> Firewall:
    actions = ["accept", "drop", *(["reject"] if Feature.FIREWALL_REJECT in features else [])]
    rules: list[AccessRule] = []
    if Feature.FIREWALL_RULES in features:
        for _ in range(draw(st.integers(0, 4))):
            protocol = draw(st.sampled_from(["ip", "icmp", "tcp", "udp"]))
            first = draw(ports)
            span = st.one_of(st.none(), st.integers(first, 65535).map(lambda last, first=first: Ports(first, last)))
            rule = AccessRule(
                draw(st.sampled_from(actions)),
                protocol,
                draw(st.one_of(st.none(), public_networks)),
                draw(st.one_of(st.none(), public_networks)),
                draw(span) if protocol in ("tcp", "udp") else None,
            )
            if rule not in rules:
                rules.append(rule)
    seconds = st.integers(10, 86_400)
    timers = []
    for protocol in ("tcp", "udp"):
        if Feature.TIMER_PROTOCOL in features and draw(st.booleans()):
            timers.append(Timer(protocol, draw(seconds)))
        if Feature.TIMER_PORT in features:
            timers += [Timer(protocol, draw(seconds), port) for port in draw(st.sets(ports, max_size=2))]
    return Firewall(draw(st.sampled_from(actions)), tuple(rules), tuple(timers))


@st.composite
def snmps(draw: st.DrawFn, features: frozenset[Feature], without: str) -> Snmp:
    if Feature.SNMP not in features:
        return Snmp()
    names = draw(st.sets(communities(without), max_size=2))
    source = st.one_of(st.none(), hosts_of_the_operator)
    found = tuple(SnmpCommunity(name, draw(st.booleans()), draw(source)) for name in names)
    text = st.one_of(st.just(""), st.lists(words, min_size=1, max_size=4).map(" ".join))
    traps: frozenset[int] = frozenset()
    if Feature.SNMP_TRAPS in features and found:
        traps = draw(st.frozensets(st.integers(1, 254), max_size=2))
    hosts = tuple(IPv4Address(0x0A640000 + number) for number in traps)
    return Snmp(found, draw(text), draw(text), hosts)


@st.composite
def barred(draw: st.DrawFn) -> tuple[Barred, ...]:
    """Destination ports of both protocols, apart from each other; next to each other now and then."""
    found: list[Barred] = []
    for _ in range(draw(st.integers(0, 3))):
        protocol = draw(st.sampled_from(["udp", "tcp"]))
        first = draw(st.one_of(st.sampled_from([5060, 5062, 10_000]), ports))
        span = Ports(first, min(65_535, first + draw(st.sampled_from([0, 1, 10_000]))))
        if all(b.protocol != protocol or b.ports.last < span.first or span.last < b.ports.first for b in found):
            found.append(Barred(protocol, span))
    return tuple(found)


@st.composite
def mobiles(draw: st.DrawFn, features: frozenset[Feature], without: str) -> Mobile:
    login = draw(st.booleans())
    user, password = (draw(words), draw(secrets(1, 16, blanks=False, without=without))) if login else ("", "")
    apn, active = draw(domains), draw(st.booleans())
    preferred = Feature.MOBILE_PREFERRED in features and active and draw(st.booleans())
    kept_off = draw(barred()) if Feature.MOBILE_BARRED in features else ()
    return Mobile(apn, active, user, password, preferred, kept_off)


@st.composite
def cpe_configs(draw: st.DrawFn, features: frozenset[Feature], without: str = "") -> CpeConfig:
    """A configuration that a family with ``features`` can carry. WAN and LAN are always there."""
    lan = draw(lans())
    mobile = draw(mobiles(features, without)) if Feature.MOBILE in features and draw(st.booleans()) else None
    routed = st.builds(StaticRoute, far_networks, inside(lan), st.integers(1, 250))
    routes = draw(st.lists(routed, max_size=3, unique_by=lambda route: route.network))
    config = CpeConfig(
        hostname=draw(hostnames),
        wan=draw(wans(features, without)),
        lan=lan,
        dhcp=draw(st.one_of(st.none(), dhcp_servers(lan))) if Feature.DHCP_SERVER in features else None,
        wifi=draw(wifis(features, without)),
        port_mappings=draw(mappings(features, lan)),
        firewall=draw(firewalls(features)),
        routes=tuple(routes),
        mobile=mobile,
        snmp=draw(snmps(features, without)),
        management=Management(
            tuple(draw(st.lists(managers, max_size=2))), True, Feature.TELNET in features and draw(st.booleans())
        ),
        dns=tuple(IPv4Address(0x09090900 + n) for n in draw(st.lists(st.integers(1, 254), max_size=3, unique=True))),
    )
    assert missing(config, features) == ()
    return config
