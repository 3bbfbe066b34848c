"""``cpe-manager jobs``: anything long."""

from __future__ import annotations

from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Limit
from cpe_manager.cli.progress import attention, settle, tally
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, when
from cpe_manager.domain.jobs import JobState, Outcome

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="JOB")]


@app.command("list")
def listing(
    ctx: typer.Context,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with state_of(ctx).client() as client:
        found = list(client.jobs(limit=limit, state=state))
    if as_json:
        show_json_items(found)
        return
    rows = []
    for job in found:
        total, ended, failed = tally(job)
        rows.append((job.id, job.kind, job.state, job.trigger, job.created_at, f"{ended}/{total}", failed or ""))
    table(
        ("job", "kind", "state", "trigger", "created", "devices", "failed"),
        rows,
        none="no such jobs" if state else "no jobs yet",
    )


@app.command()
def show(
    ctx: typer.Context,
    job_id: JobId,
    outcome: Annotated[Outcome | None, typer.Option(help="List the devices that ended so.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List all of them, not just the first 50.")] = False,
    as_json: Json = False,
) -> None:
    """Show a job, and the devices in it that want attention."""
    with state_of(ctx).client() as client:
        job = client.job(job_id)
        if outcome is not None:
            rows = list(client.work(job.id, limit=None if every else 50, outcome=outcome))
            if as_json:
                show_json_items(rows)
                return
            columns = ("device", "outcome", "attempts", "finished", "error")
            table(columns, [(row.device, row.outcome, row.attempts, row.finished_at, row.error) for row in rows])
            return
        if as_json:
            show_json(job)
            return
        fields(
            [
                ("job", job.id), ("kind", job.kind), ("state", job.state), ("trigger", job.trigger),
                ("asked for by", job.requested_by), ("created", when(job.created_at)),
                ("finished", when(job.finished_at) if job.finished_at else None), ("error", job.error),
                *((f"{name} devices", number) for name, number in job.counts.items() if number),
                *(job.result.items()),
            ]
        )  # fmt: skip
        if job.hindrance:
            err(f"stands still: {job.hindrance}")
        attention(client, job)


@app.command()
def wait(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Stay until a job has ended; exit code 14 when it ended badly."""
    with state_of(ctx).client() as client:
        settle(client, client.job(job_id), wait=True, as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, job_id: JobId) -> None:
    """Cancel what a job has not begun. Sessions in flight end by themselves."""
    with state_of(ctx).client() as client:
        out(f"job {client.cancel(job_id).id} cancelled")
