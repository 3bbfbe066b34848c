"""A stored version comes back over the commit path, whole, on every family; nothing of the way there is left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.jobs import Outcome
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.real_boxes import CASES, Bench, bench

pytestmark = pytest.mark.slow
every_case = pytest.mark.parametrize("case", CASES, ids=str)
# What a driver puts onto a box while a change waits, wherever it puts it.
_TRACES = ("cpe-manager", "commit-confirm", "rollback", "reload")
_MORE = {
    "hostname": "OTHER-9",
    "dns": ["9.9.9.9", "9.9.9.10"],
    "lan": {"address": "192.168.66.1/24"},
    "dhcp": None,
    "port_mappings": [],
}


async def changed(b: Bench) -> None:
    """A change that is confirmed, and another one behind our back."""
    settled = await b.work(await b.ask(change=_MORE))
    assert settled.outcome is Outcome.CONFIRMED, settled.error
    b.box.change()


def left_behind(b: Bench) -> list[str]:
    """What is on the box that was not there before any push: alarms, schedules, files, notes."""
    state = b.box.state
    found = [f"alarm {name}" for name in state.alarms]
    found += [
        f"file {path}"
        for store in (state.flash, state.scratch, state.files)
        for path, text in store.items()
        # One box keeps when each file was written, another one that a promise was confirmed.
        if any(trace in path for trace in _TRACES) and not path.startswith("written/") and "confirmed" not in text
    ]
    return found + [line for line in b.box.running_text().split("\n") if "cpe-manager-" in line]


@every_case
async def test_a_version_comes_back_whole_and_twice_is_nothing_to_do(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, managed=False) as b:
        before = b.now()
        await changed(b)
        assert b.now() != before
        shown = await b.pushes.plan(b.asked(version=1))
        assert "OTHER-9" in shown.native
        settled = await b.work(await b.ask(version=1))
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert b.now() == before
        last = (await b.database.backups.versions((await b.database.inventory.device("r1")).device.position_id)).items
        assert last[0].fingerprint == last[-1].fingerprint
        again = await b.work(await b.ask(version=1))
        assert again.outcome is Outcome.WITHDRAWN
        assert "nothing to change" in (again.error or "")


@every_case
async def test_a_confirmed_push_leaves_no_promise_and_no_trace_on_the_box(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, managed=False) as b:
        before = left_behind(b)
        settled = await b.work(await b.ask(change=_MORE))
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert await b.once(lambda driver, shell: driver.armed(shell)) is None
        assert [trace for trace in left_behind(b) if trace not in before] == []
        after = b.now()
        for _ in range(20):
            await b.passes(60)
        b.box.restart(0.0)
        await b.passes(300)
        await asyncio.sleep(0.1)
        assert b.now() == after


@every_case
async def test_a_restore_that_is_cut_in_the_middle_ends_as_it_began(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, managed=False) as b:
        await changed(b)
        before, running = b.now(), b.box.state.running
        push = await b.ask(version=1)
        cut: list[Any] = []

        def look() -> None:
            if not cut and b.now() != before and b.box.state.running != running and "cpe-manager-" not in running:
                cut.append(b.box.hang_up())

        b.watch.append(look)
        settled = await b.work(push)
        assert cut
        assert settled.outcome in (Outcome.REVERTED, Outcome.CONFIRMED)
        if settled.outcome is Outcome.REVERTED:
            assert b.now() == before
        assert await b.once(lambda driver, shell: driver.armed(shell)) is None
