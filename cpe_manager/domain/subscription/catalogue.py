"""What the operator sells (§2), as data: formulas, their components, speeds, volumes, options, schedules, limits.

A catalogue is read from a file (``config/service-catalogue.toml`` is the one that comes along), has a version, and is
kept for as long as anything refers to it: a running change is judged by the catalogue that it was approved under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from cpe_manager.domain.fleet.inventory import LineKind


class Terms(StrEnum):
    """What a formula says of a component, in the words of §2."""

    STANDARD = "STD"
    OPTION = "OPT"
    NONE = "-"


@dataclass(frozen=True, slots=True)
class CatalogueComponent:
    """``id`` is for programs and never changes (``fixed-ipv4``); ``section``: of the description (``§3.3.1``).

    ``by_use``: where it is an option, each use orders it, against a fee; it needs not be on the subscription
    (standard changes, §5.2.2). ``technologies``: those that it exists on. ``closed_since``: from that day on no new
    line gets it (§2.3).
    """

    id: str
    title: str
    section: str
    by_use: bool = False
    technologies: frozenset[LineKind] = frozenset(LineKind)
    closed_since: date | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """Mbps (§3.1.2)."""

    down: int
    up: int


@dataclass(frozen=True, slots=True)
class Volume:
    """Of a month (§3.1.3). ``gigabytes`` None: unlimited. ``above``: what happens beyond, in words."""

    gigabytes: int | None = None
    above: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """``id``: ``pro-plus``. ``titles``: what it is called on each technology. ``terms``: of every component of the
    catalogue. ``speeds``: without and with options, by technology; the key ``""`` is without any."""

    id: str
    titles: Mapping[LineKind, str]
    terms: Mapping[str, Terms]
    speeds: Mapping[LineKind, Mapping[str, Speed]]
    volume: Volume = field(default_factory=Volume)
    end_users: int | None = None
    """IPv4 addresses inside at most (§3.5); None: not limited by us."""
    mailboxes: int = 0
    router: bool = True
    """False: a modem is supplied alone, and the router is the customer's (§3.2)."""
    incident_schedule: str = ""
    """Of when clocks run (§6), as windows in the form of ``domain.push.push_windows``."""

    @property
    def technologies(self) -> tuple[LineKind, ...]:
        return tuple(self.titles)


@dataclass(frozen=True, slots=True)
class ServiceCatalogue:
    """``version`` counts up with each one that was taken; 0: not taken yet. ``reserved_ports``: TCP ports that are the
    operator's (§5.2.2.1: 23). ``change_window``: when changes that are no standard ones begin (§2.3); ``holidays``: the
    country whose public holidays are no working days. ``free_days``: after activation, in which changes cost nothing
    (§5.2.2)."""

    version: int
    components: Mapping[str, CatalogueComponent]
    formulas: Mapping[str, Formula]
    reserved_ports: frozenset[int] = frozenset({23})
    port_presets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Typical ports of §3.4 by name: ``mail``, ``web``, ``news``, ``ftp``, ``ssh``."""
    change_window: str = ""
    holidays: str = ""
    free_days: int = 7
    installation_days: int = 20
    """Working days from order to activation (§4.2)."""
    rush_days: int = 2
    """Working days within which a rush is answered (§4.3)."""


class C:
    """Ids of the components that code asks for; a catalogue without one of them is refused."""

    CPE: Final = "cpe"
    FIXED_IPV4: Final = "fixed-ipv4"
    DYNAMIC_ADDRESSES: Final = "dynamic-addresses"
    FIXED_IPV6: Final = "fixed-ipv6"
    IP_PACK: Final = "ip-pack"
    PORTS: Final = "ports"
    END_USERS: Final = "end-users"
    MAILBOXES: Final = "mailboxes"
    FIREWALL: Final = "managed-firewall"
    MOBILE_BACKUP: Final = "mobile-backup"
    FIBER_BOOST: Final = "fiber-boost"
    FIBER_BOOST_PLUS: Final = "fiber-boost-plus"
    BOOST_PRO: Final = "fullfiber-boost-pro"
    RUSH: Final = "rush-installation"
    REPLACEMENT: Final = "part-replacement"
    RESTORE: Final = "configuration-restore"
    CPE_CONFIGURATION: Final = "cpe-configuration"
    """Configuration management with specific customer rights (§5.2.1.1)."""
    OTHER_CONFIGURATION: Final = "line-and-platform-configuration"
    """Without customer rights: line, platform, mobile hardware (§5.2.1.2)."""
    BACKUP: Final = "configuration-backup"
    STANDARD_CHANGES: Final = "standard-changes"
    AVAILABILITY: Final = "availability"
    CHANGE_SCHEDULE: Final = "change-schedule"
    INCIDENT_24_7: Final = "incident-schedule-24-7"


COMPONENTS: Final = frozenset(value for name, value in vars(C).items() if name.isupper())
