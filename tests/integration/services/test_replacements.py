"""Hardware is swapped and its configuration comes back: the product in one process, with virtual boxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.domain.inventory import LifeState
from cpe_manager.domain.replacements import Stage
from tests.integration.services.swapping import bench

FAMILIES = ("openwrt", "teltonika", "vyos", "frr_linux", "cisco_ios", "routeros")


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_unit_of_the_same_family_comes_to_mean_what_the_old_one_did(tmp_path: Path, family: str) -> None:
    async with bench(tmp_path, family, family) as b:
        await b.in_service()
        wanted = b.services.drivers.get(family).parse(b.running(b.old))
        record = await b.through(await b.order())
        assert record.replacement.progress.stage is Stage.CLOSED, record
        found = b.services.drivers.get(family).parse(b.running(b.new))
        assert found == wanted
        device = (await b.services.inventory.show("SITE-1")).device
        assert (device.state, device.port) == (LifeState.ACTIVE, b.new.port)
