"""Every kind of platform, the real edge among them where namespaces may be made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.platform.stages import Stage, stage
from tests.lab.box import missing
from tests.lab.edge import PROGRAMS

KINDS = ("memory", "command", "http")
REAL = ("frr-bash", "frr-vtysh")


@pytest.fixture(params=[*KINDS, *(pytest.param(kind, marks=pytest.mark.lab) for kind in REAL)])
async def on_stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param in REAL and (reason := missing(PROGRAMS)):
        pytest.skip(f"no lab: {reason}")
    async with stage(request.param, tmp_path) as made:
        yield made
