"""Change requests as a customer reads them: what would become of the line, why not, what happens next and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from cpe_manager.cli.render import fields, out, table, tame, when
from cpe_manager.domain.changes.requests import ChangeState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.changes import ChangeDetailView, ChangeView, ShownPart, ShownView

COLUMNS: Final = ("ticket", "site", "device", "what", "state", "since", "next")
REFUSED: Final = frozenset({ChangeState.REFUSED, ChangeState.REVERTED, ChangeState.STUCK})


def rows_of(found: Iterable[ChangeView]) -> list[tuple[Any, ...]]:
    return [
        (
            one.ticket,
            one.site,
            one.device,
            one.summary,
            f"{one.outcome or one.state} ({one.code})" if one.code else one.outcome or one.state,
            one.ended_at or one.submitted_at,
            next_of(one),
        )
        for one in found
    ]


def next_of(one: ChangeView) -> str:
    if one.next_at is None:
        return one.next
    return f"{one.next}; {'until ' if one.state is ChangeState.ACCEPTED else ''}{when(one.next_at)}"


def describe(one: ChangeDetailView) -> None:
    fee = None if one.fee is None else f"{'billable' if one.fee.billable else 'free'}: {one.fee.reason}"
    given = one.approval
    shown = (
        [
            ("change", one.ticket), ("id", one.id), ("site", one.site), ("device", one.device),
            ("what", f"{one.type}: {one.summary}"), ("state", _state(one)),
            ("next", next_of(one)),
            ("asked for by", f"{one.submitted_by}, {when(one.submitted_at)}"),
            ("wanted from", when(one.requested_for) if one.requested_for else None),
            ("note", one.note), ("fee", fee),
            ("approved by", None if given is None else f"{given.by}, {when(given.at)}"),
            ("in words", given.words if given else None),
            ("push", one.push_id), ("ended", when(one.ended_at) if one.ended_at else None),
        ]
    )  # fmt: skip
    fields([(name, value) for name, value in shown if value])
    if one.reason and one.outcome in REFUSED:
        out(f"\n{one.outcome.capitalize()}: {tame(one.reason)}")
    if one.shown is not None:
        out("\nWhat changes:")
        show_shown(one.shown)
    if one.needs_approval and one.shown is not None:
        out(f"\nTo approve exactly this: changes approve {one.ticket} --digest {one.shown.digest}")
    out()
    said, rows = "", []
    for step in one.steps:
        rows.append((step.at, step.state, step.by, "" if step.reason == said else step.reason))
        said = step.reason
    table(("at", "state", "by", "reason"), rows)


def _state(one: ChangeDetailView) -> str:
    told = str(one.state) if one.outcome in (None, one.state) else f"{one.outcome}, {one.state}"
    told = f"{told} ({one.code})" if one.code else told
    return f"{told}, asked again {one.round} times" if one.round and one.needs_approval else told


def show_shown(shown: ShownView) -> None:
    """In words of the model, one line for each part that changes."""
    for line in difference(shown.neutral):
        out(f"  {tame(line)}")
    for note in shown.notes:
        out(f"  note: {tame(note)}")


def difference(parts: Sequence[ShownPart]) -> list[str]:
    """``wifi.enabled: true becomes false``; of lists what comes and what goes."""
    lines: list[str] = []
    for one in parts:
        if isinstance(one.before, list) and isinstance(one.after, list):
            lines += [f"{one.part}: - {_words(gone)}" for gone in one.before if gone not in one.after]
            lines += [f"{one.part}: + {_words(came)}" for came in one.after if came not in one.before]
        elif one.before is None:
            lines.append(f"{one.part}: + {_words(one.after)}")
        elif one.after is None:
            lines.append(f"{one.part}: - {_words(one.before)}")
        else:
            lines.append(f"{one.part}: {_words(one.before)} becomes {_words(one.after)}")
    return lines


def _words(value: Any) -> str:
    """An object in one line, without the punctuation of JSON."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items() if inner not in (None, "", []))
    if isinstance(value, list):
        return ", ".join(_words(inner) for inner in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
