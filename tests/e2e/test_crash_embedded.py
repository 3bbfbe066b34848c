"""``kill -9`` of the daemon at random moments of a run on the embedded engine (SQLite)."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.e2e.world import World, eventually, world

DEVICES = 200
KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_random_moments_backs_up_every_device_exactly_once(
    tmp_path: Path, seed: int, record_property: pytest.TestReport
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
            before = None
            w.serve()
            before = _ended(w, job)
            if before < DEVICES:
                eventually("the rest being taken up", lambda b=before: _ended(w, job) > b, within=60)
            record_property("taken_up_after_s", round(time.monotonic() - started, 1))  # type: ignore[operator]
        eventually("the end of the run", lambda: w.json("jobs", "show", job)["state"] == "done")
        counts = w.json("jobs", "show", job)["counts"]
        assert counts["stored"] == DEVICES, counts
        assert _versions(w) == {1}, "a device was stored twice, or not at all"
        assert w.json("backup", "verify", "--wait")["result"]["broken"] == 0


def _ended(w: World, job: str) -> int:
    counts = w.json("jobs", "show", job)["counts"]
    return int(counts["done"]) + int(counts["failed"])


def _versions(w: World) -> set[int]:
    """How many versions the devices have, as a set over all devices."""
    with w.api() as api:
        names: list[str] = []
        cursor = None
        while True:
            page = api.get("/api/v1/devices", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
            names += [device["name"] for device in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(names) == DEVICES
        return {len(api.get(f"/api/v1/devices/{name}/backups").json()["items"]) for name in names}
