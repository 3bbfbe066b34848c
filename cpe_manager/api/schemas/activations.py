"""Activations: what is ordered for a site, how far it has come, what was tested."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.activation.activation_flow import Entry, Result, State, Step
from cpe_manager.domain.activation.activations import (
    MOST_PORTS,
    Activation,
    ActivationRecord,
    ActivationReport,
    RushAnswer,
    TestResult,
    Verdict,
)
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.services.activation.orders import ActivationAsked, RushSaid

Text = Annotated[str, Field(max_length=200)]
Secret = Annotated[str, Field(max_length=200, description="Kept sealed, never shown")]
PortNumbers = Annotated[StrictInt | StrictStr, Field(description="A port, or a range such as `6000-6010`")]


class WanBody(Body):
    """The internet side (§3.3). `static` takes address and gateway; `pppoe` the log-in, and the address as a /32."""

    mode: Literal["dhcp", "static", "pppoe"]
    address: Text | None = Field(default=None, examples=["203.0.113.2/30"])
    gateway: Text | None = None
    username: Text | None = None
    password: Secret | None = None
    ipv6_prefix: Text | None = Field(default=None, description="The fixed /56")
    ipv6_router: Text | None = Field(default=None, description="The customer's router behind it; `::10` unless said")
    ip_pack: Text | None = Field(default=None, description="4 to 32 more fixed addresses (§3.3.2)")


class LanBody(Body):
    address: Text = Field(examples=["192.168.1.1/24"])


class ReservationBody(Body):
    mac: Text
    address: Text


class DhcpBody(Body):
    first: Text
    last: Text
    lease_seconds: int = 86_400
    domain: Text | None = None
    reservations: list[ReservationBody] = Field(default=[], max_length=500)


class WifiNetworkBody(Body):
    band: Literal["2.4", "5"]
    ssid: Text
    security: Literal["open", "wpa2", "wpa2-wpa3", "wpa3"] = "wpa2"
    key: Secret | None = None
    channel: int = 0
    enabled: bool = True


class WifiBody(Body):
    """On or off, as ordered. Bands that are not named are off."""

    on: bool = True
    networks: list[WifiNetworkBody] = Field(default=[], max_length=2)


class PortBody(Body):
    """A port to be opened at installation (§3.4)."""

    protocol: Literal["tcp", "udp"]
    ports: PortNumbers
    inside: Text
    inside_port: int
    source: Text | None = Field(default=None, description="Who may come in; everybody unless said")


class AccessRuleBody(Body):
    action: Literal["accept", "drop", "reject"]
    protocol: Literal["ip", "icmp", "tcp", "udp"] = "ip"
    source: Text | None = None
    destination: Text | None = None
    ports: PortNumbers | None = None


class TimerBody(Body):
    protocol: Literal["tcp", "udp"]
    seconds: int
    port: int | None = None


class FirewallBody(Body):
    """The managed firewall (§3.7)."""

    inbound: Literal["accept", "drop", "reject"] = "drop"
    rules: list[AccessRuleBody] = Field(default=[], max_length=500)
    timers: list[TimerBody] = Field(default=[], max_length=100)


class MobileBody(Body):
    """The mobile backup's access (§3.8)."""

    apn: Text
    username: Text | None = None
    password: Secret | None = None


class RepresentativeBody(Body):
    """An authorised representative of the customer (§5.1.1)."""

    name: Text
    email: Text


class ActivationBody(Body):
    """What a site is to have. What is left out stays as the box has it."""

    device: str = Field(min_length=1, max_length=200, description="The box at the site, by name or id")
    formula: str = Field(min_length=1, max_length=64, examples=["pro-plus"])
    technology: LineKind
    options: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=40)
    wan: WanBody | None = None
    lan: LanBody | None = None
    dhcp: DhcpBody | None = None
    wifi: WifiBody | None = None
    ports: list[PortBody] = Field(default=[], max_length=MOST_PORTS)
    firewall: FirewallBody | None = None
    dns: list[Text] = Field(default=[], max_length=4)
    mobile: MobileBody | None = None
    ready_for_service: date | None = Field(default=None, description="The day that the customer asks for")
    rush: bool = Field(default=False, description="Have the feasibility of that day answered first (§4.3)")
    customer: Text = ""
    representatives: list[RepresentativeBody] = Field(default=[], max_length=20)
    language: Literal["en", "nl", "fr"] = "en"

    def asked(self, key: str | None) -> ActivationAsked:
        order = self.model_dump(mode="json", exclude={"device"}, exclude_none=True)
        return ActivationAsked(self.device, order, key)


