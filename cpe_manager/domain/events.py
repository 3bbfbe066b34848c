"""Events: what happened, for people and programs that follow along; and alarms, which are events that stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from cpe_manager.domain.access.access import UNBOUND, Sight

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be stored. ``data`` is JSON-ready and passes the redactor before it is stored.

    Kinds: ``group.changed``, ``device.added|changed|facts_changed|suspended|decommissioned|replaced``,
    ``hostkey.first_contact|changed|accepted``, ``backup.stored|quarantined|accepted|refused|failed``,
    ``job.started|finished|cancelled``, ``alarm.raised|cleared``, ``key.rotated|retired``, ``verify.broken``,
    ``rollout.started|wave|paused|resumed|stopped|finished|cancelled``,
    ``drill.failed``,
    ``trap.link_down|link_up|cold_start|warm_start|authentication_failure|storm|received``,
    ``drift.found|gone|adopted``, ``original.opened``, ``token.created|revoked``,
    ``account.added|changed|disabled|enabled|password|unlocked|logged_out``, ``login.succeeded|failed|held|ended``,
    ``schedule.skipped``,
    ``push.requested|withdrawing|confirmed|reverted|stuck|withdrawn|settled``,
    ``webhook.added|removed|replayed|failing|recovered|disabled``, ``mail.sent|failed|failing|recovered|retried``,
    ``replacement.ordered|asks|answered|failed|cancelling|closed|support|cancelled``,
    ``line.changed|suspect|switching|mobile|returning|fixed|failed|held|asked|tested|coverage|
    cap_near|cap_reached``,
    ``incident.opened|changed|closed``, ``catalogue.changed``, ``subscription.changed``,
    ``change.submitted|accepted|asked_again|approved|scheduled|executing|done|reverted|stuck|refused|declined|withdrawn|
    expired|closed``,
    ``activation.ordered|rush_answered|step|tested|reported|activated|failed|retried|cancelling|cancelled``.
    """

    kind: str
    at: datetime
    severity: Severity = "info"
    device_id: str | None = None
    job_id: str | None = None
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event; ``id`` grows, and is the ``Last-Event-ID`` of the stream."""

    id: int
    kind: str
    at: datetime
    severity: str
    device: str | None
    device_id: str | None
    job_id: str | None
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a follower wants to see; empty: everything. ``kinds``: whole kinds (``line.mobile``) or beginnings of them
    that end in a star (``line.*``). ``sight``: what of it is there for the follower at all."""

    kinds: tuple[str, ...] = ()
    device_id: str | None = None
    line_id: str | None = None
    sight: Sight = UNBOUND

    def wants(self, event: Event) -> bool:
        if not _seen(event, self.sight):
            return False
        if self.device_id is not None and event.device_id != self.device_id:
            return False
        if self.line_id is not None and event.data.get("line_id") != self.line_id:
            return False
        return not self.kinds or any(_fits(event.kind, kind) for kind in self.kinds)


def _seen(event: Event, sight: Sight) -> bool:
    site = event.data.get("site")
    if sight.sites is not None and not (isinstance(site, str) and site in sight.sites):
        return False
    if any(_fits(event.kind, kind) for kind in sight.hidden):
        return False
    return sight.kinds is None or any(_fits(event.kind, kind) for kind in sight.kinds)


def _fits(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


EVERYTHING: Final = EventFilter()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that holds until it is cleared. ``key`` is unique among raised ones, e.g. ``backup.overdue:<id>``."""

    key: str
    kind: str
    device_id: str | None
    device: str | None
    raised_at: datetime
    message: str
