"""Schedules, tokens, keys, events, alarms, and the daemon itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from cpe_manager.api.schemas.audit import AuditWatchView
from cpe_manager.api.schemas.common import Body, Label, View
from cpe_manager.domain.access.access import Permission
from cpe_manager.domain.access.tokens import Scope, Token
from cpe_manager.domain.events import Alarm, Event
from cpe_manager.domain.schedules import Schedule


class ScheduleView(View):
    id: str
    name: str
    cron: str
    timezone: str
    window_minutes: int
    group: str | None
    enabled: bool
    created_at: datetime | None
    last_occurrence_at: datetime | None
    next_at: datetime | None = None

    @classmethod
    def of(cls, schedule: Schedule, next_at: datetime | None) -> ScheduleView:
        return cls.model_validate(schedule).model_copy(update={"next_at": next_at})


class ScheduleBody(Body):
    """``cron``: minute hour day month weekday, read in ``timezone`` (IANA name)."""

    name: Label = Field(examples=["nightly"])
    cron: str = Field(max_length=200, examples=["0 1 * * *"])
    timezone: str = Field(default="Europe/Brussels", max_length=100)
    window_minutes: int = Field(default=240, description="The run's devices are spread over this long")
    group: str | None = Field(default=None, description="Only this group and the groups below it")
    enabled: bool = True


class TokenView(View):
    id: str
    name: str
    scopes: list[Scope]
    account: str | None = Field(default=None, description="Id of the account whose it is; null: of nobody")
    permissions: list[Permission] | None = Field(default=None, description="What it allows at most of what that may")
    created_at: datetime
    created_by: str = ""
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str = ""

    @classmethod
    def of(cls, token: Token) -> TokenView:
        limit = None if token.limit is None else sorted(token.limit)
        more = {"scopes": sorted(token.scopes), "account": token.account_id, "permissions": limit}
        return cls.model_validate(token).model_copy(update=more)


class NewTokenView(View):
    """``text`` is shown this once; a hash of it is stored."""

    token: TokenView
    text: str


class TokenBody(Body):
    name: Label
    scopes: list[Scope] = Field(min_length=1)
    days: int | None = Field(default=None, ge=1, le=3650, description="Valid so many days; null: until revoked")


class KeyView(View):
    """``objects``: how many sealed originals this key wraps."""

    key_id: str
    created_at: datetime
    active: bool
    objects: int


class EventView(View):
    id: int
    kind: str
    at: datetime
    severity: str
    device: str | None
    device_id: str | None
    job_id: str | None
    message: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventView:
        return cls.model_validate(event)


class AlarmView(View):
    key: str
    kind: str
    device: str | None
    device_id: str | None
    raised_at: datetime
    message: str

    @classmethod
    def of(cls, alarm: Alarm) -> AlarmView:
        return cls.model_validate(alarm)


class SystemView(View):
    version: str
    engine: str = Field(description="embedded or procrastinate")
    schema_version: str | None
    devices: dict[str, int] = Field(description="By life state")
    families: list[str]
    credentials: list[str] = Field(description="Names of the device credentials that exist")
    credentials_error: str | None = Field(default=None, description="Why the credentials cannot be used, if so")
    alarms: int
    last_event_id: int
    audit: AuditWatchView | None = Field(default=None, description="When the audit log was last looked at by itself")
    hindrance: str | None = Field(description="Why results cannot be written now, when they cannot")
