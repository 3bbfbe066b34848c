"""What happens next with a line, in words for whoever is called at night. Says what is known, decides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cpe_manager.domain.failover.failover import act_under_way
from cpe_manager.domain.failover.failover_policy import hold_down, retry_wait, return_wait
from cpe_manager.domain.failover.failover_rules import TEST
from cpe_manager.domain.failover.lines import (
    Act,
    Carrier,
    Condition,
    FailoverPolicy,
    FailoverState,
    LineRecord,
    Verdict,
)
from cpe_manager.domain.push.push_windows import freezes_of, windows_of

_WANTED = {
    "switch": "a switch to mobile",
    "return": "the return to the fixed line",
    "hold": "hands off",
    "release": "the end of hands off",
    "test": "a test of the backup",
}


def outlook(record: LineRecord, policy: FailoverPolicy, now: float, freezes: str = "") -> tuple[str, ...]:
    """Line by line; ``now`` in seconds since 1970, ``freezes`` as ``domain.push.push_windows`` writes them."""
    if not record.line.setup.watched:
        return ("not watched: nothing is seen and nothing is moved",)
    lines = []
    if record.wanted:
        why = f" ({record.wanted_reason})" if record.wanted_reason else ""
        lines.append(f"{record.wanted_by} asked for {_WANTED.get(record.wanted, record.wanted)}{why}: taken up next")
    if record.due and record.due_at is not None:
        lines.append(f"{record.due} {_in(record.due_at - now)}")
    elif record.due:
        lines.append(record.due)
    lines += _by_state(record, policy, now)
    if record.carrier is Carrier.MOBILE and record.state is not FailoverState.HELD:
        lines += _what_holds_a_return(policy, now, freezes)
    return tuple(lines)


def with_due(record: LineRecord, verdict: Verdict, now: float, policy: FailoverPolicy) -> LineRecord:
    """The record with what happens next by itself, and when, as far as that is known. The same for the same verdict,
    so that nothing is written anew because time has passed."""
    due, at = "", None
    by_itself = record.by in {"manager", "cpe", ""}
    if record.state is FailoverState.MOBILE and verdict.condition is Condition.UP and by_itself:
        due, at = "returns, if the line stays up,", verdict.since + return_wait(record, now, policy)
    elif record.state is FailoverState.FAILED and record.attempts and verdict.condition is not Condition.CPE_DEAD:
        due, at = "the switch is tried again", record.since + retry_wait(record.attempts, policy)
    return replace(record, due=due, due_at=at)


def _by_state(record: LineRecord, policy: FailoverPolicy, now: float) -> list[str]:
    setup = record.line.setup
    if record.state is FailoverState.HELD:
        return [f"held by {record.by or 'an operator'}: nothing is moved until it is released"]
    if (act := act_under_way(record)) is not Act.NOTHING:
        left = _in(record.since + policy.switch_within - now)
        if act is Act.SWITCH:
            return [f"the switch is being made and verified end to end; rolled back {left} unless it holds"]
        what = "the return" if act is Act.RETURN else "what the switch did is being undone, which"
        return [f"{what} is being made and verified; given up {left} unless it holds"]
    if record.state is FailoverState.MOBILE:
        return [] if record.due else _return(record, policy, now)
    if setup.entitled:
        return [f"is not moved when the line is lost: {setup.entitled}"]
    if record.state is FailoverState.FAILED:
        return [] if record.due else _retry(record, policy, now)
    mover = f"the box moves by itself, the manager steps in after {duration(policy.self_switch_grace)}"
    lines = [f"when the line is lost: {mover if setup.moves == 'cpe' else 'the manager moves it to mobile'}"]
    if record.state is FailoverState.FIXED and policy.test_every_days:
        after = "at the next opening of"
        if record.tested_at is not None:
            at = datetime.fromtimestamp(record.tested_at, UTC) + timedelta(days=policy.test_every_days)
            after = f"from {at:%Y-%m-%d} on, in"
        lines.append(f"the backup is tested {after} {policy.test_window}")
    return lines


def _return(record: LineRecord, policy: FailoverPolicy, now: float) -> list[str]:
    if record.by == TEST:
        return ["a test of the backup: returns by itself"]
    if record.by not in {"manager", "cpe", ""}:
        return [f"{record.by} moved it: returns when somebody asks for it, or when mobile no longer answers"]
    wait, losses = return_wait(record, now, policy), hold_down(record, policy)[1]
    flaps = f" ({losses} losses in a row made it longer)" if wait > policy.up_for else ""
    if record.condition is Condition.UP:
        return [f"returns once the line has been up for {duration(wait)} without a break{flaps}"]
    return [f"returns {duration(wait)} after the line is up again, if it stays up{flaps}"]


def _retry(record: LineRecord, policy: FailoverPolicy, now: float) -> list[str]:
    if record.condition is Condition.CPE_DEAD:
        return ["the box answers over neither way: there is nothing to be switched until it does"]
    if not record.attempts:
        return ["is moved as soon as nothing speaks against it any more"]
    again = record.since + retry_wait(record.attempts, policy)
    return [f"the switch failed {record.attempts} times, tried again {_in(again - now)}; ask for one to try now"]


def _what_holds_a_return(policy: FailoverPolicy, now: float, freezes: str) -> list[str]:
    at = datetime.fromtimestamp(now, UTC)
    lines = []
    ends = _quiet_until(policy.quiet_hours, at)
    if ends is not None:
        lines.append(f"quiet hours: no return by itself until {ends:%Y-%m-%d %H:%M} UTC ({policy.quiet_hours})")
    frozen = (freeze.end for freeze in freezes_of(freezes) if freeze.start <= at < freeze.end)
    return lines + [f"change freeze: no return by itself until {end:%Y-%m-%d %H:%M} UTC" for end in frozen]


def _quiet_until(quiet_hours: str, at: datetime) -> datetime | None:
    ends = None
    for window in windows_of(quiet_hours):
        for days in (-1, 0, 1):
            stretch = window.on(at.date() + timedelta(days=days))
            if stretch is not None and stretch[0] <= at < stretch[1]:
                ends = stretch[1] if ends is None else max(ends, stretch[1])
    return ends


def _in(seconds: float) -> str:
    return f"in {clock(seconds)}" if seconds > 0 else "now"


def clock(seconds: float) -> str:
    """``4:12``, ``1:04:12``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """``45 s``, ``5 min``, ``4 h``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:g} s"
