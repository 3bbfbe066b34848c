"""When it is told that a line's volume over mobile nears its data cap, and when that it is there: once each a month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cpe_manager.domain.events import NewEvent, Severity
from cpe_manager.domain.failover.lines import FailoverPolicy, LineRecord
from cpe_manager.domain.failover.mobile_volume import MonthVolume, month_of

MEGABYTE: Final = 1_000_000
NEAR, REACHED = "line.cap_near", "line.cap_reached"
_LEVELS: Final = {NEAR: 1, REACHED: 2}


def cap_kind(volume: MonthVolume, policy: FailoverPolicy, at: float) -> str:
    """The kind of event that is due for the month that ``at`` (epoch seconds) is in; empty: none."""
    used, cap = volume.within(at), policy.data_cap_mb * MEGABYTE
    if not cap:
        return ""
    if used >= cap:
        return REACHED
    return NEAR if used * 100 >= cap * policy.data_cap_near else ""


def cap_mark(kind: str, at: float) -> str:
    """A word for what was told, ``2026-11:1``: what is told later has a greater one, whatever became of the cap since.
    So who was told that a cap is reached is not told that it is near."""
    return f"{month_of(at)}:{_LEVELS[kind]}"


def cap_event(kind: str, record: LineRecord, volume: MonthVolume, policy: FailoverPolicy, at: float) -> NewEvent:
    line, used = record.line, volume.within(at)
    month, cap = month_of(at), policy.data_cap_mb
    words = "its data cap is reached" if kind == REACHED else f"{used * 100 // (cap * MEGABYTE)} % of its data cap"
    message = f"{line.device}: {used // MEGABYTE} of {cap} MB over mobile in {month}, {words}"
    data = {
        "line_id": line.id, "line": line.ref, "site": line.site, "month": month, "octets": used, "cap_mb": cap,
        "near_percent": policy.data_cap_near, "carrier": record.carrier.value,
    }  # fmt: skip
    severity: Severity = "error" if kind == REACHED else "warning"
    return NewEvent(
        kind, datetime.fromtimestamp(at, UTC), severity, device_id=line.device_id, message=message, data=data
    )
