"""The nouns of the inventory: sites, devices (CPEs), lines, groups, and how settings are inherited.

A *site* is a customer's location and outlives its hardware; a *device* is the hardware now at a position of a site.
When hardware is swapped the old device row is retired and the new one takes over its ``position_id``, so the
position's history of backups goes on (§5.1.2.4, §5.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Transport = Literal["ssh", "telnet"]
"""How a session reaches a device."""


class LifeState(StrEnum):
    """Where a device or a site is in its life; only ``active`` devices are visited."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DECOMMISSIONED = "decommissioned"


class LineKind(StrEnum):
    """The fixed access line (§1)."""

    COPPER = "copper"
    FIBRE = "fibre"


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Settings in force for one device after inheritance; times in seconds unless the name says otherwise."""

    connect_timeout: float = 15.0
    command_timeout: float = 30.0
    session_timeout: float = 120.0
    backup_target_hours: float = 26.0
    max_attempts: int = 3
    shrink_ratio: float = 0.5
    """A capture smaller than this share of the last good one is quarantined; 0 switches the check off."""
    legacy_crypto: bool = False
    """Offer SHA-1 key exchange, ``ssh-rsa`` and ``ssh-dss`` host keys, CBC ciphers and HMAC-SHA1 too. Insecure; a
    device's own setting, never a group's: each old box is a decision of its own, and the list of them stays short."""
    transport: Transport = "ssh"
    """``telnet`` is insecure: a device's own setting, and of effect only where a group says ``allow_telnet``."""
    allow_telnet: bool = False
    """A group's setting, inherited by the groups below it: its devices may be reached over Telnet (port 23 is the
    operator's management port, §5.2.2.1)."""
    snmp_port: int = 161
    snmp_timeout: float = 2.0
    """For one try of three."""
    push_windows: str = ""
    """When a push may begin, as ``domain.push.push_windows`` reads it; empty: what the installation says."""
    push_freezes: str = ""
    """When none may; empty: what the installation says."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Family-specific options, for example ``vtysh = "login"``; each driver documents its own."""


SETTING_NAMES = frozenset(
    {
        *("connect_timeout", "command_timeout", "session_timeout", "backup_target_hours", "max_attempts"),
        *("shrink_ratio", "legacy_crypto", "transport", "allow_telnet", "snmp_port", "snmp_timeout"),
        *("push_windows", "push_freezes"),
    }
)
DEVICE_SETTINGS = frozenset({"legacy_crypto", "transport"})
"""Settings that a device has to have itself; a group cannot hand them down."""
GROUP_SETTINGS = frozenset({"allow_telnet"})
"""Settings that only a group has; a device cannot give them to itself."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named bundle of settings; ``parent`` names the group it inherits from."""

    name: str
    parent: str | None = None
    family: str | None = None
    credential: str | None = None
    port: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Device:
    """One CPE as stored. ``None`` in family, credential or port means: inherited from the group."""

    id: str
    position_id: str
    site_id: str
    site: str
    name: str
    address: str
    state: LifeState
    port: int | None = None
    family: str | None = None
    group: str | None = None
    credential: str | None = None
    line: str | None = None
    access_node: str | None = None
    serial: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    installed_at: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device as some inventory file says it should be: the common shape that every importer yields.

    ``state`` is ``active`` or ``suspended``. ``file`` and ``line`` are where it was read, for error messages.
    """

    name: str
    address: str
    file: str
    line: int
    site: str = ""
    port: int | None = None
    family: str | None = None
    group: str | None = None
    credential: str | None = None
    line_ref: str | None = None
    line_kind: LineKind | None = None
    access_node: str | None = None
    serial: str | None = None
    model: str | None = None
    state: LifeState = LifeState.ACTIVE
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InventoryDocument:
    """What one import call brings: groups first, then devices, each with its place in the file."""

    devices: tuple[DeviceRecord, ...]
    groups: tuple[Group, ...] = ()
    warnings: tuple[str, ...] = ()
