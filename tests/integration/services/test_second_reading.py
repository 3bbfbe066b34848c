"""What nobody counted is read twice before it becomes a version, and so is whatever has less than before."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.drivers import FixedDrivers, PlainDriver
from tests.fakes.sessions import Text
from tests.integration.services.world import working

WHOLE = "hostname a\n" + "".join(f"line {number}\n" for number in range(40)) + "end\n"
CUT = WHOLE.replace("line 20\n", "")
GROWN = WHOLE.replace("end\n", "more\nend\n")
UNCOUNTED = FixedDrivers(PlainDriver(counts=False))


async def test_an_uncounted_first_text_is_stored_after_two_equal_readings(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, drivers=UNCOUNTED) as world:
        await world.add("a")
        world.sessions.plan("a", Text(WHOLE), Text(WHOLE))
        assert (await world.run("a")).counts["stored"] == 1
        assert world.sessions.seen.visits["a"] == 2


async def test_an_uncounted_text_that_the_second_reading_contradicts_is_not_believed(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url, drivers=UNCOUNTED) as world:
        await world.add("a")
        world.sessions.plan("a", Text(WHOLE), Text(WHOLE))
        await world.run("a")
        world.sessions.plan("a", Text(CUT), Text(GROWN), Text(WHOLE))
        job = await world.start_run("a")

        async def told() -> bool:
            return (await world.row(job, "a")).error_code == "incomplete"

        await world.until("the first attempt", told)
        assert await world.versions("a") == [(1, "good")]


async def test_a_counted_text_is_read_once_when_it_grew_and_twice_when_it_lost_a_line(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with working(tmp_path, sqlite_url) as world:
        await world.add("a")
        for text, visits in ((WHOLE, 1), (GROWN, 1), (WHOLE, 2)):
            before = world.sessions.seen.visits["a"]
            world.sessions.plan("a", Text(text), Text(text))
            assert (await world.run("a")).counts["stored"] == 1
            assert world.sessions.seen.visits["a"] - before == visits


async def test_an_unchanged_text_is_read_once_whoever_counts(tmp_path: Path, sqlite_url: str) -> None:
    async with working(tmp_path, sqlite_url, drivers=UNCOUNTED) as world:
        await world.add("a")
        world.sessions.plan("a", *(Text(WHOLE) for _ in range(3)))
        await world.run("a")
        assert (await world.run("a")).counts["unchanged"] == 1
        assert world.sessions.seen.visits["a"] == 3
