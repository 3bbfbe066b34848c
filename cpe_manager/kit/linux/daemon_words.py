"""The neutral model in the files of a Linux router's daemons: dnsmasq, net-snmp, and the box's name.

Each has a reader, and a writer that changes the lines which carry the model where they stand; everything else in the
files stays. Where a daemon has no file yet, a writer makes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from cpe_manager.domain.model.cpe_config import DhcpServer, Lan, Reservation, Snmp, SnmpCommunity
from cpe_manager.domain.model.requirements import is_domain
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.linux.file_bundle import Files

DNSMASQ: Final = r"/etc/dnsmasq\.conf|/etc/dnsmasq\.d/[^/.][^/]*"
SNMPD: Final = "/etc/snmp/snmpd.conf"
HOSTNAME: Final = "/etc/hostname"
HOSTS: Final = "/etc/hosts"
_DNSMASQ_HOME: Final = "/etc/dnsmasq.d/cpe.conf"
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_UNITS: Final = {"": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_LEASE: Final = 31_536_000
_ROUTER: Final = re.compile(r"(dhcp-option=(?:3|option:router),)([0-9.]+)")
_NAMES: Final = ("no-resolv", "strict-order")
_COMMUNITY: Final = re.compile(r"(ro|rw)community\s+(\S+)(?:\s+(\S+))?\s*")
_TRAP: Final = re.compile(r"trap2sink\s+([0-9.]+)(?:\s+(\S+))?\s*")


def read_name(files: Files) -> str:
    return files.text(HOSTNAME).strip()


def write_name(files: Files, wanted: str) -> None:
    """The box's name, and its own line in the table of hosts: without that, `sudo` waits for a name server."""
    before = read_name(files)
    files.write(HOSTNAME, f"{wanted}\n")
    if before:
        old = re.compile(rf"(?<![\w.-]){re.escape(before)}(?=[.\s]|$)")
        lines = [old.sub(wanted, line) if line.startswith("127.0.1.1") else line for line in files.lines(HOSTS)]
        if lines != files.lines(HOSTS):
            files.write(HOSTS, "".join(f"{line}\n" for line in lines))


def _options(files: Files, option: str) -> Iterator[str]:
    """Values of an option of dnsmasq, in all of its files."""
    for path in files.paths(DNSMASQ):
        for line in files.lines(path):
            if line.startswith(f"{option}="):
                yield line[len(option) + 1 :].partition(" #")[0].strip()


def lan_interface(files: Files) -> str | None:
    """The interface that dnsmasq serves."""
    return next((name for name in _options(files, "interface") if name != "lo"), None)


def serve_on(files: Files, lan: str) -> None:
    """A dnsmasq that nobody has told where to serve would serve everywhere."""
    if lan_interface(files) is None and any(files.text(path) for path in files.paths(DNSMASQ)):
        lines = (f"interface={lan}", "bind-dynamic")
        files.swap([_DNSMASQ_HOME], _DNSMASQ_HOME, lines.__contains__, lines)


