"""Every driver with the box that it is tried on. A new family is one more line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cpe_manager.domain.fleet.inventory import Transport
from cpe_manager.domain.model.cpe_config import CpeConfig


@dataclass(frozen=True)
class DriverCase:
    """box: options of the virtual CPE. device: options of the device in the inventory.

    blind_to: faults that leave a text with every mark of completeness in place; there the guard against shrinking
    configurations has to notice, no driver can.
    foreign: lines (stripped) of the box's own configuration that carry no part of the neutral model; a case that names
    some takes part in the tests of the model. unspeakable: characters that the family cannot write in a secret.
    persona: the virtual CPE's family, where the driver's has another name. transport: how it is reached.
    beyond: tells the configurations that the family has to refuse for their values though it has every feature in them.
    """

    family: str
    box: Mapping[str, str] = field(default_factory=dict)
    device: Mapping[str, str] = field(default_factory=dict)
    blind_to: frozenset[str] = frozenset()
    foreign: tuple[str, ...] = ()
    unspeakable: str = ""
    persona: str = ""
    transport: Transport = "ssh"

    @property
    def box_family(self) -> str:
        return self.persona or self.family

    beyond: Callable[[CpeConfig], bool] = field(default=lambda _config: False, compare=False)

    def __str__(self) -> str:
        options = [f"{key}={value}" for key, value in {**self.box, **self.device}.items()]
        return "-".join((self.family, *(() if self.transport == "ssh" else (self.transport,)), *options))


_ROUTEROS = (
    "/interface bridge port add bridge=bridge comment=defconf interface=ether2",
    '/ip firewall filter add action=drop chain=input comment="defconf: drop invalid" connection-state=invalid',
    (
        '/ip firewall filter add action=drop chain=input comment="defconf: drop all not coming from LAN" '
        "in-interface-list=!LAN"
    ),
    "/ip service set ftp disabled=yes",
    "/system clock set time-zone-name=Europe/Brussels",
    '/system note set note="Property of the operator"',
    "/ip ssh set strong-crypto=yes",
    "/tool romon set enabled=no",
)


def ios_beyond(config: CpeConfig) -> bool:
    """Two networks of one name, and timers that are the router's own anyway, so that it does not show them."""
    shared = {(wifi.ssid, wifi.security, wifi.key) for wifi in config.wifi}
    usual = {("tcp", 86_400, None), ("udp", 300, None)}
    return len({wifi.ssid for wifi in config.wifi}) < len(shared) or any(
        (timer.protocol, timer.seconds, timer.port) in usual for timer in config.firewall.timers
    )


_IOS_FOREIGN = (
    "service timestamps log datetime msec",
    "aaa authentication login default local",
    "clock timezone CET 1 0",
    "lte sim data-profile 1 attach-profile 1",
    "description customer LAN",
    "ip virtual-reassembly in",
    "dialer idle-timeout 0",
    "bgp log-neighbor-changes",
    "no ip http server",
    "route-map MOBILE permit 10",
    "dialer-list 1 protocol ip permit",
    "* Authorised staff only. What you do here is logged. *",
    "exec-timeout 15 0",
    "ntp server 198.18.0.123",
)
# A question mark asks for help; the rest has no place in an SSID.
_IOS_UNSPEAKABLE = '?+]/"!#;'

_VYOS = (
    "set system time-zone 'Europe/Brussels'",
    "set system conntrack modules sip",
    "set system console device ttyS0 speed '115200'",
    "set system login banner post-login 'Property of the operator.'",
    "set system syslog global facility all level 'info'",
    "set service lldp interface eth1",
    "set service ntp server 198.18.0.123 prefer",
    "set service ssh disable-host-validation",
    "set interfaces ethernet eth0 offload gro",
    "set interfaces pppoe pppoe0 ip adjust-mss 'clamp-mss-to-pmtu'",
    "set firewall ipv4 forward filter rule 10 state 'established'",
    "set firewall ipv4 name WAN-IN description 'from the internet'",
    "set firewall ipv4 name WAN-IN rule 9000 connection-status nat 'destination'",
)

