"""The nouns of an activation (§4.2, §4.3): what was ordered for a site, how far it has come, what was tested.

An order may hold secrets (PPP log-in, wifi keys, APN log-in): it is sealed wherever it is stored, and shown masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Any, Final

from cpe_manager.domain.activation.activation_flow import Entry, State, Step
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.model.cpe_config import DhcpServer, Firewall, Lan, PortMapping, Wan, Wifi
from cpe_manager.domain.model.cpe_config_data import masked, plain, read_as
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.domain.model.requirements import require, unique
from cpe_manager.domain.subscription.catalogue import C
from cpe_manager.domain.subscription.subscriptions import Representative
from cpe_manager.domain.working_days import Promise

_EMAIL: Final = re.compile(r"[^\s@<>,;\x00-\x1f]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]*")
LANGUAGES: Final = ("en", "nl", "fr")
LONGEST_NAME: Final = 200
MOST_PORTS: Final = 256
"""Mappings of one order; more can be opened later by change requests, without any limit (§3.4)."""


@dataclass(frozen=True, slots=True)
class WifiChoice:
    """Wifi on or off, as ordered (§4.2). ``networks``: what it is to be called and so on; without any, what the box has
    already is switched. Bands that are not named are off."""

    on: bool = True
    networks: tuple[Wifi, ...] = ()

    def __post_init__(self) -> None:
        require(self.on or not self.networks, "wifi that is off has no networks")
        unique("wifi band", [one.band for one in self.networks])


@dataclass(frozen=True, slots=True)
class ActivationOrder:
    """What a site is to have. ``formula``, ``options``: ids of the service catalogue. What is None or empty is left as
    the box has it.

    ``wan``: addresses and PPP log-in (§3.3): a fixed IPv4 with its gateway, the IPv6 /56, the IP pack. ``ports``: to be
    opened at installation (§3.4). ``mobile``: the backup's APN. ``ready_for_service``: a day, ``2026-12-24``, that the
    customer asks for; with ``rush`` its feasibility is answered first (§4.3).
    """

    formula: str
    technology: LineKind
    options: tuple[str, ...] = ()
    wan: Wan | None = None
    lan: Lan | None = None
    dhcp: DhcpServer | None = None
    wifi: WifiChoice | None = None
    ports: tuple[PortMapping, ...] = ()
    firewall: Firewall | None = None
    dns: tuple[IPv4Address, ...] = ()
    mobile: Mobile | None = None
    ready_for_service: str = ""
    rush: bool = False
    customer: str = ""
    representatives: tuple[Representative, ...] = ()
    language: str = "en"

    def __post_init__(self) -> None:
        require(bool(self.formula), "an order names a formula")
        unique("option", self.options)
        unique("name server", self.dns)
        require(len(self.ports) <= MOST_PORTS, f"an order opens at most {MOST_PORTS} ports or ranges")
        for name, text in (
            ("customer", self.customer),
            *(("representative", one.name) for one in self.representatives),
        ):
            require(len(text) <= LONGEST_NAME and _PLAIN.fullmatch(text) is not None, f"{name} is no plain name")
        for one in self.representatives:
            require(_EMAIL.fullmatch(one.email) is not None, f"{one.email!r} is no e-mail address")
        require(self.language in LANGUAGES, f"language is none of {', '.join(LANGUAGES)}")
        require(not self.rush or bool(self.ready_for_service), "a rush asks for a ready-for-service date (§4.3)")
        if self.mobile is not None:
            require(C.MOBILE_BACKUP in self.options, f"an APN without the option {C.MOBILE_BACKUP} has no place")
            require(self.mobile.active, "a mobile backup that is ordered is on")
            require(not self.mobile.preferred, "the fixed line goes first")
        _ = self.wished

    @property
    def wished(self) -> date | None:
        """The day that was asked for. Raises ``InputError``."""
        if not self.ready_for_service:
            return None
        try:
            return date.fromisoformat(self.ready_for_service)
        except ValueError:
            raise InputError(f"ready_for_service: {self.ready_for_service!r} is no day, such as 2026-12-24") from None

    @property
    def with_backup(self) -> bool:
        return C.MOBILE_BACKUP in self.options

    def to_data(self) -> dict[str, Any]:
        """Plain data, secrets included; `order_of` reads it back."""
        data: dict[str, Any] = plain(self)
        return data

    def shown(self) -> dict[str, Any]:
        """For people: every secret is masked."""
        data: dict[str, Any] = masked(self.to_data())
        return data


def order_of(data: Any) -> ActivationOrder:
    """Raises ``InputError`` with the place (``wan.address``) and the reason, for unknown names too."""
    return read_as(ActivationOrder, data)


ORDER_FIELDS: Final = tuple(one.name for one in fields(ActivationOrder))


class Verdict(StrEnum):
    """Of one test. ``unproven``: it could not be judged from here, and why is told; that alone keeps no site from being
    activated. ``not-ordered``: there is nothing to be tested."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"
    NOT_ORDERED = "not-ordered"


