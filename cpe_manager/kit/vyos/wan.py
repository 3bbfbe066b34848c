"""The internet side and the LAN of a VyOS configuration, and the DHCP server between them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import DhcpServer, Lan, Reservation, Wan
from cpe_manager.kit.addresses import ipv4
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.vyos.roles import (
    DEFAULT_ROUTE,
    default_gateways,
    fixed,
    fixed6,
    is_newer,
    is_private,
    lan_of,
    line_below,
    lowest_free,
    masqueraded,
    path_of,
    subnets,
    wan_of,
)
from cpe_manager.kit.vyos.set_lines import Path, SetLines, remembered

_SHARED: Final = ("service", "dhcp-server", "shared-network-name")
_LEASE: Final = 86_400
_OPTIONS: Final[dict[bool, Path]] = {False: (), True: ("option",)}
"""Where the options of a subnet stand, before 1.5 and since."""


def read_wan(box: SetLines) -> Wan | None:
    name = wan_of(box)
    if not name:
        return None
    path, more = path_of(name), (_prefix(box), _router(box), _pack(box))
    if name.startswith("pppoe"):
        address = attempt(IPv4Interface, box.value((*path, "local-address")) or "none")
        login = [box.value((*path, "authentication", part)) for part in ("username", "password")]
        return attempt(Wan, "pppoe", address, None, *login, *more)
    if "dhcp" in box.values((*path, "address")):
        return attempt(Wan, "dhcp", None, None, "", "", *more)
    for address in fixed(box, name):
        for gateway in default_gateways(box):
            if gateway in address.network:
                return attempt(Wan, "static", address, gateway, "", "", *more)
    return None


@remembered
def read_lan(box: SetLines) -> Lan | None:
    found = (attempt(Lan, address) for address in _inside(box))
    return next((lan for lan in found if lan is not None), None)


def _inside(box: SetLines) -> list[IPv4Interface]:
    """The addresses on the LAN, private ones first: what else is there is an IP pack, as a rule."""
    return sorted(fixed(box, lan_of(box)), key=lambda address: not is_private(address))


def _pack(box: SetLines) -> IPv4Network | None:
    for address in _inside(box)[1:]:
        network = address.network
        if 27 <= network.prefixlen <= 30 and address.ip == network.network_address + 1:
            return network
    return None


def _prefix(box: SetLines) -> IPv6Network | None:
    """The block of which the LAN has ``::1`` in the first /64."""
    for address in fixed6(box, lan_of(box)):
        block = address.network.supernet(new_prefix=56) if address.network.prefixlen == 64 else None
        if block is not None and address.ip == block.network_address + 1:
            return block
    return None


def _router(box: SetLines) -> IPv6Address | None:
    block = _prefix(box)
    inside = Wan("dhcp", ipv6_prefix=block)
    if block is None or inside.lan_ipv6 is None:
        return None
    for hop in box.names(f"protocols static route6 {inside.routed_ipv6} next-hop"):
        wan = attempt(Wan, "dhcp", ipv6_prefix=block, ipv6_router=IPv6Address(hop))
        if wan is not None:
            return wan.ipv6_router
    return None


def write_wan(box: SetLines, wanted: Wan | None) -> None:
    """To be called once the LAN stands: the IP pack and the IPv6 block are on it."""
    if read_wan(box) == wanted:
        return
    before, old = read_wan(box), wan_of(box)
    _write_blocks(box, before, wanted)
    base = line_below(box, old) if old else next(iter(box.names("interfaces ethernet")), "")
    if not base:
        raise InputError("no interface for the internet side is to be found")
    if before is not None and before.gateway not in (None, wanted.gateway if wanted else None):
        box.drop(f"{DEFAULT_ROUTE} next-hop {before.gateway}")
    if wanted is None:
        _write_addresses(box, base, None)
        _hang_up(box, old)
        return
    name = _write_mode(box, wanted, old, base)
    if old and old != name:
        _follow(box, old, name)
    _write_autoconf(box, name, old, wanted.ipv6_prefix is not None)
    inside = read_lan(box)
    if inside is not None and name not in masqueraded(box):
        hide_behind(box, name, inside)


def _write_mode(box: SetLines, wanted: Wan, old: str, base: str) -> str:
    """The mode's own lines. Returns the name of the interface that is the WAN now."""
    if wanted.mode == "pppoe":
        name = old if old.startswith("pppoe") else next(iter(box.names("interfaces pppoe")), "pppoe0")
        path = path_of(name)
        if name != old:
            _write_addresses(box, base, None)
            box.drop((*path, "disable"), keep=3)
            box.put((*path, "source-interface"), base)
            for leaf, usual in (("description", "WAN"), ("mtu", "1492")):
                box.put((*path, leaf), box.value((*path, leaf), usual))
        box.put((*path, "authentication", "username"), wanted.username)
        box.put((*path, "authentication", "password"), wanted.password)
        box.put((*path, "local-address"), *([str(wanted.address.ip)] if wanted.address else []))
        return name
    _hang_up(box, old)
    _write_addresses(box, base, wanted)
    if not box.value((*path_of(base), "description")):
        box.put((*path_of(base), "description"), "WAN")
    if wanted.gateway is not None:
        box.mark(f"{DEFAULT_ROUTE} next-hop {wanted.gateway}")
    return base


