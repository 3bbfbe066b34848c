"""A small business site on a Linux router: FRR's own configuration.

FRR knows addresses, routes and its own passwords. DHCP, wifi, port mappings, PPP login and SNMP are other programs'
files on such a box (`simulators.generate.linux_files`): there is more than FRR in `linux` mode alone, where the fixed
line is a PPPoE link and the mobile one a modem's.
"""

from __future__ import annotations

from simulators.generate.site import Site, make_site
from simulators.spec import DeviceSpec

NATURAL_SIZE = 3000
VERSION = "8.4.4"


def factory_config(spec: DeviceSpec) -> str:
    """The body from `frr version` to before `end`."""
    site = make_site(spec)
    parts = [_head(spec, site), _interfaces(spec, site), _bgp(site)]
    missing = max(spec.config_bytes or NATURAL_SIZE, NATURAL_SIZE) - sum(map(len, parts))
    return "".join((*parts, _prefixes(spec, missing), _route_maps()))


def _head(spec: DeviceSpec, site: Site) -> str:
    return (
        f"frr version {VERSION}\nfrr defaults traditional\nhostname {site.hostname}\nlog syslog informational\n"
        "no ipv6 forwarding\nservice integrated-vtysh-config\n!\n"
        f"password {spec.secrets.login}\nenable password {spec.secrets.enable}\n!\n"
        f"{_defaults(spec, site)}ip route 10.0.0.0/8 {site.wan_gateway} tag 100\n!\n"
    )


def is_linux(spec: DeviceSpec) -> bool:
    """Whether the whole box is managed, as root, and not FRR alone."""
    return spec.options.get("mode", "vtysh") == "linux"


def _defaults(spec: DeviceSpec, site: Site) -> str:
    if is_linux(spec):
        return "ip route 0.0.0.0/0 ppp0\nip route 0.0.0.0/0 ppp1 250\n"
    return f"ip route 0.0.0.0/0 {site.wan_gateway}\nip route 0.0.0.0/0 wwan0 250\n"


def _interfaces(spec: DeviceSpec, site: Site) -> str:
    rows = (
        ("br-lan", "customer LAN", f"{site.lan_ip}/24"),
        ("eth0", "fixed line", "" if is_linux(spec) else f"{site.wan_ip}/24"),
        ("lo", "management", f"10.{spec.seed % 250}.{site.lan_net.split('.')[2]}.1/32"),
    )
    blocks = "".join(
        f"interface {name}\n description {text}\n{f' ip address {address}{chr(10)}' if address else ''}exit\n!\n"
        for name, text, address in rows
    )
    return blocks if is_linux(spec) else f"{blocks}interface wwan0\n description mobile line\n shutdown\nexit\n!\n"


def _bgp(site: Site) -> str:
    return (
        f"router bgp {site.local_as}\n bgp router-id {site.wan_ip}\n"
        f" neighbor {site.wan_gateway} remote-as 65000\n neighbor {site.wan_gateway} description edge\n"
        f" neighbor {site.wan_gateway} timers 3 9\n !\n address-family ipv4 unicast\n"
        f"  network {site.wan_ip}/32\n  network {site.lan_net}.0/24\n"
        f"  neighbor {site.wan_gateway} route-map FROM-EDGE in\n  neighbor {site.wan_gateway} route-map TO-EDGE out\n"
        " exit-address-family\nexit\n!\n"
    )


def _prefixes(spec: DeviceSpec, missing: int) -> str:
    rng = spec.rng("filler")
    lines: list[str] = ["ip prefix-list DEFAULT seq 5 permit 0.0.0.0/0\n"]
    missing -= len(lines[0])
    while missing > 0:
        prefix = f"10.{rng.randrange(256)}.{rng.randrange(256)}.0/24"
        lines.append(f"ip prefix-list CUSTOMER seq {5 * len(lines)} permit {prefix}\n")
        missing -= len(lines[-1])
    return "".join(lines) + "!\n"


def _route_maps() -> str:
    return (
        "route-map FROM-EDGE permit 10\n match ip address prefix-list DEFAULT\nexit\n!\n"
        "route-map TO-EDGE permit 10\n set community 65000:100\nexit\n!\n"
    )
