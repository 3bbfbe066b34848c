"""What devices say of themselves: known facts, and fresh ones."""

from __future__ import annotations

from fastapi import APIRouter

from cpe_manager.api.deps import Reader, ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.facts import FactsView, RefreshBody

router = APIRouter(prefix="/devices", tags=["devices"], responses=documented("not_found"))


@router.get("/{name}/facts", operation_id="getDeviceFacts", summary="What a device said of itself when last asked")
async def show(name: str, services: ServicesDep, _caller: Reader) -> FactsView:
    return FactsView.of(await services.facts.known(name))


@router.post(
    "/{name}/facts",
    operation_id="refreshDeviceFacts",
    summary="Ask a device what it is, in a session and over SNMP; takes seconds",
    responses=documented("not_found", "conflict", "input", "device", "timeout"),
)
async def refresh(name: str, services: ServicesDep, _caller: Writer, body: RefreshBody | None = None) -> FactsView:
    return FactsView.of(await services.facts.refresh(name, (body or RefreshBody()).way))
