"""A Linux router's text, cut up, and what it means in the neutral model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_interface
from typing import Final

from cpe_manager.domain.model.cpe_config import CpeConfig, Firewall, Lan, Management, PortMapping, StaticRoute, Wan
from cpe_manager.domain.model.requirements import is_label
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.config_text import values
from cpe_manager.kit.linux import daemon_words, file_bundle, link_words, nft_table
from cpe_manager.kit.linux.default_routes import BGP, IPV4, Ways, defaults
from cpe_manager.kit.linux.file_bundle import Files

FRR: Final = "# vtysh: show running-config"
"""The heading of FRR's part in a text of the whole box."""
NFT, NFT_MAIN = "/etc/nftables.d/cpe.nft", "/etc/nftables.conf"
NO_TABLE: Final = nft_table.Table((), Firewall("accept"))
# Debian's start script and unit both look for it.
NO_SSH: Final = "/etc/ssh/sshd_not_to_be_run"
_ROUTE: Final = re.compile(r"ip route ([0-9./]+) ([0-9.]+)(?: ([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Box:
    """A box's text, cut up. ``interfaces`` are FRR's with their lines, ``top`` its lines outside any block. ``nic`` is
    the Ethernet towards the provider, ``ppp`` the link upon it when there is a log-in, ``mobile`` the modem's."""

    files: Files
    interfaces: dict[str, list[str]]
    top: list[str]
    nic: str
    ppp: str
    lan: str
    mobile: str

    @classmethod
    def read(cls, text: str) -> Box:
        parts = file_bundle.sections(text)
        files = Files({path: body for path, body in parts.items() if path.startswith("/")})
        interfaces: dict[str, list[str]] = {}
        top: list[str] = []
        block: list[str] = []
        for line in parts.get(FRR, parts[""]).splitlines():
            if line.startswith(" "):
                block.append(line.strip())
                continue
            words = line.split()
            block = interfaces.setdefault(words[1], []) if words[:1] == ["interface"] and len(words) == 2 else []
            top.append(line)
        peer = link_words.pppoe_peer(files)
        lan = daemon_words.lan_interface(files) or daemon_words.usual_lan(interfaces)
        mobile = _mobile(files, interfaces, top)
        nic = link_words.pppoe_nic(files, peer) or link_words.dhcp_client(files, lan, mobile)
        nic = nic or _nic_by_route(interfaces, top, (lan, mobile))
        return cls(files, interfaces, top, nic, link_words.ppp_unit(files, peer, 0), lan, mobile)

    def addresses(self, name: str) -> list[IPv4Interface]:
        return _addresses(self.interfaces.get(name, []))

    def ways(self, start: str = IPV4) -> Ways:
        """The default routes as they stand."""
        words = (line.split() for line in self.interfaces.get(self.mobile, ()))
        made = (attempt(ip_interface, each[2]) for each in words if each[1:2] == ["address"] and len(each) == 3)
        networks = [own.network for own in made if own]
        return Ways.read(defaults(self.top, start), self.mobile, networks, self.learned(start))

    def learned(self, start: str = IPV4) -> int | None:
        """The distance of the fixed line's default route that no static one is, as far as the files tell of it."""
        told = [BGP] if any(line.startswith("router bgp ") for line in self.top) else []
        if start == IPV4 and link_words.dhcp_client(self.files, self.lan, self.mobile) == self.nic:
            told.append(link_words.client_metric(self.files, self.nic) >> 24)
        metric = link_words.dialled_metric(self.files, link_words.pppoe_peer(self.files))
        if start == IPV4 and metric is not None:
            told.append(metric >> 24)
        return min(told, default=None)

    @property
    def ssh_port(self) -> int:
        found = re.search(r"^Port ([0-9]{1,5})\b", self.files.text("/etc/ssh/sshd_config"), re.MULTILINE)
        return int(found[1]) if found else 22


def _mobile(files: Files, interfaces: Iterable[str], top: Iterable[str]) -> str:
    """The modem's interface: what pppd makes of it, or the one that it has itself, also where pppd's file only says
    which access point it is."""
    peer = link_words.dialled_mobile(files)
    dialled = link_words.ppp_unit(files, peer, 1)
    routed = [one.interface for one in defaults(top)]
    if dialled in routed or (peer is None and link_words.QMI not in files):
        return dialled
    named = [name for name in (*routed, *interfaces) if re.fullmatch(r"wwan\d+", name)]
    return next(
        iter(named if peer is None else [name for name in named if name in routed]), dialled if peer else "wwan0"
    )


def _addresses(lines: Iterable[str]) -> list[IPv4Interface]:
    words = (line.split() for line in lines)
    found = (attempt(IPv4Interface, w[2]) for w in words if w[:2] == ["ip", "address"] and len(w) == 3)
    return [address for address in found if address]


def _nic_by_route(interfaces: dict[str, list[str]], top: list[str], others: tuple[str, ...]) -> str:
    """The interface that the default route's gateway is on; by its usual names where there is none."""
    gateways = [one.gateway for one in defaults(top)]
    for name, lines in interfaces.items():
        networks = [address.network for address in _addresses(lines)]
        if name not in others and any(gateway in network for gateway in gateways if gateway for network in networks):
            return name
    return next((name for name in ("wan0", "wan", "eth0") if name in interfaces), "eth0")


def model(box: Box) -> CpeConfig:
    files = box.files
    name = (daemon_words.read_name(files) or next(iter(values("\n".join(box.top), "hostname ")), "")).partition(".")[0]
    table = nft_table.read(files.text(NFT)) or NO_TABLE
    lan, ways = _read_lan(box), box.ways()
    return CpeConfig(
        hostname=name if is_label(name) else "localhost",
        wan=_read_wan(box),
        lan=lan,
        dhcp=daemon_words.read_dhcp(files, lan),
        wifi=link_words.read_wifi(files),
        port_mappings=_first_of_each(table.mappings),
        firewall=table.firewall,
        routes=_read_routes(box),
        mobile=link_words.read_mobile(files, bool(ways.mobile), ways.preferred, table.barred_on(box.mobile)),
        snmp=daemon_words.read_snmp(files),
        management=Management(table.sources, ssh=NO_SSH not in files),
        dns=daemon_words.read_dns(files),
    )


def _first_of_each(mappings: Iterable[PortMapping]) -> tuple[PortMapping, ...]:
    """Of mappings of the same port the first counts, as in the kernel."""
    kept: list[PortMapping] = []
    for new in mappings:
        taken = [m.ports for m in kept if m.protocol == new.protocol]
        if not any(ports.first <= new.ports.last and new.ports.first <= ports.last for ports in taken):
            kept.append(new)
    return tuple(kept)


def _read_lan(box: Box) -> Lan | None:
    """The private address comes first: the other one is an IP pack's."""
    own = sorted(box.addresses(box.lan), key=lambda address: not address.is_private)
    return attempt(Lan, own[0]) if own else None


def _read_pack(box: Box) -> IPv4Network | None:
    public = [address for address in box.addresses(box.lan) if not address.is_private]
    return next((a.network for a in public if 27 <= a.network.prefixlen <= 30 and _is_first(a)), None)


def _is_first(address: IPv4Interface | IPv6Interface) -> bool:
    return int(address.ip) == int(address.network.network_address) + 1


def _read_ipv6(box: Box) -> tuple[IPv6Network | None, IPv6Address | None]:
    """The block whose first /64 is on the LAN, and the customer's router that its second half goes to."""
    words = (line.split() for line in box.interfaces.get(box.lan, []))
    found = (attempt(IPv6Interface, w[2]) for w in words if w[:2] == ["ipv6", "address"] and len(w) == 3)
    for own in (address for address in found if address and address.network.prefixlen == 64):
        block = IPv6Network((own.network.network_address, 56), strict=False)
        if own.ip == block.network_address + 1 and not own.is_link_local:
            start = f"ipv6 route {list(block.subnets(new_prefix=57))[1]} "
            routers = (attempt(IPv6Address, line[len(start) :]) for line in box.top if line.startswith(start))
            return block, next((router for router in routers if router), None)
    return None, None


def _read_wan(box: Box) -> Wan | None:
    extras = (*_read_ipv6(box), _read_pack(box))
    peer = link_words.pppoe_peer(box.files)
    if user := link_words.peer_value(box.files, peer, "user"):
        password = link_words.password_of(box.files, user)
        return attempt(Wan, "pppoe", link_words.peer_address(box.files, peer), None, user, password, *extras)
    if link_words.dhcp_client(box.files, box.lan, box.mobile) == box.nic:
        return attempt(Wan, "dhcp", None, None, "", "", *extras)
    for one in box.ways().fixed:
        for own in box.addresses(box.nic):
            if one.gateway is not None and one.gateway in own.network:
                return attempt(Wan, "static", own, one.gateway, "", "", *extras)
    return None


def _read_routes(box: Box) -> tuple[StaticRoute, ...]:
    found: dict[tuple[str, str], StaticRoute] = {}
    for match in (_ROUTE.fullmatch(line) for line in box.top):
        if match and (made := attempt(_static_route, *match.groups())):
            found.setdefault((match[1], match[2]), made)
    return tuple(found.values())


def _static_route(network: str, gateway: str, distance: str | None) -> StaticRoute:
    return StaticRoute(IPv4Network(network), IPv4Address(gateway), int(distance or 1))
