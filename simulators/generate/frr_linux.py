"""A small business site on a Linux router: FRR's own configuration, and beside it the files of the other daemons.

FRR knows addresses, routes and its own passwords. DHCP, wifi, port mappings, PPP login and SNMP are other programs'
files on such a box: they can be read in `linux` mode, and do not exist in `vtysh` mode.
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
        f"ip route 0.0.0.0/0 {site.wan_gateway}\nip route 0.0.0.0/0 wwan0 250\n"
        f"ip route 10.0.0.0/8 {site.wan_gateway} tag 100\n!\n"
    )


def _interfaces(spec: DeviceSpec, site: Site) -> str:
    rows = (
        ("br-lan", "customer LAN", f"{site.lan_ip}/24"),
        ("eth0", "fixed line", f"{site.wan_ip}/24"),
        ("lo", "management", f"10.{spec.seed % 250}.{site.lan_net.split('.')[2]}.1/32"),
    )
    blocks = "".join(
        f"interface {name}\n description {text}\n ip address {address}\nexit\n!\n" for name, text, address in rows
    )
    return f"{blocks}interface wwan0\n description mobile line\n shutdown\nexit\n!\n"


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


def daemon_files(spec: DeviceSpec) -> dict[str, str]:
    """The other daemons' files, by path: the rest of §5.2.1.3 on a Linux box."""
    site, secrets = make_site(spec), spec.secrets
    maps = "".join(
        f"        iifname eth0 {item.protocol} dport {item.outside} dnat to {item.host}:{item.inside}\n"
        for item in site.mappings
    )
    return {
        "/etc/dnsmasq.conf": f"interface=br-lan\ndhcp-authoritative\ndhcp-range={site.pool_first},{site.pool_last},"
        f"{site.lease_hours}h\ndhcp-option=3,{site.lan_ip}\n"
        + "".join(f"dhcp-host={host.mac},{host.name},{host.address}\n" for host in site.hosts),
        "/etc/hostapd/hostapd.conf": f"interface=wlan0\nbridge=br-lan\nssid={site.ssid}\nchannel={site.channel}\n"
        f"wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase={secrets.wifi}\n",
        "/etc/ppp/chap-secrets": f'"{site.ppp_user}" * "{secrets.ppp}"\n',
        "/etc/ppp/peers/wan": f'plugin rp-pppoe.so\nnic-eth0\nuser "{site.ppp_user}"\npersist\nmtu 1492\n',
        "/etc/nftables.conf": "table ip nat {\n    chain prerouting {\n"
        f"        type nat hook prerouting priority dstnat;\n{maps}    }}\n}}\n",
        "/etc/snmp/snmpd.conf": f"rocommunity {secrets.snmp} 10.0.0.0/8\nsysLocation {site.location}\n",
    }
