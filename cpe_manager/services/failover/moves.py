"""From a decision to what is written of it: record, history, incidents and events of one step of a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.failover.lines import Act, Decision, FailoverState, LineRecord, Transition
from cpe_manager.ports.lines import IncidentChange, Move
from cpe_manager.services.failover.conductor import Done

_SEVERITY: Final[Mapping[FailoverState, Severity]] = {
    FailoverState.FAILED: "error",
    FailoverState.SUSPECT: "warning",
    FailoverState.SWITCHING: "warning",
    FailoverState.MOBILE: "warning",
}
_WORDS: Final[Mapping[FailoverState, str]] = {
    FailoverState.FIXED: "the fixed line carries",
    FailoverState.SUSPECT: "something speaks against the line",
    FailoverState.SWITCHING: "traffic is being moved to mobile",
    FailoverState.MOBILE: "traffic goes over mobile",
    FailoverState.RETURNING: "traffic is being moved back",
    FailoverState.FAILED: "the line is down and nothing carries it",
    FailoverState.HELD: "held: nothing is moved",
}


@dataclass(frozen=True, slots=True)
class Incidents:
    """How a line's incidents stand: ``priority`` of its own (None: none is open), ``defective``: one of the backup."""

    priority: int | None = None
    defective: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A step of a line: from ``before`` to ``after``, by ``decision``. ``parent_id``: the incident of its node."""

    before: LineRecord
    after: LineRecord
    decision: Decision
    at: datetime
    incidents: Incidents
    """As they stood."""
    parent_id: str | None = None
    last_change: str = ""

    @property
    def left(self) -> Incidents:
        """As they stand from now on; what is not known of the backup leaves its incident as it is."""
        defective = self.decision.backup_defective
        return Incidents(self.decision.priority, self.incidents.defective if defective is None else defective)

    @property
    def written(self) -> bool:
        """Whether there is anything to write."""
        return self.after != self.before or self.left != self.incidents


@dataclass(frozen=True, slots=True)
class Pending:
    """A step that waits to be written. ``act``: what follows once it is. ``wants_change``: the device's last change is
    still to be looked up."""

    move: Move
    act: Act
    left: Incidents
    wants_change: bool = False
    done: Done | None = None
    """The outcome that it was decided upon; heard once it is written."""

    @property
    def line_id(self) -> str:
        return self.move.record.line.id


def move_of(change: Change, new_id: str) -> Move:
    transition = _transition(change, new_id) if change.after.state is not change.before.state else None
    return Move(change.after, transition, tuple(_incidents(change)), tuple(_events(change, transition)), change.at)


def _transition(change: Change, new_id: str) -> Transition:
    after = change.after
    ids = after.switch_id or change.before.switch_id, after.push_id or change.before.push_id
    return Transition(
        new_id, after.line.id, change.at, change.before.state, after.state, after.condition, change.decision.reasons,
        after.by or change.before.by or "manager", *ids, change.last_change,
    )  # fmt: skip


def _incidents(change: Change) -> Iterator[IncidentChange]:
    reason = change.decision.reasons[0] if change.decision.reasons else str(change.after.condition)
    if change.left.priority != change.incidents.priority:
        yield IncidentChange("line", change.left.priority, reason, change.parent_id)
    if change.left.defective != change.incidents.defective:
        yield IncidentChange("backup", 3 if change.left.defective else None, reason)


def _events(change: Change, transition: Transition | None) -> Iterator[NewEvent]:
    after, line = change.after, change.after.line
    data: dict[str, Any] = {
        "line_id": line.id, "line": line.ref, "site": line.site, "access_node": line.node,
        "condition": str(after.condition), "reasons": list(change.decision.reasons),
    }  # fmt: skip
    why = f": {change.decision.reasons[0]}" if change.decision.reasons else ""
    if transition is not None:
        kind = f"line.{after.state.value}"
        more = {
            "before": change.before.state.value, "by": transition.by, "switch_id": transition.switch_id,
            "push_id": transition.push_id, "last_change": change.last_change,
        }  # fmt: skip
        message = f"{line.device}: {_WORDS[after.state]}{why}"
        severity = _SEVERITY.get(after.state, "info")
        yield NewEvent(kind, change.at, severity, device_id=line.device_id, message=message, data=data | more)
    if change.decision.proved is not None and change.before.wanted == "test":
        ok = change.decision.proved
        message = f"{line.device}: test of the mobile backup {'passed' if ok else 'failed'}{why}"
        severity = "info" if ok else "error"
        told = data | {"ok": ok, "by": change.before.wanted_by}
        yield NewEvent("line.tested", change.at, severity, device_id=line.device_id, message=message, data=told)
