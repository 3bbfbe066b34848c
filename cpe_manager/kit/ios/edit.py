"""Commands on their way from one IOS configuration to another, and what a box cannot take."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface
from typing import Final

from cpe_manager.domain.model.cpe_config import CpeConfig, Wan, WifiSecurity
from cpe_manager.domain.model.requirements import require
from cpe_manager.kit.ios.box import Box, short
from cpe_manager.kit.ios.read import band_of

IDLE: Final = {"tcp": 86_400, "udp": 300}
"""How long translations are remembered unless something is said, in seconds. What is said so is not shown."""


class Edit:
    """Commands on their way from one configuration to another, and the lines that are gone once they have run."""

    def __init__(self, box: Box, old: CpeConfig, new: CpeConfig) -> None:
        self.box, self.old, self.new = box, old, new
        self.commands: list[str] = []
        self.gone_lines: set[str] = set()
        self._loose: list[tuple[str, str]] = []
        line = short(box.line) if box.line is not None else ""
        dialer = short(box.dialer) if box.dialer is not None else "Dialer1"
        self.before = short(box.wan) if box.wan is not None and old.wan is not None else ""
        self.after = "" if new.wan is None else dialer if new.wan.mode == "pppoe" else line

    @property
    def goal(self) -> str:
        """Where the fixed line's default route is to point."""
        return default_of(self.new.wan, self.after)

    def add(self, *lines: str) -> None:
        self.commands += lines

    def remove(self, line: str) -> None:
        self.gone_lines.add(line)
        self.commands.append(f"no {line}")

    def within(self, head: str, lines: Iterable[str]) -> None:
        """Lines of a block; one that begins with ``no`` removes what follows."""
        lines = list(lines)
        self.gone_lines.update(line[3:] for line in lines if line.startswith("no "))
        if lines:
            self.commands += [head, *lines, "exit"]

    def loosen(self, kind: str, name: str) -> None:
        """An access list may have lost its last user."""
        self._loose.append((kind, name))

    def tidy(self) -> None:
        """Remove the access lists that nothing refers to any more."""
        kept = [line for block in self.box.blocks for line in (block.head, *block.lines) if line not in self.gone_lines]
        fresh = [command for command in self.commands if not command.startswith("no ")]
        for kind, name in dict.fromkeys(self._loose):
            own = (f"ip access-list {kind} {name}", f"access-list {name} ")
            users = [line for line in (*kept, *fresh) if name in line.split() and not line.startswith(own)]
            if not users and self.box.access_list(kind, name) is not None:
                named_list = self.box.block(own[0]) is not None
                self.commands.append(f"no {own[0]}" if named_list else f"no access-list {name}")

    def free_name(self, base: str) -> str:
        """A name that no list, pool or user of one has in this text."""
        used = {word for block in self.box.blocks for line in (block.head, *block.lines) for word in line.split()}
        used |= {word for command in self.commands for word in command.split()}
        return next(name for name in (base, *(f"{base}-{n}" for n in range(2, 1000))) if name not in used)


def check(box: Box, new: CpeConfig) -> None:
    """What this box cannot do, whatever the family can. Raises ``InputError``."""
    texts = [new.wan.username, new.wan.password] if new.wan else []
    texts += [new.mobile.username, new.mobile.password] if new.mobile else []
    texts += [text for wifi in new.wifi for text in (wifi.ssid, wifi.key)]
    require(not any("?" in text for text in texts), "a question mark asks the router's help and cannot be typed")
    for ssid in (wifi.ssid for wifi in new.wifi):
        require(ssid[0] not in "!#;" and not set(ssid) & set('+]/"'), f"the router takes no SSID like {ssid!r}")
    shared: dict[str, tuple[WifiSecurity, str]] = {}
    for wifi in new.wifi:
        same = shared.setdefault(wifi.ssid, (wifi.security, wifi.key)) == (wifi.security, wifi.key)
        require(same, f"one SSID ({wifi.ssid!r}) has one security and key on all radios of this router")
    bands = {band_of(radio) for radio in box.radios}
    for wifi in new.wifi:
        require(wifi.band in bands, f"this router has no radio for {wifi.band} GHz")
    require(new.wan is None or box.line is not None, "no interface of this router is the fixed line")
    require(new.lan is None or box.lan is not None, "no interface of this router is the customer's LAN")
    require(new.mobile is None or box.cellular is not None, "this router has no mobile interface")
    if new.lan is None:
        extra = new.wan is not None and (new.wan.ip_pack or new.wan.ipv6_prefix)
        require(not extra, "an IP pack or an IPv6 block needs a LAN")
    if new.snmp.trap_hosts:
        require(bool(new.snmp.communities), "a trap host needs a community")
    for timer in new.firewall.timers:
        default = timer.port is None and timer.seconds == IDLE[timer.protocol]
        require(not default, f"{timer.seconds} s is the router's own {timer.protocol} timer: it does not show it")


def dotted(address: IPv4Interface) -> str:
    return f"{address.ip} {address.netmask}"


def default_of(wan: Wan | None, name: str) -> str:
    """Where the default route of a WAN points."""
    if wan is None:
        return ""
    return {"pppoe": name, "dhcp": "dhcp", "static": str(wan.gateway)}[wan.mode]
