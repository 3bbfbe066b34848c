"""A small business site's configuration as a VyOS router has it, in set lines."""

from __future__ import annotations

from simulators.dialects.vyos_config import parse_set_lines, set_lines
from simulators.generate.site import VOICE, Site, make_site, stands_by, static_host
from simulators.spec import DeviceSpec

NATURAL_SIZE = 6000


def login_hash(spec: DeviceSpec) -> str:
    """The box's user's password as it stands in the configuration; deterministic, and nothing verifies it."""
    return f"$6${spec.digest('salt').hex()[:16]}${spec.digest('shadow ' + spec.secrets.login).hex()}"


def factory_config(spec: DeviceSpec) -> str:
    """Everything, in the order in which the box prints it."""
    site = make_site(spec)
    release = spec.options.get("release", "1.4")
    lines = [
        *_interfaces(spec, site), *_firewall(spec), *_nat(site), *_dhcp(site, release), *_services(spec, site),
        *_system(spec, site, release),
    ]  # fmt: skip
    wanted = max(spec.config_bytes or NATURAL_SIZE, NATURAL_SIZE)
    rng = spec.rng("filler")
    size, index = sum(len(line) + 5 for line in lines), 0
    while size < wanted:
        host = static_host(rng, site.lan_net, index)
        more = [f"system syslog host {host.name}.example facility all level 'notice'"]
        lines += more
        size += sum(len(line) + 5 for line in more)
        index += 1
    return set_lines(parse_set_lines("".join(f"set {line}\n" for line in lines)))


def _interfaces(spec: DeviceSpec, site: Site) -> list[str]:
    return [
        f"interfaces bridge br0 address '{site.lan_ip}/24'",
        "interfaces bridge br0 description 'LAN'",
        "interfaces bridge br0 member interface eth1",
        "interfaces bridge br0 member interface wlan0",
        "interfaces ethernet eth0 description 'fixed line'",
        f"interfaces ethernet eth0 hw-id '{site.mac}'",
        "interfaces ethernet eth0 offload gro",
        "interfaces ethernet eth1 description 'office'",
        f"interfaces ethernet eth1 hw-id '{site.mac[:-1]}{int(site.mac[-1], 16) ^ 1:x}'",
        "interfaces loopback lo",
        f"interfaces pppoe pppoe0 authentication password '{spec.secrets.ppp}'",
        f"interfaces pppoe pppoe0 authentication username '{site.ppp_user}'",
        "interfaces pppoe pppoe0 description 'WAN'",
        "interfaces pppoe pppoe0 ip adjust-mss 'clamp-mss-to-pmtu'",
        f"interfaces pppoe pppoe0 local-address '{site.wan_ip}'",
        "interfaces pppoe pppoe0 mtu '1492'",
        "interfaces pppoe pppoe0 no-peer-dns",
        "interfaces pppoe pppoe0 source-interface 'eth0'",
        f"interfaces wireless wlan0 channel '{site.channel}'",
        "interfaces wireless wlan0 country-code 'be'",
        "interfaces wireless wlan0 mode 'n'",
        "interfaces wireless wlan0 physical-device 'phy0'",
        "interfaces wireless wlan0 security wpa mode 'wpa2'",
        f"interfaces wireless wlan0 security wpa passphrase '{spec.secrets.wifi}'",
        f"interfaces wireless wlan0 ssid '{site.ssid}'",
        "interfaces wireless wlan0 type 'access-point'",
        "interfaces wwan wwan0 address 'dhcp'",
        "interfaces wwan wwan0 apn 'business.example'",
        "interfaces wwan wwan0 description 'mobile line'",
        "interfaces wwan wwan0 dhcp-options default-route-distance '240'",
        *([] if stands_by(spec) else ["interfaces wwan wwan0 dhcp-options no-default-route"]),
    ]


