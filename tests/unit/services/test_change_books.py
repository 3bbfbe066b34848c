"""What stands around change requests: who was told, lines, entries, and the keeper while it runs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cpe_manager.domain.changes.entries import Effect
from cpe_manager.domain.changes.requests import ChangeState
from cpe_manager.domain.errors import InputError, NotFound, StoreBusy
from cpe_manager.domain.failover.lines import Barrier, Line, LineRecord, LineSetup
from cpe_manager.domain.paging import Page
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.telling.webhooks import Endpoint
from cpe_manager.services.changes.bulk import _parameters
from cpe_manager.services.changes.entry_book import EntryBook
from cpe_manager.services.changes.everyone import EveryoneTold
from cpe_manager.services.changes.line_book import LineBook
from cpe_manager.services.changes.parts import Execution, asked_of, effect_of, effect_text
from cpe_manager.services.changes.requests import NewChange
from tests.fakes.clock import settle
from tests.property.change_model import ANNA, BERT, DESK, World

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@dataclass
class Hooks:
    """Webhooks with these cursors, one on a page."""

    all: list[Endpoint] = field(default_factory=list)

    def add(self, cursor: int, state: str = "active") -> None:
        name = f"w{len(self.all)}"
        self.all.append(Endpoint(name, name, "u", (), "o", NOW, "op", cursor=cursor, state=state))  # type: ignore[arg-type]

    async def endpoints(self, *, after: str | None = None, limit: int = 50) -> Page[Endpoint]:
        del limit
        place = 0 if after is None else int(after)
        following = str(place + 1) if place + 1 < len(self.all) else None
        return Page(tuple(self.all[place : place + 1]), following)


class Events:
    async def last_id(self) -> int:
        return 7


class Mails:
    def __init__(self, at: int | None) -> None:
        self.at = at

    async def cursor(self) -> int | None:
        return self.at


async def test_everyone_was_told_when_the_slowest_was() -> None:
    hooks = Hooks()
    everyone = EveryoneTold(Events(), hooks)  # type: ignore[arg-type]
    assert await everyone.mark() == 7
    assert await everyone.reached() is None
    hooks.add(9)
    hooks.add(4)
    hooks.add(1, "disabled")
    assert await everyone.reached() == 4
    assert await EveryoneTold(Events(), hooks, Mails(2), Mails(None)).reached() == 2  # type: ignore[arg-type]


class OneLine:
    def __init__(self, setup: LineSetup | None) -> None:
        self.setup = setup

    async def line(self, name: str) -> LineRecord:
        if self.setup is None:
            raise NotFound(name)
        return LineRecord(Line("l", "main", "s", "d", name, "n", self.setup))


async def test_what_is_known_of_a_line_is_its_coverage_and_the_ports_of_voice() -> None:
    barrier = Barrier("5060", "")
    assert (await LineBook(OneLine(None), barrier).of("r1")).coverage == "untested"
    said = await LineBook(OneLine(LineSetup("l", coverage="refused", coverage_reason="-110 dBm")), barrier).of("r1")
    assert (said.coverage, said.reason, said.barrier) == ("refused", "-110 dBm", barrier)


def test_every_entry_is_read_strictly_and_masked() -> None:
    book = EntryBook()
    assert book.type("nonsense") is None
    wanted = book.read("wifi-rights", {"networks": [{"band": "5", "key": "correct horse"}]})
    assert "correct" not in json.dumps(book.masked(wanted))
    kind = book.type("wifi-rights")
    assert kind is not None
    assert "correct" not in kind.summary(wanted)
    with pytest.raises(InputError, match="band"):
        book.read("wifi-rights", {"networks": [{"band": "6", "key": "correct horse"}]})


def test_an_effect_is_sealed_whole_and_becomes_one_push() -> None:
    effect = Effect(
        {"wan": {"gateway": "192.0.2.1"}}, (Probe("ping", "192.0.2.1"),), managed_at="192.0.2.9",
        overrides=frozenset({Lockout.ROUTE}),
    )  # fmt: skip
    assert effect_of(effect_text(effect)) == effect
    asked = asked_of("d", effect, Execution("basis", "key", any_time=True))
    assert (asked.change, asked.probes, asked.managed_at) == (effect.patch, effect.probes, "192.0.2.9")
    assert (asked.overrides, asked.basis, asked.key, asked.any_time) == ({Lockout.ROUTE}, "basis", "key", True)
    restart = asked_of("d", effect_of(effect_text(Effect(reboot=True))), Execution("basis", "key"))
    assert (restart.reboot, restart.change, restart.basis) == (True, None, "basis")


def cells(kind: str, **row: str) -> dict[str, Any]:
    entry = EntryBook().type(kind)
    assert entry is not None
    return _parameters({name.replace("__", "."): cell for name, cell in row.items()}, entry.parameters)


def test_cells_of_a_table_are_what_the_entry_means_by_them() -> None:
    row = {
        "type": "open-port", "site": "s0", "ports__0__inside": "192.168.1.10", "ports__0__port": "443",
        "ports__0__inside_port": "8443", "ports__1__inside": "192.168.1.11", "ports__1__preset": "mail",
    }  # fmt: skip
    assert cells("open-port", **row) == {
        "ports": [
            {"inside": "192.168.1.10", "port": "443", "inside_port": 8443},
            {"inside": "192.168.1.11", "preset": "mail"},
        ]
    }
    keyed = {"networks__0__key": "12345678", "networks__0__channel": "6", "networks__0__enabled": "yes"}
    assert cells("wifi", **keyed) == {"networks": [{"key": "12345678", "channel": 6, "enabled": True}]}
    whole = {"parameters": '{"lease_seconds": 600}', "enabled": "true"}
    assert cells("dhcp", **whole) == {"lease_seconds": 600, "enabled": True}


@pytest.mark.parametrize(
    "row",
    [{"ports__1__port": "1"}, {"ports__0__port": "1", "ports__x": "1"}, {"parameters": "[1]"}, {"parameters": "{"}],
)
def test_cells_that_fit_nothing_are_refused(row: dict[str, str]) -> None:
    with pytest.raises(InputError):
        cells("open-port", **row)


async def running(world: World, seconds: int) -> None:
    for _ in range(seconds * 2):
        await world.clock.advance(0.5)
        await settle()


@pytest.fixture
def world() -> World:
    return World()


async def test_the_keeper_runs_until_it_is_cancelled_and_waits_for_a_database_that_is_away(world: World) -> None:
    task = asyncio.create_task(world.keeper.run())
    try:
        await asyncio.sleep(0)
        while not world.clock.sleepers:  # holidays are looked up in a thread
            await asyncio.sleep(0.01)
        new = NewChange("dhcp", {"name": "n1"}, site="s0")
        change = await world.requests.submit(new, by=ANNA)
        await running(world, 3)
        change = (await world.requests.show(change.id, by=ANNA)).change
        assert change.state is ChangeState.ACCEPTED
        assert change.shown is not None
        await world.requests.approve(change.id, change.shown.digest, by=BERT)
        world.approved.add((change.id, change.shown.digest))
        world.store.away = StoreBusy("locked")
        await running(world, 3)
        assert world.pushes.asked == {}
        world.store.away = None
        await running(world, 5)
        (push,) = world.pushes.open()
        world.pushes.end(push, "confirmed")
        await running(world, 5)
        assert (await world.requests.show(change.id, by=ANNA)).change.state is ChangeState.CLOSED
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_one_that_fails_holds_up_no_other(world: World) -> None:
    """A device whose family no driver knows any more, beside one that is well."""
    for site in ("s0", "s1"):
        await world.requests.submit(NewChange("dhcp", {"name": "n1"}, site=site), by=DESK)
    world.inventory.rows["d0"] = replace(world.inventory.rows["d0"], family="gone")
    await world.keeper.look()
    found: list[Any] = [one.state for one in world.store.rows.values()]
    assert found == [ChangeState.SUBMITTED, ChangeState.ACCEPTED]
