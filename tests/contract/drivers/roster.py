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


_ROUTEROS = (
    "/interface bridge port add bridge=bridge comment=defconf interface=ether2",
    '/ip firewall filter add action=drop chain=input comment="defconf: drop invalid" connection-state=invalid',
    '/ip firewall filter add action=drop chain=input comment="defconf: drop all not coming from LAN" '
    "in-interface-list=!LAN",
    "/ip service set ftp disabled=yes",
    "/system clock set time-zone-name=Europe/Brussels",
    '/system note set note="Property of the operator"',
    "/ip ssh set strong-crypto=yes",
    "/tool romon set enabled=no",
)

ROSTER = (
    DriverCase("cisco_ios", blind_to=frozenset({"shrunk"})),
    DriverCase(
        "cisco_ios",
        box={"login": "privileged", "password_encryption": "yes"},
        blind_to=frozenset({"shrunk"}),
    ),
    DriverCase("routeros", foreign=_ROUTEROS, keeps_at_once=True),
    DriverCase("openwrt"),
    DriverCase("frr_linux", device={"vtysh": "login"}, blind_to=frozenset({"shrunk", "truncate-keeps-end"})),
    DriverCase("frr_linux", box={"mode": "linux"}, device={"vtysh": "command"}),
    DriverCase("frr_linux", box={"mode": "linux"}),
)

MODELLED = tuple(case for case in ROSTER if case.foreign)
"""The cases with which the neutral model is tried."""