@dataclass(frozen=True, slots=True)
class TestResult:
    """What one test found. ``measured`` and ``goal`` in words with their units; ``redo``: the steps whose push may mend
    it."""

    __test__ = False

    name: str
    title: str
    section: str
    verdict: Verdict
    measured: str = ""
    goal: str = ""
    reason: str = ""
    redo: tuple[Step, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs: plain data."""

    def to_data(self) -> dict[str, Any]:
        return {
            "name": self.name, "title": self.title, "section": self.section, "verdict": self.verdict.value,
            "measured": self.measured, "goal": self.goal, "reason": self.reason,
            "redo": [step.value for step in self.redo], "values": dict(self.values),
        }  # fmt: skip

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> TestResult:
        plain = dict(data)
        plain["verdict"] = Verdict(data["verdict"])
        plain["redo"] = tuple(Step(one) for one in data["redo"])
        return cls(**plain)


@dataclass(frozen=True, slots=True)
class TestRound:
    """All tests, once. ``number`` counts from 1 within the activation."""

    __test__ = False

    number: int
    at: datetime
    results: tuple[TestResult, ...]

    @property
    def failed(self) -> tuple[TestResult, ...]:
        return tuple(one for one in self.results if one.verdict is Verdict.FAILED)

    @property
    def redo(self) -> tuple[Step, ...]:
        """Steps that may mend what failed; none where something failed that no push mends."""
        if any(not one.redo for one in self.failed):
            return ()
        wanted = {step for one in self.failed for step in one.redo}
        return tuple(step for step in Step if step in wanted)


@dataclass(frozen=True, slots=True)
class RushAnswer:
    """Whether the day that was asked for can be kept (§4.3). ``day``: the one that is promised."""

    feasible: bool
    by: str
    at: datetime
    day: date | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        require(not self.feasible or self.day is not None, "a rush that is feasible has a date")
        require(self.feasible or bool(self.reason.strip()), "a rush that is not feasible has a reason")
        require(len(self.reason) <= 2000, "the reason is longer than 2000 characters")


@dataclass(frozen=True, slots=True)
class Said:
    """What people have said of it. ``retries``: how often somebody had it tried again after it had failed."""

    rush: RushAnswer | None = None
    retries: int = 0
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the work on it has come to. ``failures``: how often it has failed for good, until somebody retried."""

    state: State = State.ORDERED
    failures: int = 0
    note: str = ""
    """What it waits for, or why it cannot go on, in a sentence."""
    not_before: datetime | None = None
    """None: it waits for a person, or has ended."""
    push_id: str | None = None
    job_id: str | None = None
    backup_id: str | None = None
    rounds: tuple[TestRound, ...] = ()
    reports: int = 0
    activated_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation of one site. All durable truth about it is here, in its journal and in its sealed order.

    ``order``: masked. ``catalogue_version``: that it was ordered under, and is judged by to its end.
    """

    id: str
    site_id: str
    site: str
    device_id: str
    device: str
    formula: str
    technology: LineKind
    catalogue_version: int
    order: Mapping[str, Any]
    created_at: datetime
    requested_by: str
    promise: Promise
    rush: bool = False
    router: bool = True
    """False: the router is the customer's, and nothing on it is configured (§3.2, §5.2.1)."""
    key: str | None = None
    """Idempotency key of whoever ordered it."""
    said: Said = field(default_factory=Said)
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """An activation with its journal, oldest entry first."""

    activation: Activation
    journal: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class ActivationReport:
    """What the customer and the operator are given in writing (§4.2). ``number`` counts from 1 within the activation:
    one is made whenever it has been tested to an end. ``data`` is plain and without secrets; ``html`` is one page that
    loads nothing."""

    activation_id: str
    number: int
    at: datetime
    passed: bool
    data: Mapping[str, Any]
    html: str = field(repr=False)
