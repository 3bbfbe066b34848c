"""Lines and fail-over: what is known of a line, where it stands, what became of it, what is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from cpe_manager.api.schemas.common import Body, RowView, View
from cpe_manager.domain.failover.lines import (
    Carrier,
    Condition,
    Coverage,
    FailoverState,
    Incident,
    LineRecord,
    LineSetup,
    Transition,
    Who,
)
from cpe_manager.ports.lines import Wanted
from cpe_manager.services.failover.lines import CoverageChecked, LineShown, Order, RowResult, SetupRow, Watch

_FIXED = "What follows the traffic when it moves (§3.8)"
_ANSWERS = "Answers over this way alone, never the fixed address"


class LineSetupBody(Body):
    """All that people say of a line; what is left out is as for a new line."""

    watched: bool = True
    formula: str = Field(default="", max_length=64, description="As the order names it, such as `pro-plus` (§2)")
    ordered: bool = Field(default=False, description="With mobile backup")
    moves: Who = Field(default="manager", description="`cpe`: the box moves its traffic by itself, and is verified")
    line_address: str = Field(default="", max_length=64, description=_ANSWERS)
    mobile_address: str = Field(default="", max_length=64, description=_ANSWERS)
    platform: str = Field(default="", max_length=200, description="Name in the platform file; empty: nothing is moved")
    fixed_ipv4: str = Field(default="", max_length=64, description=_FIXED)
    fixed_ipv6: str = Field(default="", max_length=64, description=_FIXED)
    fixed_gateway: str = Field(default="", max_length=64, description="The box on the fixed line, as the edge sees it")
    mobile_gateway: str = Field(default="", max_length=64, description="The box over mobile, as the edge sees it")
    fixed_port: str = Field(default="", max_length=200, description="ifName on the box; empty: as its driver finds it")
    mobile_port: str = Field(default="", max_length=200)
    policy: dict[str, bool | int | float | str] = Field(
        default={}, max_length=100, description="What differs from the installation's policy"
    )

    def values(self) -> dict[str, object]:
        return self.model_dump(exclude_unset=True)


class LineSetupView(View):
    watched: bool
    formula: str
    ordered: bool
    coverage: Coverage
    coverage_reason: str
    moves: Who
    line_address: str
    mobile_address: str
    platform: str
    fixed_ipv4: str
    fixed_ipv6: str
    fixed_gateway: str
    mobile_gateway: str
    fixed_port: str
    mobile_port: str
    policy: dict[str, Any]

    @classmethod
    def of(cls, setup: LineSetup) -> LineSetupView:
        values = {name: getattr(setup, name) for name in cls.model_fields}
        values |= {name: str(values[name] or "") for name in ("fixed_ipv4", "fixed_ipv6")}
        return cls.model_validate(values)


class LineView(View):
    id: str
    line: str = Field(description="Its reference in the inventory")
    device: str
    device_id: str
    site: str
    node: str = Field(description="Access node; empty: not known")
    watched: bool
    state: FailoverState
    since: datetime
    carrier: Carrier = Field(description="What carries the traffic")
    condition: Condition
    reasons: list[str] = Field(description="Why, one for each thing that weighed")
    by: str = Field(description="Who moved it: `manager`, `cpe`, or a token's name")
    moves: Who
    entitled: str = Field(description="Empty when it may be moved, else why not (§2, §3.8)")
    coverage: Coverage
    attempts: int = Field(description="Switches that failed since the line went down")
    flaps: list[datetime] = Field(description="The last losses, oldest first")
    wanted: Wanted | None = Field(description="What somebody asked for and is not done yet")
    wanted_by: str
    wanted_reason: str
    due: str = Field(description="What happens next by itself")
    due_at: datetime | None
    tested_at: datetime | None = Field(description="Last exercise of the backup")
    test_ok: bool | None
    mobile_bytes: int = Field(
        description="Over mobile, in and out, in this calendar month of Brussels; written now and then"
    )
    switch_id: str
    push_id: str
    revision: int = Field(description="The `ETag`: name it in `If-Match` to write only over what was read")

    @classmethod
    def of(cls, record: LineRecord) -> LineView:
        return cls(**_values(record))


class TransitionView(View):
    id: str
    line_id: str
    at: datetime
    before: FailoverState
    after: FailoverState
    condition: Condition
    reasons: list[str]
    by: str
    switch_id: str
    push_id: str
    last_change: str = Field(description="The last confirmed change of the box before it")

    @classmethod
    def of(cls, one: Transition) -> TransitionView:
        return cls.model_validate(one)


class IncidentView(View):
    """P1 line down without backup, P2 backup active, P3 backup defective (§5.1.1)."""

    id: str
    subject: Literal["line", "backup", "node"]
    line_id: str | None = Field(description="Null for an access node")
    node: str
    device: str
    site: str
    priority: int
    opened_at: datetime
    reason: str
    closed_at: datetime | None
    closed_reason: str
    parent_id: str | None = Field(description="The incident of the access node that it is part of")

    @classmethod
    def of(cls, one: Incident) -> IncidentView:
        return cls.model_validate(one)


class LineDetailView(LineView):
    setup: LineSetupView
    policy: dict[str, Any] = Field(description="What is in force")
    incidents: list[IncidentView] = Field(description="Open ones")
    recent: list[TransitionView]
    last_change: str = Field(description="The last confirmed change of the box; before the loss while the line is lost")
    outlook: list[str] = Field(description="What happens next")
    gaps: list[str] = Field(description="What the set-up lacks for a move that is verified end to end")

    @classmethod
    def shown(cls, found: LineShown) -> LineDetailView:
        policy = found.policy
        return cls(
            **_values(found.record),
            setup=LineSetupView.of(found.record.line.setup),
            policy={name: getattr(policy, name) for name in policy.__dataclass_fields__},
            incidents=[IncidentView.of(one) for one in found.incidents],
            recent=[TransitionView.of(one) for one in found.recent],
            last_change=found.last_change,
            outlook=list(found.outlook),
            gaps=list(found.gaps),
        )


class OrderBody(Body):
    what: Wanted
    reason: str = Field(default="", max_length=500, description="For whoever looks at the history")

    def order(self, key: str | None) -> Order:
        return Order(self.what, self.reason, key)


class CoverageBody(Body):
    """Nothing: measure now. A verdict with its reason: what somebody found on site is written down."""

    verdict: Coverage | None = None
    reason: str = Field(default="", max_length=500)


class CoverageView(View):
    line: LineView
    verdict: Coverage
    reason: str
    at: datetime
    signal_dbm: float | None = None
    registered: bool | None = None
    down_mbps: float | None = None
    up_mbps: float | None = None

    @classmethod
    def of(cls, found: CoverageChecked) -> CoverageView:
        names = ("signal_dbm", "registered", "down_mbps", "up_mbps")
        read = {name: getattr(found.reading, name) for name in names} if found.reading is not None else {}
        line = LineView.of(found.record)
        return cls(line=line, verdict=found.verdict, reason=found.reason, at=found.at, **read)


class LineRow(Body):
    number: int = Field(ge=1, description="Line of the file, for messages")
    device: str = Field(min_length=1, max_length=255)
    values: dict[str, bool | int | float | str | None] = Field(
        max_length=200, description="As in a set-up; text as in a table; `policy.NAME` is one value of the policy"
    )

    def row(self) -> SetupRow:
        return SetupRow(self.number, self.device, self.values)


class LineImportBody(Body):
    rows: list[LineRow] = Field(max_length=5000)
    dry_run: bool = False


class RowResultView(RowView):
    device: str

    @classmethod
    def of(cls, one: RowResult) -> RowResultView:
        return cls.model_validate(one)


class LineImportView(View):
    """What is wrong with a row stops no other."""

    dry_run: bool
    results: list[RowResultView]


class LineSummaryView(View):
    states: dict[FailoverState, int] = Field(description="Watched lines by state")
    incidents: dict[int, int] = Field(description="Open incidents by priority")
    watcher: str | None = Field(description="The process that watches; null: none does")
    watcher_until: datetime | None

    @classmethod
    def of(cls, found: Watch) -> LineSummaryView:
        who, until = found.leader or (None, None)
        return cls(states=dict(found.states), incidents=dict(found.incidents), watcher=who, watcher_until=until)


def _values(record: LineRecord) -> dict[str, Any]:
    line = record.line
    return {
        "id": line.id,
        "line": line.ref,
        "device": line.device,
        "device_id": line.device_id,
        "site": line.site,
        "node": line.node,
        "watched": line.setup.watched,
        "state": record.state,
        "since": _time(record.since),
        "carrier": record.carrier,
        "condition": record.condition,
        "reasons": list(record.reasons),
        "by": record.by,
        "moves": line.setup.moves,
        "entitled": line.setup.entitled,
        "coverage": line.setup.coverage,
        "attempts": record.attempts,
        "flaps": [_time(one) for one in record.flaps],
        "wanted": record.wanted or None,
        "wanted_by": record.wanted_by,
        "wanted_reason": record.wanted_reason,
        "due": record.due,
        "due_at": _time(record.due_at),
        "tested_at": _time(record.tested_at),
        "test_ok": record.test_ok,
        "mobile_bytes": record.mobile_bytes,
        "switch_id": record.switch_id,
        "push_id": record.push_id,
        "revision": record.revision,
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