def _lease(text: str) -> int:
    """Seconds, in what the model can say; an hour where nothing is said, as dnsmasq has it."""
    found = re.fullmatch(r"([0-9]{1,9})([mhdw]?)", text.lower())
    if found is None:
        return _LONGEST_LEASE if text == "infinite" else 3600
    return min(max(120, -(-int(found[1]) * _UNITS[found[2]] // 60) * 60), _LONGEST_LEASE)


def _lease_text(seconds: int) -> str:
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else f"{seconds // 60}m"


def _range(value: str, lan: Lan) -> tuple[IPv4Address, IPv4Address, int] | None:
    """The pool and lease time of a ``dhcp-range``; None for one that is not for hosts of the LAN."""
    words = [word for word in value.split(",") if not re.match(r"(?:set|tag|interface):", word)]
    ends = [attempt(IPv4Address, word) for word in words[:2]]
    first, last = ends if len(ends) == 2 else (None, None)
    if first is None or last is None:
        return None
    rest = [word for word in words[2:] if "." not in word]
    network, own = lan.address.network, lan.address.ip
    # dnsmasq hands out neither the ends of the network nor its own address; of two pieces the upper one counts.
    first, last = max(first, network.network_address + 1), min(last, network.broadcast_address - 1)
    if first <= own <= last:
        first, last = (own + 1, last) if own < last else (first, own - 1)
    return (first, last, _lease(rest[-1] if rest else "")) if first <= last else None


def _reservation(value: str) -> Reservation:
    words = value.split(",")
    mac = next((word.lower() for word in words if _MAC.fullmatch(word)), "")
    address = next((found for word in words if (found := attempt(IPv4Address, word))), None)
    if address is None:
        raise ValueError("no address is reserved")
    return Reservation(mac, address)


def _fits(made: Reservation | None, lan: Lan) -> bool:
    network = lan.address.network
    outer = (network.network_address, network.broadcast_address, lan.address.ip)
    return made is not None and made.address in network and made.address not in outer


def read_dhcp(files: Files, lan: Lan | None) -> DhcpServer | None:
    if lan is None:
        return None
    pool = next((found for value in _options(files, "dhcp-range") if (found := _range(value, lan))), None)
    if pool is None:
        return None
    macs, addresses, kept = set[str](), set[IPv4Address](), []
    for value in _options(files, "dhcp-host"):
        made = attempt(_reservation, value)
        if made and _fits(made, lan) and made.mac not in macs and made.address not in addresses:
            kept.append(made)
            macs.add(made.mac)
            addresses.add(made.address)
    domain = next((value for value in _options(files, "domain") if is_domain(value)), "")
    return attempt(DhcpServer, *pool, domain, tuple(kept))


def write_dhcp(
    files: Files, before: tuple[Lan | None, DhcpServer | None], after: tuple[Lan, DhcpServer | None]
) -> None:
    (old_lan, found), (lan, wanted) = before, after
    if old_lan is not None and old_lan.address.ip != lan.address.ip:
        _rename_router(files, str(old_lan.address.ip), str(lan.address.ip))
    if found == wanted:
        return
    old = old_lan or lan
    paths = files.paths(DNSMASQ)

    def ours(option: str) -> list[tuple[str, str]]:
        lines = (line for path in paths for line in files.lines(path))
        return [(line, line.partition("=")[2]) for line in lines if line.startswith(f"{option}=")]

    ranges = [line for line, value in ours("dhcp-range") if _range(value, old) or _range(value, lan)]
    made = {line: attempt(_reservation, value) for line, value in ours("dhcp-host")}
    hosts = {line: host for line, host in made.items() if _fits(host, old) or _fits(host, lan)}
    if wanted is None:
        # A reservation without a pool is harmless, but then it would come back with the next pool.
        files.swap(paths, _DNSMASQ_HOME, {*ranges, *hosts}.__contains__, ())
        _write_domain(files, paths, found.domain if found else "", "")
        return
    if found is None or (found.first, found.last, found.lease_seconds) != (
        wanted.first,
        wanted.last,
        wanted.lease_seconds,
    ):
        line = f"dhcp-range={wanted.first},{wanted.last},{lan.address.netmask},{_lease_text(wanted.lease_seconds)}"
        files.swap(paths, _DNSMASQ_HOME, ranges.__contains__, (line,))
    if found is None or found.reservations != wanted.reservations:
        kept = {host: line for line, host in hosts.items()}
        lines = [kept.get(host, f"dhcp-host={host.mac},{host.address}") for host in wanted.reservations]
        files.swap(paths, _DNSMASQ_HOME, hosts.__contains__, lines)
    _write_domain(files, paths, found.domain if found else "", wanted.domain)


def _write_domain(files: Files, paths: Sequence[str], before: str, wanted: str) -> None:
    if before != wanted or not before:
        lines = [f"domain={wanted}"] if wanted else []
        files.swap(paths, _DNSMASQ_HOME, lambda line: line.startswith("domain=") and is_domain(line[7:]), lines)


def _rename_router(files: Files, before: str, after: str) -> None:
    """Clients that are told our old address as their router are told the new one."""
    for path in files.paths(DNSMASQ):
        lines = [
            f"{found[1]}{after}" if (found := _ROUTER.fullmatch(line)) and found[2] == before else line
            for line in files.lines(path)
        ]
        if lines != files.lines(path):
            files.write(path, "".join(f"{line}\n" for line in lines))


def read_dns(files: Files) -> tuple[IPv4Address, ...]:
    found = (attempt(IPv4Address, value) for value in _options(files, "server"))
    return tuple(dict.fromkeys(server for server in found if server))


def write_dns(files: Files, wanted: tuple[IPv4Address, ...]) -> None:
    """Name servers of our own mean: these alone, and in this order."""

    def ours(line: str) -> bool:
        return line in _NAMES or (line.startswith("server=") and attempt(IPv4Address, line[7:].strip()) is not None)

    if read_dns(files) != wanted:
        lines = [*_NAMES, *(f"server={address}" for address in wanted)] if wanted else []
        files.swap(files.paths(DNSMASQ), _DNSMASQ_HOME, ours, lines)


def _community(line: str) -> SnmpCommunity:
    found = _COMMUNITY.fullmatch(line)
    if found is None:
        raise ValueError("no community of the model")
    source = None if found[3] in (None, "default") else IPv4Network(found[3])
    return SnmpCommunity(found[2], found[1] == "rw", source)


def _said(lines: Sequence[str], option: str) -> str:
    found = (line.partition(" ")[2].strip() for line in lines if line.lower().startswith(f"{option.lower()} "))
    text = next(found, "")
    return text if attempt(Snmp, location=text) else ""


def read_snmp(files: Files) -> Snmp:
    lines = files.lines(SNMPD)
    made = [community for line in lines if (community := attempt(_community, line))]
    first = {community.name: community for community in reversed(made)}
    hosts = (attempt(IPv4Address, match[1]) for line in lines if (match := _TRAP.fullmatch(line)))
    location, contact = _said(lines, "sysLocation"), _said(lines, "sysContact")
    return Snmp(tuple(first.values()), location, contact, tuple(host for host in hosts if host))


def write_snmp(files: Files, wanted: Snmp) -> None:
    found = read_snmp(files)
    if found == wanted:
        return
    if found.communities != wanted.communities:
        lines = [
            f"{'rw' if made.write else 'ro'}community {made.name} {made.source or 'default'}"
            for made in wanted.communities
        ]
        files.swap([SNMPD], SNMPD, lambda line: attempt(_community, line) is not None, lines)
    for option, before, after in (
        ("sysLocation", found.location, wanted.location),
        ("sysContact", found.contact, wanted.contact),
    ):
        if before != after:
            lines = [f"{option} {after}"] if after else []
            files.swap([SNMPD], SNMPD, _starts(f"{option.lower()} "), lines)
    names = {community.name for community in wanted.communities}
    used = {match[2] for line in files.lines(SNMPD) if (match := _TRAP.fullmatch(line))} - {None}
    if found.trap_hosts != wanted.trap_hosts or used - names:
        name = f" {wanted.communities[0].name}" if wanted.communities else ""
        lines = [f"trap2sink {host}{name}" for host in wanted.trap_hosts]
        files.swap([SNMPD], SNMPD, lambda line: _TRAP.fullmatch(line) is not None, lines)


def _starts(start: str) -> Callable[[str], bool]:
    return lambda line: line.lower().startswith(start)


def usual_lan(interfaces: Collection[str]) -> str:
    """The LAN's interface by its usual names, where no daemon names it."""
    usual = ("br-lan", "br0", "lan", "lan0", "eth1")
    return next((name for name in usual if name in interfaces), "br-lan")
