"""Webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from cpe_manager.api.schemas.common import Body, Label, Moment, View
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint, shown_url
from cpe_manager.services.telling.webhooks import Made


class OwnWebhookBody(Body):
    """``kinds``: of events, or their beginnings with a star."""

    name: Label = Field(examples=["service-desk"])
    url: str = Field(max_length=2000, examples=["https://desk.example/hooks/cpe-manager"])
    kinds: list[str] = Field(min_length=1, max_length=50, examples=[["line.*", "incident.*"]])
    secret: str | None = Field(
        default=None,
        max_length=200,
        description="One that the receiver has already (`whsec_...`); null: one is made, and shown this once",
        repr=False,
    )


class WebhookBody(OwnWebhookBody):
    sites: list[Label] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Told of changes, activations and subscriptions of these sites alone; null: of all kinds named",
    )


class WebhookView(View):
    """``cursor``: the last event that was taken, or passed over. ``url`` is shown without its query."""

    id: str
    name: str
    url: str
    kinds: list[str]
    state: str = Field(examples=["active", "disabled"])
    reason: str = Field(description="Why it is disabled, or the last failure")
    created_at: datetime
    created_by: str
    sites: list[str] | None = Field(description="Told of these sites alone; null: of all that the kinds name")
    customer: bool = Field(description="Made by a customer's representative, and told of the sites of that account")
    cursor: int
    delivered_at: datetime | None
    failures: int = Field(description="In a row")
    failing_since: datetime | None
    next_at: datetime | None = Field(description="When a failed delivery is tried again")

    @classmethod
    def of(cls, endpoint: Endpoint) -> WebhookView:
        own = {"url", "kinds", "sites", "customer"}
        named = {name: getattr(endpoint, name) for name in cls.model_fields if name not in own}
        return cls(
            url=shown_url(endpoint.url),
            kinds=list(endpoint.kinds),
            sites=list(endpoint.sites) if endpoint.sites is not None else None,
            customer=bool(endpoint.account_id),
            **named,
        )


class AttemptView(View):
    """``status``: of HTTP; null: there was no answer. What was answered beyond that is not kept."""

    event_id: int
    at: datetime
    ok: bool
    status: int | None
    seconds: float
    reason: str

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptView:
        return cls(**{name: getattr(attempt, name) for name in cls.model_fields})


class WebhookDetailView(WebhookView):
    """``behind``: so many events, of any kind, are after the cursor. ``attempts``: the latest, newest first."""

    behind: int
    attempts: list[AttemptView]

    @classmethod
    def shown(cls, endpoint: Endpoint, attempts: Sequence[Attempt], behind: int) -> WebhookDetailView:
        common = WebhookView.of(endpoint).model_dump()
        return cls(**common, behind=behind, attempts=[AttemptView.of(one) for one in attempts])


class NewWebhookView(View):
    """``secret`` is shown this once; it is kept sealed."""

    webhook: WebhookView
    secret: str = Field(repr=False)

    @classmethod
    def of(cls, made: Made) -> NewWebhookView:
        return cls(webhook=WebhookView.of(made.endpoint), secret=made.secret)


class ReplayBody(Body):
    since: Moment | None = Field(
        default=None, description="Begin again with the first event from then on; null: go on where it stands"
    )
