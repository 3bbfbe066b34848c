"""The neutral model in an IOS configuration. What is not understood is left to the text and no error.

Each function that a change needs gives the lines it read along with what they mean.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final, Literal

from cpe_manager.domain.model.cpe_config import (
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
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.domain.model.requirements import is_domain, is_label
from cpe_manager.kit.access_list import Filter, sources
from cpe_manager.kit.access_list import read as read_filter
from cpe_manager.kit.addresses import ipv4
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.indented import Block
from cpe_manager.kit.ios.box import Box, address_of, interface_of, network_of, secret_of, short
from cpe_manager.kit.ios.ways import read_mobile

PAP: Final = "ppp pap sent-username "
PREFIX: Final = "ipv6 general-prefix "
EXCLUDED: Final = "ip dhcp excluded-address "
STATIC: Final = "ip nat inside source static "
TIMER: Final = "ip nat translation "
COMMUNITY: Final = "snmp-server community "
HOST: Final = "snmp-server host "
MAPPING: Final = re.compile(
    r"(?P<protocol>tcp|udp) (?P<inside>\S+) (?P<port>\d+) (?P<here>interface \S+|\d+\.\S+) (?P<outside>\d+)"
    r"(?: (?:extendable|no-alias|no-payload))*"
)
# Above that the model cannot say how long; a lease without end is taken for one of a year.
LONGEST_LEASE: Final = 31_536_000
_NO_WORD: Final = re.compile(r"\W")
_PAIR: Final = re.compile(r"..?")


def read(box: Box) -> CpeConfig:
    wan, own = _read_wan(box), address_of(box.lan)
    lan = attempt(Lan, own) if own else None
    inbound = inbound_of(box)
    return CpeConfig(
        hostname=_hostname(box),
        wan=wan,
        lan=lan,
        dhcp=_read_dhcp(box, lan) if lan else None,
        wifi=tuple(wifi for _, wifi in read_radios(box) if wifi),
        port_mappings=tuple(mapping for _, mapping in mappings_of(box, wan, inbound)),
        firewall=Firewall("accept" if inbound.accept else "drop", inbound.understood, _read_timers(box)),
        routes=tuple({(r.network, r.gateway): r for _, r in reversed(routes_of(box))}.values()),
        mobile=read_mobile(box),
        snmp=_read_snmp(box),
        management=_read_management(box),
        dns=tuple(server for _, server in name_servers_of(box)),
    )


def _hostname(box: Box) -> str:
    """The name, made a label where it is none: IOS takes dots and underscores, too."""
    name = next(iter(box.top.values("hostname ")), "Router")
    label = re.sub(r"[^A-Za-z0-9-]", "-", name)[:63].strip("-")
    return label if is_label(label) else "Router"


def _read_wan(box: Box) -> Wan | None:
    if box.line is None or box.wan is None:
        return None
    inside = address_of(box.lan) is not None
    prefix = block_of_lan(box) if inside else None
    router = next(
        (gateway for _, network, gateway in routes6_of(box) if prefix and network == second_half(prefix)), None
    )
    pack = next((pack.network for _, pack in packs_of(box)), None) if inside else None
    if box.dials and box.dialer is not None:
        user, password = _login(box.dialer)
        own = address_of(box.dialer)
        own = IPv4Interface(f"{own.ip}/32") if own else None
        return attempt(Wan, "pppoe", own, None, user, password, prefix, router, pack)
    if "ip address dhcp" in (line[:15] for line in box.line.lines):
        return attempt(Wan, "dhcp", None, None, "", "", prefix, router, pack)
    own = address_of(box.line)
    gateways = (a for words in box.defaults if (a := attempt(IPv4Address, words.split()[0])))
    gateway = next((a for a in gateways if own and a in own.network), None)
    return attempt(Wan, "static", own, gateway, "", "", prefix, router, pack)


def _login(dialer: Block) -> tuple[str, str]:
    """The PPP log-in: CHAP's, PAP's where there is none."""
    user, password = dialer.value("ppp chap hostname "), dialer.value("ppp chap password ")
    if user is None or password is None:
        user, _, password = (dialer.value(PAP) or "").partition(" password ")
    return user, secret_of(password)


def block_of_lan(box: Box) -> IPv6Network | None:
    """The /56 whose first /64 has its ``::1`` on the LAN. Its length is the service's (§3.3.1)."""
    prefixes = dict(words.split()[:2] for words in box.top.values(PREFIX) if " " in words)
    for words in box.lan.values("ipv6 address ") if box.lan else ():
        first, _, rest = words.partition(" ")
        if first in prefixes and rest == "::1/64":
            return attempt(IPv6Network, prefixes[first])
        own = attempt(IPv6Interface, first)
        block = (
            attempt(IPv6Network, f"{own.ip - 1}/56") if own and own.network.prefixlen == 64 and int(own.ip) else None
        )
        if block is not None:
            return block
    return None