def _hang_up(box: SetLines, name: str) -> None:
    """Switch a PPPoE interface off and forget its log-in. How else it was configured stays, for the day it is dialled
    again."""
    if name.startswith("pppoe"):
        path = path_of(name)
        box.mark((*path, "disable"))
        for part in ("authentication", "local-address"):
            box.drop((*path, part))


def _write_addresses(box: SetLines, name: str, wanted: Wan | None) -> None:
    """The IPv4 addresses of an interface; those of IPv6 are left as they are."""
    path = path_of(name)
    kept = [one for one in box.values((*path, "address")) if one == "dhcpv6" or ":" in one]
    if wanted is not None:
        kept.insert(0, "dhcp" if wanted.address is None else str(wanted.address))
    box.mark(path)
    if kept:
        box.put((*path, "address"), *kept)
    else:
        box.drop((*path, "address"), keep=len(path))


def _follow(box: SetLines, old: str, new: str) -> None:
    """What the old WAN interface was named for names the new one: rules, groups, zones."""
    quoted = f"'{old}'"

    def renamed(line: Path) -> Path:
        named = line[0] in ("nat", "firewall") and line[-1] == quoted
        return (*line[:-1], f"'{new}'") if named and line[-2] in ("name", "interface") else line

    box.replace(renamed)


def _write_autoconf(box: SetLines, name: str, old: str, wanted: bool) -> None:
    """The line itself gets its IPv6 address by router advertisement, as long as there is a block behind it."""
    if old and old != name:
        box.drop((*path_of(old), "ipv6", "address", "autoconf"), keep=3)
    path = (*path_of(name), "ipv6", "address", "autoconf")
    if wanted:
        box.mark(path)
    else:
        box.drop(path, keep=3)


def hide_behind(box: SetLines, name: str, inside: Lan) -> None:
    """NAT: the inside goes out behind the address of an interface."""
    rule = ("nat", "source", "rule", lowest_free(box.names("nat source rule"), 100))
    box.put((*rule, "outbound-interface", "name"), name)
    box.put((*rule, "source", "address"), str(inside.address.network))
    box.put((*rule, "translation", "address"), "masquerade")


def _write_blocks(box: SetLines, before: Wan | None, wanted: Wan | None) -> None:
    """The IP pack's and the IPv6 block's own addresses on the LAN, and the route to the router behind it."""
    name = lan_of(box)
    old, new = _own(before), _own(wanted)
    if new and not name:
        raise InputError("an IP pack and an IPv6 block need a LAN")
    if name and old != new:
        path = (*path_of(name), "address")
        kept = [one for one in box.values(path) if one not in old]
        box.put(path, *kept, *(one for one in new if one not in kept))
    for line in _announced(before, name) - _announced(wanted, name):
        box.drop(line)
    for line in _announced(wanted, name):
        box.mark(line)


