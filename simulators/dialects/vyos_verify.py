"""What a commit checks before it changes anything: the rules of the scripts that own parts of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from simulators.dialects.vyos_config import Tree, exists, subtree, value, values

Complaint = tuple[str, str]
"""The path of the part that is refused, and why."""
_PORTS_PROTOCOLS = ("tcp", "udp", "tcp_udp")


def complaints(tree: Tree, release: str) -> list[Complaint]:
    """Every part that a commit of this configuration would fail on."""
    found = [complaint for check in _CHECKS for complaint in check(tree)]
    return found if release == "1.4" else [*found, *_subnet_ids(tree)]


def _subnet_ids(tree: Tree) -> Iterator[Complaint]:
    """1.5 wants a number for each subnet, another one for each."""
    seen: set[str] = set()
    path = "service dhcp-server"
    for shared in values(tree, f"{path} shared-network-name"):
        for subnet in values(tree, f"{path} shared-network-name {shared} subnet"):
            number = value(tree, f"{path} shared-network-name {shared} subnet {subnet} subnet-id")
            if not number:
                yield path, f'Unique subnet ID not specified for subnet "{subnet}"'
            elif number in seen:
                yield path, f'Subnet ID "{number}" is not unique'
            seen.add(number)


def _interfaces(tree: Tree) -> Iterator[Complaint]:
    for name in values(tree, "interfaces pppoe"):
        path = f"interfaces pppoe {name}"
        if not value(tree, f"{path} source-interface"):
            yield path, f'Physical source-interface required for "{name}"!'
        yield from _login(tree, path)
    for name in values(tree, "interfaces wwan"):
        path = f"interfaces wwan {name}"
        if not value(tree, f"{path} apn"):
            yield path, f'No APN configured for "{name}"!'
        yield from _login(tree, path)
    for name in values(tree, "interfaces bridge"):
        for member in values(tree, f"interfaces bridge {name} member interface"):
            if value(tree, f"interfaces {_kind(member)} {member} address"):
                yield (
                    f"interfaces bridge {name}",
                    f'Interface "{member}" has an assigned address',
                )


def _login(tree: Tree, path: str) -> Iterator[Complaint]:
    parts = [bool(value(tree, f"{path} authentication {part}")) for part in ("username", "password")]
    if exists(tree, f"{path} authentication".split()) and not all(parts):
        yield path, 'Authentication requires both "username" and "password" to be specified!'


def _radios(tree: Tree) -> Iterator[Complaint]:
    for name in values(tree, "interfaces wireless"):
        path = f"interfaces wireless {name}"
        for part, why in (
            ("physical-device", 'You must specify a physical-device "phy"'),
            ("type", "You must specify a WiFi mode"),
            ("ssid", 'SSID must be configured unless type is set to "monitor"!'),
            ("country-code", "Wireless country-code is mandatory"),
        ):
            if not value(tree, f"{path} {part}"):
                yield path, why
        wpa = subtree(tree, f"{path} security wpa".split())
        if wpa and "passphrase" not in wpa and "radius" not in wpa:
            yield path, "Misssing WPA key or RADIUS server"
        if exists(tree, f"{path} security wpa".split()) and exists(tree, f"{path} security wep".split()):
            yield path, "Must either use WEP or WPA security!"


def _kind(name: str) -> str:
    kinds = {"eth": "ethernet", "wlan": "wireless", "bond": "bonding"}
    return kinds.get(name.rstrip("0123456789."), "ethernet")


def _nat(tree: Tree) -> Iterator[Complaint]:
    for side in ("destination", "source"):
        for number in values(tree, f"nat {side} rule"):
            path = f"nat {side} rule {number}"
            error = f"{side.capitalize()} NAT configuration error in rule {number}:"
            ports = [f"{path} {part} port" for part in ("translation", "destination", "source")]
            if any(value(tree, port) for port in ports) and value(tree, f"{path} protocol") not in _PORTS_PROTOCOLS:
                yield "nat", f"{error} ports can only be specified when protocol is either tcp, udp or tcp_udp!"
            if not exists(tree, [*path.split(), "exclude"]) and not subtree(tree, f"{path} translation".split()):
                yield "nat", f"{error} translation requires address and/or port"


def _firewall(tree: Tree) -> Iterator[Complaint]:
    chains = [f"firewall ipv4 {hook} filter" for hook in ("forward", "input", "output")]
    names = values(tree, "firewall ipv4 name")
    chains += [f"firewall ipv4 name {name}" for name in names]
    for chain in chains:
        for number in values(tree, f"{chain} rule"):
            yield from (("firewall", why) for why in _rule(tree, f"{chain} rule {number}", names))


def _rule(tree: Tree, path: str, names: list[str]) -> Iterator[str]:
    action = value(tree, f"{path} action")
    if not action:
        yield "Rule action must be defined"
    if action == "jump" and value(tree, f"{path} jump-target") not in names:
        yield f"Invalid jump-target. Firewall name {value(tree, f'{path} jump-target')} does not exist on the system"
    for side in ("source", "destination"):
        if value(tree, f"{path} {side} port") and value(tree, f"{path} protocol") not in _PORTS_PROTOCOLS:
            yield "Protocol must be tcp, udp, or tcp_udp when specifying a port or port-group"
        group = value(tree, f"{path} {side} group network-group")
        if group and not exists(tree, ["firewall", "group", "network-group", group]):
            yield f'Invalid network-group "{group}" on firewall rule'
        if group and value(tree, f"{path} {side} address"):
            yield "network-group and address cannot both be defined"
    for direction in ("inbound", "outbound"):
        group = value(tree, f"{path} {direction}-interface group")
        if group and not exists(tree, ["firewall", "group", "interface-group", group]):
            yield f'Invalid interface group "{group}" on firewall rule'


def own_addresses(tree: Tree) -> Iterator[IPv4Interface]:
    """The fixed IPv4 addresses of all interfaces that can broadcast."""
    for kind in ("bonding", "bridge", "ethernet", "wireless"):
        for name in values(tree, f"interfaces {kind}"):
            path = f"interfaces {kind} {name}"
            found = values(tree, f"{path} address")
            for vif in values(tree, f"{path} vif"):
                found += values(tree, f"{path} vif {vif} address")
            yield from (IPv4Interface(one) for one in found if "/" in one and ":" not in one)


def _dhcp(tree: Tree) -> Iterator[Complaint]:
    path = "service dhcp-server"
    networks = values(tree, f"{path} shared-network-name")
    if not exists(tree, path.split()):
        return
    if not networks:
        yield path, "No DHCP shared networks configured.\nAt least one DHCP shared network must be configured."
    connected = {address.network for address in own_addresses(tree)}
    listening = False
    for shared in networks:
        subnets = values(tree, f"{path} shared-network-name {shared} subnet")
        if not subnets:
            yield path, f"No subnets defined for {shared}. At least one\nlease subnet must be configured."
        for subnet in subnets:
            listening = listening or IPv4Network(subnet) in connected
            yield from ((path, why) for why in _subnet(tree, shared, subnet))
    if networks and not listening:
        yield (
            path,
            (
                "None of the configured subnets have an appropriate primary IP address on any\n"
                "broadcast interface configured, nor was there an explicit listen-address\n"
                "configured for serving DHCP relay packets!"
            ),
        )


def _subnet(tree: Tree, shared: str, subnet: str) -> Iterator[str]:
    path = f"service dhcp-server shared-network-name {shared} subnet {subnet}"
    inside = IPv4Network(subnet)
    for name in values(tree, f"{path} range"):
        ends = [value(tree, f"{path} range {name} {end}") for end in ("start", "stop")]
        if not all(ends):
            yield f'DHCP range "{name}" start and stop address must be defined!'
        elif any(IPv4Address(end) not in inside for end in ends):
            yield f'DHCP range "{name}" start address not within shared-network "{shared}, {subnet}"!'
        elif IPv4Address(ends[1]) < IPv4Address(ends[0]):
            yield f'DHCP range "{name}" stop address must be greater or equal\nto the ranges start address!'
    mappings = values(tree, f"{path} static-mapping")
    if not mappings and not values(tree, f"{path} range"):
        yield f'No DHCP address range or active static-mapping configured\nwithin shared-network "{shared}, {subnet}"!'
    taken: set[str] = set()
    for name in mappings:
        entry = f"{path} static-mapping {name}"
        address = value(tree, f"{entry} ip-address")
        mac = value(tree, f"{entry} mac-address") or value(tree, f"{entry} mac")
        if address and IPv4Address(address) not in inside:
            yield f'Configured static lease address for mapping "{name}" is\nnot within "{shared}, {subnet}"!'
        if address and not mac:
            yield f'MAC address required for static mapping "{name}"\nwithin shared-network "{shared}, {subnet}"!'
        if not exists(tree, f"{entry} disable".split()):
            if {address, mac} & taken:
                yield f'Configured IP address for static mapping "{name}" already exists on another static mapping'
            taken |= {address, mac} - {""}


def _services(tree: Tree) -> Iterator[Complaint]:
    for target in values(tree, "service snmp trap-target"):
        if not value(tree, f"service snmp trap-target {target} community"):
            yield "service snmp", f'Trap target "{target}" requires a community to be set!'
    for number in values(tree, "system conntrack timeout custom ipv4 rule"):
        found = values(tree, f"system conntrack timeout custom ipv4 rule {number} protocol")
        if not found:
            yield "system conntrack", f"Conntrack custom timeout rule {number} requires protocol tcp or udp"
        elif len(found) > 1:
            yield "system conntrack", f"conntrack custom timeout rule {number} - Cant use both tcp and udp protocol"
    own = {str(address.ip) for address in own_addresses(tree)}
    for service in ("snmp", "dns forwarding"):
        for address in values(tree, f"service {service} listen-address"):
            if address not in own and not address.startswith("127.") and ":" not in address:
                yield f"service {service}", f'listen address "{address}" not configured in default vrf!'


_CHECKS: tuple[Callable[[Tree], Iterator[Complaint]], ...] = (_interfaces, _radios, _nat, _firewall, _dhcp, _services)