def second_half(prefix: IPv6Network) -> IPv6Network:
    return list(prefix.subnets(new_prefix=57))[1]


def routes6_of(box: Box) -> list[tuple[str, IPv6Network, IPv6Address]]:
    found = []
    for words in box.top.values("ipv6 route "):
        network, gateway = attempt(IPv6Network, words.split()[0]), attempt(IPv6Address, words.split()[-1])
        if network is not None and gateway is not None:
            found.append((f"ipv6 route {words}", network, gateway))
    return found


def packs_of(box: Box) -> list[tuple[str, IPv4Interface]]:
    """Second addresses on the LAN that are the first of an IP pack (§3.3.2)."""
    lines = box.lan.values("ip address ") if box.lan else ()
    found = [(f"ip address {w}", interface_of(w.removesuffix(" secondary"))) for w in lines if w.endswith(" secondary")]
    return [(line, a) for line, a in found if a and 27 <= a.network.prefixlen <= 30 and a.ip == a.network[1]]


def pools_of(box: Box, *networks: IPv4Network) -> list[Block]:
    """The DHCP pools of these networks."""
    return [pool for pool, network in box.served if network in networks]


def excluded_of(box: Box) -> list[tuple[str, int, int]]:
    found = []
    for words in box.top.values(EXCLUDED):
        ends = [attempt(IPv4Address, word) for word in words.split()]
        if len(ends) in (1, 2) and ends[0] is not None and ends[-1] is not None:
            found.append((EXCLUDED + words, int(ends[0]), int(ends[-1])))
    return found


def free_range(box: Box, lan: Lan) -> tuple[int, int]:
    """The first and the last address that is handed out. The box never gives its own; holes stay in the text."""
    network, own = lan.address.network, int(lan.address.ip)
    low, high = int(network.network_address) + 1, int(network.broadcast_address) - 1
    taken = sorted([(first, last) for _, first, last in excluded_of(box)] + [(own, own)])
    for first, last in taken:
        low = last + 1 if first <= low <= last else low
    for first, last in reversed(taken):
        high = first - 1 if first <= high <= last else high
    if low < own < high:
        low, high = (low, own - 1) if own - low > high - own else (own + 1, high)
    return low, high


def lease_of(words: str) -> int:
    """Seconds, in what the model can say; a day where nothing is said."""
    numbers = [int(word) for word in words.split() if word.isdecimal()]
    if not numbers:
        return LONGEST_LEASE
    days, hours, minutes = (*numbers, 0, 0)[:3]
    return min(max(120, 86_400 * days + 3600 * hours + 60 * minutes), LONGEST_LEASE)


