"""What every engine promises (``cpe_manager.ports.engine.Engine``)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Engine, Ticket
from tests.contract.engine.engines import Engines
from tests.contract.engine.handlers import DEADLINE, Held

BULK, NORMAL, URGENT = Priority.BULK, Priority.NORMAL, Priority.URGENT
HOUR = timedelta(hours=1)


def bulk(*names: str) -> list[Ticket]:
    return [Ticket("look", name, BULK) for name in names]


async def drained(engine: Engine, held: Held) -> None:
    """Let go of everything and wait for a ticket that can only come last: same class, one slot, first in first out."""
    held.release()
    before = len(held.ended)
    await engine.enqueue(bulk("last"))
    async with asyncio.timeout(DEADLINE):
        while not any(ticket.id == "last" for ticket in held.ended[before:]):
            await held.end(len(held.ended) + 1)


async def test_a_ticket_reaches_the_handler_of_its_kind(engines: Engines) -> None:
    look, other = Held(released=True), Held(released=True)
    engine = await engines.start({"look": look, "other": other})
    await engine.enqueue([Ticket("look", "run-1:7", URGENT), Ticket("other", "x")])
    await look.end(1)
    await other.end(1)
    assert [(ticket.kind, ticket.id, ticket.priority) for ticket in look.begun] == [("look", "run-1:7", URGENT)]
    assert other.begun[0].priority is NORMAL


async def test_a_kind_has_one_handler(engines: Engines) -> None:
    engine = await engines.start({"look": Held()})
    with pytest.raises(ValueError, match="look"):
        engine.register("look", Held())


async def test_a_ticket_that_waits_is_not_doubled(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue(bulk("blocks"))
    await held.begin(1)
    await engine.enqueue(bulk("a", "a", "b"))
    await engine.enqueue(bulk("b", "c", "a"))
    await drained(engine, held)
    assert held.ids() == ["blocks", "a", "b", "c", "last"]


async def test_a_ticket_that_runs_may_be_queued_once_more(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue(bulk("a"))
    await held.begin(1)
    await engine.enqueue(bulk("a"))
    await engine.enqueue(bulk("a"))
    await drained(engine, held)
    assert held.ids() == ["a", "a", "last"]


async def test_the_same_ticket_is_never_handled_twice_at_the_same_time(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 4, URGENT: 4})
    await engine.enqueue(bulk("a"))
    await held.begin(1)
    await engine.enqueue([Ticket("look", "a", URGENT)])
    await engine.enqueue(bulk("b"))
    await held.begin(2)
    assert held.ids() == ["a", "b"]
    held.release()
    await held.end(3)
    assert held.most_at_once["look:a"] == 1
    assert sorted(held.ids()) == ["a", "a", "b"]


async def test_urgent_tickets_do_not_wait_for_a_backlog_of_bulk(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {URGENT: 1, NORMAL: 1, BULK: 2})
    await engine.enqueue(bulk(*(f"bulk-{number}" for number in range(300))))
    await held.begin(2)
    await engine.enqueue([Ticket("look", "urgent", URGENT), Ticket("look", "normal", NORMAL)])
    await held.begin(4)
    assert set(held.ids()[2:]) == {"urgent", "normal"}
    assert held.ended == []


async def test_a_waiting_ticket_that_becomes_urgent_is_handled_as_urgent_and_once(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {URGENT: 1, BULK: 1})
    await engine.enqueue(bulk("blocks"))
    await held.begin(1)
    await engine.enqueue(bulk("a"))
    await engine.enqueue([Ticket("look", "a", URGENT)])
    await held.begin(2)
    assert held.begun[1].priority is URGENT
    await drained(engine, held)
    assert held.ids() == ["blocks", "a", "last"]


async def test_a_class_handles_as_many_tickets_at_once_as_it_has_slots(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 3, NORMAL: 1})
    await engine.enqueue(bulk("a", "b", "c", "d", "e"))
    await held.begin(3)
    await engine.enqueue([Ticket("look", "normal")])
    await held.begin(4)
    assert held.inside == 4
    assert sorted(held.ids()) == ["a", "b", "c", "normal"]
    held.release()
    await held.end(6)


async def test_a_class_is_served_first_in_first_out(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held}, {BULK: 1})
    names = [f"ticket-{number}" for number in range(40)]
    await engine.enqueue(bulk(*names))
    await held.end(40)
    assert held.ids() == names


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), StoreBusy("locked"), asyncio.CancelledError()])
async def test_a_handler_that_fails_is_forgotten_and_its_slot_is_free_again(
    engines: Engines, failure: BaseException
) -> None:
    calls: list[str] = []
    done = asyncio.Event()

    async def handler(ticket: Ticket) -> None:
        calls.append(ticket.id)
        if ticket.id == "bad" and calls.count("bad") == 1:
            raise failure
        if ticket.id == "good":
            done.set()

    engine = await engines.start({"look": handler}, {BULK: 1})
    await engine.enqueue(bulk("bad", "good"))
    async with asyncio.timeout(DEADLINE):
        await done.wait()
    assert calls == ["bad", "good"]
    done.clear()
    await engine.enqueue(bulk("bad", "good"))
    async with asyncio.timeout(DEADLINE):
        await done.wait()
    assert calls == ["bad", "good", "bad", "good"]


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), StoreBusy("locked")])
async def test_a_handler_that_fails_is_one_line_in_the_log(engines: Engines, failure: Exception) -> None:
    held = Held(released=True)

    async def fails(ticket: Ticket) -> None:
        raise failure

    engine = await engines.start({"bad": fails, "look": held}, {BULK: 1})
    with capture_logs() as lines:
        await engine.enqueue([Ticket("bad", "x", BULK), *bulk("a")])
        await held.end(1)
    assert [(line["event"], line["kind"], line["id"]) for line in lines if line["log_level"] == "error"] == [
        ("ticket_failed", "bad", "x")
    ]


async def test_a_ticket_of_an_unknown_kind_is_forgotten(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue([Ticket("from-a-newer-release", "x", BULK), *bulk("a")])
    await held.end(1)
    assert held.ids() == ["a"]


async def test_a_ticket_is_not_handled_before_its_time(engines: Engines) -> None:
    handled: list[tuple[str, datetime]] = []
    done = asyncio.Event()

    async def handler(ticket: Ticket) -> None:
        handled.append((ticket.id, datetime.now(UTC)))
        if ticket.id == "later":
            done.set()

    engine = await engines.start({"look": handler}, {BULK: 1})
    not_before = datetime.now(UTC) + timedelta(seconds=0.7)
    await engine.enqueue([Ticket("look", "later", BULK, not_before), *bulk("now")])
    async with asyncio.timeout(DEADLINE):
        await done.wait()
    assert [name for name, _ in handled] == ["now", "later"]
    assert handled[1][1] >= not_before


async def test_a_time_in_the_past_means_now(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held})
    await engine.enqueue([Ticket("look", "a", BULK, datetime.now(UTC) - HOUR)])
    await held.end(1)


async def test_enqueueing_a_ticket_for_an_earlier_time_brings_it_forward(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue([Ticket("look", "a", BULK, datetime.now(UTC) + HOUR)])
    await engine.enqueue(bulk("a"))
    await held.begin(1)
    await drained(engine, held)
    assert held.ids() == ["a", "last"]


async def test_enqueueing_a_ticket_for_a_later_time_does_not_put_it_off(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue(bulk("blocks"))
    await held.begin(1)
    await engine.enqueue(bulk("a"))
    await engine.enqueue([Ticket("look", "a", BULK, datetime.now(UTC) + HOUR)])
    await drained(engine, held)
    assert held.ids() == ["blocks", "a", "last"]


async def test_a_handler_may_enqueue_tickets(engines: Engines) -> None:
    held = Held(released=True)

    async def splits(ticket: Ticket) -> None:
        await engine.enqueue(bulk("part-1", "part-2"))

    engine = await engines.start({"split": splits, "look": held})
    await engine.enqueue([Ticket("split", "whole")])
    await held.end(2)
    assert sorted(held.ids()) == ["part-1", "part-2"]


async def test_nothing_to_enqueue_is_fine(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held})
    await engine.enqueue([])
    await engine.enqueue(bulk("a"))
    await held.end(1)


async def test_every_ticket_of_a_large_batch_is_handled_once(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held}, {BULK: 8})
    names = [f"ticket-{number}" for number in range(1200)]
    await engine.enqueue(bulk(*names))
    await held.end(1200)
    assert sorted(held.ids()) == sorted(names)


async def test_stopping_begins_no_new_ticket_and_lets_those_that_run_end(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 1})
    await engine.enqueue(bulk("a", "b"))
    await held.begin(1)
    stopping = asyncio.create_task(engine.stop(DEADLINE), name="stopping")
    await asyncio.sleep(0.1)
    assert not stopping.done()
    held.release()
    async with asyncio.timeout(DEADLINE):
        await stopping
    assert held.ids() == ["a"]
    assert [ticket.id for ticket in held.ended] == ["a"]


async def test_stopping_cancels_what_still_runs_after_its_grace_and_waits_for_it(engines: Engines) -> None:
    begun, tidied = asyncio.Event(), asyncio.Event()

    async def handler(ticket: Ticket) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.1)
            tidied.set()

    engine = await engines.start({"look": handler})
    await engine.enqueue(bulk("a"))
    async with asyncio.timeout(DEADLINE):
        await begun.wait()
        await engine.stop(0.05)
    assert tidied.is_set()


async def test_a_ticket_queued_again_is_not_begun_while_stopping(engines: Engines) -> None:
    held = Held()
    engine = await engines.start({"look": held}, {BULK: 2})
    await engine.enqueue(bulk("a"))
    await held.begin(1)
    await engine.enqueue(bulk("a"))
    await engine.enqueue(bulk("b"))
    await held.begin(2)
    stopping = asyncio.create_task(engine.stop(DEADLINE), name="stopping")
    await asyncio.sleep(0.1)
    held.release()
    async with asyncio.timeout(DEADLINE):
        await stopping
    assert held.ids() == ["a", "b"]


async def test_a_stopped_engine_forgets_tickets_without_an_error(engines: Engines) -> None:
    held = Held(released=True)
    engine = await engines.start({"look": held})
    await engine.stop(0)
    await engine.enqueue(bulk("a"))
    await engine.stop(0)
    assert held.begun == []
