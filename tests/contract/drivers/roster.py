"""Every driver with the box that it is tried on. A new family is one more line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DriverCase:
    """box: options of the virtual CPE. device: options of the device in the inventory.

    blind_to: faults that leave a text with every mark of completeness in place; there the guard against shrinking
    configurations has to notice, no driver can.
    foreign: lines (stripped) of the box's own configuration that carry no part of the neutral model; a case that names
    some takes part in the tests of the model. unspeakable: characters that the family cannot write in a secret.
    keeps_at_once: the box writes what it takes to flash at once, so that a restart undoes nothing.
    """

    family: str
    box: Mapping[str, str] = field(default_factory=dict)
    device: Mapping[str, str] = field(default_factory=dict)
    blind_to: frozenset[str] = frozenset()
    foreign: tuple[str, ...] = ()
    unspeakable: str = ""
    keeps_at_once: bool = False

    def __str__(self) -> str:
        options = [f"{key}={value}" for key, value in {**self.box, **self.device}.items()]
        return "-".join((self.family, *options))


ROSTER = (
    DriverCase("cisco_ios", blind_to=frozenset({"shrunk"})),
    DriverCase(
        "cisco_ios",
        box={"login": "privileged", "password_encryption": "yes"},
        blind_to=frozenset({"shrunk"}),
    ),
    DriverCase("openwrt"),
    DriverCase("frr_linux", device={"vtysh": "login"}, blind_to=frozenset({"shrunk", "truncate-keeps-end"})),
    DriverCase("frr_linux", box={"mode": "bash"}, device={"vtysh": "command"}),
    DriverCase("frr_linux", box={"mode": "bash"}),
    DriverCase("frr_linux", box={"mode": "linux"}),
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
        keeps_at_once=True,
    ),
)

MODELLED = tuple(case for case in ROSTER if case.foreign)
"""The cases with which the neutral model is tried."""