ROSTER = (
    DriverCase(
        "cisco_ios",
        blind_to=frozenset({"shrunk"}),
        foreign=_IOS_FOREIGN,
        unspeakable=_IOS_UNSPEAKABLE,
        beyond=ios_beyond,
    ),
    DriverCase(
        "cisco_ios",
        box={"login": "privileged", "password_encryption": "yes"},
        blind_to=frozenset({"shrunk"}),
        foreign=_IOS_FOREIGN,
        unspeakable=_IOS_UNSPEAKABLE,
        beyond=ios_beyond,
    ),
    DriverCase(
        "openwrt",
        foreign=(
            "option zonename 'Europe/Brussels'",
            "list server '198.18.0.123'",
            "list ports 'lan1'",
            "option path 'platform/soc/a000000.wifi'",
            "option rebind_protection '1'",
            "option name 'Allow-Ping'",
            "option rfc1918_filter '1'",
        ),
    ),
    DriverCase(
        "teltonika",
        foreign=(
            "option routername 'RUTX11'",
            "option modem '3-1'",
            "option deny_roaming '0'",
            "option track_method 'ping'",
            "list track_ip '198.18.0.8'",
            "option use_policy 'mwan_default'",
            "option name 'Enable_HTTPS_WAN'",
            "option data_limit '5000'",
            "option smstext 'reboot'",
            "option remote 'rms.operator.example'",
            "option _sshWanAccess '1'",
        ),
    ),
    DriverCase("routeros", foreign=_ROUTEROS),
    DriverCase("frr_linux", device={"vtysh": "login"}, blind_to=frozenset({"shrunk", "truncate-keeps-end"})),
    DriverCase("frr_linux", box={"mode": "bash"}, device={"vtysh": "command"}),
    DriverCase("frr_linux", box={"mode": "bash"}),
    DriverCase("frr_linux", box={"mode": "linux"}),
    DriverCase("vyos", foreign=_VYOS, unspeakable="'\"\\."),
    DriverCase("vyos", box={"release": "1.5", "save": "silent"}, foreign=_VYOS, unspeakable="'\"\\."),
    DriverCase(
        "frr_linux",
        box={"mode": "linux"},
        device={"vtysh": "linux"},
        foreign=(
            "frr defaults traditional",
            "service integrated-vtysh-config",
            "description customer LAN",
            "ip prefix-list DEFAULT seq 5 permit 0.0.0.0/0",
            "address-family ipv4 unicast",
            "route-map TO-EDGE permit 10",
            "127.0.0.1\tlocalhost",
            "# the office",
            "interface=br-lan",
            "dhcp-authoritative",
            "local=/lan/",
            "cache-size=1000",
            "country_code=BE",
            "wmm_enabled=1",
            "# client\tserver\tsecret\tIP addresses",
            "plugin rp-pppoe.so",
            "mtu 1492",
            "/dev/ttyUSB2",
            "115200",
            'include "/etc/nftables.d/*.nft"',
            "table ip voice {",
            "udp dport 5060 counter",
            "master agentx",
            "sysServices 76",
            "PermitRootLogin yes",
            "iface eth0 inet manual",
            "net.ipv4.ip_forward = 1",
            "bgpd=yes",
        ),
    ),
)

_SAME_END = frozenset({"shrunk", "truncate-keeps-end"})
LONG_TAIL = (
    DriverCase("netmiko:cisco_ios", persona="cisco_ios", blind_to=_SAME_END),
    DriverCase(
        "netmiko:linux",
        persona="openwrt",
        device={"command": "uci export"},
        # A Unix shell proves that the command came to its end, and nothing of what it printed: there the second
        # reading has to notice.
        blind_to=_SAME_END
        | {"truncate-bytes", "truncate-lines", "truncate-last-line", "foreign_config", "empty", "error_reply"}
        | {"syslog_noise", "syslog_noise-mid-line"},
    ),
)
"""Families that a library logs in to, on boxes of families that we have ourselves."""

OVER_TELNET = (
    DriverCase("cisco_ios", transport="telnet", blind_to=frozenset({"shrunk"})),
    DriverCase("frr_linux", device={"vtysh": "login"}, transport="telnet", blind_to=_SAME_END),
)
"""Families that speak over a terminal alone, without SSH."""

MODELLED = tuple(case for case in ROSTER if case.foreign)
"""The cases with which the neutral model is tried."""
