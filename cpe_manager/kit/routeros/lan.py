"""The inside of a RouterOS box in the neutral model: LAN, DHCP server, reservations, wifi."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import DhcpServer, Lan, Reservation, Wifi, WifiSecurity
from cpe_manager.kit.addresses import ipv4, ipv4_interface
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.routeros.language import OURS, Box, Edit, Item, duration, seconds

_PRIVATE: Final = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_POOL: Final = f"{OURS}dhcp"
# An export leaves a lease time out that is the default, which was 10 minutes in older releases.
_LEASE_DEFAULTS: Final = ((7, 13), 1800, 600)
_TYPES: Final = {
    WifiSecurity.OPEN: "",
    WifiSecurity.WPA2: "wpa2-psk",
    WifiSecurity.WPA2_WPA3: "wpa2-psk,wpa3-psk",
    WifiSecurity.WPA3: "wpa3-psk",
}
_WIFI: Final = "interface wifi"


def is_private(address: IPv4Interface) -> bool:
    return any(address.ip in net for net in _PRIVATE)


def lan_interface(box: Box) -> str:
    """The interface that the inside is on: the bridge of the list LAN, else where a DHCP server listens."""
    bridges = [item.text("name") for item in box.all("interface bridge")]
    members = [item.text("interface") for item in box.all("interface list member", list="LAN") if item.active]
    servers = [item.text("interface") for item in box.all("ip dhcp-server")]
    for name in (*(member for member in members if member in bridges), *servers, *members, *bridges):
        if name:
            return name
    return "bridge"


def lan_addresses(box: Box) -> list[tuple[Item, IPv4Interface]]:
    """What is configured on the LAN's interface, in order."""
    found = []
    for item in box.all("ip address", interface=lan_interface(box)):
        address = ipv4_interface(item.text("address"))
        if address is not None and item.active:
            found.append((item, address))
    return found


def lan_item(box: Box) -> tuple[Item, Lan] | None:
    """The address that is the customer's gateway: the first private one, else the first."""
    usable = [(item, lan) for item, address in lan_addresses(box) if (lan := attempt(Lan, address)) is not None]
    private = [(item, lan) for item, lan in usable if is_private(lan.address)]
    return next(iter([*private, *usable]), None)


def read_lan(box: Box) -> Lan | None:
    found = lan_item(box)
    return found[1] if found else None


def put_address(edit: Edit, item: Item, address: IPv4Interface) -> None:
    """RouterOS keeps the network of an address as a value of its own, which does not follow by itself."""
    edit.put(item, address=str(address), network=str(address.network.network_address))


def add_address(edit: Edit, address: IPv4Interface, interface: str, comment: str) -> Item:
    values = {"address": str(address), "comment": comment, "interface": interface}
    return edit.add("ip address", {**values, "network": str(address.network.network_address)})


def write_lan(edit: Edit, wanted: Lan) -> None:
    found = lan_item(edit.box)
    if found is None:
        add_address(edit, wanted.address, lan_interface(edit.box), f"{OURS}lan")
    elif found[1] != wanted:
        put_address(edit, found[0], wanted.address)


@dataclass(frozen=True, slots=True)
class DhcpParts:
    """The items that a DHCP server on the LAN is made of, as far as they are there."""

    server: Item | None
    pool: Item | None
    network: Item | None
    leases: tuple[tuple[Item, Reservation], ...]
    value: DhcpServer | None


def dhcp_parts(box: Box) -> DhcpParts:
    lan = read_lan(box)
    servers = box.all("ip dhcp-server", interface=lan_interface(box))
    server = next((item for item in servers if item.active), servers[0] if servers else None)
    if server is None:
        return DhcpParts(None, None, _network_of(box, lan), (), None)
    pool = box.first("ip pool", name=server.text("address-pool"))
    network, leases = _network_of(box, lan), _leases(box, server.text("name"))
    value = _dhcp(box, lan, server, pool, network, leases) if server.active else None
    return DhcpParts(server, pool, network, leases, value)


def _network_of(box: Box, lan: Lan | None) -> Item | None:
    for item in box.all("ip dhcp-server network"):
        network = attempt(IPv4Network, item.text("address"), strict=False)
        if lan is not None and network is not None and lan.address.ip in network and item.active:
            return item
    return None


def _leases(box: Box, server: str) -> tuple[tuple[Item, Reservation], ...]:
    found = []
    for item in box.all("ip dhcp-server lease"):
        address = ipv4(item.text("address"))
        made = attempt(Reservation, item.text("mac-address").lower(), address) if address is not None else None
        if made is not None and item.active and item.text("server", "all") in (server, "all"):
            found.append((item, made))
    return tuple(found)


