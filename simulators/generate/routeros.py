"""A small business site's configuration as a MikroTik router has it, on top of the maker's default one."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.dialects.routeros_text import quoted
from simulators.dialects.routeros_tree import Style, Tree
from simulators.generate.site import VOICE, Site, make_site, stands_by
from simulators.spec import DeviceSpec

VERSION = "7.15.3"
MODEL = "C53UiG+5HPaxD2HPaxD"
BOARD = "hAP ax^3"


def factory_config(spec: DeviceSpec) -> str:
    """What `/export terse show-sensitive` prints below its header."""
    site = make_site(spec)
    lines = [*_interfaces(spec, site), *_lan(site), *_firewall(spec, site), *_services(spec, site)]
    size, wanted, index = sum(len(line) + 1 for line in lines), spec.config_bytes, 0
    while size < wanted:
        comment = quoted(f"customer {index:05d}")
        line = f"/ip firewall address-list add address=100.{64 + index // 65536}.{index // 256 % 256}.{index % 256} "
        line += f"comment={comment} list=customers"
        lines.append(line)
        size += len(line) + 1
        index += 1
    return Tree.read("\n".join(lines)).export(Style(terse=True, sensitive=True))


def _interfaces(spec: DeviceSpec, site: Site) -> Iterator[str]:
    mac = site.mac.upper()
    yield f"/interface bridge add admin-mac={mac} auto-mac=no comment=defconf name=bridge"
    yield "/interface ethernet set [ find default-name=ether1 ] comment=line"
    yield "/interface list add comment=defconf name=WAN"
    yield "/interface list add comment=defconf name=LAN"
    yield (
        "/interface lte apn add apn=business.example comment=backup default-route-distance=200 name=mobile "
        "use-peer-dns=no"
    )
    yield "/interface lte set [ find default-name=lte1 ] apn-profiles=mobile band=3,7,20"
    yield f"/ppp profile add change-tcp-mss=yes local-address={site.wan_ip} name=fixed-address"
    yield (
        f"/interface pppoe-client add add-default-route=yes disabled=no interface=ether1 name=pppoe-out1 "
        f"password={quoted(spec.secrets.ppp)} profile=fixed-address user={quoted(site.ppp_user)}"
    )
    yield (
        "/interface wifi set [ find default-name=wifi1 ] channel.band=5ghz-ax .skip-dfs-channels=10min-cac "
        f".width=20/40/80mhz configuration.country=Belgium .mode=ap .ssid={quoted(site.ssid + ' 5G')} disabled=no "
        f"security.authentication-types=wpa2-psk,wpa3-psk .ft=yes .passphrase={quoted(spec.secrets.wifi)}"
    )
    yield (
        f"/interface wifi set [ find default-name=wifi2 ] channel.band=2ghz-ax .frequency={2407 + 5 * site.channel} "
        f".width=20mhz configuration.country=Belgium .mode=ap .ssid={quoted(site.ssid)} disabled=no "
        f"security.authentication-types=wpa2-psk .passphrase={quoted(spec.secrets.wifi)}"
    )
    for port in ("ether2", "ether3", "ether4", "ether5", "wifi1", "wifi2"):
        yield f"/interface bridge port add bridge=bridge comment=defconf interface={port}"
    yield "/ip neighbor discovery-settings set discover-interface-list=LAN"
    for interface, name in (("bridge", "LAN"), ("ether1", "WAN"), ("pppoe-out1", "WAN"), ("lte1", "WAN")):
        yield f"/interface list member add comment=defconf interface={interface} list={name}"


def _lan(site: Site) -> Iterator[str]:
    yield f"/ip pool add name=default-dhcp ranges={site.pool_first}-{site.pool_last}"
    yield (
        f"/ip dhcp-server add address-pool=default-dhcp interface=bridge lease-time={site.lease_hours % 24 or 24}h "
        "name=defconf"
    ).replace("24h", "1d")
    yield f"/ip address add address={site.lan_ip}/24 comment=defconf interface=bridge network={site.lan_net}.0"
    seen: set[str] = set()
    for host in site.hosts:
        if host.address not in seen:
            yield (
                f"/ip dhcp-server lease add address={host.address} comment={host.name} "
                f"mac-address={host.mac.upper()} server=defconf"
            )
            seen.add(host.address)
    yield (
        f"/ip dhcp-server network add address={site.lan_net}.0/24 comment=defconf dns-server={site.lan_ip} "
        f"domain=lan gateway={site.lan_ip} ntp-server={site.lan_ip}"
    )
    yield "/ip dns set allow-remote-requests=yes servers=198.18.0.53,198.18.1.53"
    yield f"/ip dns static add address={site.lan_ip} comment=defconf name=router.lan"


def _firewall(spec: DeviceSpec, site: Site) -> Iterator[str]:
    yield "/ip firewall address-list add address=10.0.0.0/8 comment=operator list=management"
    if stands_by(spec):
        yield (
            f"/ip firewall filter add action=drop chain=forward comment=voice dst-port={VOICE} out-interface=lte1 "
            "protocol=udp"
        )
    for rule in _FILTER:
        named = rule.replace("{", '"defconf: ').replace("}", '"')
        yield f"/ip firewall filter add {named}"
    yield (
        '/ip firewall nat add action=masquerade chain=srcnat comment="defconf: masquerade" ipsec-policy=out,none '
        "out-interface-list=WAN"
    )
    for item in site.mappings:
        yield (
            f"/ip firewall nat add action=dst-nat chain=dstnat comment={item.label} dst-port={item.outside} "
            f"in-interface-list=WAN protocol={item.protocol} to-addresses={item.host} to-ports={item.inside}"
        )


_FILTER = (
    "action=accept chain=input comment={established,related,untracked} connection-state=established,related,untracked",
    "action=drop chain=input comment={drop invalid} connection-state=invalid",
    "action=accept chain=input comment={accept ICMP} protocol=icmp",
    "action=accept chain=input comment=management dst-port=22,23 protocol=tcp src-address-list=management",
    "action=drop chain=input comment={drop all not coming from LAN} in-interface-list=!LAN",
    "action=accept chain=forward comment={accept in ipsec policy} ipsec-policy=in,ipsec",
    "action=accept chain=forward comment={accept out ipsec policy} ipsec-policy=out,ipsec",
    "action=fasttrack-connection chain=forward comment={fasttrack} connection-state=established,related hw-offload=yes",
    "action=accept chain=forward comment={established} connection-state=established,related,untracked",
    "action=drop chain=forward comment={drop invalid} connection-state=invalid",
    (
        "action=drop chain=forward comment={drop all from WAN not DSTNATed} connection-nat-state=!dstnat "
        "connection-state=new in-interface-list=WAN"
    ),
)


def _services(spec: DeviceSpec, site: Site) -> Iterator[str]:
    yield "/ip service set telnet disabled=yes"
    yield "/ip service set ftp disabled=yes"
    yield "/ip service set www disabled=yes"
    yield "/ip service set ssh address=10.0.0.0/8"
    yield "/ip service set api disabled=yes"
    yield "/ip service set winbox address=10.0.0.0/8"
    yield "/ip service set api-ssl disabled=yes"
    yield "/ip ssh set strong-crypto=yes"
    yield f"/snmp community set [ find default=yes ] addresses=10.0.0.0/8 name={quoted(spec.secrets.snmp)}"
    yield f"/snmp set contact=noc@operator.example enabled=yes location={quoted(site.location)}"
    yield "/system clock set time-zone-name=Europe/Brussels"
    yield f"/system identity set name={quoted(site.hostname)}"
    yield '/system note set note="Property of the operator"'
    yield "/system ntp client set enabled=yes"
    yield "/system ntp client servers add address=198.18.0.123"
    yield f"/system script add dont-require-permissions=no name=deliver owner=admin source={quoted(_script(spec))}"
    yield "/tool bandwidth-server set enabled=no"
    yield "/tool mac-server set allowed-interface-list=LAN"
    yield "/tool mac-server mac-winbox set allowed-interface-list=LAN"
    yield "/tool romon set enabled=no"


def _script(spec: DeviceSpec) -> str:
    """A script of somebody who was in a hurry: the box's own log-in stands in it."""
    return (
        f'/tool fetch address=198.18.0.21 mode=ftp upload=yes user={spec.username} password="{spec.secrets.login}" '
        "src-path=support.rif"
    )
