"""A backup is brought back onto a fresh box of its family, in a process of its own, and what comes of it is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.domain.drills import Verdict
from cpe_manager.domain.jobs import JobState
from tests.integration.drills.bench import FAMILIES, bench, shown


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_backup_that_restores_is_proven(family: str, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url) as b:
        device = await b.device("cpe-0001", family)
        version = await b.backup(device, shown(family, "cpe-0001", seed=11))
        job = await b.drill()
        result = await b.result(version)
        assert (result.verdict, result.reason) == (Verdict.PROVEN, "")
        assert (job.state, job.result["drilled"], job.result["proven"]) == (JobState.DONE, 1, 1)
        assert await b.alarms() == {}