def _announced(wan: Wan | None, name: str) -> set[str]:
    """What makes an IPv6 block known: to the LAN, and the half of it that is routed to the router there."""
    if wan is None or wan.lan_ipv6 is None:
        return set()
    lines = {f"service router-advert interface {name} prefix {wan.lan_ipv6.network}"}
    return lines | (
        {f"protocols static route6 {wan.routed_ipv6} next-hop {wan.ipv6_router}"} if wan.ipv6_router else set()
    )


def _own(wan: Wan | None) -> list[str]:
    if wan is None:
        return []
    return [str(one) for one in (wan.ip_pack_address, wan.lan_ipv6) if one is not None]


def write_lan(box: SetLines, wanted: Lan | None) -> None:
    """The CPE's own address, and whatever names it or its network: NAT, name and time server, services' listeners."""
    before = read_lan(box)
    if before == wanted:
        return
    name = lan_of(box)
    if not name:
        name = next((one for one in box.names("interfaces ethernet") if one != line_below(box, wan_of(box))), "")
    if not name:
        raise InputError("no interface for the LAN is to be found")
    path = (*path_of(name), "address")
    old = str(before.address) if before else ""
    kept = [one for one in box.values(path) if one != old]
    if wanted is None:
        box.put(path, *kept)
        return
    box.put(path, *kept, str(wanted.address))
    if not box.value((*path_of(name), "description")):
        box.put((*path_of(name), "description"), "LAN")
    if before is None:
        return
    renamed = {
        str(before.address.ip): str(wanted.address.ip),
        str(before.address.network): str(wanted.address.network),
    }
    box.replace(lambda line: _readdressed(line, renamed))


def _readdressed(line: Path, renamed: dict[str, str]) -> Path:
    """A line in which the LAN's address or network stands, with the new one."""
    last = line[-1].strip("'")
    if last not in renamed or line[:2] == ("service", "dhcp-server"):
        return line
    if line[:2] == ("nat", "source") or line[0] == "service":
        return (*line[:-1], line[-1].replace(last, renamed[last]))
    return line


def read_dhcp(box: SetLines) -> DhcpServer | None:
    inside = read_lan(box)
    path = _subnet(box, inside)
    if inside is None or not path or box.has((*path, "disable")) or box.has("service dhcp-server disable"):
        return None
    own, ranges = inside.address.ip, box.names((*path, "range"))
    if not ranges:
        return None
    ends = [attempt(IPv4Address, box.value((*path, "range", ranges[0], end))) for end in ("start", "stop")]
    first, last = ends
    if first is None or last is None:
        return None
    if first <= own <= last:
        # The box leaves its own address out by itself; the model says so.
        first, last = (own + 1, last) if int(last) - int(own) >= int(own) - int(first) else (first, own - 1)
    lease = int(box.value((*path, "lease"), str(_LEASE)))
    domain = box.value((*path, *_OPTIONS[is_newer(box)], "domain-name"))
    return attempt(DhcpServer, first, last, lease, domain, tuple(_reservations(box, path).values()))


def _subnet(box: SetLines, inside: Lan | None) -> Path:
    """Where the LAN's subnet is served; empty when it is not."""
    network = str(inside.address.network) if inside else ""
    return next(((*_SHARED, name, "subnet", subnet) for name, subnet in subnets(box) if subnet == network), ())


