"""How a request is after a step, and the event that tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from cpe_manager.domain.changes.requests import OUTCOMES, ChangeRequest, ChangeState
from cpe_manager.domain.events import NewEvent, Severity

SUBMITTED: Final = "change.submitted"
ASKED_AGAIN: Final = "change.asked_again"
_SEVERITY: Final[dict[ChangeState, Severity]] = {ChangeState.STUCK: "error", ChangeState.REVERTED: "warning"}


def turned(
    change: ChangeRequest, to: ChangeState, reason: str, code: str, values: Iterable[tuple[str, Any]]
) -> ChangeRequest:
    """The request one revision on. What was noted of trying in the state before is of no concern any more."""
    begun: dict[str, Any] = {"look_at": None, "tries": 0}
    if to in OUTCOMES:
        begun["outcome"] = to
    return replace(
        change, **{**begun, **dict(values)}, state=to, revision=change.revision + 1, reason=reason, code=code
    )


def told(change: ChangeRequest, at: datetime, by: str, kind: str = "") -> NewEvent:
    """The event of the state that a request has come to. ``site`` says whose it is: others never see it."""
    kind = kind or f"change.{change.state}"
    message = f"{change.ticket} {change.device}: {change.summary}: {kind.partition('.')[2].replace('_', ' ')}"
    data = {
        "change_id": change.id,
        "ticket": change.ticket,
        "site": change.site,
        "type": change.type,
        "state": change.state.value,
        "revision": change.revision,
        "summary": change.summary,
        "by": by,
        "reason": change.reason,
        "code": change.code,
    }
    return NewEvent(
        kind, at, _SEVERITY.get(change.state, "info"), device_id=change.device_id,
        message=message + (f": {change.reason}" if change.reason else ""), data=data,
    )  # fmt: skip