def _dhcp(
    box: Box,
    lan: Lan | None,
    server: Item,
    pool: Item | None,
    network: Item | None,
    leases: tuple[tuple[Item, Reservation], ...],
) -> DhcpServer | None:
    """None for a server without a pool on the LAN that the model could say."""
    ends = re.fullmatch(r"([0-9.]+)(?:-([0-9.]+))?", next(iter(pool.words("ranges")), "")) if pool else None
    if lan is None or ends is None:
        return None
    first, last = attempt(IPv4Address, ends[1]), attempt(IPv4Address, ends[2] or ends[1])
    hosts = lan.address.network
    outer = (hosts.network_address, hosts.broadcast_address)
    if first is None or last is None or any(end not in hosts or end in outer for end in (first, last)):
        return None
    if first <= lan.address.ip <= last:
        return None
    since, newer, older = _LEASE_DEFAULTS
    lease = seconds(server.text("lease-time")) or (newer if box.version >= since else older)
    kept: list[Reservation] = []
    taken: set[object] = {*outer, lan.address.ip}
    for _, made in leases:
        if made.address in hosts and taken.isdisjoint((made.mac, made.address)):
            taken |= {made.mac, made.address}
            kept.append(made)
    domain = network.text("domain") if network else ""
    return attempt(DhcpServer, first, last, lease, domain, tuple(kept)) or attempt(
        DhcpServer, first, last, lease, "", tuple(kept)
    )


def write_dhcp(edit: Edit, parts: DhcpParts, before: Lan | None, wanted: DhcpServer | None, lan: Lan) -> None:
    """``parts`` and ``before`` are of the box as it was before its LAN was changed."""
    _follow_lan(edit, parts.network, before, lan)
    server = parts.server
    if parts.value == wanted and (wanted is None or before == lan):
        return
    if wanted is None:
        if server is not None:
            edit.put(server, disabled="yes")
        return
    pool = parts.pool
    ranges = f"{wanted.first}-{wanted.last}"
    if pool is None:
        pool = edit.box.first("ip pool", name=_POOL) or edit.add("ip pool", {"name": _POOL, "ranges": ranges})
    if (wanted.first, wanted.last) != _ends(pool):
        edit.put(pool, ranges=ranges)
    if server is None:
        server = edit.add(
            "ip dhcp-server",
            {
                "name": _POOL,
                "interface": lan_interface(edit.box),
                "address-pool": pool.text("name"),
                "lease-time": duration(wanted.lease_seconds),
            },
        )
    edit.put(server, address_pool=pool.text("name"))
    if server.on("disabled"):
        edit.put(server, disabled="no")
    if parts.value is None or parts.value.lease_seconds != wanted.lease_seconds:
        edit.put(server, lease_time=duration(wanted.lease_seconds))
    _write_network(edit, parts.network, wanted, lan)
    _write_leases(edit, parts, wanted, server.text("name"))


def _ends(pool: Item) -> tuple[IPv4Address | None, IPv4Address | None]:
    first, _, last = pool.text("ranges").partition("-")
    return attempt(IPv4Address, first), attempt(IPv4Address, last or first)


def _follow_lan(edit: Edit, network: Item | None, before: Lan | None, lan: Lan) -> None:
    """What the server tells its clients of the box's own address follows that address."""
    if network is None or before is None or before == lan:
        return
    old, new = str(before.address.ip), str(lan.address.ip)
    if network.text("address") != str(lan.address.network):
        edit.put(network, address=str(lan.address.network))
    for name in ("gateway", "dns-server", "ntp-server"):
        if old in network.words(name):
            edit.put_all(network, {name: ",".join(new if word == old else word for word in network.words(name))})


def _write_network(edit: Edit, network: Item | None, wanted: DhcpServer, lan: Lan) -> None:
    if network is None:
        own = str(lan.address.ip)
        values = {"address": str(lan.address.network), "comment": _POOL, "dns-server": own, "gateway": own}
        edit.add("ip dhcp-server network", {**values, "domain": wanted.domain or None})
        return
    edit.put(network, domain=wanted.domain or None)


def _write_leases(edit: Edit, parts: DhcpParts, wanted: DhcpServer, server: str) -> None:
    missing = list(wanted.reservations)
    for item, made in parts.leases:
        if made in missing:
            missing.remove(made)
        else:
            edit.drop(item)
    for made in missing:
        values = {"address": str(made.address), "comment": _POOL, "mac-address": made.mac.upper(), "server": server}
        edit.add("ip dhcp-server lease", values)


