"""A small business site's configuration as an IOS router has it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from simulators.dialects.ios_config import secret9, type7
from simulators.dialects.ios_editor import normalised
from simulators.generate.site import VOICE, Site, make_site, stands_by, static_host
from simulators.spec import DeviceSpec

NATURAL_SIZE = 3500
_RULE = "******************************************************\n"
_NOTICE = "* Authorised staff only. What you do here is logged. *\n"
# What trips readers that take any line like a prompt for one.
_LOOK_ALIKE = "R1#\n* Trouble? Say: configure nothing, call the desk >   *\n"


def user_secret(spec: DeviceSpec) -> str:
    return secret9(spec.secrets.login, f"user {spec.seed} {spec.name}")


def enable_secret(spec: DeviceSpec) -> str:
    return secret9(spec.secrets.enable, f"enable {spec.seed} {spec.name}")


def is_xe(spec: DeviceSpec) -> bool:
    return spec.options.get("software", "ios") == "iosxe"


def line_password(spec: DeviceSpec) -> str:
    """The password of the terminal lines; readable unless the box encrypts, which is reversible too."""
    if spec.options.get("password_encryption", "no") == "yes":
        return f"7 {type7(spec.secrets.login)}"
    return spec.secrets.login


def factory_config(spec: DeviceSpec) -> str:
    """The body from `version` to before `end`, as the box itself prints it."""
    return normalised(_body(spec))


def _body(spec: DeviceSpec) -> str:
    site = make_site(spec)
    wifi = "" if is_xe(spec) else _wifi(spec, site)
    head = "".join((_system(spec, site), _dhcp(site), wifi, _wan(spec, site)))
    tail = _closing(spec, site)
    missing = max(spec.config_bytes or NATURAL_SIZE, NATURAL_SIZE) - len(head) - len(tail)
    return head + _filler(spec, site, missing) + tail


def _block(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def _system(spec: DeviceSpec, site: Site) -> str:
    encryption = (
        "service password-encryption" if line_password(spec).startswith("7 ") else "no service password-encryption"
    )
    exec_author = "aaa authorization exec default local\n" if spec.options.get("login", "user") == "privileged" else ""
    return (
        _block(f"""
        version {"17.3" if is_xe(spec) else "15.7"}
        service timestamps debug datetime msec
        service timestamps log datetime msec
        {encryption}
        !
        hostname {site.hostname}
        !
        boot-start-marker
        boot-end-marker
        !
        enable secret 9 {enable_secret(spec)}
        !
        aaa new-model
        !
        aaa authentication login default local
        """)
        + exec_author
        + _block(f"""
        !
        clock timezone CET 1 0
        clock summer-time CEST recurring last Sun Mar 2:00 last Sun Oct 3:00
        !
        no ip domain lookup
        ip domain name cpe.example
        ip name-server 198.18.0.53
        ip name-server 198.18.1.53
        ip cef
        !
        archive
         path flash:archive
         maximum 5
        !
        username {spec.username} privilege 15 secret 9 {user_secret(spec)}
        !
        """)
    )


def _dhcp(site: Site) -> str:
    text = _block(f"""
        ip dhcp excluded-address {site.lan_ip} {site.lan_net}.{int(site.pool_first.rpartition(".")[2]) - 1}
        ip dhcp excluded-address {site.lan_net}.{int(site.pool_last.rpartition(".")[2]) + 1} {site.lan_net}.254
        !
        ip dhcp pool LAN
         network {site.lan_net}.0 255.255.255.0
         default-router {site.lan_ip}
         dns-server 198.18.0.53 198.18.1.53
         domain-name office.example
        """)
    # A day is what a router takes when nothing is said.
    text += "!\n" if site.lease_hours == 24 else f" lease 0 {site.lease_hours}\n!\n"
    return text + "".join(_reservation(host.name, host.address, host.mac) for host in site.hosts)


def _reservation(name: str, address: str, mac: str) -> str:
    digits = mac.replace(":", "")
    dotted = f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
    return f"ip dhcp pool {name}\n host {address} 255.255.255.0\n hardware-address {dotted}\n!\n"


def _secret(spec: DeviceSpec, secret: str) -> str:
    """A secret of the customer's: in clear unless the box encrypts."""
    return f"7 {type7(secret)}" if spec.options.get("password_encryption", "no") == "yes" else f"0 {secret}"


def _wifi(spec: DeviceSpec, site: Site) -> str:
    """The router's own radios. Routers with IOS XE have none: there the access point is a box of its own."""
    return _block(f"""
        dot11 ssid {site.ssid}
         vlan 1
         authentication open
         authentication key-management wpa version 2
         guest-mode
         wpa-psk ascii {_secret(spec, spec.secrets.wifi)}
        !
        interface Dot11Radio0
         no ip address
         encryption vlan 1 mode ciphers aes-ccm
         ssid {site.ssid}
         channel {2407 + 5 * site.channel}
         station-role root
        !
        interface Dot11Radio1
         no ip address
         station-role root
         shutdown
        !
        """)