class RushBody(Body):
    """`day`: the one that is promised; the one that was asked for unless said. `reason`: needed where it is not
    feasible."""

    feasible: bool
    day: date | None = None
    reason: str = Field(default="", max_length=2000)

    def said(self) -> RushSaid:
        return RushSaid(self.feasible, self.day, self.reason)


class RushAnswerView(View):
    feasible: bool
    day: date | None
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, one: RushAnswer) -> RushAnswerView:
        return cls.model_validate(one)


class TestView(View):
    """`unproven`: it could not be judged from here, and `reason` says why."""

    __test__ = False

    name: str
    title: str
    section: str
    verdict: Verdict
    measured: str
    goal: str
    reason: str
    values: dict[str, Any]

    @classmethod
    def of(cls, one: TestResult) -> TestView:
        return cls.model_validate(one)


class ActivationStepView(View):
    """`result` null: it has begun."""

    step: Step
    at: datetime
    result: Result | None
    reason: str

    @classmethod
    def of(cls, one: Entry) -> ActivationStepView:
        return cls.model_validate(one)


class ActivationView(View):
    id: str
    site: str
    device: str
    formula: str
    technology: LineKind
    catalogue_version: int
    state: State
    note: str = Field(description="What it waits for, or why it does not go on")
    created_at: datetime
    requested_by: str
    due_at: datetime = Field(description="The end of the last day (§4.2)")
    rush: bool
    answer_by: datetime | None = Field(description="By when the rush is to be answered (§4.3)")
    rush_answer: RushAnswerView | None
    failures: int
    push_id: str | None
    job_id: str | None
    backup_id: str | None
    reports: int = Field(description="How many there are; the last is the one that counts")
    cancelled_by: str | None
    activated_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, one: Activation) -> ActivationView:
        return cls.model_validate(cls._values(one))

    @classmethod
    def _values(cls, one: Activation) -> dict[str, Any]:
        plain = ("id", "site", "device", "formula", "technology", "catalogue_version", "created_at", "requested_by")
        worked = ("state", "note", "failures", "push_id", "job_id", "backup_id", "reports", "activated_at", "ended_at")
        values = {name: getattr(one, name) for name in (*plain, "rush")}
        values |= {name: getattr(one.progress, name) for name in worked}
        answer = one.said.rush
        return values | {
            "due_at": one.promise.due_at,
            "answer_by": one.promise.answer_by,
            "rush_answer": None if answer is None else RushAnswerView.of(answer),
            "cancelled_by": one.said.cancelled_by,
        }


class ActivationDetailView(ActivationView):
    """With what was ordered (secrets masked), the journal, and the tests of the last round."""

    order: dict[str, Any]
    tests: list[TestView]
    rounds: int
    journal: list[ActivationStepView]

    @classmethod
    def with_journal(cls, record: ActivationRecord) -> ActivationDetailView:
        one = record.activation
        rounds = one.progress.rounds
        values = cls._values(one) | {
            "order": one.order,
            "tests": [TestView.of(each) for each in rounds[-1].results] if rounds else [],
            "rounds": rounds[-1].number if rounds else 0,
            "journal": [ActivationStepView.of(entry) for entry in record.journal],
        }
        return cls.model_validate(values)


class ActivationReportView(View):
    """The report as data. `data` holds what the page shows, and no secret."""

    activation_id: str
    number: int
    at: datetime
    passed: bool
    data: dict[str, Any]

    @classmethod
    def of(cls, one: ActivationReport) -> ActivationReportView:
        return cls.model_validate(one)
