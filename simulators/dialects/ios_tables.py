"""What an IOS router's show commands print about its interfaces and itself, for people and for tools."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from simulators.dialects.uplink import mobile_address
from simulators.generate.site import make_site
from simulators.state import DeviceState

_SPEED = {
    "GigabitEthernet": 1_000_000,
    "FastEthernet": 100_000,
    "Loopback": 8_000_000,
    "Dialer": 56,
    "Cellular": 50_000,
}


@dataclass(frozen=True, slots=True)
class Row:
    """An interface of the running configuration."""

    name: str
    lines: tuple[str, ...]
    number: int

    @property
    def down(self) -> bool:
        return "shutdown" in self.lines

    @property
    def status(self) -> str:
        state = "administratively down, line protocol is down" if self.down else "up, line protocol is up"
        return f"{self.name} is {state}"

    @property
    def description(self) -> str:
        return next((line.partition(" ")[2] for line in self.lines if line.startswith("description ")), "")

    @property
    def addresses(self) -> list[tuple[ipaddress.IPv4Interface, bool]]:
        """Addresses, each with whether it is a secondary one."""
        found = (re.fullmatch(r"ip address (\d\S+) (\S+)( secondary)?", line) for line in self.lines)
        return [(ipaddress.IPv4Interface(f"{m[1]}/{m[2]}"), bool(m[3])) for m in found if m]

    @property
    def negotiated(self) -> bool:
        """Whether the other side gives the address."""
        return bool({"ip address negotiated", "ip address dhcp"} & set(self.lines))

    def carries(self, state: DeviceState) -> bool:
        """Whether the line protocol is up: the fixed line's follows the line, the modem's the mobile network."""
        if self.name.startswith("Cellular"):
            return not self.down and state.mobile_up
        return not self.down and (state.line_up or "ip nat outside" not in self.lines)

    def mac(self, state: DeviceState) -> str:
        digits = make_site(state.spec).mac.replace(":", "")
        own = f"{int(digits, 16) + self.number:012x}"
        return f"{own[:4]}.{own[4:8]}.{own[8:]}"


def rows(state: DeviceState) -> Iterator[Row]:
    blocks = re.finditer(r"^interface (\S+)\n((?: .*\n)*)", state.running, re.MULTILINE)
    for number, block in enumerate(blocks):
        yield Row(block.group(1), tuple(line.strip() for line in block.group(2).splitlines()), number)


def brief(state: DeviceState) -> str:
    found = [f"{'Interface':<27}{'IP-Address':<16}OK? Method Status                Protocol"]
    for row in rows(state):
        carries = row.carries(state)
        outside = mobile_address(state.spec) if row.name.startswith("Cellular") else make_site(state.spec).wan_ip
        given = outside if row.negotiated and carries else "unassigned"
        address = next((str(a.ip) for a, second in row.addresses if not second), given)
        status = "administratively down" if row.down else "up" if carries else "down"
        found.append(f"{row.name:<27}{address:<16}YES NVRAM  {status:<22}{'up' if carries else 'down'}")
    return "\n".join(found) + "\n"


def interfaces(state: DeviceState) -> str:
    text = ""
    for row in rows(state):
        kind = re.sub(r"[\d/.]+$", "", row.name)
        speed = _SPEED.get(kind, 100_000)
        mtu = next((line.split()[2] for line in row.lines if line.startswith("ip mtu ")), "1500")
        hardware = f"  Hardware is {kind}, address is {row.mac(state)} (bia {row.mac(state)})\n"
        text += f"{row.status} \n"
        text += hardware if kind not in ("Loopback", "Dialer") else f"  Hardware is {kind}\n"
        text += f"  Description: {row.description}\n" if row.description else ""
        text += "".join(f"  Internet address is {address}\n" for address, second in row.addresses if not second)
        text += (
            f"  MTU {mtu} bytes, BW {speed} Kbit/sec, DLY 10 usec, \n"
            "     reliability 255/255, txload 1/255, rxload 1/255\n  Encapsulation ARPA, loopback not set\n"
        )
    return text


def ip_interfaces(state: DeviceState) -> str:
    text = ""
    for row in rows(state):
        text += f"{row.status}\n"
        for address, second in row.addresses:
            text += f"  {'Secondary address' if second else 'Internet address is'} {address}\n"
        if not row.addresses:
            text += "  Internet protocol processing disabled\n"
            continue
        text += "  Broadcast address is 255.255.255.255\n  MTU is 1500 bytes\n"
    return text


def ipv6_interfaces(state: DeviceState) -> str:
    prefixes = dict(re.findall(r"^ipv6 general-prefix (\S+) (\S+)$", state.running, re.MULTILINE))
    text = ""
    for row in rows(state):
        found = [line.split()[2:] for line in row.lines if line.startswith("ipv6 address ") and "/" in line]
        addresses = [a for words in found if (a := _address(words, prefixes))]
        if not addresses and "ipv6 enable" not in row.lines:
            continue
        own = ipaddress.IPv6Address((0xFE80 << 112) + row.number + 1)
        text += f"{row.status}\n  IPv6 is enabled, link-local address is {str(own).upper()} \n"
        text += "  Global unicast address(es):\n" if addresses else "  No global unicast address is configured\n"
        for address in addresses:
            text += f"    {str(address.ip).upper()}, subnet is {str(address.network).upper()} \n"
    return text


def _address(words: list[str], prefixes: dict[str, str]) -> ipaddress.IPv6Interface | None:
    if len(words) == 1:
        return ipaddress.IPv6Interface(words[0])
    if words[0] not in prefixes:
        return None
    base, rest = ipaddress.IPv6Network(prefixes[words[0]]), ipaddress.IPv6Interface(words[1])
    return ipaddress.IPv6Interface((int(base.network_address) | int(rest.ip), rest.network.prefixlen))


def arp(state: DeviceState) -> str:
    """The hosts that have a reservation, and the box itself."""
    head = "Protocol  Address          Age (min)  Hardware Addr   Type   Interface\n"
    lines = []
    for row in rows(state):
        for address, _ in row.addresses:
            if address.network.prefixlen < 31:
                lines.append(f"Internet  {address.ip!s:<16}        -   {row.mac(state)}  ARPA   {row.name}\n")
                pools = re.findall(r"^ host (\S+) .*\n hardware-address (\S+)", state.running, re.MULTILINE)
                for number, (host, mac) in enumerate(pools):
                    if ipaddress.IPv4Address(host) in address.network:
                        lines.append(f"Internet  {host:<16} {number % 240:>8}   {mac}  ARPA   {row.name}\n")
    return head + "".join(lines)


def hosts(state: DeviceState) -> str:
    domain = re.search(r"^ip domain name (\S+)", state.running, re.MULTILINE)
    servers = ", ".join(re.findall(r"^ip name-server (.*)$", state.running, re.MULTILINE)).replace(" ", ", ")
    return (
        f"Default domain is {domain[1] if domain else 'not set'}\nName/address lookup uses domain service\n"
        f"Name servers are {servers or '255.255.255.255'}\n\n"
    )


def processor(state: DeviceState) -> str:
    busy = int(state.uptime) % 7 + 1
    return (
        f"CPU utilization for five seconds: {busy}%/0%; one minute: {busy}%; five minutes: {busy}%\n"
        " PID Runtime(ms)     Invoked      uSecs   5Sec   1Min   5Min TTY Process \n"
        "   1           4          26        153  0.00%  0.00%  0.00%   0 Chunk Manager    \n"
    )


def memory(_state: DeviceState) -> str:
    return (
        "                Head    Total(b)     Used(b)     Free(b)   Lowest(b)  Largest(b)\n"
        "Processor   8A09CC00   329659392    98201644   231457748   229934636   226983308\n"
        "      I/O    E000000    33554432    16221364    17333068    17180464    17197116\n"
    )


def chassis(state: DeviceState) -> str:
    return f"{make_site(state.spec).serial}\n"