def follow_dns(edit: Edit, network: Item | None, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Where clients are told the box's own name servers, they are told the new ones."""
    if network is not None and before and after and tuple(network.words("dns-server")) == before:
        edit.put(network, dns_server=",".join(after))


def _effective(box: Box, item: Item, part: str, name: str) -> str | None:
    """A setting of a radio: its own, else that of the profile it refers to; None where nobody says anything.

    ``part`` is ``configuration``, ``security`` or ``channel``. What stands on the interface wins.
    """
    if (own := item.values.get(f"{part}.{name}")) is not None:
        return own
    configuration = box.first(f"{_WIFI} configuration", name=item.text("configuration"))
    for holder in (item, configuration):
        profile = box.first(f"{_WIFI} {part}", name=holder.text(part)) if holder and holder.text(part) else None
        if profile is not None and name in profile.values:
            return profile.values[name]
        if holder is configuration and holder is not None:
            own = holder.values.get(name if part == "configuration" else f"{part}.{name}")
    return own


def _band(box: Box, item: Item) -> str:
    named = _effective(box, item, "channel", "band") or ""
    if named.startswith(("2ghz", "5ghz")):
        return {"2": "2.4", "5": "5"}[named[0]]
    first = (_effective(box, item, "channel", "frequency") or "")[:1]
    return {"2": "2.4", "5": "5"}.get(first, "")


def _radios(box: Box) -> dict[str, Item]:
    """The radios by band; an access point on top of another radio is none."""
    found: dict[str, Item] = {}
    for item in box.all(_WIFI):
        band = _band(box, item)
        if band and not item.text("master-interface"):
            found.setdefault(band, item)
    return found


def read_wifi(box: Box) -> tuple[Wifi, ...]:
    made = [_wifi(box, band, item) for band, item in sorted(_radios(box).items())]
    return tuple(wifi for wifi in made if wifi is not None)


def _wifi(box: Box, band: str, item: Item) -> Wifi | None:
    security = _security(box, item)
    ssid = _effective(box, item, "configuration", "ssid")
    if security is None or not ssid or (_effective(box, item, "configuration", "mode") or "ap") != "ap":
        return None
    key = _effective(box, item, "security", "passphrase") or ""
    key = "" if security is WifiSecurity.OPEN else key
    enabled = not item.on("disabled", default=True)
    made = attempt(Wifi, band, ssid, security, key, _channel(box, band, item), enabled)
    return made or attempt(Wifi, band, ssid, security, key, 0, enabled)


def _security(box: Box, item: Item) -> WifiSecurity | None:
    """None for what is no network with one key for all. A passphrase alone is WPA2, as the box takes it."""
    listed = _effective(box, item, "security", "authentication-types")
    if listed is None:
        return WifiSecurity.WPA2 if _effective(box, item, "security", "passphrase") else WifiSecurity.OPEN
    types = frozenset(part for part in listed.split(",") if part and part != "wpa-psk")
    known = {frozenset(part for part in text.split(",") if part): security for security, text in _TYPES.items()}
    return known.get(types) if types or not listed else None


def _channel(box: Box, band: str, item: Item) -> int:
    frequency = _effective(box, item, "channel", "frequency") or ""
    if not frequency.isdecimal():
        return 0
    return (int(frequency) - (2407 if band == "2.4" else 5000)) // 5


def write_wifi(edit: Edit, wanted: tuple[Wifi, ...]) -> None:
    by_band: dict[str, Wifi] = {wifi.band: wifi for wifi in wanted}
    radios = _radios(edit.box)
    if lacking := sorted(by_band.keys() - radios.keys()):
        raise InputError(f"the box has no wifi radio for {lacking[0]} GHz")
    before: dict[str, Wifi] = {wifi.band: wifi for wifi in read_wifi(edit.box)}
    for band, item in radios.items():
        if before.get(band) != by_band.get(band):
            _write_radio(edit, item, before.get(band), by_band.get(band))


def _write_radio(edit: Edit, item: Item, before: Wifi | None, wanted: Wifi | None) -> None:
    if wanted is None:
        # The radio stays; without a name it is no network. Where a profile gives it one, an empty one goes before it.
        inherited = item.text("configuration")
        ssid = "" if inherited else None
        edit.put_all(item, {"configuration.ssid": ssid, "security.passphrase": None, "disabled": "yes"})
        return
    values: dict[str, str | None] = {"configuration.ssid": wanted.ssid, "disabled": "no" if wanted.enabled else "yes"}
    if (_effective(edit.box, item, "configuration", "mode") or "ap") != "ap" or before is None:
        values["configuration.mode"] = "ap"
    if before is None or before.security is not wanted.security:
        values["security.authentication-types"] = _TYPES[wanted.security]
    values["security.passphrase"] = wanted.key or None
    if before is None or before.channel != wanted.channel:
        values |= _channel_values(edit.box, item, wanted)
    edit.put_all(item, values)


def _channel_values(box: Box, item: Item, wanted: Wifi) -> dict[str, str | None]:
    base = 2407 if wanted.band == "2.4" else 5000
    frequency = str(base + 5 * wanted.channel) if wanted.channel else None
    values: dict[str, str | None] = {"channel.frequency": frequency}
    if not (_effective(box, item, "channel", "band") or ""):
        # Without a frequency nothing else would tell which radio this is.
        values["channel.band"] = "2ghz-n" if wanted.band == "2.4" else "5ghz-ac"
    return values
