"""Catalogues: what is sold, in which version, and what each formula comes to."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from cpe_manager.api.schemas.common import View
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.subscription.catalogue import CatalogueComponent, Formula, ServiceCatalogue, Speed, Terms
from cpe_manager.ports.catalogue import CatalogueVersion

_WINDOWS = "Days, hours and time zone, such as `Mon-Fri 08:00-18:00 Europe/Brussels`"


class ComponentView(View):
    id: str = Field(description="For programs; never changes")
    title: str
    section: str = Field(description="Of the service description", examples=["§3.3.1"])
    by_use: bool = Field(description="Where it is an option, each use orders it: it need not be on the subscription")
    technologies: list[LineKind] = Field(description="Those that it exists on")
    closed_since: date | None = Field(description="From that day on no new line gets it")

    @classmethod
    def of(cls, one: CatalogueComponent) -> ComponentView:
        values = {name: getattr(one, name) for name in cls.model_fields}
        return cls.model_validate(values | {"technologies": sorted(one.technologies)})


class SpeedView(View):
    down: int = Field(description="Mbps")
    up: int = Field(description="Mbps")

    @classmethod
    def of(cls, one: Speed) -> SpeedView:
        return cls(down=one.down, up=one.up)


class VolumeView(View):
    gigabytes: int | None = Field(description="Of a month; null: unlimited")
    above: str = Field(description="What happens beyond it")


class OnTechnologyView(View):
    title: str
    speed: SpeedView = Field(description="Without any option")
    boosts: dict[str, SpeedView] = Field(description="With an option, by its component")


class FormulaView(View):
    id: str
    technologies: dict[LineKind, OnTechnologyView]
    terms: dict[str, Terms] = Field(description="Of every component: STD included, OPT may be ordered, - not available")
    volume: VolumeView
    end_users: int | None = Field(description="IPv4 addresses inside at most; null: not limited by the operator")
    mailboxes: int
    router: bool = Field(description="False: a modem is supplied alone, and the router is the customer's")
    incident_schedule: str = Field(description=_WINDOWS)

    @classmethod
    def of(cls, one: Formula) -> FormulaView:
        sold = {}
        for kind, title in one.titles.items():
            speeds = {option: SpeedView.of(speed) for option, speed in one.speeds[kind].items()}
            sold[kind] = OnTechnologyView(title=title, speed=speeds.pop(""), boosts=speeds)
        return cls(
            id=one.id,
            technologies=sold,
            terms=dict(one.terms),
            volume=VolumeView(gigabytes=one.volume.gigabytes, above=one.volume.above),
            end_users=one.end_users,
            mailboxes=one.mailboxes,
            router=one.router,
            incident_schedule=one.incident_schedule,
        )


class EntryTermsView(View):
    """Terms of one entry of the change catalogue."""

    type: str
    version: int
    title: str
    section: str
    components: list[str] = Field(description="Every one of them has to be part of the subscription")
    standard: bool = Field(description="Runs as soon as it is approved; others wait for the change window")
    fee: bool = Field(description="Whether an intervention is billable at all")
    enabled: bool

    @classmethod
    def of(cls, one: EntryTerms) -> EntryTermsView:
        return cls.model_validate(
            {**{name: getattr(one, name) for name in cls.model_fields}, "components": [*one.components]}
        )


class VersionView(View):
    number: int
    taken_at: datetime
    digest: str = Field(description="Of what both catalogues say")
    service_source: str = Field(description="File that it was read from; `shipped`: it came with the product")
    changes_source: str

    @classmethod
    def of(cls, one: CatalogueVersion) -> VersionView:
        return cls.model_validate(one)


class CatalogueView(VersionView):
    """Both catalogues as one version."""

    components: list[ComponentView]
    formulas: list[FormulaView]
    entries: list[EntryTermsView]
    reserved_ports: list[int] = Field(description="TCP; the operator's own")
    port_presets: dict[str, list[int]]
    change_window: str = Field(description=f"When changes that are no standard ones begin. {_WINDOWS}")
    holidays: str = Field(description="Country whose public holidays are no working days; empty: none are")
    free_days: int = Field(description="After activation, in which changes cost nothing")
    installation_days: int = Field(description="Working days from order to activation")
    rush_days: int = Field(description="Working days within which a rush is answered")

    @classmethod
    def whole(cls, one: CatalogueVersion) -> CatalogueView:
        service: ServiceCatalogue = one.service
        return cls(
            **VersionView.of(one).model_dump(),
            components=[ComponentView.of(component) for component in service.components.values()],
            formulas=[FormulaView.of(formula) for formula in service.formulas.values()],
            entries=[EntryTermsView.of(entry) for entry in one.entries.values()],
            reserved_ports=sorted(service.reserved_ports),
            port_presets={name: list(ports) for name, ports in service.port_presets.items()},
            change_window=service.change_window,
            holidays=service.holidays,
            free_days=service.free_days,
            installation_days=service.installation_days,
            rush_days=service.rush_days,
        )