def _wan(spec: DeviceSpec, site: Site) -> str:
    ppp, second = _secret(spec, spec.secrets.ppp), spec.seed % 250
    line, lan = ("GigabitEthernet0/0/0", "Vlan1") if is_xe(spec) else ("GigabitEthernet0/0", "GigabitEthernet0/1")
    return _block(f"""
        controller Cellular 0/2/0
         lte sim data-profile 1 attach-profile 1
         profile id 1 apn business.example authentication none
        !
        interface Loopback0
         description management
         ip address 10.{second}.{int(site.lan_net.split(".")[2])}.1 255.255.255.255
        !
        interface {line}
         description fixed line
         no ip address
         duplex auto
         speed auto
         pppoe-client dial-pool-number 1
        !
        interface {lan}
         description customer LAN
         ip address {site.lan_ip} 255.255.255.0
         ip nat inside
         ip virtual-reassembly in
         duplex auto
         speed auto
        !
        interface Cellular0/2/0
         description mobile line
         ip address negotiated
         ip nat outside
         ip virtual-reassembly in
         encapsulation slip
         dialer in-band
         dialer idle-timeout 0
         dialer-group 1
         pulse-time 1
         {"ip access-group MOBILE-OUT out" if stands_by(spec) else "shutdown"}
        !
        interface Dialer1
         description internet
         ip address {site.wan_ip} 255.255.255.255
         ip access-group INTERNET-IN in
         ip access-group INTERNET-OUT out
         ip mtu 1492
         ip nat outside
         ip virtual-reassembly in
         encapsulation ppp
         dialer pool 1
         dialer-group 1
         ppp authentication chap pap callin
         ppp chap hostname {site.ppp_user}
         ppp chap password {ppp}
         ppp pap sent-username {site.ppp_user} password {ppp}
        !
        router bgp {site.local_as}
         bgp log-neighbor-changes
         network {site.wan_ip} mask 255.255.255.255
         neighbor {site.wan_gateway} remote-as 65000
        !
        ip forward-protocol nd
        no ip http server
        no ip http secure-server
        !
        """)


def _filler(spec: DeviceSpec, site: Site, missing: int) -> str:
    """More reservations, until the wanted size is reached."""
    rng = spec.rng("filler")
    parts: list[str] = []
    index = len(site.hosts)
    while missing > 0:
        host = static_host(rng, site.lan_net, index)
        parts.append(_reservation(host.name, host.address, host.mac))
        missing -= len(parts[-1])
        index += 1
    return "".join(parts)


def _closing(spec: DeviceSpec, site: Site) -> str:
    return (
        "".join(_mapping_lines(site))
        + _block("""
        ip nat inside source route-map LINE interface Dialer1 overload
        ip nat inside source route-map MOBILE interface Cellular0/2/0 overload
        ip route 0.0.0.0 0.0.0.0 Dialer1
        ip route 0.0.0.0 0.0.0.0 Cellular0/2/0 250
        ip ssh version 2
        ip scp server enable
        !
        ip access-list standard MGMT
         permit 10.0.0.0 0.255.255.255
        ip access-list extended INTERNET-IN
         evaluate SESSIONS
         permit tcp 10.0.0.0 0.255.255.255 any eq 22
         permit udp host 198.18.0.53 eq domain any
         permit icmp any any echo-reply
        """)
        + "".join(f" permit {m.protocol} any any eq {m.outside}\n" for m in site.mappings)
        + _block(f"""
         deny   ip any any
        ip access-list extended INTERNET-OUT
         permit ip any any reflect SESSIONS
        ip access-list extended NAT
         permit ip {site.lan_net}.0 0.0.0.255 any
        """)
        + (_voice() if stands_by(spec) else "")
        + _block(f"""
        !
        dialer-list 1 protocol ip permit
        !
        route-map LINE permit 10
         match ip address NAT
         match interface Dialer1
        !
        route-map MOBILE permit 10
         match ip address NAT
         match interface Cellular0/2/0
        !
        snmp-server community {spec.secrets.snmp} RO MGMT
        snmp-server location {site.location}
        snmp-server contact noc@operator.example
        !
        banner motd ^C
        """)
        + _RULE
        + _NOTICE
        + ("" if spec.options.get("banner", "tricky") == "plain" else _LOOK_ALIKE)
        + _RULE
        + _block(f"""
        ^C
        !
        line con 0
         password {line_password(spec)}
        line vty 0 4
         access-class MGMT in
         exec-timeout 15 0
         password {line_password(spec)}
         transport input ssh
        !
        ntp server 198.18.0.123
        """)
    )


def _voice() -> str:
    """What keeps calls off the modem."""
    entries = (f" deny udp any any range {' '.join(span.split('-'))}\n" for span in VOICE.split(","))
    return f"ip access-list extended MOBILE-OUT\n{''.join(entries)} permit ip any any\n"


def _mapping_lines(site: Site) -> Iterator[str]:
    for item in site.mappings:
        inside = f"{item.protocol} {item.host} {item.inside}"
        yield f"ip nat inside source static {inside} interface Dialer1 {item.outside}\n"
