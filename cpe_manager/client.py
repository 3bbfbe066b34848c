"""A typed client of the HTTP API, for the command line and for programs. Blocking; one connection pool a client."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cpe_manager.api.schemas.backups import BackupView, DiffView, FileView, NeutralView, TextView
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.detections import DetectionView
from cpe_manager.api.schemas.devices import DeviceView, GroupView, ImportView
from cpe_manager.api.schemas.drift import DriftDetailView, DriftView
from cpe_manager.api.schemas.drills import DrillReportView, DrillView
from cpe_manager.api.schemas.facts import FactsView
from cpe_manager.api.schemas.families import FamiliesView, FamilyView
from cpe_manager.api.schemas.jobs import JobView, WorkView
from cpe_manager.api.schemas.lines import (
    CoverageView,
    IncidentView,
    LineDetailView,
    LineImportView,
    LineSummaryView,
    LineView,
    TransitionView,
)
from cpe_manager.api.schemas.pushes import PlanView, PushDetailView, PushView
from cpe_manager.api.schemas.replacements import ReplacementDetailView, ReplacementView
from cpe_manager.api.schemas.rollouts import (
    RolloutDetailView,
    RolloutDeviceView,
    RolloutPlanView,
    RolloutReportView,
    RolloutView,
)
from cpe_manager.api.schemas.system import (
    AlarmView,
    EventView,
    KeyView,
    NewTokenView,
    ScheduleView,
    SystemView,
    TokenView,
)
from cpe_manager.api.schemas.webhooks import AttemptView, NewWebhookView, WebhookDetailView, WebhookView
from cpe_manager.client_accounts import AccountVerbs
from cpe_manager.client_activations import ActivationCalls
from cpe_manager.client_changes import ChangeCalls
from cpe_manager.client_http import ASKING_TIMEOUT, IMPORT_TIMEOUT, part
from cpe_manager.client_subscriptions import SubscriptionCalls
from cpe_manager.domain.errors import (
    DaemonUnreachable,
)
from cpe_manager.domain.jobs import JobState


class Client(AccountVerbs, ActivationCalls, ChangeCalls, SubscriptionCalls):
    """Raises our own errors: what the daemon said, ``DaemonUnreachable`` when there is none to say anything."""

    # Pushes

    def plan_push(self, body: Mapping[str, Any]) -> PlanView:
        """Reads the device; takes seconds."""
        return self.post("/push-plans", PlanView, body, timeout=ASKING_TIMEOUT)

    def push(self, body: Mapping[str, Any], *, key: str | None = None) -> PushView:
        return self.post("/pushes", PushView, body, key=key)

    def push_status(self, push_id: str) -> PushDetailView:
        return self.get(f"/pushes/{part(push_id)}", PushDetailView)

    def pushes(self, *, limit: int | None = None, **where: Any) -> Iterator[PushView]:
        return self.pages("/pushes", PushView, limit=limit, **where)

    def push_again(self, push_id: str, body: Mapping[str, Any]) -> PushView:
        return self.post(f"/pushes/{part(push_id)}/again", PushView, body)

    def settle_push(self, push_id: str, body: Mapping[str, Any]) -> PushView:
        return self.post(f"/pushes/{part(push_id)}/settle", PushView, body)

    def withdraw_push(self, push_id: str) -> PushView:
        return self.post(f"/pushes/{part(push_id)}/withdraw", PushView)

    # Roll-outs

    def plan_rollout(self, body: Mapping[str, Any]) -> RolloutPlanView:
        return self.post("/rollout-plans", RolloutPlanView, body, timeout=ASKING_TIMEOUT)

    def start_rollout(self, body: Mapping[str, Any], *, key: str | None = None) -> RolloutView:
        return self.post("/rollouts", RolloutView, body, timeout=ASKING_TIMEOUT, key=key)

    def rollouts(self, *, limit: int | None = None, **where: Any) -> Iterator[RolloutView]:
        return self.pages("/rollouts", RolloutView, limit=limit, **where)

    def rollout(self, rollout_id: str) -> RolloutDetailView:
        return self.get(f"/rollouts/{part(rollout_id)}", RolloutDetailView)

    def rollout_devices(self, rollout_id: str, **where: Any) -> Iterator[RolloutDeviceView]:
        return self.pages(f"/rollouts/{part(rollout_id)}/devices", RolloutDeviceView, **where)

    def rollout_report(self, rollout_id: str) -> RolloutReportView:
        return self.get(f"/rollouts/{part(rollout_id)}/report", RolloutReportView)

    def rollout_csv(self, rollout_id: str) -> str:
        return self._send("GET", f"/rollouts/{part(rollout_id)}/report.csv").text

    def rollout_verb(self, rollout_id: str, verb: str, body: Mapping[str, Any] | None = None) -> RolloutView:
        """``pause``, ``resume``, ``cancel``."""
        return self.post(f"/rollouts/{part(rollout_id)}/{verb}", RolloutView, body)

    # Drift

    def drifts(self, *, limit: int | None = None, **where: Any) -> Iterator[DriftView]:
        return self.pages("/drift", DriftView, limit=limit, **where)

    def drift(self, name: str, *, live: bool = False, context: int = 3) -> DriftDetailView:
        """``live`` asks the device; takes seconds."""
        path = f"/drift/{part(name)}"
        if live:
            return self.post(f"{path}/look", DriftDetailView, {"context": context}, timeout=ASKING_TIMEOUT)
        return self.get(path, DriftDetailView, context=context)

    def adopt_drift(self, name: str, basis: str) -> DriftView:
        return self.post(f"/drift/{part(name)}/adopt", DriftView, {"basis": basis})

    def remediate_drift(self, name: str, body: Mapping[str, Any], *, key: str | None = None) -> PushView:
        return self.post(f"/drift/{part(name)}/remediate", PushView, body, key=key)

    # Replacements

    def order_replacement(self, body: Mapping[str, Any], *, key: str | None = None) -> ReplacementView:
        return self.post("/replacements", ReplacementView, body, key=key)

    def replacement(self, replacement_id: str) -> ReplacementDetailView:
        return self.get(f"/replacements/{part(replacement_id)}", ReplacementDetailView)

    def replacements(self, *, limit: int | None = None, **where: Any) -> Iterator[ReplacementView]:
        return self.pages("/replacements", ReplacementView, limit=limit, **where)

    def accept_replacement(self, replacement_id: str, body: Mapping[str, Any]) -> ReplacementView:
        return self.post(f"/replacements/{part(replacement_id)}/accept", ReplacementView, body)

    def cancel_replacement(self, replacement_id: str) -> ReplacementView:
        return self.post(f"/replacements/{part(replacement_id)}/cancel", ReplacementView)

    # Lines and fail-over

    def lines(self, *, limit: int | None = None, **where: Any) -> Iterator[LineView]:
        return self.pages("/lines", LineView, limit=limit, **where)

    def line(self, name: str) -> LineDetailView:
        return self.get(f"/lines/{part(name)}", LineDetailView)

    def line_summary(self) -> LineSummaryView:
        return self.get("/line-summary", LineSummaryView)

    def set_up_line(self, name: str, body: Mapping[str, Any], *, match: int | None = None) -> LineView:
        """``match``: the revision that was read; 0: not set up yet."""
        return self.put(f"/lines/{part(name)}", LineView, body, match=match)

    def import_lines(self, body: Mapping[str, Any]) -> LineImportView:
        return self.post("/line-imports", LineImportView, body, timeout=IMPORT_TIMEOUT)

    def order_line(self, name: str, body: Mapping[str, Any], *, key: str | None = None) -> LineView:
        return self.post(f"/lines/{part(name)}/orders", LineView, body, key=key)

    def line_history(self, name: str | None, *, limit: int | None = None) -> Iterator[TransitionView]:
        path = "/line-history" if name is None else f"/lines/{part(name)}/history"
        return self.pages(path, TransitionView, limit=limit)

    def coverage(self, name: str, body: Mapping[str, Any] | None = None) -> CoverageView:
        """Without a verdict in ``body`` the box measures; takes up to a minute."""
        return self.post(f"/lines/{part(name)}/coverage", CoverageView, body, timeout=ASKING_TIMEOUT)

    def incidents(self, *, limit: int | None = None, **where: Any) -> Iterator[IncidentView]:
        return self.pages("/incidents", IncidentView, limit=limit, **where)

    # Families

    def families(self) -> FamiliesView:
        return self.get("/families", FamiliesView)

    def family(self, name: str) -> FamilyView:
        return self.get(f"/families/{part(name)}", FamilyView)

    # Devices

    def devices(self, *, limit: int | None = None, **where: Any) -> Iterator[DeviceView]:
        return self.pages("/devices", DeviceView, limit=limit, **where)

    def device(self, name: str) -> DeviceView:
        return self.get(f"/devices/{part(name)}", DeviceView)

    def add_device(self, body: Mapping[str, Any]) -> DeviceView:
        return self.post("/devices", DeviceView, body)

    def detect(self, body: Mapping[str, Any]) -> DetectionView:
        """Which family is at an address; takes seconds."""
        return self.post("/detections", DetectionView, body)

    def device_verb(self, name: str, verb: str, body: Mapping[str, Any] | None = None) -> DeviceView:
        """``suspend``, ``resume``, ``replace``, ``accept-key``."""
        return self.post(f"/devices/{part(name)}/{verb}", DeviceView, body)

    def facts(self, name: str) -> FactsView:
        return self.get(f"/devices/{part(name)}/facts", FactsView)

    def refresh_facts(self, name: str, way: str = "both") -> FactsView:
        """Asks the device; takes seconds. ``way``: both, session or snmp."""
        return self.post(f"/devices/{part(name)}/facts", FactsView, {"way": way}, timeout=ASKING_TIMEOUT)

    def remove_device(self, name: str) -> None:
        self.delete(f"/devices/{part(name)}")

    def groups(self) -> Sequence[GroupView]:
        return self.get("/groups", PageOf[GroupView]).items

    def group(self, name: str) -> GroupView:
        return self.get(f"/groups/{part(name)}", GroupView)

    def group_tagged(self, name: str) -> tuple[GroupView, str]:
        return self.get_tagged(f"/groups/{part(name)}", GroupView)

    def put_group(self, name: str, body: Mapping[str, Any], *, match: int | str | None = None) -> GroupView:
        """``match``: the tag that was read; 0: there was none."""
        return self.put(f"/groups/{part(name)}", GroupView, body, match=match)

    def import_files(self, body: Mapping[str, Any]) -> ImportView:
        return self.post("/imports", ImportView, body, timeout=IMPORT_TIMEOUT)

    # Backups

    def run_backup(self, body: Mapping[str, Any]) -> JobView:
        return self.post("/backups", JobView, body)

    def backups(self, name: str, *, limit: int | None = None, state: str | None = None) -> Iterator[BackupView]:
        return self.pages(f"/devices/{part(name)}/backups", BackupView, limit=limit, state=state)

    def backup_text(self, name: str, version: int | None, *, original: bool = False) -> TextView:
        kind = "original" if original else "text"
        return self.get(f"/devices/{part(name)}/backups/{version or 'current'}/{kind}", TextView)

    def backup_neutral(self, name: str, version: int | None) -> NeutralView:
        return self.get(f"/devices/{part(name)}/backups/{version or 'current'}/neutral", NeutralView)

    def backup_file(self, name: str, version: int | None, *, content: bool = False) -> FileView:
        return self.get(f"/devices/{part(name)}/backups/{version or 'current'}/file{'/content' * content}", FileView)

    def diff(self, name: str, older: int | None, newer: int | None, *, context: int) -> DiffView:
        query = {"from": older, "to": newer, "context": context}
        return self.get(f"/devices/{part(name)}/diff", DiffView, **query)

    def decide(self, name: str, version: int | None, *, accept: bool) -> BackupView:
        verb = "accept" if accept else "refuse"
        return self.post(f"/devices/{part(name)}/backups/{version or 'quarantined'}/{verb}", BackupView)

    def verify(self) -> JobView:
        return self.post("/verifications", JobView)

    def export(self) -> JobView:
        return self.post("/exports", JobView)

    # Restore drills

    def run_drill(self, body: Mapping[str, Any], *, key: str | None = None) -> JobView:
        return self.post("/drills", JobView, body, key=key)

    def drills(self, *, limit: int | None = None, **where: Any) -> Iterator[DrillView]:
        return self.pages("/drills", DrillView, limit=limit, **where)

    def drill_report(self) -> DrillReportView:
        return self.get("/drills/report", DrillReportView)

    # Jobs and schedules

    def jobs(self, *, limit: int | None = None, state: str | None = None) -> Iterator[JobView]:
        return self.pages("/jobs", JobView, limit=limit, state=state)

    def job(self, job_id: str) -> JobView:
        return self.get(f"/jobs/{part(job_id)}", JobView)

    def work(self, job_id: str, *, limit: int | None = None, outcome: str | None = None) -> Iterator[WorkView]:
        return self.pages(f"/jobs/{part(job_id)}/devices", WorkView, limit=limit, outcome=outcome)

    def cancel(self, job_id: str) -> JobView:
        return self.post(f"/jobs/{part(job_id)}/cancel", JobView)

    def follow_job(self, job: JobView, *, every: float = 0.5, slowest: float = 5.0) -> Iterator[JobView]:
        """The job as it stands, then again and again; the last one yielded has ended.

        Each ``every`` seconds at first, slowing down to ``slowest``: a run may take hours, and a look is a request.
        """
        pause = threading.Event()
        while True:
            yield job
            if job.state is not JobState.OPEN:
                return
            pause.wait(every)
            every = min(every * 1.05, slowest)
            job = self.job(job.id)

    def schedules(self) -> Sequence[ScheduleView]:
        return self.get("/schedules", PageOf[ScheduleView]).items

    def add_schedule(self, body: Mapping[str, Any]) -> ScheduleView:
        return self.post("/schedules", ScheduleView, body)

    def remove_schedule(self, name: str) -> None:
        self.delete(f"/schedules/{part(name)}")

    def run_schedule(self, name: str) -> JobView:
        return self.post(f"/schedules/{part(name)}/run", JobView)

    # Webhooks

    def webhooks(self) -> Iterator[WebhookView]:
        return self.pages("/webhooks", WebhookView)

    def webhook(self, name: str) -> WebhookDetailView:
        return self.get(f"/webhooks/{part(name)}", WebhookDetailView)

    def add_webhook(self, body: Mapping[str, Any]) -> NewWebhookView:
        return self.post("/webhooks", NewWebhookView, body)

    def remove_webhook(self, name: str) -> None:
        self.delete(f"/webhooks/{part(name)}")

    def test_webhook(self, name: str) -> AttemptView:
        return self.post(f"/webhooks/{part(name)}/test", AttemptView)

    def replay_webhook(self, name: str, since: datetime | None) -> WebhookView:
        body = {"since": since.isoformat() if since else None}
        return self.post(f"/webhooks/{part(name)}/replay", WebhookView, body)

    # Tokens and keys

    def tokens(self) -> Sequence[TokenView]:
        return self.get("/tokens", PageOf[TokenView]).items

    def create_token(self, body: Mapping[str, Any]) -> NewTokenView:
        return self.post("/tokens", NewTokenView, body)

    def revoke_token(self, name_or_id: str) -> TokenView:
        return self._read(self._send("DELETE", f"/tokens/{part(name_or_id)}"), TokenView)

    def keys(self) -> Sequence[KeyView]:
        return self.get("/keys", PageOf[KeyView]).items

    def rotate_key(self) -> JobView:
        return self.post("/keys/rotate", JobView)

    def retire_key(self, key_id: str) -> None:
        self.delete(f"/keys/{part(key_id)}")

    # The daemon, events, alarms

    def system(self) -> SystemView:
        return self.get("/system", SystemView)

    def alarms(self) -> Sequence[AlarmView]:
        return self.get("/alarms", PageOf[AlarmView]).items

    def events(self, after: int, *, limit: int, **where: Any) -> Sequence[EventView]:
        """``where``: ``kind`` (a list, ``line.*`` for all that begin so), ``device``, ``line``."""
        return self.get("/events", PageOf[EventView], after=after, limit=limit, **where).items

    def follow_events(self, after: int | None, **where: Any) -> Iterator[EventView]:
        """Events after the given id, or (None) from now on, for ever; a connection that breaks is taken up again where
        it broke. ``where`` as for ``events``."""
        pause, failures = threading.Event(), 0
        while True:
            try:
                for event in self.stream(after, **where):
                    after, failures = event.id, 0
                    yield event
            except DaemonUnreachable:
                failures += 1
                if failures > 5:
                    raise
            pause.wait(min(2.0**failures, 10.0) / 2)
