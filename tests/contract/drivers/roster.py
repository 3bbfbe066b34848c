"""Every driver with the box that it is tried on. A new family is one more line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cpe_manager.domain.inventory import Transport


@dataclass(frozen=True)
class DriverCase:
    """box: options of the virtual CPE. device: options of the device in the inventory.

    blind_to: faults that leave a text with every mark of completeness in place; there the guard against shrinking
    configurations has to notice, no driver can.
    foreign: lines (stripped) of the box's own configuration that carry no part of the neutral model; a case that names
    some takes part in the tests of the model. unspeakable: characters that the family cannot write in a secret.
    keeps_at_once: the box writes what it takes to flash at once, so that a restart undoes nothing.
    persona: the virtual CPE's family, where the driver's has another name. transport: how it is reached.
    """

    family: str
    box: Mapping[str, str] = field(default_factory=dict)
    device: Mapping[str, str] = field(default_factory=dict)
    blind_to: frozenset[str] = frozenset()
    foreign: tuple[str, ...] = ()
    unspeakable: str = ""
    keeps_at_once: bool = False
    persona: str = ""
    transport: Transport = "ssh"

    @property
    def box_family(self) -> str:
        return self.persona or self.family

    def __str__(self) -> str:
        options = [f"{key}={value}" for key, value in {**self.box, **self.device}.items()]
        return "-".join((self.family, *(() if self.transport == "ssh" else (self.transport,)), *options))


ROSTER = (
    DriverCase("cisco_ios", blind_to=frozenset({"shrunk"})),
    DriverCase(
        "cisco_ios",
        box={"login": "privileged", "password_encryption": "yes"},
        blind_to=frozenset({"shrunk"}),
    ),
    DriverCase("openwrt"),
    DriverCase("frr_linux", device={"vtysh": "login"}, blind_to=frozenset({"shrunk", "truncate-keeps-end"})),
    DriverCase("frr_linux", box={"mode": "linux"}, device={"vtysh": "command"}),
    DriverCase("frr_linux", box={"mode": "linux"}),
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

MODELLED = tuple(case for case in ROSTER if case.foreign)
"""The cases with which the neutral model is tried."""
