"""A typed client of the HTTP API, for the command line and for programs. Blocking; one connection pool a client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from cpe_manager.api.schemas.backups import BackupView, DiffView, FileView, NeutralView, TextView
from cpe_manager.api.schemas.common import PageOf, Problem
from cpe_manager.api.schemas.detections import DetectionView
from cpe_manager.api.schemas.devices import DeviceView, GroupView, ImportView
from cpe_manager.api.schemas.drift import DriftDetailView, DriftView
from cpe_manager.api.schemas.drills import DrillReportView, DrillView
from cpe_manager.api.schemas.facts import FactsView
from cpe_manager.api.schemas.families import FamiliesView, FamilyView
from cpe_manager.api.schemas.jobs import JobView, WorkView
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
from cpe_manager.domain.errors import (
    CpeManagerError,
    DaemonUnreachable,
    HostKeyChanged,
    InputError,
)
from cpe_manager.domain.import_rules import ImportErrors
from cpe_manager.domain.import_rules import Problem as Wrong
from cpe_manager.domain.jobs import JobState

V = TypeVar("V", bound=BaseModel)

TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
IMPORT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
ASKING_TIMEOUT: Final = httpx.Timeout(180.0, connect=5.0)
STREAM_TIMEOUT: Final = httpx.Timeout(45.0, connect=5.0)
"""Seconds. The stream's is three of the daemon's heartbeats."""

Query = Mapping[str, Any]


class Client:
    """Raises our own errors: what the daemon said, ``DaemonUnreachable`` when there is none to say anything."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        if not (token.isascii() and token.isprintable()):
            raise InputError("the token holds characters that no token has")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, transport=transport)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{url!r} is not a URL of a daemon: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()

    # What every verb is made of

    def get(self, path: str, view: type[V], **query: Any) -> V:
        return self._read(self._send("GET", path, params=query), view)

    def post(self, path: str, view: type[V], body: Any = None, *, timeout: httpx.Timeout = TIMEOUT) -> V:
        return self._read(self._send("POST", path, body=body, timeout=timeout), view)

    def put(self, path: str, view: type[V], body: Any) -> V:
        return self._read(self._send("PUT", path, body=body), view)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def pages(self, path: str, view: type[V], *, limit: int | None = None, **query: Any) -> Iterator[V]:
        """Every item of a list, or the first ``limit``; pages are fetched as they are needed."""
        page_type = PageOf[view]  # type: ignore[valid-type]
        left, cursor = limit, None
        while left is None or left > 0:
            size = 500 if left is None else min(left, 500)
            page = self.get(path, page_type, **query, limit=size, cursor=cursor)
            yield from page.items
            left = None if left is None else left - len(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Query | None = None,
        body: Any = None,
        timeout: httpx.Timeout = TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            response = self._http.request(
                method, f"/api/v1{path}", params=given, json=body, timeout=timeout, headers=headers
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except UnicodeEncodeError as error:  # an argument that is not text in the terminal's encoding
            raise InputError(f"not text: {error.object[error.start : error.end]!r}") from error
        if response.is_error:
            raise error_of(response.status_code, response.content)
        return response

    def _unreachable(self, error: Exception) -> CpeManagerError:
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
            return InputError(f"{self.url!r} is not a URL of a daemon: it starts with http:// or https://")
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return DaemonUnreachable(f"no daemon answers at {self.url} (start one with: cpe-manager serve)")
        return DaemonUnreachable(f"the daemon at {self.url} stopped answering ({type(error).__name__})")

    def _read(self, response: httpx.Response, view: type[V]) -> V:
        try:
            return view.model_validate_json(response.content)
        except ValidationError as error:
            raise DaemonUnreachable(f"{self.url} answers, but not as a cpe-manager does") from error

    # Pushes

    def plan_push(self, body: Mapping[str, Any]) -> PlanView:
        """Reads the device; takes seconds."""
        return self.post("/push-plans", PlanView, body, timeout=ASKING_TIMEOUT)

    def push(self, body: Mapping[str, Any], *, key: str | None = None) -> PushView:
        headers = {"Idempotency-Key": key} if key else None
        return self._read(self._send("POST", "/pushes", body=body, headers=headers), PushView)

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
        headers = {"Idempotency-Key": key} if key else None
        made = self._send("POST", "/rollouts", body=body, headers=headers, timeout=ASKING_TIMEOUT)
        return self._read(made, RolloutView)

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
        headers = {"Idempotency-Key": key} if key else None
        return self._read(self._send("POST", f"/drift/{part(name)}/remediate", body=body, headers=headers), PushView)

    # Replacements

    def order_replacement(self, body: Mapping[str, Any], *, key: str | None = None) -> ReplacementView:
        headers = {"Idempotency-Key": key} if key else None
        return self._read(self._send("POST", "/replacements", body=body, headers=headers), ReplacementView)

    def replacement(self, replacement_id: str) -> ReplacementDetailView:
        return self.get(f"/replacements/{part(replacement_id)}", ReplacementDetailView)

    def replacements(self, *, limit: int | None = None, **where: Any) -> Iterator[ReplacementView]:
        return self.pages("/replacements", ReplacementView, limit=limit, **where)

    def accept_replacement(self, replacement_id: str, body: Mapping[str, Any]) -> ReplacementView:
        return self.post(f"/replacements/{part(replacement_id)}/accept", ReplacementView, body)

    def cancel_replacement(self, replacement_id: str) -> ReplacementView:
        return self.post(f"/replacements/{part(replacement_id)}/cancel", ReplacementView)

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

    def put_group(self, name: str, body: Mapping[str, Any]) -> GroupView:
        return self.put(f"/groups/{part(name)}", GroupView, body)

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
        headers = {"Idempotency-Key": key} if key else None
        return self._read(self._send("POST", "/drills", body=body, headers=headers), JobView)

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

    def events(self, after: int, *, limit: int) -> Sequence[EventView]:
        return self.get("/events", PageOf[EventView], after=after, limit=limit).items

    def follow_events(self, after: int) -> Iterator[EventView]:
        """Events after the given id, for ever; a connection that breaks is taken up again where it broke."""
        pause, failures = threading.Event(), 0
        while True:
            try:
                for event in self._stream(after):
                    after, failures = event.id, 0
                    yield event
            except DaemonUnreachable:
                failures += 1
                if failures > 5:
                    raise
            pause.wait(min(2.0**failures, 10.0) / 2)

    def _stream(self, after: int) -> Iterator[EventView]:
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        try:
            with self._http.stream("GET", "/api/v1/events/stream", headers=headers, timeout=STREAM_TIMEOUT) as response:
                if response.is_error:
                    raise error_of(response.status_code, response.read())
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield EventView.model_validate_json(line.removeprefix("data:"))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error


def part(text: str) -> str:
    """A name as one part of a path. Raises ``InputError`` for what would lead to another path."""
    if text in {"", ".", ".."} or "/" in text or not text.isprintable():
        raise InputError(f"{text!r} is not a name")
    return quote(text, safe="")


def error_of(status: int, content: bytes) -> CpeManagerError:
    """Our error from a problem body; what is no problem body did not come from a cpe-manager."""
    try:
        problem = Problem.model_validate(json.loads(content))
    except ValueError:
        return DaemonUnreachable(f"the answer (HTTP {status}) did not come from a cpe-manager")
    entries = problem.errors or []
    if problem.code == "input" and entries:
        return ImportErrors(Wrong(entry.reason, entry.file, entry.line) for entry in entries)
    if problem.code == HostKeyChanged.code:
        return HostKeyChanged(problem.detail, offered="")
    if problem.code in {"input", "too_large", "bad_request"}:
        return InputError(problem.detail)
    return {kind.code: kind for kind in _kinds(CpeManagerError)}.get(problem.code, CpeManagerError)(problem.detail)


def _kinds(root: type[CpeManagerError]) -> Iterator[type[CpeManagerError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
