"""What a site has (§2): formula, technology, options; who speaks for it; and whether an operation is part of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cpe_manager.domain.fleet.inventory import LineKind


@dataclass(frozen=True, slots=True)
class Representative:
    """Who may speak for the customer (§5.1.1), and is told what happens."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """Of one site. ``options``: ids of components that are options of the formula and were ordered."""

    site_id: str
    site: str
    customer: str
    formula: str
    technology: LineKind
    options: frozenset[str] = frozenset()
    activated_at: datetime | None = None
    representatives: tuple[Representative, ...] = ()
    revision: int = 0
    catalogue_version: int = 0
    """That it was checked against when it was written."""
    language: str = "en"


class Operation(StrEnum):
    """Whatever is done for a customer, by the name under which entitlement is asked. The entries of the change
    catalogue are among them, under their own names."""

    OPEN_PORT = "open-port"
    CLOSE_PORT = "close-port"
    WAN_ADDRESS = "wan-address"
    LAN_ADDRESS = "lan-address"
    IP_PACK = "ip-pack"
    IPV6 = "ipv6"
    FIREWALL = "firewall"
    WIFI = "wifi"
    WIFI_RIGHTS = "wifi-rights"
    """The customer's own three settings (§5.2.1.1)."""
    DHCP = "dhcp"
    PPP = "ppp"
    MOBILE_BACKUP = "mobile-backup"
    REBOOT = "reboot"
    CONFIGURE = "configure"
    """Any other push onto the box."""
    BACKUP = "backup"
    RESTORE = "restore"
    REPLACE = "replace"
    FAILOVER = "failover"
    RUSH = "rush"


@dataclass(frozen=True, slots=True)
class Entitled:
    """The answer of ``domain.subscription.entitlement.entitled``. A refusal names the component and the section that it
    comes of; ``reason`` is a sentence for the customer."""

    allowed: bool
    component: str
    section: str
    reason: str = ""