def hosts_of(box: Box, *networks: IPv4Network) -> list[tuple[str, Reservation]]:
    """Pools of one address in these networks, by their heads. The client is named by its MAC address or by the
    identifier that DHCP clients make of it: type 01 before it."""
    found = []
    for pool in box.pools:
        host = pool.value("host ")
        address = ipv4(host.partition(" ")[0]) if host else None
        if address is None or not any(address in network for network in networks):
            continue
        client = pool.value("client-identifier 01") or (pool.value("hardware-address ") or "").partition(" ")[0]
        mac = ":".join(_PAIR.findall(_NO_WORD.sub("", client)))
        kept = attempt(Reservation, mac.lower(), address)
        if kept is not None:
            found.append((pool.head, kept))
    return found


def _read_dhcp(box: Box, lan: Lan) -> DhcpServer | None:
    pools = pools_of(box, lan.address.network)
    low, high = free_range(box, lan)
    if not pools or low > high:
        return None
    reservations: list[Reservation] = []
    taken: set[object] = {lan.address.ip}
    for _, kept in hosts_of(box, lan.address.network):
        if taken.isdisjoint((kept.mac, kept.address)):
            taken |= {kept.mac, kept.address}
            reservations.append(kept)
    domain = pools[0].value("domain-name ") or ""
    return DhcpServer(
        IPv4Address(low),
        IPv4Address(high),
        lease_of(pools[0].value("lease ") or "1"),
        domain if is_domain(domain) else "",
        tuple(reservations),
    )


def mappings_of(box: Box, wan: Wan | None, inbound: Filter) -> list[tuple[str, PortMapping]]:
    """Lines that map a port of the fixed line; those of other interfaces and addresses stay in the text."""
    here = {f"interface {short(box.wan)}"} if box.wan else set()
    here |= {str(wan.address.ip)} if wan and wan.address else set()
    found: dict[tuple[str, int], tuple[str, PortMapping]] = {}
    for words in box.top.values(STATIC):
        match = MAPPING.fullmatch(words)
        if match is None or match["here"] not in here:
            continue
        protocol, port = match["protocol"], int(match["outside"])
        source = inbound.opened_for(protocol, port)  # type: ignore[arg-type]
        inside = attempt(IPv4Address, match["inside"])
        made = attempt(PortMapping, protocol, attempt(Ports, port, port), inside, int(match["port"]), source)
        if made is not None and inside is not None:
            found.setdefault((protocol, port), (STATIC + words, made))
    return list(found.values())


def guard_of(box: Box, way: str) -> str | None:
    """The name of the access list on the WAN, `in` or `out`."""
    words = box.wan.values("ip access-group ") if box.wan else ()
    return next((w.partition(" ")[0] for w in words if w.endswith(f" {way}")), None)


def inbound_of(box: Box) -> Filter:
    """The inbound list; a list that does not exist lets everything in."""
    lines = box.access_list("extended", name) if (name := guard_of(box, "in")) else None
    return read_filter(lines) if lines else Filter(accept=True)


def _read_timers(box: Box) -> tuple[Timer, ...]:
    found: dict[tuple[str, int | None], Timer] = {}
    for words in box.top.values(TIMER):
        match = re.fullmatch(r"(?:port-timeout )?(tcp|udp)(?:-timeout| (\d+)) (\d+)", words)
        port = int(match[2]) if match and match[2] else None
        if match and (timer := attempt(Timer, match[1], int(match[3]), port)):
            found[match[1], port] = timer
    return tuple(found.values())


def routes_of(box: Box) -> list[tuple[str, StaticRoute]]:
    found = []
    for words in box.routes:
        match = re.fullmatch(r"(\d\S+ \d\S+) (\d+\.\S+)(?: (\d+))?(?: name \S+)?", words)
        network, gateway = (network_of(match[1]), attempt(IPv4Address, match[2])) if match else (None, None)
        if match and network and gateway and (route := attempt(StaticRoute, network, gateway, int(match[3] or 1))):
            found.append((f"ip route {words}", route))
    return found


def band_of(radio: Block) -> Literal["2.4", "5"]:
    """By its channel or what it is called; else by the vendor's custom: the second radio is the 5 GHz one."""
    channel = (radio.value("channel ") or "").partition(" ")[0]
    if channel.isdecimal() and (int(channel) <= 14 or int(channel) >= 2000):
        return "2.4" if int(channel) <= 2500 else "5"
    return "5" if channel.isdecimal() or channel == "dfs" or radio.head.endswith("1") else "2.4"


