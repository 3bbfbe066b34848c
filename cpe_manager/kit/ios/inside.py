"""Changes of an IOS configuration: DHCP and wifi."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

from cpe_manager.domain.model.cpe_config import DhcpServer, Lan, Wifi, WifiSecurity
from cpe_manager.domain.model.requirements import is_domain
from cpe_manager.kit.indented import Block
from cpe_manager.kit.ios.box import POOL, network_of
from cpe_manager.kit.ios.edit import Edit
from cpe_manager.kit.ios.read import (
    EXCLUDED,
    band_of,
    channel_of,
    excluded_of,
    hosts_of,
    lease_of,
    pools_of,
    read_radios,
    security_of,
    ssid_of,
)


def write_dhcp(edit: Edit) -> None:
    box, old, new = edit.box, edit.old, edit.new
    if (old.dhcp, old.lan) == (new.dhcp, new.lan):
        return
    networks = [lan.address.network for lan in (old.lan, new.lan) if lan]
    pool = next(iter(pools_of(box, *networks)), None)
    wanted = {(kept.mac, kept.address) for kept in new.dhcp.reservations} if new.dhcp else set()
    for head, kept in hosts_of(box, *networks):
        if (kept.mac, kept.address) in wanted:
            wanted.remove((kept.mac, kept.address))
        else:
            edit.remove(head)
    _write_excluded(edit, networks)
    if new.dhcp is None or new.lan is None:
        if pool is not None:
            edit.remove(pool.head)
        return
    _write_pool(edit, pool or Block(f"{POOL}{edit.free_name('LAN')}"), new.dhcp, new.lan)
    for mac, address in sorted(wanted):
        digits = "01" + mac.replace(":", "")
        client = ".".join(digits[i : i + 4] for i in range(0, 14, 4))
        host = f"host {address} {new.lan.address.netmask}"
        edit.within(f"{POOL}HOST-{digits[2:]}", [host, f"client-identifier {client}"])


def _write_excluded(edit: Edit, networks: list[IPv4Network]) -> None:
    """The router hands out the whole network but for what is excluded. A hole within the wanted pool stays."""
    dhcp, lan, goal = edit.new.dhcp, edit.new.lan, set()
    low, high = (int(dhcp.first), int(dhcp.last)) if dhcp else (1, 0)
    if dhcp and lan:
        first, last = int(lan.address.network.network_address) + 1, int(lan.address.network.broadcast_address) - 1
        goal = {ends for ends in ((first, low - 1), (high + 1, last)) if ends[0] <= ends[1]}
    for line, first, last in excluded_of(edit.box):
        if (first, last) in goal:
            goal.remove((first, last))
        elif not low < first <= last < high and any(
            first <= int(n.broadcast_address) and last >= int(n.network_address) for n in networks
        ):
            edit.remove(line)
    for first, last in sorted(goal):
        edit.add(EXCLUDED + " ".join(str(IPv4Address(end)) for end in dict.fromkeys((first, last))))


def _write_pool(edit: Edit, pool: Block, dhcp: DhcpServer, lan: Lan) -> None:
    network, lines = lan.address.network, []
    if network_of(pool.value("network ")) != network:
        lines.append(f"network {network.network_address} {network.netmask}")
    if pool.value("default-router ") != str(lan.address.ip):
        lines.append(f"default-router {lan.address.ip}")
    if not pool.lines:
        servers = edit.new.dns or (lan.address.ip,)
        lines.append(f"dns-server {' '.join(map(str, servers))}")
    domain = pool.value("domain-name ") or ""
    if dhcp.domain != (domain if is_domain(domain) else ""):
        lines.append(f"domain-name {dhcp.domain}" if dhcp.domain else f"no domain-name {domain}")
    if dhcp.lease_seconds != lease_of(pool.value("lease ") or "1"):
        minutes = dhcp.lease_seconds // 60
        lines.append(f"lease {minutes // 1440} {minutes // 60 % 24} {minutes % 60}")
    edit.within(pool.head, lines)


def write_wifi(edit: Edit) -> None:
    box = edit.box
    if edit.old.wifi == edit.new.wifi:
        return
    radios = read_radios(box)
    goal = {wifi.band: wifi for wifi in edit.new.wifi}
    names = {wifi.ssid: wifi for wifi in edit.new.wifi}
    dropped: dict[str, str] = {}
    for radio, _ in radios:
        name, wanted = ssid_of(box, radio), goal.get(band_of(radio))
        if name is not None and (wanted is None or wanted.ssid != name):
            edit.within(radio.head, [f"no ssid {name}"])
            dropped.setdefault(name, wanted.ssid if wanted else "")
    used = {name for radio in box.radios for name in radio.values("ssid ") if name not in dropped}
    for name in dropped:
        if name not in names and name not in used and box.block(f"dot11 ssid {name}"):
            edit.remove(f"dot11 ssid {name}")
    models = {new: box.block(f"dot11 ssid {old}") for old, new in dropped.items() if new}
    for name, wifi in names.items():
        _write_ssid(edit, wifi, box.block(f"dot11 ssid {name}"), models.get(name))
    for radio, was in radios:
        _write_radio(edit, radio, was, goal.get(band_of(radio)))


def _write_ssid(edit: Edit, wifi: Wifi, block: Block | None, model: Block | None) -> None:
    """A network of its own name. A new one takes over from the one it replaces what is no part of the model."""
    lines: list[str] = []
    if block is None:
        kept = model.lines if model else ("authentication open", "guest-mode")
        lines += [line for line in kept if not line.startswith(("authentication key-management ", "wpa-psk "))]
    security, key = security_of(block)
    if wifi.security is WifiSecurity.OPEN and security is not WifiSecurity.OPEN and block is not None:
        lines += [f"no wpa-psk ascii {words}" for words in block.values("wpa-psk ascii ")]
        lines += [f"no authentication key-management {w}" for w in block.values("authentication key-management ")]
    elif wifi.security is not WifiSecurity.OPEN and (security, key) != (wifi.security, wifi.key):
        lines += ["authentication key-management wpa version 2"] if security is WifiSecurity.OPEN else []
        lines.append(f"wpa-psk ascii 0 {wifi.key}")
    edit.within(f"dot11 ssid {wifi.ssid}", lines)


def _write_radio(edit: Edit, radio: Block, was: Wifi | None, wanted: Wifi | None) -> None:
    ciphers = [line for line in radio.lines if re.match(r"encryption .*\bmode ciphers ", line)]
    off, lines = "shutdown" in radio.lines, []
    if wanted is None:
        # Without a network a radio has nothing to send.
        edit.within(radio.head, ["shutdown"] if was is not None and not off else [])
        return
    if wanted.security is WifiSecurity.OPEN:
        lines += [f"no {line}" for line in ciphers]
    elif not ciphers:
        model = edit.box.block(f"dot11 ssid {ssid_of(edit.box, radio)}")
        vlan = f"vlan {tag} " if (tag := model.value("vlan ") if model else None) else ""
        lines.append(f"encryption {vlan}mode ciphers aes-ccm")
    if wanted.channel != channel_of(radio):
        channel = radio.value("channel ")
        lines.append(f"channel {wanted.channel}" if wanted.channel else f"no channel {channel}")
    lines += [f"ssid {wanted.ssid}"] if ssid_of(edit.box, radio) != wanted.ssid else []
    if off == wanted.enabled:
        lines.append("no shutdown" if wanted.enabled else "shutdown")
    edit.within(radio.head, lines)
