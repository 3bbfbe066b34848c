"""Subscriptions: what a site has, who speaks for it, what that entitles to."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from cpe_manager.api.schemas.catalogue import SpeedView, VolumeView
from cpe_manager.api.schemas.common import Body, Moment, RowView, View
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.subscription_rules import MOST_OPTIONS, MOST_REPRESENTATIVES
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation, Subscription
from cpe_manager.services.subscription.subscriptions import Entitlements, RowResult, SubscriptionRow

Language = Literal["en", "nl", "fr"]


class RepresentativeBody(Body):
    """An authorised representative of the customer (§5.1.1)."""

    name: str = Field(min_length=1, max_length=200)
    email: str = Field(min_length=3, max_length=320)


class SubscriptionBody(Body):
    """All of a subscription but its activation date, which stays unless it is given; null takes it away."""

    customer: str = Field(min_length=1, max_length=200)
    formula: str = Field(min_length=1, max_length=64, description="As the catalogue names it", examples=["pro-plus"])
    technology: LineKind
    options: list[str] = Field(
        default=[], max_length=MOST_OPTIONS, description="Components that were ordered as options"
    )
    activated_at: Moment | None = Field(default=None, description="With a time zone")
    representatives: list[RepresentativeBody] = Field(default=[], max_length=MOST_REPRESENTATIVES)
    language: Language = Field(default="en", description="That the customer is written to in")

    def values(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class RepresentativeView(View):
    name: str
    email: str


class SubscriptionView(View):
    site: str
    site_id: str
    customer: str
    formula: str
    technology: LineKind
    options: list[str]
    activated_at: datetime | None
    representatives: list[RepresentativeView]
    language: str
    revision: int = Field(description="The `ETag`: name it in `If-Match` to write only over what was read")
    catalogue_version: int = Field(description="That it was checked against when it was written")

    @classmethod
    def of(cls, one: Subscription) -> SubscriptionView:
        values = {name: getattr(one, name) for name in cls.model_fields}
        values |= {"options": sorted(one.options)}
        values |= {
            "representatives": [RepresentativeView(name=who.name, email=who.email) for who in one.representatives]
        }
        return cls.model_validate(values)


class EntitlementView(View):
    operation: Operation
    allowed: bool
    component: str = Field(description="What it comes of; empty: the catalogue has the formula no more")
    section: str = Field(description="Of the service description")
    reason: str = Field(description="Of a refusal, for the customer")

    @classmethod
    def of(cls, operation: Operation, one: Entitled) -> EntitlementView:
        return cls(
            operation=operation, allowed=one.allowed, component=one.component, section=one.section, reason=one.reason
        )


class EntitlementsView(View):
    """What a subscription comes to under the catalogue in force."""

    subscription: SubscriptionView
    catalogue_version: int
    title: str = Field(description="Of the formula; empty: the catalogue has it no more")
    speed: SpeedView | None
    volume: VolumeView | None
    end_users: int | None
    operations: list[EntitlementView]

    @classmethod
    def of(cls, found: Entitlements) -> EntitlementsView:
        one, formula = found.subscription, found.formula
        volume = None if formula is None else formula.volume
        return cls(
            subscription=SubscriptionView.of(one),
            catalogue_version=found.catalogue_version,
            title="" if formula is None else formula.titles.get(one.technology, ""),
            speed=None if found.speed is None else SpeedView.of(found.speed),
            volume=None if volume is None else VolumeView(gigabytes=volume.gigabytes, above=volume.above),
            end_users=None if formula is None else formula.end_users,
            operations=[EntitlementView.of(operation, answer) for operation, answer in found.operations.items()],
        )


class SubscriptionRowBody(Body):
    number: int = Field(ge=1, description="Line of the file, for messages")
    site: str = Field(max_length=200, description="Name or id")
    values: dict[str, str | bool | int | float | list[str | RepresentativeBody] | None] = Field(
        max_length=20, description="As in a subscription, or as text of a table; what is not there stays as it was"
    )

    def row(self) -> SubscriptionRow:
        values = {name: _plain(value) for name, value in self.values.items()}
        return SubscriptionRow(self.number, self.site, values)


def _plain(value: Any) -> Any:
    return [one.model_dump() if isinstance(one, Body) else one for one in value] if isinstance(value, list) else value


class SubscriptionImportBody(Body):
    rows: list[SubscriptionRowBody] = Field(max_length=5000)
    dry_run: bool = False


class SubscriptionRowView(RowView):
    site: str

    @classmethod
    def of(cls, one: RowResult) -> SubscriptionRowView:
        return cls.model_validate(one)


class SubscriptionImportView(View):
    """What is wrong with a row stops no other."""

    dry_run: bool
    results: list[SubscriptionRowView]
