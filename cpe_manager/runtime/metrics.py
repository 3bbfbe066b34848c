"""Metrics in the Prometheus text format. A registry of our own, so that two apps in one process do not collide."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from cpe_manager.domain.backup.drills import Standing
from cpe_manager.domain.rollout.rollouts import DeviceEnd, RolloutState
from cpe_manager.ports.sensing import SensingFigures
from cpe_manager.ports.stores import DeviceStatus
from cpe_manager.runtime.audit_metrics import AuditMetrics
from cpe_manager.runtime.change_metrics import LABELS as CHANGE_LABELS
from cpe_manager.runtime.change_metrics import ChangeMetrics
from cpe_manager.runtime.line_metrics import LABELS as LINE_LABELS
from cpe_manager.runtime.line_metrics import LineMetrics
from cpe_manager.runtime.mail_metrics import LABELS as MAIL_LABELS
from cpe_manager.runtime.mail_metrics import MailMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)

FLEET: Mapping[str, tuple[str, str]] = {
    "cpe_backup_last_success_timestamp_seconds": (
        "device, family, group",
        "When a complete configuration was last fetched from an active device, Unix time; absent when never",
    ),
    "cpe_backup_overdue_devices": ("", "Active devices whose last good backup is older than their target"),
    "cpe_backup_failing_devices": ("family, code", "Active devices whose last attempt failed, by error code"),
}
"""Metrics of the fleet's snapshot: labels and meaning."""

Status = tuple[str, str, str | None, DeviceStatus]
"""(name, family or '', group, status) of an active device, as ``EventStore.statuses`` gives it."""