def _reservations(box: SetLines, path: Path) -> dict[str, Reservation]:
    """By the name that the mapping has."""
    found: dict[str, Reservation] = {}
    served, taken = IPv4Network(path[-1]), set[object]()
    for name in box.names((*path, "static-mapping")):
        entry = (*path, "static-mapping", name)
        mac = box.value((*entry, "mac-address")) or box.value((*entry, "mac"))
        address = ipv4(box.value((*entry, "ip-address")))
        made = attempt(Reservation, mac.lower(), address) if address else None
        if made is None or box.has((*entry, "disable")) or address not in served:
            continue
        if taken.isdisjoint((made.mac, made.address)):
            taken |= {made.mac, made.address}
            found[name] = made
    return found


def write_dhcp(box: SetLines, wanted: DhcpServer | None, before: Lan | None) -> None:
    """``before``: the LAN that the subnet in the text belongs to, if the LAN has moved since."""
    inside, old = read_lan(box), _subnet(box, before)
    if wanted is None or inside is None:
        if old and (read_dhcp(box) is not None or _subnet(box, inside) != old):
            _drop_subnet(box, old)
        return
    newer = is_newer(box)
    options = _OPTIONS[newer]
    path = (*(old[:4] or (*_SHARED, "LAN")), "subnet", str(inside.address.network))
    if old and old != path:
        _move_subnet(box, old, path, options, {str(before.address.ip) if before else "": str(inside.address.ip)})
    if read_dhcp(box) == wanted:
        return
    if not old:
        box.mark((*path[:4], "authoritative"))
        box.put((*path, *options, "default-router"), str(inside.address.ip))
        box.put((*path, *options, "name-server"), *box.values("system name-server"))
    if newer and not box.has((*path, "subnet-id")):
        taken = [box.value((*_SHARED, name, "subnet", one, "subnet-id")) for name, one in subnets(box)]
        box.put((*path, "subnet-id"), lowest_free(taken, 1, 1))
    box.drop((*path, "disable"))
    box.drop("service dhcp-server disable")
    pool = (*path, "range", next(iter(box.names((*path, "range"))), "0"))
    box.put((*pool, "start"), str(wanted.first))
    box.put((*pool, "stop"), str(wanted.last))
    if int(box.value((*path, "lease"), str(_LEASE))) != wanted.lease_seconds:
        box.put((*path, "lease"), str(wanted.lease_seconds))
    box.put((*path, *options, "domain-name"), *([wanted.domain] if wanted.domain else []))
    _write_reservations(box, path, wanted, "mac" if newer else "mac-address")


def _move_subnet(box: SetLines, old: Path, path: Path, options: Path, renamed: dict[str, str]) -> None:
    """Serve another network as the old one was served; what is an address of the old network cannot come along."""
    box.move(old, path)
    box.drop((*path, "static-mapping"), keep=len(path))
    box.drop((*path, "exclude"), keep=len(path))
    for extra in box.names((*path, "range"))[1:]:
        box.drop((*path, "range", extra), keep=len(path))
    for leaf in ("default-router", "name-server", "ntp-server"):
        where = (*path, *options, leaf)
        box.put(where, *(renamed.get(one, one) for one in box.values(where)))


def _drop_subnet(box: SetLines, path: Path) -> None:
    """A shared network without a subnet is refused by the box, and so is a server without a shared network."""
    box.drop(path)
    if not box.names((*path[:4], "subnet")):
        box.drop(path[:4])
    if not box.names(_SHARED):
        box.drop("service dhcp-server")


def _write_reservations(box: SetLines, path: Path, wanted: DhcpServer, leaf: str) -> None:
    there = _reservations(box, path)
    for name, kept in there.items():
        if kept.mac not in [one.mac for one in wanted.reservations]:
            box.drop((*path, "static-mapping", name), keep=len(path))
    names = {one.mac: name for name, one in there.items()}
    for one in wanted.reservations:
        name = names.get(one.mac, f"host-{one.mac.replace(':', '')}")
        box.put((*path, "static-mapping", name, "ip-address"), str(one.address))
        if name not in there:
            box.put((*path, "static-mapping", name, leaf), one.mac)
