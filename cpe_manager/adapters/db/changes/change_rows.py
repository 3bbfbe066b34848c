"""Rows of change requests as domain values, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select

from cpe_manager.adapters.db.changes.change_tables import change_request
from cpe_manager.adapters.db.tables import device, site
from cpe_manager.adapters.db.transactions import Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.changes.requests import Approval, ChangeRequest, ChangeState, Fee, Shown

PREFIX: Final = "CHG-"
FIXED: Final = (
    "id", "site_id", "device_id", "type", "type_version", "summary", "submitted_by", "submitted_by_id", "submitted_at",
    "by_right", "note", "bulk_id", "key", "requested_for",
)  # fmt: skip
"""What a request keeps from its submission on."""
PLAIN: Final = (
    "catalogue_version", "revision", "standard", "reason", "code", "round", "not_before", "push_id", "ended_at",
    "closed_at", "expires_at", "look_at", "tries",
)  # fmt: skip
"""What becomes other with its steps, and is stored as it is."""


def select_changes() -> Select[Any]:
    tables = change_request.join(device, device.c.id == change_request.c.device_id)
    tables = tables.join(site, site.c.id == change_request.c.site_id)
    return select(change_request, device.c.name.label("device_name"), site.c.name.label("site_name")).select_from(
        tables
    )


def ticket_of(number: int) -> str:
    return f"{PREFIX}{number:06}"


def number_of(ticket: str) -> int | None:
    digits = ticket.removeprefix(PREFIX)
    plain = digits != ticket and digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if plain and ticket_of(int(digits)) == ticket else None


def new_values(one: ChangeRequest, number: int, parameters_id: str) -> Values:
    fixed = {name: getattr(one, name) for name in FIXED}
    kept = {"number": number, "parameters": dict(one.parameters), "parameters_id": parameters_id, "effect_id": None}
    return {**fixed, **kept, **standing(one)}


def standing(one: ChangeRequest) -> Values:
    """All that a step may make another."""
    return {
        **{name: getattr(one, name) for name in PLAIN},
        "state": one.state.value,
        "outcome": None if one.outcome is None else one.outcome.value,
        "shown": None if one.shown is None else _shown_value(one.shown),
        "approval": None if one.approval is None else _approval_value(one.approval),
        "fee": None if one.fee is None else {"billable": one.fee.billable, "reason": one.fee.reason},
        "ordered_at": one.submitted_at if one.approval is None else one.approval.at,
    }


def to_change(row: AnyRow) -> ChangeRequest:
    return ChangeRequest(
        **{name: getattr(row, name) for name in (*FIXED, *PLAIN)},
        ticket=ticket_of(row.number),
        site=row.site_name,
        device=row.device_name,
        parameters=row.parameters,
        state=ChangeState(row.state),
        outcome=None if row.outcome is None else ChangeState(row.outcome),
        shown=None if row.shown is None else _to_shown(row.shown),
        approval=None if row.approval is None else _to_approval(row.approval),
        fee=None if row.fee is None else Fee(row.fee["billable"], row.fee["reason"]),
    )


def _shown_value(one: Shown) -> Values:
    return {
        "basis": one.basis,
        "digest": one.digest,
        "neutral": [list(part) for part in one.neutral],
        "native": one.native,
        "notes": list(one.notes),
        "at": None if one.at is None else one.at.isoformat(),
    }


def _to_shown(data: Any) -> Shown:
    neutral = tuple((part, old, new) for part, old, new in data["neutral"])
    return Shown(data["basis"], data["digest"], neutral, data["native"], tuple(data["notes"]), _time(data["at"]))


def _approval_value(one: Approval) -> Values:
    return {
        "by": one.by,
        "by_id": one.by_id,
        "at": one.at.isoformat(),
        "basis": one.basis,
        "digest": one.digest,
        "words": one.words,
    }


def _to_approval(data: Any) -> Approval:
    at = datetime.fromisoformat(data["at"])
    return Approval(data["by"], data["by_id"], at, data["basis"], data["digest"], data["words"])


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
