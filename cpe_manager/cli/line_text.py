"""Lines and fail-over in words and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cpe_manager.cli.render import fields, out, span, table, tame, when
from cpe_manager.domain.failover.lines import FailoverState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.lines import IncidentView, LineDetailView, LineView, TransitionView

COLUMNS: Final = ("device", "line", "node", "state", "since", "carries", "condition", "next", "why")
WORST_FIRST: Final = (
    FailoverState.FAILED,
    FailoverState.SWITCHING,
    FailoverState.MOBILE,
    FailoverState.RETURNING,
    FailoverState.SUSPECT,
    FailoverState.HELD,
    FailoverState.FIXED,
)


def rows_of(lines: Iterable[LineView]) -> list[Sequence[Any]]:
    return [
        (
            one.device, one.line, one.node, one.state if one.watched else "not watched", one.since, one.carrier,
            one.condition, _next(one), "; ".join(one.reasons),
        )
        for one in lines
    ]  # fmt: skip


def worst_first(lines: Iterable[LineView]) -> list[LineView]:
    return sorted(lines, key=lambda one: (WORST_FIRST.index(one.state), one.device))


def _next(one: LineView) -> str:
    if one.wanted:
        return f"{one.wanted} ({one.wanted_by})"
    return f"{one.due} {_until(one.due_at)}".strip() if one.due else ""


def _until(at: datetime | None) -> str:
    if at is None:
        return ""
    left = (at - datetime.now(UTC)).total_seconds()
    return f"in {span(left)}" if left > 0 else "now"


def describe(found: LineDetailView) -> None:
    """As somebody who was called at night reads it: what is, since when, why, what carries, what happens next."""
    setup = found.setup
    tested = None
    if found.tested_at is not None:
        tested = f"{when(found.tested_at)}: {'works' if found.test_ok else 'does not work'}"
    mover = "the box by itself" if found.moves == "cpe" else "the manager"
    fields(
        [
            ("device", found.device), ("line", found.line), ("site", found.site), ("access node", found.node),
            ("state", f"{found.state} since {when(found.since)}" + ("" if found.watched else ", not watched")),
            ("carries", f"{found.carrier}" + (f", moved by {found.by}" if found.by else "")),
            ("condition", found.condition),
        ]
    )  # fmt: skip
    _list("why", found.reasons)
    _list("next", found.outlook)
    _list("incident", [incident_words(one) for one in found.incidents])
    if found.last_change:
        out(f"\nlast change before: {tame(found.last_change)}")
    out()
    fields(
        [
            ("mobile backup", found.entitled or "may be moved"), ("moved by", mover),
            ("coverage", f"{setup.coverage}{': ' if setup.coverage_reason else ''}{setup.coverage_reason}"),
            ("last test", tested), ("failed switches", found.attempts or None),
            ("losses lately", ", ".join(f"{one.astimezone():%m-%d %H:%M}" for one in found.flaps[-5:]) or None),
            ("over mobile this month", volume(found.mobile_bytes) + _cap(found.policy.get("data_cap_mb"))),
            ("fixed addresses", ", ".join(filter(None, (setup.fixed_ipv4, setup.fixed_ipv6)))),
            ("platform", setup.platform), ("line address", setup.line_address),
            ("mobile address", setup.mobile_address),
            ("own policy", ", ".join(f"{name}={value}" for name, value in setup.policy.items())),
            ("push", found.push_id),
        ]
    )  # fmt: skip
    _list("the set-up lacks", found.gaps)
    if found.recent:
        out()
        show_history(found.recent, {})


def _list(head: str, lines: Sequence[str]) -> None:
    if lines:
        out(f"\n{head}:")
        for line in lines:
            out(f"  {tame(line)}")


def incident_words(one: IncidentView) -> str:
    part = ", part of the access node's" if one.parent_id else ""
    return f"P{one.priority} {one.subject} since {when(one.opened_at)}: {one.reason}{part} ({one.id})"


def show_history(steps: Iterable[TransitionView], names: dict[str, str]) -> None:
    """``names``: devices by line; empty: one line's alone."""
    heads: tuple[str, ...] = ("at", "from", "to", "condition", "by", "why")
    steps = list(steps)
    rows: list[tuple[Any, ...]] = [
        (one.at, one.before, one.after, one.condition, one.by, "; ".join(one.reasons)) for one in steps
    ]
    if names:
        heads = ("device", *heads)
        of = [names.get(one.line_id, one.line_id) for one in steps]
        rows = [(name, *row) for name, row in zip(of, rows, strict=True)]
    table(heads, rows, none="nothing has happened yet")


def show_incidents(found: Iterable[IncidentView]) -> None:
    rows = [
        (
            f"P{one.priority}", one.subject, one.device or one.node, one.site, one.opened_at, one.closed_at,
            one.closed_reason or one.reason, one.id,
        )
        for one in found
    ]  # fmt: skip
    heads = ("priority", "subject", "about", "site", "opened", "closed", "reason", "incident")
    table(heads, rows, none="no incidents")


def _cap(megabytes: object) -> str:
    return f" of {volume(megabytes * 1_000_000)}" if isinstance(megabytes, int) and megabytes else ""


def volume(octets: int) -> str:
    """``0 MB``, ``12 MB``, ``3.4 GB``."""
    return f"{octets / 1e9:.1f} GB" if octets >= 1e9 else f"{octets / 1e6:.0f} MB"
