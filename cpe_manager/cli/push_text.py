"""Plans and pushes as people read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cpe_manager.cli.render import coloured_diff, err, fields, out, table, tame, when
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.pushes import NeutralChange, NoteView, PlanView, PushDetailView, WaitingView
    from cpe_manager.domain.push.lockout import Lockout


def show_plan(plan: PlanView) -> None:
    if plan.empty:
        err(f"{plan.device}: nothing to change")
        return
    show_change(plan.neutral, plan.native)
    for found in plan.checks:
        if found.refuses:
            err(f"refused ({found.check}): {tame(found.reason)}")
    if plan.waiting is not None:
        err(f"note: it {waits(plan.waiting)}")
    for one in plan.lockouts:
        err(f"would lock us out ({one.kind}): {one.reason}")
    for warning in plan.warnings:
        err(f"note: {warning}")


def show_change(neutral: Sequence[NeutralChange], native: str) -> None:
    """In words of no vendor, then in the device's own."""
    for part in neutral:
        out(f"{part.part}: {brief(part.before)} -> {brief(part.after)}")
    if neutral:
        out()
    if native.startswith("--- "):
        coloured_diff(native)
    else:
        out(tame(native).removesuffix("\n"))


def brief(value: Any) -> str:
    return "not configured" if value is None else tame(json.dumps(value, ensure_ascii=False))


def refuse(found: PlanView, overrides: list[Lockout], accepted: list[str]) -> None:
    """Raises ``InputError`` for a predicted lock-out or what a check refuses, when nobody accepted it."""
    if open_ones := [one for one in found.lockouts if one.kind not in overrides]:
        names = " ".join(f"--override {one.kind}" for one in open_ones)
        raise InputError(f"this would lock us out; if it is meant, say {names}")
    bad = [one for one in found.checks if one.refuses and one.check not in accepted]
    if not bad:
        return
    names = " ".join(dict.fromkeys(f"--accept {one.check}" for one in bad))
    meant = f"; if it is meant, say {names}" if all(one.acceptable for one in bad) else ""
    raise InputError(f"this is refused: {'; '.join(tame(one.reason) for one in bad)}{meant}")


def waits(waiting: WaitingView) -> str:
    until = "" if waiting.until is None else f" until {when(waiting.until)}"
    return f"waits{until}, {tame(waiting.reason)}"


def noted(note: NoteView) -> str:
    said = {True: "ok", False: "failed", None: "note"}[note.ok]
    return said + (f" ({tame(note.reason)})" if note.reason else "")


def show_push(found: PushDetailView) -> None:
    settled = found.settled
    told = None if settled is None else f"{settled.how} by {settled.by}" + (f": {settled.note}" if settled.note else "")
    fields(
        [
            ("push", found.id), ("device", found.device), ("what", found.summary), ("phase", found.phase),
            ("reason", found.reason), ("code", found.code),
            ("managed at", found.managed_at),
            ("waiting", None if found.waiting is None else waits(found.waiting)),
            ("priority", found.priority if found.priority != "normal" else None),
            ("probes", ", ".join(found.probes) or None), ("accepted", ", ".join(found.accepted) or None),
            ("asked for by", found.requested_by), ("created", when(found.created_at)),
            ("ended", when(found.ended_at) if found.ended_at else None), ("given up by", found.withdrawn_by),
            ("settled", told),
        ]
    )  # fmt: skip
    rows = [(step.at, step.step, step.result or "begun", step.reason, step.deadline) for step in found.journal]
    table(("at", "step", "result", "reason", "device reverts at"), rows, none="nothing was done yet")
    notes = [(step.step, note.what, noted(note)) for step in found.journal for note in step.notes]
    if notes:
        out()
        table(("step", "looked at", "found"), notes)
    if found.offer is not None:
        out(f"\nThe device was changed since the plan was made. What would be done now (push again {found.id}):")
        show_change(found.offer.neutral, found.offer.native)
