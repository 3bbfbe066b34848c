"""Mails to customers and the operator."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.telling.mail import Mail


class MailView(View):
    """``event_id``, ``kind``: of the event that it tells of."""

    id: str
    event_id: int
    kind: str = Field(examples=["change.done"])
    site: str
    audience: str = Field(examples=["customer", "operator"])
    recipient: str
    language: str
    subject: str
    created_at: datetime
    state: str = Field(examples=["queued", "sent", "failed"])
    attempts: int
    next_at: datetime | None = Field(description="Not tried before then")
    reason: str = Field(description="Of the last failure")
    sent_at: datetime | None

    @classmethod
    def of(cls, mail: Mail) -> MailView:
        return cls.model_validate(mail)


class MailDetailView(MailView):
    body: str

    @classmethod
    def of(cls, mail: Mail) -> MailDetailView:
        return cls.model_validate(mail)


class MailRetryBody(Body):
    id: str | None = Field(default=None, max_length=32, description="One mail; null: all that failed")


class MailRetryView(View):
    tried_again: int
