"""From one whole RouterOS export to another, menu by menu, in the commands of the console.

An export says what differs from the defaults, so what it does not say of an item that stays has to be put back to its
default: those that matter are in the table below, anything else is unset, which the console takes for whatever can be.

Like its IOS relative this is made to be done again: a command may be refused because another one comes first, and
RouterOS takes references along when what they name goes. What carries the way in (addresses, routes, the filter, the
services) is changed last, and rules come before those that they replace go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.routeros.language import Box, Edit, Item, escaped

_LATE: Final = ("interface list member", "ip address", "ip dhcp-client", "ip route", "ip firewall filter", "ip service")
_ORDERED: Final = re.compile(
    r"ip(?:v6)? firewall (?:filter|nat|mangle|raw)|queue simple|ip ipsec policy|routing filter rule"
)
# Items of these are several to a name.
_UNNAMED: Final = frozenset({"ip dns static", "interface wireguard peers"})
_PORTS: Final = {"telnet": "23", "ftp": "21", "www": "80", "ssh": "22", "www-ssl": "443", "api": "8728",
                 "winbox": "8291", "api-ssl": "8729"}  # fmt: skip
_DEFAULTS: Final[Mapping[str, str]] = {
    "": "disabled=no comment=",
    "interface bridge": "auto-mac=yes protocol-mode=rstp vlan-filtering=no arp=enabled mtu=auto igmp-snooping=no",
    "interface bridge port": "pvid=1 edge=auto hw=yes horizon=none",
    "interface ethernet": "mtu=1500 arp=enabled auto-negotiation=yes poe-out=auto-on",
    "interface lte": "apn-profiles=default band= pin= mtu=1500 allow-roaming=no",
    "interface lte apn": "add-default-route=yes authentication=none default-route-distance=2 use-peer-dns=yes "
    "apn= user= password= ip-type=auto",
    "interface pppoe-client": "disabled=yes add-default-route=no use-peer-dns=no default-route-distance=1 "
    "profile=default service-name= ac-name= keepalive-timeout=10 max-mtu=auto max-mru=auto mrru=disabled "
    "dial-on-demand=no allow=pap,chap,mschap1,mschap2 user= password=",
    "interface wifi": "disabled=yes",
    "interface wireguard": "mtu=1420",
    "interface list": "include= exclude=",
    "ip pool": "next-pool=none",
    "ip dhcp-server": "address-pool=static-only lease-time=30m authoritative=yes add-arp=no always-broadcast=no",
    "ip dns": "servers= allow-remote-requests=no cache-size=2048KiB max-udp-packet-size=4096 use-doh-server= "
    "verify-doh-cert=no",
    "ip cloud": "ddns-enabled=auto update-time=yes",
    "ip neighbor discovery-settings": "discover-interface-list=static mode=tx-and-rx",
    "ip firewall connection tracking": "enabled=auto tcp-established-timeout=1d tcp-unacked-timeout=5m "
    "tcp-max-retrans-timeout=5m tcp-syn-sent-timeout=5s udp-timeout=30s udp-stream-timeout=3m icmp-timeout=10s "
    "generic-timeout=10m loose-tcp-tracking=yes",
    "ip service": "address= certificate=none tls-version=any vrf=main",
    "ip ssh": "strong-crypto=no forwarding-enabled=no always-allow-password-login=no host-key-size=2048",
    "ip settings": "rp-filter=no tcp-syncookies=no",
    "ipv6 settings": "disable-ipv6=no forward=yes",
    "ppp profile": "change-tcp-mss=default use-encryption=default only-one=default use-compression=default "
    "use-upnp=default",
    "snmp": "enabled=no contact= location= engine-id-suffix= src-address=:: "
    "trap-generators=temp-exception trap-interfaces= trap-target= trap-version=1 vrf=main",
    "snmp community": "name=public addresses=::/0 security=none read-access=yes write-access=no "
    "authentication-protocol=MD5 encryption-protocol=DES authentication-password= encryption-password=",
    "system clock": "time-zone-autodetect=yes time-zone-name=manual",
    "system identity": "name=MikroTik",
    "system note": "note= show-at-login=yes",
    "system ntp client": "enabled=no mode=unicast servers= vrf=main",
    "tool bandwidth-server": "enabled=yes authenticate=yes",
    "tool mac-server": "allowed-interface-list=all",
    "tool mac-server mac-winbox": "allowed-interface-list=all",
    "tool mac-server ping": "enabled=yes",
    "tool romon": "enabled=no secrets=",
}
_TABLE: Final = {
    path: dict(word.split("=", 1) for word in words.split()) for path, words in _DEFAULTS.items()
}  # fmt: skip


def replacing(current: str, text: str, *, strict: bool) -> tuple[str, ...]:
    """The commands that turn ``current`` into ``text``; empty when both hold the same items in the same order.

    ``strict``: items that stand in another order than wanted are taken out and made again.
    """
    old, new = Box(current), Box(text)
    change = _Change(old, new, strict=strict)
    paths = sorted(new.paths(), key=lambda path: _LATE.index(path) if path in _LATE else -1)
    for path in paths:
        change.menu(path)
    for path in reversed([*old.paths()]):
        change.remove_gone(path)
    return change.edit.commands()


class _Change:
    def __init__(self, old: Box, new: Box, *, strict: bool) -> None:
        self._old, self._new, self._strict = old, new, strict
        self.edit = Edit(old, any_text=True)

    def menu(self, path: str) -> None:
        """Everything of a menu but the named items that go."""
        old, new = self._old.all(path), self._new.all(path)
        for item in new:
            if item.single:
                self._set(self._old.one(path), item)
            elif item.handle:
                name, _, value = item.handle.removeprefix("[find ").removesuffix("]").partition("=")
                own = self._old.own(path, f"{name}={value}" if value else item.handle)
                self._set(own, item)
        self._reset(path)
        before, after = ([item for item in items if not item.single and not item.handle] for items in (old, new))
        if _named(path, before) and _named(path, after):
            self._by_name(path, before, after)
        else:
            self._in_order(path, before, after)

    def _reset(self, path: str) -> None:
        """Items that are always there and of which the wanted text says nothing: all at their defaults."""
        said = {item.handle for item in self._new.all(path)}
        for item in self._old.all(path):
            if (item.handle or item.single) and item.handle not in said:
                self._set(item, Item(path, handle=item.handle, single=item.single))

    def remove_gone(self, path: str) -> None:
        """Named items that are not wanted, and everything in menus of which the wanted text says nothing."""
        if path not in self._new.paths():
            self._reset(path)
        wanted = {item.text("name") for item in self._new.all(path)}
        named = _named(path, [item for item in self._old.all(path) if not item.handle and not item.single])
        for item in [item for item in self._old.all(path) if not item.handle and not item.single]:
            if path not in self._new.paths() or (named and item.text("name") not in wanted):
                self.edit.drop(item)

    def _set(self, item: Item, wanted: Item) -> None:
        values: dict[str, str | None] = {}
        key = (
            item.handle.removeprefix("[find ").partition("=")[0]
            if "=" in item.handle
            else "name"
            if item.handle
            else ""
        )
        for name in item.values:
            if name not in wanted.values and name != key:
                default = _default(item, name)
                if default is None or item.values[name] != default:
                    values[name] = default
        values.update((name, value) for name, value in wanted.values.items() if name != key)
        self.edit.put_all(item, values)

    def _by_name(self, path: str, before: Sequence[Item], after: Sequence[Item]) -> None:
        if self._strict:
            wanted = [item.text("name") for item in after]
            kept = [item for item in before if item.text("name") in wanted]
            order = [item.text("name") for item in kept]
            same = next((n for n, (a, b) in enumerate(zip(order, wanted, strict=False)) if a != b), len(order))
            for item in kept[same:]:
                self.edit.drop(item)
        for item in after:
            present = next(
                (i for i in self._old.all(path) if i.text("name") == item.text("name") and not i.handle), None
            )
            if present is None:
                self.edit.add(path, item.values)
            else:
                self._set(present, item)

    def _in_order(self, path: str, before: Sequence[Item], after: Sequence[Item]) -> None:
        old, new = ([tuple(sorted(item.values.items())) for item in items] for items in (before, after))
        blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
        kept = {b + n: a + n for a, b, size in blocks for n in range(size)}
        ordered = _ORDERED.fullmatch(path) is not None
        if self._strict and not ordered:
            same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            kept = {n: n for n in range(same)}
        gone = [item for number, item in enumerate(before) if number not in set(kept.values())]
        if not ordered:
            for item in reversed(gone):
                self.edit.drop(item)
        for number, item in enumerate(after):
            if number not in kept:
                following = min((n for n in kept if n > number), default=None)
                place = before[kept[following]] if ordered and following is not None else None
                self.edit.add(path, item.values, place)
        if ordered:
            for item in gone:
                self.edit.drop(item)


def _named(path: str, items: Sequence[Item]) -> bool:
    names = [item.text("name") for item in items]
    return path not in _UNNAMED and "" not in names and len(set(names)) == len(names)


def _default(item: Item, name: str) -> str | None:
    """What a property is unless something is said; None for what has to be unset."""
    if item.path == "ip service" and name == "port":
        return _PORTS.get(item.text("name"))
    if name == "name" and item.handle.startswith("[find default-name="):
        return item.text("default-name")
    return _TABLE.get(item.path, {}).get(name, _TABLE[""].get(name))


def with_own_secret(command: str, secret: str) -> str:
    """A command with the box's log-in where a backup left it out: a value of its own, or a part of a script."""
    if REMOVED not in command:
        return command
    once = escaped(secret)
    command = re.sub(rf"(?<==){REMOVED}(?=\s|\Z)", lambda _: f'"{once}"', command)
    command = command.replace(f'\\"{REMOVED}\\"', f'\\"{escaped(once)}\\"')
    return command.replace(REMOVED, once)
