"""Waiting for a job: a bar on a terminal, a line now and then elsewhere, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

from cpe_manager.cli.render import err, out, show_json, span, table
from cpe_manager.domain.errors import CpeManagerError, StoreBusy, StoreError, StoreFull
from cpe_manager.domain.jobs import JobKind, JobState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.jobs import JobView
    from cpe_manager.client import Client

PATIENCE = 5.0
"""Seconds that a locked database is waited for before it counts as a hindrance; a full disk counts at once."""
QUIET = 10.0
"""Seconds between lines where there is no terminal."""
LONG_QUIET = 60.0
"""Seconds between lines that would say the same."""
MOST_SHOWN = 50


class JobFailed(CpeManagerError):
    """The command did its part, the job did not end well."""

    code = "job_failed"


class _Meter(Protocol):
    def show(self, job: JobView) -> None: ...


def settle(client: Client, job: JobView, *, wait: bool, as_json: bool) -> None:
    """Show a job that was just started; with ``wait`` follow it to its end. Raises ``JobFailed``."""
    if not wait:
        if as_json:
            show_json(job)
        else:
            out(f"job {job.id} started: cpe-manager jobs show {job.id}")
        return
    try:
        ended = _follow(client, job, quiet=as_json)
    except KeyboardInterrupt:
        err(f"job {job.id} goes on: cpe-manager jobs show {job.id}")
        raise
    if as_json:
        show_json(ended)
    else:
        summary(client, ended)
    if ended.state is JobState.FAILED:
        raise JobFailed(verdict(ended))


def _follow(client: Client, job: JobView, *, quiet: bool) -> JobView:
    hindered_since: float | None = None
    with _meter(quiet=quiet) as meter:
        for seen in client.follow_job(job):
            job = seen
            meter.show(job)
            if job.hindrance is None:
                hindered_since = None
                continue
            hindered_since = hindered_since or time.monotonic()
            if job.hindrance_code != StoreBusy.code or time.monotonic() - hindered_since >= PATIENCE:
                raise _hindrance(job)
    return job


def _hindrance(job: JobView) -> CpeManagerError:
    kind = {StoreBusy.code: StoreBusy, StoreFull.code: StoreFull}.get(job.hindrance_code or "", StoreError)
    return kind(f"job {job.id} stands still and will go on by itself: {job.hindrance}")


@contextmanager
def _meter(*, quiet: bool) -> Iterator[_Meter]:
    if sys.stderr.isatty():
        with _Bar() as bar:
            yield bar
    else:
        yield _Lines(quiet=quiet)


class _Lines:
    """For logs and pipes, on standard error; nothing at all when standard output is for a program."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last, self._said = time.monotonic(), ""

    def show(self, job: JobView) -> None:
        text, now = how_far(job), time.monotonic()
        pause = QUIET if text != self._said else LONG_QUIET
        if self._quiet or now - self._last < pause or job.state is not JobState.OPEN:
            return
        self._last, self._said = now, text
        err(f"{job.kind} {job.id}: {text}")


class _Bar:
    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*parts, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def show(self, job: JobView) -> None:
        total, ended, failed = tally(job)
        words = f"{job.kind}" + (f", {failed} failed" if failed else "")
        self._progress.update(self._task, description=words, total=total or None, completed=ended)


def how_far(job: JobView) -> str:
    """What is left may be devices that did not answer, and are tried again after a pause."""
    total, ended, failed = tally(job)
    if not total:
        return "working"
    return f"{ended} of {total} devices" + (f", {failed} failed" if failed else "")


def tally(job: JobView) -> tuple[int, int, int]:
    """(rows, ended, failed)."""
    counts = job.counts
    ended = counts.get("done", 0) + counts.get("failed", 0) + counts.get("cancelled", 0)
    return counts.get("total", 0), ended, counts.get("failed", 0)


def summary(client: Client, job: JobView) -> None:
    """The end of a job in a line or two, and a table of the devices that want attention."""
    took = f" in {span((job.finished_at - job.created_at).total_seconds())}" if job.finished_at else ""
    words = [f"{job.counts[name]} {name}" for name in _SHOWN if job.counts.get(name)]
    words += [f"{name} {value}" for name, value in job.result.items() if isinstance(value, int | str)]
    out(f"{job.kind} {job.state}{took}" + (f": {', '.join(words)}" if words else ""))
    if job.kind is JobKind.BACKUP:
        attention(client, job)


_SHOWN = ("stored", "unchanged", "quarantined", "failed", "cancelled")


def attention(client: Client, job: JobView) -> None:
    """Failed and quarantined devices, with what to do about the common ones."""
    if job.counts.get("failed"):
        rows = list(client.work(job.id, limit=MOST_SHOWN, outcome="failed"))
        table(("device", "error", "reason"), [(row.device, row.error_code, row.error) for row in rows], title="failed")
        _more(job, "failed", len(rows))
        for row in rows:
            if row.error_code == "host_key":
                out(f"{row.device} shows another host key. If that is right:")
                out(f"  cpe-manager devices accept-key {row.device}")
        if any(row.error_code == "auth_failed" for row in rows):
            out("A refused log-in is tried again with the next run; correct credentials.toml before.")
    if job.counts.get("quarantined"):
        rows = list(client.work(job.id, limit=MOST_SHOWN, outcome="quarantined"))
        for row in rows:
            out(
                f"{row.device} is quarantined. Look: cpe-manager backup list {row.device}; then backup accept or refuse"
            )
        _more(job, "quarantined", len(rows))


def _more(job: JobView, outcome: str, shown: int) -> None:
    left = job.counts.get(outcome, 0) - shown
    if left > 0:
        out(f"... and {left} more: cpe-manager jobs show {job.id} --outcome {outcome} --all")


def verdict(job: JobView) -> str:
    """Why it failed, in one line."""
    total, _, failed = tally(job)
    reason = job.error or (f"{failed} of {total} devices failed" if failed else "it failed")
    return f"{job.kind} job {job.id}: {reason}"
