"""Detections: look at a box that is not in the inventory, to find out which family it is of."""

from __future__ import annotations

from fastapi import APIRouter

from cpe_manager.api.deps import ServicesDep, Writer
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.detections import DetectionBody, DetectionView
from cpe_manager.services.fleet.detection import Asked

router = APIRouter(prefix="/detections", tags=["devices"])


@router.post(
    "",
    operation_id="detectFamily",
    summary="Log in once, tell the family by what is shown and answered; takes seconds, changes nothing",
    responses=documented("connect_failed", "timeout", "auth_failed", "credential"),
)
async def detect(body: DetectionBody, services: ServicesDep, caller: Writer) -> DetectionView:
    asked = Asked(body.address, body.port, body.credential, body.group)
    return DetectionView.of(await services.detector.detect(asked, by=caller.name))
