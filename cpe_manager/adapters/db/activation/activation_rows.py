"""Activations as rows, and back."""

from __future__ import annotations

from datetime import date, datetime

from cpe_manager.adapters.db.transactions import Values
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.activation.activation_flow import Entry, Result, State, Step
from cpe_manager.domain.activation.activations import Activation, Progress, RushAnswer, Said, TestResult, TestRound
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.working_days import Promise


def activation_values(one: Activation, object_id: str) -> Values:
    return {
        "id": one.id,
        "site_id": one.site_id,
        "site": one.site,
        "device_id": one.device_id,
        "device": one.device,
        "formula": one.formula,
        "technology": one.technology.value,
        "catalogue_version": one.catalogue_version,
        "order": dict(one.order),
        "object_id": object_id,
        "created_at": one.created_at,
        "requested_by": one.requested_by,
        "rush": one.rush,
        "router": one.router,
        "key": one.key,
        "fence": 0,
        **promise_values(one.promise),
        **said_values(one.said),
        **progress_values(one.progress),
    }


def promise_values(promise: Promise) -> Values:
    return {"due_at": promise.due_at, "risk_at": promise.risk_at, "answer_by": promise.answer_by}


def said_values(said: Said) -> Values:
    answer = said.rush
    told = None if answer is None else {
        "feasible": answer.feasible,
        "by": answer.by,
        "at": answer.at.isoformat(),
        "day": None if answer.day is None else answer.day.isoformat(),
        "reason": answer.reason,
    }  # fmt: skip
    return {"rush_answer": told, "retries": said.retries, "cancelled_by": said.cancelled_by}


def progress_values(progress: Progress) -> Values:
    rounds = [
        {"number": one.number, "at": one.at.isoformat(), "results": [each.to_data() for each in one.results]}
        for one in progress.rounds
    ]
    return {
        "state": progress.state.value,
        "failures": progress.failures,
        "note": progress.note,
        "not_before": progress.not_before,
        "push_id": progress.push_id,
        "job_id": progress.job_id,
        "backup_id": progress.backup_id,
        "rounds": rounds,
        "reports": progress.reports,
        "activated_at": progress.activated_at,
        "ended_at": progress.ended_at,
    }


def to_said(row: AnyRow) -> Said:
    told = row.rush_answer
    answer = None
    if told is not None:
        day = None if told["day"] is None else date.fromisoformat(told["day"])
        at = datetime.fromisoformat(told["at"])
        answer = RushAnswer(told["feasible"], told["by"], at, day, told["reason"])
    return Said(answer, row.retries, row.cancelled_by)


def to_progress(row: AnyRow) -> Progress:
    rounds = tuple(
        TestRound(
            one["number"],
            datetime.fromisoformat(one["at"]),
            tuple(TestResult.of_data(each) for each in one["results"]),
        )
        for one in row.rounds
    )
    return Progress(
        state=State(row.state),
        failures=row.failures,
        note=row.note,
        not_before=row.not_before,
        push_id=row.push_id,
        job_id=row.job_id,
        backup_id=row.backup_id,
        rounds=rounds,
        reports=row.reports,
        activated_at=row.activated_at,
        ended_at=row.ended_at,
    )


def to_activation(row: AnyRow) -> Activation:
    return Activation(
        id=row.id,
        site_id=row.site_id,
        site=row.site,
        device_id=row.device_id,
        device=row.device,
        formula=row.formula,
        technology=LineKind(row.technology),
        catalogue_version=row.catalogue_version,
        order=row.order,
        created_at=row.created_at,
        requested_by=row.requested_by,
        promise=Promise(row.due_at, row.risk_at, row.answer_by),
        rush=row.rush,
        router=row.router,
        key=row.key,
        said=to_said(row),
        progress=to_progress(row),
    )


def to_entry(row: AnyRow) -> Entry:
    result = None if row.result is None else Result(row.result)
    return Entry(Step(row.step), row.at, result, row.reason, tuple(Step(one) for one in row.redo))