class Metrics:
    """What one process counts, and the snapshot of the fleet that it was last given."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._attempts = Counter(
            "cpe_backup_attempts",
            "Attempts at a device by this process; outcome 'retry' is a failure to be tried again",
            ("family", "outcome", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "cpe_backup_duration_seconds",
            "Duration of an attempt, from connecting to the judged capture",
            ("family",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._sessions = self._gauge("cpe_manager_sessions", "Device sessions in flight in this process")
        self._open_jobs = self._gauge("cpe_manager_open_jobs", "Jobs that have not ended")
        self._due_rows = self._gauge("cpe_manager_due_rows", "Device rows of open jobs that are still to be done")
        self._devices = Gauge("cpe_devices", "Devices by life state", ("state",), registry=self._registry)
        self._drift = Gauge(
            "cpe_drift_devices",
            "Active devices with a confirmed version, by how they stand to it: changed runs something else, unsaved "
            "would come up with something else",
            ("verdict",),
            registry=self._registry,
        )
        self._threads = Gauge(
            "cpe_manager_netmiko_threads",
            "Threads of sessions with families netmiko:...; abandoned ones were given up and have not ended yet",
            ("state",),
            registry=self._registry,
        )
        self._requests = Counter(
            "cpe_manager_http_requests",
            "HTTP requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._traps = Counter(
            "cpe_snmp_traps", "Traps and informs that became events", ("kind",), registry=self._registry
        )
        self._traps_dropped = Counter(
            "cpe_snmp_traps_dropped",
            "Datagrams at the trap port that became no event; 'overflow' and 'socket_buffer' were never read",
            ("reason",),
            registry=self._registry,
        )
        self._echoes = Counter(
            "cpe_line_echoes",
            "Echoes over each way of the watched lines; 'unsent' ones this machine could not send",
            ("way", "outcome"),
            registry=self._registry,
        )
        self._polls = Counter(
            "cpe_line_polls",
            "SNMP polls of watched lines; 'postponed' ones were put off, since as many as may run were running",
            ("outcome",),
            registry=self._registry,
        )
        self._connections = Counter(
            "cpe_line_connections",
            "Connections to the management address of boxes on watched lines, opened to see whether they live",
            ("outcome",),
            registry=self._registry,
        )
        self._lines = self._gauge("cpe_lines_watched", "Lines that this process looks at")
        self._lag = self._gauge(
            "cpe_line_sensing_lag_seconds", "By how much the latest look of the last second came later than planned"
        )
        self._stretch = self._gauge(
            "cpe_line_poll_stretch_ratio", "By how much polls are rarer than wanted, since this process cannot keep up"
        )
        self._blind = self._gauge(
            "cpe_line_sensing_blind", "1 while nothing answers echoes any more and silence is taken for our own"
        )
        self._rollouts = Gauge("cpe_rollouts", "Roll-outs by state", ("state",), registry=self._registry)
        self._rollout_devices = Gauge(
            "cpe_rollout_devices", "Devices of running roll-outs by outcome", ("outcome",), registry=self._registry
        )
        self._drills = Counter(
            "cpe_drills", "Restore drills ended by this process", ("family", "verdict"), registry=self._registry
        )
        self._drill_seconds = Histogram(
            "cpe_drill_duration_seconds",
            "Duration of a restore drill, from the order for a box to the verdict",
            ("family",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._restorable = Gauge(
            "cpe_backup_restorable_ratio",
            "Share of the active devices with a backup that can be drilled whose current version is proven to restore",
            registry=self._registry,
        )
        self._restorable.set(float("nan"))
        self._restorable_devices = Gauge(
            "cpe_backup_restorable_devices",
            "Active devices with a backup, by what drills of its current version gave",
            ("family", "verdict"),
            registry=self._registry,
        )
        self.lines = LineMetrics(self._registry)
        self.changes = ChangeMetrics(self._registry)
        self.mail = MailMetrics(self._registry)
        self.audit = AuditMetrics(self._registry)
        self._info = Info("cpe_manager", "Version and engine of this process", registry=self._registry)
        self._fleet = b""

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def identify(self, *, version: str, engine: str) -> None:
        self._info.info({"version": version, "engine": engine})

    def attempt(self, family: str, outcome: str, code: str, seconds: float) -> None:
        """One ended attempt; ``code`` is the error code, empty when there was no error."""
        self._attempts.labels(family, outcome, code).inc()
        self._seconds.labels(family).observe(seconds)

    def trap(self, kind: str) -> None:
        """One trap that became an event of this kind."""
        self._traps.labels(kind).inc()

    def trap_dropped(self, reason: str, number: int = 1) -> None:
        self._traps_dropped.labels(reason).inc(number)

    def sensed(self, figures: SensingFigures) -> None:
        """What a second of looking at lines came to."""
        for (way, outcome), number in figures.echoes.items():
            self._echoes.labels(way, outcome).inc(number)
        for outcome, number in figures.polls.items():
            self._polls.labels(outcome).inc(number)
        for outcome, number in figures.connections.items():
            self._connections.labels(outcome).inc(number)
        self._lines.set(figures.lines)
        self._lag.set(figures.lag)
        self._stretch.set(figures.stretch)
        self._blind.set(figures.blind)

    def drill(self, family: str, verdict: str, seconds: float) -> None:
        """One ended restore drill."""
        self._drills.labels(family, verdict).inc()
        self._drill_seconds.labels(family).observe(seconds)

    def restorable(self, found: Standing) -> None:
        """A new snapshot of what is proven. Without a device to be judged there is no ratio but NaN."""
        self._restorable.set(float("nan") if found.share is None else found.share)
        self._restorable_devices.clear()
        for one in found.families:
            for verdict in ("proven", "differs", "failed", "unproven", "not_possible"):
                number = getattr(one, verdict) if one.possible else one.devices * (verdict == "not_possible")
                self._restorable_devices.labels(one.family, verdict).set(number)

    def sessions(self, open_now: int) -> None:
        self._sessions.set(open_now)

    def watch_threads(self, running: Callable[[], float], abandoned: Callable[[], float]) -> None:
        """What to ask for the number of threads at each scrape."""
        self._threads.labels("running").set_function(running)
        self._threads.labels("abandoned").set_function(abandoned)

    def request(self, method: str, route: str, status: int) -> None:
        """One answered HTTP request; ``route`` is the template, so that the number of series stays small."""
        self._requests.labels(method, route, str(status)).inc()

    def rollouts(self, states: Mapping[RolloutState, int], devices: Mapping[DeviceEnd, int]) -> None:
        for state, number in states.items():
            self._rollouts.labels(state.value).set(number)
        for outcome, number in devices.items():
            self._rollout_devices.labels(outcome.value).set(number)

    def refresh(
        self, statuses: Sequence[Status], devices: Mapping[str, int], open_jobs: int, due_rows: int
    ) -> None:  # fmt: skip
        """A new snapshot of the fleet. ``devices``: number by life state."""
        self._open_jobs.set(open_jobs)
        self._due_rows.set(due_rows)
        for state, number in devices.items():
            self._devices.labels(str(state)).set(number)
        # Rendered here, once a minute, and not in each scrape: through the library's samples 100,000 devices would
        # block the event loop for more than half a second every time.
        self._fleet = "".join(_fleet(statuses)).encode()

    def drifting(self, devices: Mapping[str, int]) -> None:
        """Number of devices by verdict."""
        for verdict, number in devices.items():
            self._drift.labels(verdict).set(number)

    def render(self) -> bytes:
        """Everything, in the text format 0.0.4."""
        return generate_latest(self._registry) + self._fleet

    def described(self) -> Iterator[tuple[str, str, str, str]]:
        """(name, type, labels, meaning) of every metric of our own; the reference page is made of it."""
        for family in self._registry.collect():
            if not family.name.startswith("process_"):
                suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
                yield (
                    family.name + suffix,
                    family.type,
                    ", ".join(_ALL_LABELS.get(family.name, ())),
                    family.documentation,
                )
        for name, (labels, text) in FLEET.items():
            yield name, "gauge", labels, text


_LABELS: Mapping[str, tuple[str, ...]] = {
    "cpe_backup_attempts": ("family", "outcome", "code"),
    "cpe_backup_duration_seconds": ("family",),
    "cpe_devices": ("state",),
    "cpe_drift_devices": ("verdict",),
    "cpe_drills": ("family", "verdict"),
    "cpe_line_echoes": ("way", "outcome"),
    "cpe_line_polls": ("outcome",),
    "cpe_line_connections": ("outcome",),
    "cpe_drill_duration_seconds": ("family",),
    "cpe_backup_restorable_devices": ("family", "verdict"),
    "cpe_manager_netmiko_threads": ("state",),
    "cpe_manager_http_requests": ("method", "route", "status"),
    "cpe_rollouts": ("state",),
    "cpe_rollout_devices": ("outcome",),
    "cpe_snmp_traps": ("kind",),
    "cpe_snmp_traps_dropped": ("reason",),
    "cpe_manager": ("version", "engine"),
}

_ALL_LABELS: Mapping[str, tuple[str, ...]] = {**_LABELS, **LINE_LABELS, **CHANGE_LABELS, **MAIL_LABELS}


def _fleet(statuses: Iterable[Status]) -> Iterator[str]:
    overdue = 0
    failing: Tally[tuple[str, str]] = Tally()
    last = "cpe_backup_last_success_timestamp_seconds"
    yield _head(last)
    for name, family, group, status in statuses:
        overdue += status.overdue_since is not None
        if status.failures and status.last_error_code:
            failing[(family, status.last_error_code)] += 1
        if status.last_success_at is not None:
            labels = f'device="{_escaped(name)}",family="{_escaped(family)}",group="{_escaped(group or "")}"'
            yield f"{last}{{{labels}}} {status.last_success_at.timestamp():.3f}\n"
    yield _head("cpe_backup_overdue_devices")
    yield f"cpe_backup_overdue_devices {overdue}\n"
    yield _head("cpe_backup_failing_devices")
    for (family, code), number in sorted(failing.items()):
        yield f'cpe_backup_failing_devices{{family="{_escaped(family)}",code="{_escaped(code)}"}} {number}\n'


def _head(name: str) -> str:
    return f"# HELP {name} {FLEET[name][1]}\n# TYPE {name} gauge\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
