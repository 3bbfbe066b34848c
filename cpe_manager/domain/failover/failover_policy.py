"""How a line is watched and moved: the policy from data, and what it means at a moment.

Functions that answer with a text answer "may it?": empty is yes, else it is the reason why not, in operators' words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverPolicy, FailoverState, LineRecord
from cpe_manager.domain.push.push_windows import calendar_of, freezes_of, windows_of

DAY: Final = 86_400.0
MOST_FLAPS: Final = 32
"""Losses that a record remembers; the newest one is never forgotten, since it says that the line was seen up once."""
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "probe_every": (0.05, 600),
    "poll_every": (0.5, 3600),
    "misses": (1, 100),
    "trap_confirm": (0, 60),
    "recover": (1, 1000),
    "bfd_detect": (0.01, 60),
    "witness_within": (0, 300),
    "stale_after": (1, 3600),
    "restart_grace": (0, 3600),
    "up_for": (0, 7 * DAY),
    "flap_factor": (1, 100),
    "up_for_most": (0, 7 * DAY),
    "flap_memory": (0, 7 * DAY),
    "degraded_loss": (0.001, 1),
    "down_loss": (0.01, 1),
    "mobile_silent_for": (0, 7 * DAY),
    "node_share": (0.01, 1),
    "node_least": (2, 100_000),
    "node_within": (0.1, 300),
    "node_switches_at_once": (1, 10_000),
    "self_switch_grace": (0, 600),
    "switch_within": (1, 3600),
    "retry_after": (1, DAY),
    "data_cap_mb": (0, 10_000_000),
    "data_cap_near": (1, 100),
    "test_every_days": (0, 3650),
}


def policy_of(values: Mapping[str, object], base: FailoverPolicy | None = None) -> FailoverPolicy:
    """The policy that ``base`` (the installation's; the defaults) becomes by what differs. Raises ``InputError``, which
    names the value, for a name that there is none of, a value of another type or out of range, and for values that do
    not go together."""
    before = FailoverPolicy() if base is None else base
    known = {field.name: getattr(before, field.name) for field in fields(before)}
    if unknown := sorted(set(values) - set(known)):
        raise InputError(f"fail-over policy has no {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
    changed: dict[str, float | int | str] = {}
    for name, value in values.items():
        changed[name] = _value(name, value, known[name])
    return checked(replace(before, **changed))  # type: ignore[arg-type]


def _value(name: str, value: object, default: object) -> float | int | str:
    if isinstance(default, str):
        if not isinstance(value, str):
            raise InputError(f"fail-over policy: {name} is a text, not {value!r}")
        return value
    whole = isinstance(default, int)
    wanted = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"fail-over policy: {name} is {wanted}, not {value!r}")
    if whole and value != int(value):
        raise InputError(f"fail-over policy: {name} is {wanted}, not {value!r}")
    return int(value) if whole else float(value)


def checked(policy: FailoverPolicy) -> FailoverPolicy:
    """The policy itself. Raises ``InputError`` when a value is out of range, or two do not go together."""
    for name, (least, most) in _LIMITS.items():
        if not least <= getattr(policy, name) <= most:
            raise InputError(
                f"fail-over policy: {name} is {getattr(policy, name):g}, which is not within {least:g} to {most:g}"
            )
    if policy.up_for_most < policy.up_for:
        raise InputError(
            f"fail-over policy: up_for_most ({policy.up_for_most:g}) is less than up_for ({policy.up_for:g})"
        )
    if policy.down_loss < policy.degraded_loss:
        raise InputError("fail-over policy: down_loss is less than degraded_loss")
    for name in ("quiet_hours", "test_window"):
        try:
            windows_of(getattr(policy, name))
        except ValueError as error:
            raise InputError(f"fail-over policy: {name}: {error}") from None
    return policy


def hold_down(record: LineRecord, policy: FailoverPolicy) -> tuple[float, int]:
    """How long the line has to be up before traffic returns, and the losses in a row that made it so.

    Each loss that follows the one before within ``flap_memory``, or within the hold-down that was then in force, makes
    it ``flap_factor`` times longer, up to ``up_for_most``; a longer peace begins at ``up_for`` again.
    """
    wait, count, before = policy.up_for, 0, -math.inf
    for loss in record.flaps:
        count = count + 1 if loss - before <= max(policy.flap_memory, wait) else 1
        wait = min(policy.up_for_most, policy.up_for * policy.flap_factor ** (count - 1))
        before = loss
    return wait, count


def return_wait(record: LineRecord, now: float, policy: FailoverPolicy) -> float:
    """Seconds that the line has to be up without a break before traffic returns by itself. What was lost longer ago
    than is remembered no longer counts."""
    wait, _ = hold_down(record, policy)
    # A loss is noted when it begins: the line has to be up for all of the wait after it.
    if record.flaps and now - record.flaps[-1] > max(policy.flap_memory, wait) + wait:
        return policy.up_for
    return wait


def retry_wait(attempts: int, policy: FailoverPolicy) -> float:
    """Seconds until the next try after ``attempts`` that failed."""
    return min(
        max(policy.up_for_most, policy.retry_after), policy.retry_after * policy.flap_factor ** min(attempts - 1, 32)
    )


def may_return(now: float, policy: FailoverPolicy, freezes: str = "") -> str:
    """Quiet hours and freezes (as ``domain.push.push_windows`` writes them) hold back a return that nobody asked
    for."""
    at = datetime.fromtimestamp(now, UTC)
    if windows_of(policy.quiet_hours) and _open(policy.quiet_hours, at):
        return f"quiet hours ({policy.quiet_hours})"
    for freeze in freezes_of(freezes):
        if freeze.start <= at < freeze.end:
            return f"change freeze until {freeze.end:%Y-%m-%d %H:%M} UTC"
    return ""


def may_switch(record: LineRecord, policy: FailoverPolicy, switching: int = 0, *, octets: int | None = None) -> str:
    """The data cap, and one's turn: ``switching`` lines of the same access node are being switched already. A freeze
    does not hold back a switch: the customer is without internet. ``octets``: over mobile in this month, as they are
    counted at this moment (None: as they were written last)."""
    used = record.mobile_bytes if octets is None else octets
    if policy.data_cap_mb and used >= policy.data_cap_mb * 1_000_000:
        return f"data cap: {used / 1_000_000:.0f} of {policy.data_cap_mb} MB used over mobile this month"
    if switching >= policy.node_switches_at_once:
        node = record.line.node or "its access node"
        return f"its turn has not come: {switching} lines behind {node} are being switched"
    return ""


def test_due(record: LineRecord, now: float, policy: FailoverPolicy) -> bool:
    """Whether the planned exercise of a line may begin now: ``test_every_days`` after the last proof (a day after one
    that failed), inside ``test_window``, on a line that is well and may be moved.

    A line that was never tested has a day of its own, drawn from its id, so that a new fleet is not moved at once."""
    if not policy.test_every_days or record.line.setup.entitled or record.wanted:
        return False
    if record.state is not FailoverState.FIXED or record.carrier is not Carrier.FIXED:
        return False
    if record.condition is not Condition.UP or not _open(policy.test_window, datetime.fromtimestamp(now, UTC)):
        return False
    if record.tested_at is None:
        return int(now // DAY) % policy.test_every_days == crc32(record.line.id.encode()) % policy.test_every_days
    # Half a day less, or each month's test would come a little later until it misses its window.
    every = policy.test_every_days if record.test_ok is not False else 1
    return now - record.tested_at >= (every - 0.5) * DAY


test_due.__test__ = False  # type: ignore[attr-defined]


def _open(windows: str, at: datetime) -> bool:
    return calendar_of(windows, "").opens(at) == at
