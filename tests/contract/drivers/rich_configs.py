"""Fixed configurations that use everything a family can carry; the law draws many small ones at random."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

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

_OFFICE = Lan(IPv4Interface("192.168.77.1/24"))
_SHOP = Lan(IPv4Interface("172.20.5.14/28"))
_NOC = IPv4Network("10.100.7.0/24")


def rich(features: frozenset[Feature], unspeakable: str) -> CpeConfig:
    """A fixed line with every extra, a firewall that is shut, mobile backup that carries all but voice where it can."""
    has = features.__contains__
    secret = _speakable('Kw\'y "4"\\ (a)#;$z!', unspeakable)
    reservations = (
        Reservation("02:00:5e:00:00:0a", IPv4Address("192.168.77.20")),
        Reservation("02:00:5e:00:00:0b", IPv4Address("192.168.77.120")),
    )
    first, last = IPv4Address("192.168.77.100"), IPv4Address("192.168.77.199")
    return _fitting(
        CpeConfig(
            hostname="HASSELT-07",
            wan=_fixed(features, unspeakable),
            lan=_OFFICE,
            dhcp=DhcpServer(first, last, 5400, "office.example", reservations) if has(Feature.DHCP_SERVER) else None,
            wifi=_wifis(features, _speakable("Café & co".encode("ascii", "ignore").decode(), unspeakable), secret),
            port_mappings=_mappings(features),
            firewall=_shut(features),
            routes=(
                StaticRoute(IPv4Network("10.205.0.0/16"), IPv4Address("192.168.77.2")),
                StaticRoute(IPv4Network("10.206.1.0/24"), IPv4Address("192.168.77.3"), 20),
            ),
            mobile=_mobile(features, unspeakable),
            snmp=_snmp(features, unspeakable),
            management=Management((_NOC, IPv4Network("10.101.0.0/24")), True, has(Feature.TELNET)),
            dns=(IPv4Address("9.9.9.10"), IPv4Address("9.9.9.9")),
        ),
        features,
    )


def plain(features: frozenset[Feature], _unspeakable: str) -> CpeConfig:
    """A line with nothing but what it must have; all else is taken away."""
    mode = "dhcp" if Feature.WAN_DHCP in features else "static"
    wan = Wan("dhcp") if mode == "dhcp" else _static()
    return _fitting(CpeConfig(hostname="S1", wan=wan, lan=_SHOP, firewall=Firewall("accept")), features)


def other(features: frozenset[Feature], unspeakable: str) -> CpeConfig:
    """As many parts as in ``rich``, each with another value."""
    has = features.__contains__
    first, last = IPv4Address("172.20.5.2"), IPv4Address("172.20.5.9")
    kept = (Reservation("02:00:5e:00:00:0b", IPv4Address("172.20.5.3")),)
    rules = (AccessRule("drop", "udp", ports=Ports(53, 53)), AccessRule("accept", "icmp"))
    open_wifi = (Wifi("2.4", "guests", WifiSecurity.OPEN, channel=6, enabled=False),)
    communities = (SnmpCommunity("other-word", source=None),)
    return _fitting(
        CpeConfig(
            hostname="Vielsalm-2",
            wan=_static() if has(Feature.WAN_STATIC) else _fixed(features, unspeakable),
            lan=_SHOP,
            dhcp=DhcpServer(first, last, 600, "", kept) if has(Feature.DHCP_SERVER) else None,
            wifi=open_wifi if has(Feature.WIFI) else (),
            port_mappings=(PortMapping("udp", Ports.one(5060), IPv4Address("172.20.5.5"), 5061),)
            if has(Feature.PORT_MAPPING)
            else (),
            firewall=Firewall("drop", rules if has(Feature.FIREWALL_RULES) else ()),
            routes=(StaticRoute(IPv4Network("10.205.0.0/16"), IPv4Address("172.20.5.7"), 9),),
            mobile=Mobile("m2m.example", active=False) if has(Feature.MOBILE) else None,
            snmp=Snmp(communities, "", "help desk") if has(Feature.SNMP) else Snmp(),
            management=Management((_NOC,)),
            dns=(IPv4Address("9.9.9.11"),),
        ),
        features,
    )


def _speakable(text: str, unspeakable: str) -> str:
    return "".join(letter for letter in text if letter not in unspeakable)


def _static() -> Wan:
    return Wan("static", IPv4Interface("80.1.2.6/29"), IPv4Address("80.1.2.1"))


def _fixed(features: frozenset[Feature], unspeakable: str) -> Wan:
    prefix = IPv6Network("2a02:a03f:12:3400::/56") if Feature.WAN_IPV6 in features else None
    router = IPv6Address("2a02:a03f:12:3400::10") if prefix else None
    pack = IPv4Network("91.3.4.8/29") if Feature.IP_PACK in features else None
    if Feature.WAN_PPPOE not in features:
        return Wan("static", IPv4Interface("80.9.2.2/30"), IPv4Address("80.9.2.1"), "", "", prefix, router, pack)
    address = IPv4Interface("81.240.3.4/32") if Feature.WAN_PPPOE_ADDRESS in features else None
    password = _speakable('pp"p\\w$rd#1', unspeakable)
    return Wan("pppoe", address, None, "fb100@isp.example", password, prefix, router, pack)


def _wifis(features: frozenset[Feature], name: str, key: str) -> tuple[Wifi, ...]:
    if Feature.WIFI not in features:
        return ()
    best = WifiSecurity.WPA2_WPA3 if Feature.WIFI_WPA3 in features else WifiSecurity.WPA2
    return (Wifi("2.4", name, WifiSecurity.WPA2, key, 11), Wifi("5", f"{name} 5", best, f"{key}5", 36))


def _mappings(features: frozenset[Feature]) -> tuple[PortMapping, ...]:
    if Feature.PORT_MAPPING not in features:
        return ()
    inside = IPv4Address("192.168.77.20")
    found = [PortMapping("tcp", Ports.one(80), inside, 8080), PortMapping("udp", Ports.one(5060), inside, 5060)]
    if Feature.PORT_RANGE in features:
        found.append(PortMapping("tcp", Ports(6000, 6010), inside, 6000))
    if Feature.PORT_SOURCE in features:
        found.append(PortMapping("tcp", Ports.one(3389), inside, 3389, IPv4Network("80.5.0.0/16")))
    return tuple(found)


def _shut(features: frozenset[Feature]) -> Firewall:
    rules: list[AccessRule] = []
    if Feature.FIREWALL_RULES in features:
        rules = [
            AccessRule("accept", "tcp", IPv4Network("80.5.0.0/16"), None, Ports(80, 443)),
            AccessRule("drop", "tcp", None, None, Ports.one(80)),
            AccessRule("accept", "icmp"),
            AccessRule("drop", "ip", IPv4Network("80.6.7.8/32"), IPv4Network("91.3.4.8/29")),
        ]
        if Feature.FIREWALL_REJECT in features:
            rules.append(AccessRule("reject", "udp", None, None, Ports(1000, 2000)))
    timers = []
    if Feature.TIMER_PROTOCOL in features:
        timers += [Timer("tcp", 3600), Timer("udp", 45)]
    if Feature.TIMER_PORT in features:
        timers.append(Timer("udp", 120, 5060))
    return Firewall("drop", tuple(rules), tuple(timers))


def _mobile(features: frozenset[Feature], unspeakable: str) -> Mobile | None:
    if Feature.MOBILE not in features:
        return None
    voice = (Barred("udp", Ports(5060, 5061)), Barred("tcp", Ports.one(5060)), Barred("udp", Ports(10_000, 20_000)))
    return Mobile(
        "backup.isp.example",
        True,
        "sim0815",
        _speakable('a"p\\n$', unspeakable),
        preferred=Feature.MOBILE_PREFERRED in features,
        barred=voice if Feature.MOBILE_BARRED in features else (),
    )


def _snmp(features: frozenset[Feature], unspeakable: str) -> Snmp:
    if Feature.SNMP not in features:
        return Snmp()
    traps = (IPv4Address("10.100.7.9"),) if Feature.SNMP_TRAPS in features else ()
    communities = (
        SnmpCommunity("watch-me", source=_NOC),
        SnmpCommunity(_speakable("write.me", unspeakable), write=True),
    )
    return Snmp(communities, "Kerkstraat 12, Hasselt", "noc@isp.example", traps)


def _fitting(config: CpeConfig, features: frozenset[Feature]) -> CpeConfig:
    assert missing(config, features) == ()
    return config
