"""A backup that finds a change asks who made it and whether it was saved, and of no other device anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cpe_manager.domain.backup.drift import LastChange, Verdict
from cpe_manager.domain.errors import CommandRefused, SessionDropped
from cpe_manager.ports.drift import DriftRow
from cpe_manager.ports.shell import Shell
from tests.fakes.drivers import FixedDrivers, PlainDriver
from tests.fakes.sessions import Text
from tests.integration.services.world import World, working

OLD, NEW = "hostname a\nend\n", "hostname a\nroute somewhere\nend\n"


@dataclass
class TellingDriver(PlainDriver):
    """A family whose devices tell of themselves what a test says."""

    counts: bool = True
    startup_text: str | None = None
    """None: what runs."""
    trouble: Exception | None = None
    by: str = "jdoe"
    asked: list[str] = field(default_factory=list)

    async def startup(self, shell: Shell, running: str) -> str | None:
        del shell
        self.asked.append("startup")
        if self.trouble is not None:
            raise self.trouble
        return running if self.startup_text is None else self.startup_text

    async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
        del shell, running
        self.asked.append("who")
        if self.trouble is not None:
            raise self.trouble
        return LastChange(self.by, "10:00", "the box")


async def drift_of(world: World, name: str) -> DriftRow:
    return await world.database.drift.drift((await world.view(name)).device.id)


async def test_only_a_device_that_changed_is_asked_and_one_that_did_not_save_until_it_has(
    tmp_path: Path, sqlite_url: str
) -> None:
    driver = TellingDriver()
    async with working(tmp_path, sqlite_url, drivers=FixedDrivers(driver)) as world:
        await world.add("a")
        world.sessions.plan("a", Text(OLD))
        for _ in range(2):
            await world.run("a")
        assert driver.asked == []
        world.sessions.plan("a", Text(NEW))
        driver.startup_text = OLD
        await world.run("a")
        assert driver.asked == ["who", "startup"]
        row = await drift_of(world, "a")
        assert row.standing.verdict is Verdict.CHANGED_UNSAVED
        assert row.standing.change == LastChange("jdoe", "10:00", "the box")
        await world.run("a")
        assert driver.asked[2:] == ["who", "startup"]
        assert (await drift_of(world, "a")).standing.verdict is Verdict.CHANGED_UNSAVED
        driver.startup_text = None
        await world.run("a")
        row = await drift_of(world, "a")
        assert (row.standing.verdict, row.standing.change) == (Verdict.CHANGED, LastChange("jdoe", "10:00", "the box"))
        await world.run("a")
        assert len(driver.asked) == 6


@pytest.mark.parametrize("trouble", [CommandRefused("% no"), SessionDropped("gone"), ZeroDivisionError()], ids=str)
async def test_no_backup_fails_for_a_question_that_goes_wrong(
    tmp_path: Path, sqlite_url: str, trouble: Exception
) -> None:
    driver = TellingDriver(trouble=trouble)
    async with working(tmp_path, sqlite_url, drivers=FixedDrivers(driver)) as world:
        await world.add("a")
        world.sessions.plan("a", Text(OLD))
        await world.run("a")
        world.sessions.plan("a", Text(NEW))
        assert (await world.run("a")).counts["stored"] == 1
        standing = (await drift_of(world, "a")).standing
        assert (standing.verdict, standing.change, standing.startup_at) == (Verdict.CHANGED, None, None)


async def test_a_box_that_does_not_answer_in_time_is_not_waited_for(tmp_path: Path, sqlite_url: str) -> None:
    class Slow(TellingDriver):
        async def startup(self, shell: Shell, running: str) -> str | None:
            raise TimeoutError

        async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
            return None

    async with working(tmp_path, sqlite_url, drivers=FixedDrivers(Slow())) as world:
        await world.add("a")
        world.sessions.plan("a", Text(OLD))
        await world.run("a")
        world.sessions.plan("a", Text(NEW))
        assert (await world.run("a")).counts["stored"] == 1


async def test_what_a_box_says_of_a_person_is_one_plain_line_without_the_log_in(
    tmp_path: Path, sqlite_url: str
) -> None:
    driver = TellingDriver(by="j\x1b[31mdoe\n" + "x" * 500)
    async with working(tmp_path, sqlite_url, drivers=FixedDrivers(driver)) as world:
        await world.add("a")
        world.sessions.plan("a", Text(OLD))
        await world.run("a")
        world.sessions.plan("a", Text(NEW))
        await world.run("a")
        change = (await drift_of(world, "a")).standing.change
        assert change is not None
        assert change.by.startswith("j [31mdoe xxx")
        assert (change.by.isprintable(), len(change.by)) == (True, 120)
