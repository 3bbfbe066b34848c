"""``kill -9`` of the daemon at random moments of a run on the embedded engine (SQLite)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.world import eventually, world

DEVICES = 200
KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_random_moments_backs_up_every_device_exactly_once(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    moments = random.Random(seed)
    with world(tmp_path, CPE_MANAGER_HANDSHAKES_PER_SECOND="60", CPE_MANAGER_LOG_LEVEL="info") as w:
        w.fleet(DEVICES, seed=seed)
        w.init()
        w.serve()
        w.ok("devices", "import", str(w.inventory), "--no-backup")
        job = w.json("backup", "run", "--all", "--no-wait")["id"]
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.0, 0.9))  # noqa: TID251  the random moment
            w.processes[-1].kill()
            started = time.monotonic()
            w.serve()
            before = w.ended(job)
            if before < DEVICES:
                eventually("the rest being taken up", lambda b=before: w.ended(job) > b, within=60)
            record_property("taken_up_after_s", round(time.monotonic() - started, 1))
        eventually("the end of the run", lambda: w.job(job)["state"] == "done")
        counts = w.job(job)["counts"]
        assert counts["stored"] == DEVICES, counts
        versions = w.versions()
        assert len(versions) == DEVICES
        assert set(versions.values()) == {1}, "a device was stored twice, or not at all"
        assert w.json("backup", "verify", "--wait")["result"]["broken"] == 0
