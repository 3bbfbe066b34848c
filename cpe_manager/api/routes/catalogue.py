"""The catalogues: what is in force, and what was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from cpe_manager.api.deps import MOST_VERSIONS, ChangeSeer, Cursor, Limit, ServicesDep
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.catalogue import CatalogueView, FormulaView, VersionView
from cpe_manager.api.schemas.common import PageOf, paged
from cpe_manager.domain.errors import NotFound

router = APIRouter(prefix="/catalogue", tags=["catalogue"], responses=documented("not_found"))

Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS)]


@router.get("", operation_id="getCatalogue", summary="What is sold and what may be changed, as it is in force")
async def show(services: ServicesDep, _caller: ChangeSeer) -> CatalogueView:
    return CatalogueView.whole(await services.catalogues.in_force())


@router.get("/formulas", operation_id="listFormulas", summary="The formulas in force")
async def formulas(services: ServicesDep, _caller: ChangeSeer) -> list[FormulaView]:
    catalogue = await services.catalogues.current()
    return [FormulaView.of(one) for one in catalogue.formulas.values()]


@router.get("/formulas/{formula}", operation_id="getFormula", summary="A formula: titles, speeds, terms, limits")
async def formula(formula: str, services: ServicesDep, _caller: ChangeSeer) -> FormulaView:
    catalogue = await services.catalogues.current()
    if formula not in catalogue.formulas:
        raise NotFound(f"no formula {formula}; the catalogue has {', '.join(catalogue.formulas)}")
    return FormulaView.of(catalogue.formulas[formula])


@router.get("/versions", operation_id="listCatalogueVersions", summary="Versions of the catalogues, newest first")
async def versions(
    services: ServicesDep, _caller: ChangeSeer, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[VersionView]:
    return paged(await services.catalogues.versions(after=cursor, limit=limit), VersionView.of)


@router.get(
    "/versions/{number}", operation_id="getCatalogueVersion", summary="The catalogues as they were in a version"
)
async def version(number: Number, services: ServicesDep, _caller: ChangeSeer) -> CatalogueView:
    return CatalogueView.whole(await services.catalogues.show(number))
