"""Two processes share a run over PostgreSQL; one is killed, or freezes and comes back."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.world import Process, World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(400)]

DEVICES = 200
LEASE = 3.0


def shared_run(w: World, *, slow: bool = False) -> tuple[Process, str]:
    """A daemon and a worker, and a run of all devices that has begun; returns the worker and the job.

    ``slow``: every other device takes some seconds for its answer, so that sessions are open at any moment.
    """
    w.fleet(DEVICES)
    if slow:
        with w.sim() as fleet:
            for device in fleet.devices()[::2]:
                fleet.set_fault(device["name"], "slow", chunk=500, delay=0.2)
    w.init()
    w.serve()
    w.ok("devices", "import", str(w.inventory), "--no-backup")
    worker = w.worker()
    eventually("the worker", lambda: "worker.ready" in worker.log.read_text())
    return worker, w.json("backup", "run", "--all", "--no-wait")["id"]


def settings(url: str) -> dict[str, str]:
    return {
        "CPE_MANAGER_DATABASE_URL": url,
        "CPE_MANAGER_LEASE_SECONDS": str(LEASE),
        "CPE_MANAGER_SHARD_SIZE": "25",
        "CPE_MANAGER_HANDSHAKES_PER_SECOND": "12",
        "CPE_MANAGER_SESSIONS_PER_ACCESS_NODE": "0",
    }


def whole(w: World, job: str) -> None:
    """Every device ended once, with one version."""
    counts = w.job(job)["counts"]
    assert counts["stored"] == DEVICES, counts
    versions = w.versions()
    assert len(versions) == DEVICES
    assert set(versions.values()) == {1}


@pytest.mark.parametrize("seed", range(2))
def test_when_one_of_two_workers_is_killed_the_other_takes_up_the_rest(
    tmp_path: Path, postgres_url: str, seed: int
) -> None:
    with world(tmp_path, **settings(postgres_url)) as w:
        worker, job = shared_run(w)
        eventually("work by the worker", lambda: "backup.device" in worker.log.read_text())
        time.sleep(random.Random(seed).uniform(0.0, 2.0))  # noqa: TID251  the random moment
        assert w.ended(job) < DEVICES
        worker.kill()
        eventually("the end of the run", lambda: w.job(job)["state"] != "open")
        whole(w, job)


def test_a_worker_that_froze_and_came_back_writes_nothing_after_its_fence_has_passed(
    tmp_path: Path, postgres_url: str
) -> None:
    with world(tmp_path, **settings(postgres_url)) as w:
        worker, job = shared_run(w, slow=True)
        eventually("work by the worker", lambda: "backup.device" in worker.log.read_text())
        os.kill(worker.popen.pid, signal.SIGSTOP)
        eventually("the end of the run without it", lambda: w.job(job)["state"] != "open")
        whole(w, job)
        before = w.job(job)
        lines = len(worker.log.read_text().splitlines())
        os.kill(worker.popen.pid, signal.SIGCONT)
        eventually(
            "the worker noticing",
            lambda: any(
                word in "\n".join(worker.log.read_text().splitlines()[lines:])
                for word in ("lease.lost", "fence_passed")
            ),
        )
        time.sleep(2 * LEASE)  # noqa: TID251  room for anything it might still write
        assert w.job(job) == before
        whole(w, job)
        stored_after = [
            line for line in worker.log.read_text().splitlines()[lines:] if "backup.device" in line and "stored" in line
        ]
        assert stored_after == []
