"""Selects of lines, their history and incidents, and their rows as domain values."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from sqlalchemy import Select, and_, or_, select

from cpe_manager.adapters.db.failover.line_tables import incident, line_setup, line_state, line_transition
from cpe_manager.adapters.db.rows import ACCESS_NODE
from cpe_manager.adapters.db.tables import device, line, site
from cpe_manager.adapters.db.transactions import Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.failover.lines import (
    Carrier,
    Condition,
    FailoverState,
    Incident,
    Line,
    LineRecord,
    LineSetup,
    Transition,
)
from cpe_manager.domain.fleet.inventory import LifeState

ON_THE_LINE: Final = and_(
    device.c.position_id == line_setup.c.position_id,
    device.c.state != LifeState.DECOMMISSIONED.value,
    or_(device.c.line_id.is_(None), device.c.line_id == line_setup.c.line_id),
)
"""The device in service at the position. One that the inventory has moved to another line is no longer on this one."""

_FROM: Final = (
    line_setup.join(line, line.c.id == line_setup.c.line_id)
    .join(line_state, line_state.c.line_id == line_setup.c.line_id)
    .join(device, ON_THE_LINE)
    .join(site, site.c.id == device.c.site_id)
)
_SETUP: Final = tuple(column for column in line_setup.c if column.name not in {"position_id", "changed_at"})
_STATE: Final = tuple(column for column in line_state.c if column.name != "line_id")


def select_lines() -> Select[Any]:
    return select(
        *_SETUP,
        *_STATE,
        line.c.ref,
        site.c.name.label("site"),
        site.c.id.label("site_id"),
        device.c.id.label("device_id"),
        device.c.name.label("device"),
        ACCESS_NODE.label("node"),
    ).select_from(_FROM)


def to_record(row: AnyRow) -> LineRecord:
    return LineRecord(
        line=Line(
            row.line_id, row.ref, row.site, row.device_id, row.device, row.node or "", to_setup(row), row.site_id
        ),
        state=FailoverState(row.state),
        since=row.since,
        carrier=Carrier(row.carrier),
        condition=Condition(row.condition),
        reasons=tuple(row.reasons),
        flaps=tuple(row.flaps),
        switch_id=row.switch_id,
        push_id=row.push_id,
        by=row.moved_by,
        attempts=row.attempts,
        held_from=None if row.held_from is None else FailoverState(row.held_from),
        wanted=row.wanted,
        wanted_by=row.wanted_by,
        wanted_reason=row.wanted_reason,
        wanted_at=row.wanted_at,
        due=row.due,
        due_at=row.due_at,
        tested_at=row.tested_at,
        test_ok=row.test_ok,
        mobile_bytes=row.mobile_bytes,
        mobile_month=row.mobile_month,
        revision=row.revision,
    )


def state_values(record: LineRecord) -> Values:
    """All but the line and the revision."""
    return {
        "state": record.state.value,
        "since": record.since,
        "carrier": record.carrier.value,
        "condition": record.condition.value,
        "reasons": list(record.reasons),
        "flaps": list(record.flaps),
        "switch_id": record.switch_id,
        "push_id": record.push_id,
        "moved_by": record.by,
        "attempts": record.attempts,
        "held_from": None if record.held_from is None else record.held_from.value,
        "wanted": record.wanted,
        "wanted_by": record.wanted_by,
        "wanted_reason": record.wanted_reason,
        "wanted_at": record.wanted_at,
        "due": record.due,
        "due_at": record.due_at,
        "tested_at": record.tested_at,
        "test_ok": record.test_ok,
        "mobile_bytes": record.mobile_bytes,
        "mobile_month": record.mobile_month,
    }


def to_setup(row: AnyRow) -> LineSetup:
    return LineSetup(
        line_id=row.line_id,
        watched=row.watched,
        formula=row.formula,
        ordered=row.ordered,
        coverage=row.coverage,
        coverage_reason=row.coverage_reason,
        moves=row.moves,
        line_address=row.line_address,
        mobile_address=row.mobile_address,
        platform=row.platform,
        fixed_ipv4=None if row.fixed_ipv4 is None else IPv4Network(row.fixed_ipv4),
        fixed_ipv6=None if row.fixed_ipv6 is None else IPv6Network(row.fixed_ipv6),
        fixed_gateway=row.fixed_gateway,
        mobile_gateway=row.mobile_gateway,
        fixed_port=row.fixed_port,
        mobile_port=row.mobile_port,
        policy=row.policy,
    )


def setup_values(setup: LineSetup) -> Values:
    """All but the line, the position and who changed it when."""
    return {
        "watched": setup.watched,
        "formula": setup.formula,
        "ordered": setup.ordered,
        "coverage": setup.coverage,
        "coverage_reason": setup.coverage_reason,
        "moves": setup.moves,
        "line_address": setup.line_address,
        "mobile_address": setup.mobile_address,
        "platform": setup.platform,
        "fixed_ipv4": None if setup.fixed_ipv4 is None else str(setup.fixed_ipv4),
        "fixed_ipv6": None if setup.fixed_ipv6 is None else str(setup.fixed_ipv6),
        "fixed_gateway": setup.fixed_gateway,
        "mobile_gateway": setup.mobile_gateway,
        "fixed_port": setup.fixed_port,
        "mobile_port": setup.mobile_port,
        "policy": dict(setup.policy),
    }


def to_transition(row: AnyRow) -> Transition:
    return Transition(
        id=row.id,
        line_id=row.line_id,
        at=row.at,
        before=FailoverState(row.before),
        after=FailoverState(row.after),
        condition=Condition(row.condition),
        reasons=tuple(row.reasons),
        by=row.moved_by,
        switch_id=row.switch_id,
        push_id=row.push_id,
        last_change=row.last_change,
    )


def transition_values(one: Transition, number: int) -> Values:
    return {
        "id": one.id,
        "line_id": one.line_id,
        "number": number,
        "at": one.at,
        "before": one.before.value,
        "after": one.after.value,
        "condition": one.condition.value,
        "reasons": list(one.reasons),
        "moved_by": one.by,
        "switch_id": one.switch_id,
        "push_id": one.push_id,
        "last_change": one.last_change,
    }


def to_incident(row: AnyRow) -> Incident:
    return Incident(
        id=row.id,
        subject=row.subject,
        line_id=row.line_id,
        node=row.node,
        priority=row.priority,
        opened_at=row.opened_at,
        reason=row.reason,
        closed_at=row.closed_at,
        parent_id=row.parent_id,
        device=row.device,
        site=row.site,
        closed_reason=row.closed_reason,
    )


def select_transitions() -> Select[Any]:
    columns = line_transition.c
    return select(line_transition).order_by(columns.at.desc(), columns.number.desc(), columns.id.desc())


def select_incidents() -> Select[Any]:
    return select(incident).order_by(incident.c.opened_at.desc(), incident.c.id.desc())


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)
