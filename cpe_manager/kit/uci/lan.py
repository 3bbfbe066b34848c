"""The neutral model in UCI: the inside of a box, its LAN address, DHCP and wifi. See ``uci_model`` for the manners."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface
from typing import Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import DhcpServer, Lan, Reservation, Wifi, WifiSecurity
from cpe_manager.domain.model.requirements import is_domain
from cpe_manager.kit.addresses import ipv4, ipv4_interface
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.uci.language import OURS, Edit, Section, Uci

Band = Literal["2.4", "5"]
_BANDS: Final[tuple[tuple[Band, tuple[str, ...]], ...]] = (("2.4", ("2g", "11g", "11b")), ("5", ("5g", "11a")))
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_LEASE: Final = 31_536_000
_ENCRYPTION: Final = {
    WifiSecurity.OPEN: "none",
    WifiSecurity.WPA2: "psk2+ccmp",
    WifiSecurity.WPA2_WPA3: "sae-mixed",
    WifiSecurity.WPA3: "sae",
}


def interface(box: Uci, name: str) -> Section | None:
    return box.named("network", name, "interface")


def addresses(section: Section | None) -> list[IPv4Interface]:
    """IPv4 addresses, an old-style netmask applied to those without a length."""
    if section is None:
        return []
    mask = section.text("netmask", "255.255.255.255")
    words = section.words("ipaddr")
    return [a for word in words if (a := ipv4_interface(word if "/" in word else f"{word}/{mask}"))]


def read_lan(box: Uci) -> Lan | None:
    own = addresses(interface(box, "lan"))
    return attempt(Lan, own[0]) if own else None


def _lease(text: str) -> int:
    """Seconds, in what the model can say; 12 hours where nothing is said, as dnsmasq has it."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text.lower())
    if found is None:
        return _LONGEST_LEASE if text == "infinite" else 43_200
    seconds = int(found[1]) * _UNITS[found[2]]
    return min(max(120, -(-seconds // 60) * 60), _LONGEST_LEASE)


def _lease_text(seconds: int) -> str:
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else f"{seconds // 60}m"


def _pool_section(box: Uci) -> Section | None:
    return next((section for section in box.all("dhcp", "dhcp") if section.text("interface") == "lan"), None)


def _pool(section: Section, lan: Lan) -> tuple[IPv4Address, IPv4Address] | None:
    """First and last address. dnsmasq hands out neither the ends of the network nor the CPE's own address, so a pool
    that reaches over them is cut; of two pieces around the own address the upper one counts."""
    network, own = lan.address.network, int(lan.address.ip)
    start, limit = (int(text) if (text := section.text(word)).isdecimal() else 0 for word in ("start", "limit"))
    base = int(network.network_address)
    first = max(base + (start or 100), base + 1)
    last = min(base + (start or 100) + (limit or 150) - 1, int(network.broadcast_address) - 1)
    if first <= own <= last:
        first, last = (own + 1, last) if own < last else (first, own - 1)
    return (IPv4Address(first), IPv4Address(last)) if first <= last else None


def _domain(box: Uci) -> str:
    section = box.first("dhcp", "dnsmasq")
    domain = section.text("domain") if section else ""
    return domain if is_domain(domain) else ""


def _reservation(section: Section) -> Reservation | None:
    address = ipv4(section.text("ip"))
    return attempt(Reservation, section.text("mac").lower(), address) if address is not None else None


def _hosts(box: Uci, lan: Lan) -> list[tuple[Section, Reservation]]:
    """Reservations that mean something on a LAN; of several for one address or one MAC address all are here."""
    found = []
    network = lan.address.network
    outer = (network.network_address, network.broadcast_address, lan.address.ip)
    for section in box.all("dhcp", "host"):
        made = _reservation(section)
        if made is not None and made.address in network and made.address not in outer:
            found.append((section, made))
    return found


def _first_of_each(found: list[tuple[Section, Reservation]]) -> tuple[Reservation, ...]:
    macs, addresses, kept = set[str](), set[IPv4Address](), []
    for _, made in found:
        if made.mac not in macs and made.address not in addresses:
            kept.append(made)
            macs.add(made.mac)
            addresses.add(made.address)
    return tuple(kept)


def read_dhcp(box: Uci) -> DhcpServer | None:
    section, lan = _pool_section(box), read_lan(box)
    if section is None or lan is None or section.on("ignore") or section.text("dhcpv4") == "disabled":
        return None
    pool = _pool(section, lan)
    if pool is None:
        return None
    reserved = _first_of_each(_hosts(box, lan))
    return attempt(DhcpServer, *pool, _lease(section.text("leasetime")), _domain(box), reserved)


def write_dhcp(edit: Edit, wanted: DhcpServer | None, lan: Lan) -> None:
    box = edit.box
    found, section = read_dhcp(box), _pool_section(box)
    if found == wanted:
        return
    if wanted is None:
        if section is not None:
            edit.put(section, "ignore", "1")
        return
    section = section or edit.add("dhcp", "dhcp", "lan", interface="lan")
    edit.put(section, "ignore", None)
    if section.text("dhcpv4") == "disabled":
        edit.put(section, "dhcpv4", "server")
    if _pool(section, lan) != (wanted.first, wanted.last):
        edit.put(section, "start", str(int(wanted.first) - int(lan.address.network.network_address)))
        edit.put(section, "limit", str(int(wanted.last) - int(wanted.first) + 1))
    if _lease(section.text("leasetime")) != wanted.lease_seconds:
        edit.put(section, "leasetime", _lease_text(wanted.lease_seconds))
    _write_domain(edit, wanted.domain)
    missing = list(wanted.reservations)
    for host, made in _hosts(box, lan):
        if made in missing:
            missing.remove(made)
        else:
            edit.drop(host)
    for made in missing:
        stem = f"{OURS}host_{made.mac.replace(':', '')}"
        edit.add("dhcp", "host", stem, mac=made.mac, ip=str(made.address))


def _write_domain(edit: Edit, wanted: str) -> None:
    before = _domain(edit.box)
    if before == wanted:
        return
    section = edit.box.first("dhcp", "dnsmasq") or edit.add("dhcp", "dnsmasq", f"{OURS}dnsmasq")
    edit.put(section, "domain", wanted)
    if section.text("local") in ("", f"/{before}/"):
        edit.put(section, "local", f"/{wanted}/" if wanted else None)


def write_dhcp_options(
    edit: Edit,
    before: tuple[Lan | None, tuple[IPv4Address, ...]],
    after: tuple[Lan, tuple[IPv4Address, ...]],
) -> None:
    """Clients that are told our old address or our old name servers are told the new ones."""
    section = _pool_section(edit.box)
    if section is None or before[0] is None:
        return
    renamed = {f"3,{before[0].address.ip}": f"3,{after[0].address.ip}"}
    if before[1]:
        renamed[f"6,{_joined(before[1])}"] = f"6,{_joined(after[1])}" if after[1] else ""
    words = section.words("dhcp_option")
    if any(word in renamed for word in words):
        edit.put(section, "dhcp_option", [new for word in words if (new := renamed.get(word, word))])


def _joined(servers: tuple[IPv4Address, ...]) -> str:
    return ",".join(map(str, servers))


def _radio(box: Uci, band: Band) -> Section | None:
    names = dict(_BANDS)[band]
    return next(
        (s for s in box.all("wireless", "wifi-device") if s.text("band", s.text("hwmode")).startswith(names)), None
    )


def _network_of(box: Uci, band: Band) -> Section | None:
    """The first access point of a band that is on the LAN."""
    radio = _radio(box, band)
    for section in box.all("wireless", "wifi-iface") if radio else ():
        if (
            radio
            and section.text("device") == radio.name
            and section.text("mode") == "ap"
            and "lan" in section.words("network")
        ):
            return section
    return None


def _security(encryption: str) -> WifiSecurity | None:
    name = encryption.partition("+")[0]
    if name in ("", "none"):
        return WifiSecurity.OPEN
    if name in ("psk", "psk2", "psk-mixed", "mixed-psk"):
        return WifiSecurity.WPA2
    return {"sae": WifiSecurity.WPA3, "sae-mixed": WifiSecurity.WPA2_WPA3}.get(name)


def _wifi(box: Uci, band: Band) -> Wifi | None:
    radio, section = _radio(box, band), _network_of(box, band)
    if radio is None or section is None or (security := _security(section.text("encryption"))) is None:
        return None
    key = "" if security is WifiSecurity.OPEN else section.text("key")
    enabled = not (radio.on("disabled") or section.on("disabled"))
    text = radio.text("channel")
    channels = (int(text) if text.isdecimal() else 0, 0)
    # A channel that the model does not know reads as the automatic one.
    made = (attempt(Wifi, band, section.text("ssid"), security, key, channel, enabled) for channel in channels)
    return next((wifi for wifi in made if wifi), None)


def _write_wifi(edit: Edit, band: Band, wanted: Wifi | None) -> None:
    found, section, radio = _wifi(edit.box, band), _network_of(edit.box, band), _radio(edit.box, band)
    if found == wanted:
        return
    if wanted is None:
        if section is not None:
            edit.drop(section)
        return
    if radio is None:
        raise InputError(f"the box has no radio for {band} GHz")
    if section is None:
        stem = f"{OURS}wifi_{'2g' if band == '2.4' else '5g'}"
        section = edit.add("wireless", "wifi-iface", stem, device=radio.name, network="lan", mode="ap")
    if section.text("ssid") != wanted.ssid:
        edit.put(section, "ssid", wanted.ssid)
    if found is None or found.security is not wanted.security:
        edit.put(section, "encryption", _ENCRYPTION[wanted.security])
    edit.put(section, "key", wanted.key)
    if found is None or found.channel != wanted.channel:
        edit.put(radio, "channel", str(wanted.channel) if wanted.channel else "auto")
    edit.put(section, "disabled", None if wanted.enabled else "1")
    if wanted.enabled and radio.on("disabled"):
        edit.put(radio, "disabled", None)


def read_wifi(box: Uci) -> tuple[Wifi, ...]:
    return tuple(wifi for band, _ in _BANDS if (wifi := _wifi(box, band)))


def write_wifi(edit: Edit, wanted: tuple[Wifi, ...]) -> None:
    for band, _ in _BANDS:
        _write_wifi(edit, band, next((wifi for wifi in wanted if wifi.band == band), None))