def channel_of(radio: Block) -> int:
    """The channel out of its number or its middle frequency in MHz; 0 when the box chooses."""
    channel = (radio.value("channel ") or "").partition(" ")[0]
    number = int(channel) if channel.isdecimal() else 0
    if number < 2000:
        return number
    return 14 if number == 2484 else (number - 2407) // 5 if number < 3000 else (number - 5000) // 5


def ssid_of(box: Box, radio: Block) -> str | None:
    """The network of a radio: the one that is broadcast, else its first."""
    names = radio.values("ssid ")
    shown = (n for n in names if (block := box.block(f"dot11 ssid {n}")) and "guest-mode" in block.lines)
    return next(shown, next(iter(names), None))


def security_of(block: Block | None) -> tuple[WifiSecurity, str]:
    if block is None or block.value("authentication key-management ") is None:
        return WifiSecurity.OPEN, ""
    return WifiSecurity.WPA2, secret_of(block.value("wpa-psk ascii ") or "")


def read_radios(box: Box) -> list[tuple[Block, Wifi | None]]:
    """The first radio of each band, with the customer's network on it."""
    found: dict[str, tuple[Block, Wifi | None]] = {}
    for radio in box.radios:
        name = ssid_of(box, radio)
        security, key = security_of(box.block(f"dot11 ssid {name}"))
        up, channel = "shutdown" not in radio.lines, channel_of(radio)
        wifi = attempt(Wifi, band_of(radio), name, security, key, channel, up) if name else None
        found.setdefault(band_of(radio), (radio, wifi))
    return list(found.values())


def communities_of(box: Box) -> list[tuple[str, SnmpCommunity]]:
    """What a list of several networks guards is no community of the model, and stays as it is."""
    found: dict[str, tuple[str, SnmpCommunity]] = {}
    for words in box.top.values(COMMUNITY):
        match = re.fullmatch(r"(\S+)(?: view \S+)? (RO|RW)(?: ipv6 \S+)?(?: (\S+))?", words)
        guards = sources(box.access_list("standard", match[3]) or ()) if match and match[3] else ()
        if match is None or guards is None or len(guards) > 1:
            continue
        made = attempt(SnmpCommunity, match[1], match[2] == "RW", next(iter(guards), None))
        if made is not None:
            found[match[1]] = (COMMUNITY + words, made)
    return list(found.values())


def trap_hosts_of(box: Box) -> list[tuple[str, IPv4Address]]:
    found = [(HOST + w, attempt(IPv4Address, w.partition(" ")[0])) for w in box.top.values(HOST)]
    return [(line, host) for line, host in found if host is not None]


def _read_snmp(box: Box) -> Snmp:
    location, contact = (next(iter(box.top.values(f"snmp-server {what} ")), "") for what in ("location", "contact"))
    communities = tuple(community for _, community in communities_of(box))
    hosts = tuple(host for _, host in trap_hosts_of(box))
    plain = [words if attempt(Snmp, (), words) else "" for words in (location, contact)]
    return Snmp(communities, plain[0], plain[1], hosts)


def _read_management(box: Box) -> Management:
    vty = next(iter(box.vtys), Block(""))
    kinds = (vty.value("transport input ") or "all").split()
    name = (vty.value("access-class ") or "").partition(" ")[0]
    guards = sources(box.access_list("standard", name) or ()) or ()
    return Management(guards, bool({"ssh", "all"} & set(kinds)), bool({"telnet", "all"} & set(kinds)))


def name_servers_of(box: Box) -> list[tuple[str, IPv4Address]]:
    found = {
        a: word for w in box.top.values("ip name-server ") for word in w.split() if (a := attempt(IPv4Address, word))
    }
    return [(f"ip name-server {word}", address) for address, word in found.items()]
