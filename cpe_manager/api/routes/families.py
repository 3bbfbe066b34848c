"""Device families that this release knows."""

from __future__ import annotations

from fastapi import APIRouter

from cpe_manager.api.deps import Reader, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.families import FamiliesView, FamilyView

router = APIRouter(prefix="/families", tags=["families"], responses=documented())


@router.get("", operation_id="listFamilies", summary="Families, and the platforms of the long tail")
async def listing(services: ServicesDep, _caller: Reader) -> FamiliesView:
    drivers = services.drivers
    return FamiliesView(
        items=[FamilyView.of(drivers.get(name)) for name in drivers.families()], platforms=list(drivers.platforms())
    )


@router.get(
    "/{family}", operation_id="getFamily", summary="One family, also of the long tail", responses=documented("family")
)
async def show(family: str, services: ServicesDep, _caller: Reader) -> FamilyView:
    return FamilyView.of(services.drivers.get(family))
