"""Device families: what each is, and what it can carry."""

from __future__ import annotations

from pydantic import Field

from cpe_manager.api.schemas.common import View
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.ports.driver import Driver as AnyDriver
from cpe_manager.ports.driver import Modelled, Spec, Writing
from cpe_manager.ports.driver_reading import Starting, Witnessing


class FamilyView(View):
    """A family with a driver of its own. ``features`` are the parts of the neutral model that it can carry besides what
    every family carries; ``lacks`` are the others."""

    family: str
    title: str
    maturity: str = Field(description="`proven` on real devices, or `lab`")
    dialect: str
    evidence: str = Field(description="What proves that a configuration is whole and the device's own")
    modelled: bool = Field(description="Configurations are read and written as the neutral model")
    writes: bool
    rollback: str = Field(description="How a device of the family takes back what nobody confirms")
    keeps_at_once: bool = Field(description="What takes effect survives a restart without being saved")
    tells_startup: bool = Field(description="Its devices can tell what they would come up with after a restart")
    tells_who: bool = Field(description="Its devices tell who changed them last")
    features: list[Feature]
    lacks: list[Feature]

    @classmethod
    def of(cls, driver: AnyDriver) -> FamilyView:
        spec: Spec = driver.spec
        modelled = isinstance(driver, Modelled)
        return cls(
            family=spec.family,
            title=spec.title,
            maturity=spec.maturity,
            dialect=spec.dialect,
            evidence=spec.evidence,
            modelled=modelled,
            writes=isinstance(driver, Writing),
            rollback=spec.rollback,
            keeps_at_once=spec.keeps_at_once,
            tells_startup=isinstance(driver, Starting),
            tells_who=isinstance(driver, Witnessing),
            features=sorted(spec.features),
            lacks=sorted(frozenset(Feature) - spec.features) if modelled else [],
        )


class FamiliesView(View):
    """``platforms``: what the long tail reaches, each a family by this name."""

    items: list[FamilyView]
    platforms: list[str]