def _firewall(spec: DeviceSpec) -> list[str]:
    jump = ("action 'jump'", "inbound-interface name 'pppoe0'", "jump-target 'WAN-IN'")
    known = ("action 'accept'", "state 'established'", "state 'related'")
    ssh = ("destination port '22'", "protocol 'tcp'")
    rules = {
        "ipv4 forward filter rule 10": ("action 'accept'", "state 'established'", "state 'related'"),
        "ipv4 forward filter rule 100": jump,
        "ipv4 input filter rule 10": known,
        "ipv4 input filter rule 20": ("action 'accept'", *ssh, "source group network-group 'MANAGEMENT'"),
        "ipv4 input filter rule 30": ("action 'drop'", *ssh),
        "ipv4 input filter rule 100": jump,
        "ipv4 name WAN-IN": ("default-action 'drop'", "description 'from the internet'"),
        "ipv4 name WAN-IN rule 10": known,
        "ipv4 name WAN-IN rule 9000": ("action 'accept'", "connection-status nat 'destination'"),
        "group network-group MANAGEMENT": ("network '10.0.0.0/8'",),
    }
    if stands_by(spec):
        out = ("action 'drop'", f"destination port '{VOICE}'", "outbound-interface name 'wwan0'", "protocol 'udp'")
        rules["ipv4 forward filter rule 5"] = out
    return [f"firewall {path} {line}" for path, lines in rules.items() for line in lines]


def _nat(site: Site) -> list[str]:
    rules: dict[str, tuple[str, ...]] = {}
    for index, item in enumerate(site.mappings, 1):
        rules[f"destination rule {10 * index}"] = (
            f"description '{item.label}'",
            f"destination port '{item.outside}'",
            "inbound-interface name 'pppoe0'",
            f"protocol '{item.protocol}'",
            f"translation address '{item.host}'",
            f"translation port '{item.inside}'",
        )
    for number, name in ((100, "pppoe0"), (110, "wwan0")):
        rules[f"source rule {number}"] = (
            f"outbound-interface name '{name}'",
            f"source address '{site.lan_net}.0/24'",
            "translation address 'masquerade'",
        )
    return [f"nat {path} {line}" for path, lines in rules.items() for line in lines]


def _dhcp(site: Site, release: str) -> list[str]:
    shared = "service dhcp-server shared-network-name LAN"
    subnet = f"{shared} subnet {site.lan_net}.0/24"
    option, mac = ("", "mac-address") if release == "1.4" else ("option ", "mac")
    lines = [
        f"{shared} authoritative",
        f"{subnet} {option}default-router '{site.lan_ip}'",
        f"{subnet} {option}domain-name '{site.hostname.lower()}.example'",
        f"{subnet} {option}name-server '198.18.0.53'",
        f"{subnet} {option}name-server '198.18.1.53'",
        f"{subnet} lease '{site.lease_hours * 3600}'",
        f"{subnet} range 0 start '{site.pool_first}'",
        f"{subnet} range 0 stop '{site.pool_last}'",
    ]
    lines += [f"{subnet} subnet-id '1'"] if release != "1.4" else []
    for host in site.hosts:
        lines += [
            f"{subnet} static-mapping {host.name} ip-address '{host.address}'",
            f"{subnet} static-mapping {host.name} {mac} '{host.mac}'",
        ]
    return lines


def _services(spec: DeviceSpec, site: Site) -> list[str]:
    return [
        "service lldp interface eth1",
        "service ntp server 198.18.0.123 prefer",
        "service ntp server 198.18.1.123",
        f"service snmp community {spec.secrets.snmp} authorization 'ro'",
        f"service snmp community {spec.secrets.snmp} network '10.0.0.0/8'",
        "service snmp contact 'noc@operator.example'",
        f"service snmp location '{site.location}'",
        "service ssh disable-host-validation",
        "service ssh port '22'",
    ]


def _system(spec: DeviceSpec, site: Site, release: str) -> list[str]:
    user = f"system login user {spec.username}"
    lines = [
        "system config-management commit-revisions '100'",
        "system conntrack modules ftp",
        "system conntrack modules sip",
        "system console device ttyS0 speed '115200'",
        f"system host-name '{site.hostname}'",
        "system login banner post-login 'Property of the operator.'",
        f"{user} authentication encrypted-password '{login_hash(spec)}'",
        f"{user} authentication plaintext-password ''",
        "system name-server '198.18.0.53'",
        "system name-server '198.18.1.53'",
        "system syslog global facility all level 'info'",
        "system syslog global facility local7 level 'debug'",
        "system time-zone 'Europe/Brussels'",
    ]
    return lines if release == "1.4" else [*lines, "system config-management commit-confirm 'reload'"]
