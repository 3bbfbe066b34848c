"""Many questions at once as few calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from cpe_manager.adapters.platform.batches import Batches
from cpe_manager.domain.errors import CommandRefused, CpeManagerError, SessionDropped


class Work:
    """Answers with the key's length; waits for ``go`` first. ``broken``: raised instead, once."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go = asyncio.Event()
        self.broken: Exception | None = None

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, int | CpeManagerError]:
        self.calls.append(list(keys))
        await self.go.wait()
        if self.broken is not None:
            error, self.broken = self.broken, None
            raise error
        return {key: CommandRefused(key) if key.startswith("bad") else len(key) for key in keys}


async def test_what_is_asked_during_a_call_goes_into_the_next_one_together() -> None:
    work = Work()
    batches = Batches(work, most=3)
    tasks = [asyncio.create_task(batches.ask(key)) for key in ("a", "bb", "bad", "dddd", "eeeee", "a")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answer if isinstance(answer, int) else str(answer) for answer in answers] == [1, 2, "bad", 4, 5, 1]
    assert sum(map(len, work.calls)) <= 6
    assert max(map(len, work.calls)) <= 3


async def test_a_call_has_one_order_of_a_subject_and_the_last_word_is_worked_last() -> None:
    work = Work()
    batches = Batches(work, subject=lambda key: key[0])
    tasks = [asyncio.create_task(batches.ask(key)) for key in ("x1", "a1", "a2", "a1", "b1")]
    await asyncio.sleep(0)
    work.go.set()
    await asyncio.gather(*tasks)
    assert [key for call in work.calls for key in call if key[0] == "a"] == ["a1", "a2", "a1"]
    assert all(len({key[0] for key in call}) == len(call) for call in work.calls)


async def test_a_call_that_breaks_is_everybodys_error_and_the_next_one_is_made() -> None:
    work = Work()
    work.go.set()
    work.broken = SessionDropped("gone")
    batches = Batches(work)
    with pytest.raises(SessionDropped):
        await batches.ask("a")
    assert await batches.ask("a") == 1


async def test_who_gives_up_does_not_stop_the_others() -> None:
    work = Work()
    batches = Batches(work)
    first, second = (asyncio.create_task(batches.ask("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.go.set()
    assert await second == 1
    await batches.close()
