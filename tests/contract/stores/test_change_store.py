"""What every store of change requests promises: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.requests import Approval, ChangeRequest, ChangeState, Fee, Shown
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.jobs import JobKind
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push, SettledAs, Settlement
from cpe_manager.ports.changes import ChangeFilter, ChangeStore, Turn
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import InventoryChanges, NewWork, SiteChange
from tests.contract.stores.making import NOW, a_device, a_job, a_push, after, an_order, claim, new_id
from tests.fakes.change_store import MemoryChangeStore

S = ChangeState
SHOWN = Shown("basis", "digest", (("wifi", {"channel": 1}, {"channel": 6}),), "set channel 6\n", ("a note",), NOW)


class Bench:
    """A store with an inventory and pushes, and its events to look at."""

    def __init__(self, db: Database | None) -> None:
        self.db = db
        self.memory = MemoryChangeStore()
        self.pushes: dict[str, Push] = {}
        self.memory.pushes = self.pushes
        self.store: ChangeStore = self.memory if db is None else db.changes

    async def device(self, name: str = "r1", site: str = "s1") -> Device:
        device = a_device(name, site=site, site_id=new_id())
        if self.db is not None:
            sites = (SiteChange(site, device.site_id),)
            await self.db.inventory.apply(InventoryChanges(at=NOW, sites=sites, add=(device,)))
            device = (await self.db.inventory.device(device.id)).device
        return device

    async def push(self, device: Device) -> str:
        job = a_job(kind=JobKind.PUSH)
        push = a_push(device, job)
        self.pushes[push.id] = push
        if self.db is not None:
            await self.db.pushes.create(push, an_order(), job, NewWork(device.id, 0, NOW))
        return push.id

    async def end(self, push_id: str, phase: Phase) -> None:
        push = replace(self.pushes[push_id], phase=phase, ended_at=after(9))
        self.pushes[push_id] = push
        if self.db is not None:
            job = await self.db.jobs.job(push.job_id)
            (row,) = await claim(self.db, job)
            await self.db.pushes.end(push, Ended(phase, "", after(9)), row.lease)

    async def settle(self, push_id: str) -> None:
        settled = Settlement(SettledAs.BEFORE, after(10), "op", "seen")
        self.pushes[push_id] = replace(self.pushes[push_id], settled=settled)
        if self.db is not None:
            await self.db.pushes.settle(push_id, settled)

    async def events(self) -> list[NewEvent]:
        if self.db is None:
            return list(self.memory.events)
        stored = await self.db.events.after(0, limit=10_000)
        return [
            NewEvent(one.kind, one.at, one.severity, one.device_id, message=one.message, data=one.data)  # type: ignore[arg-type]
            for one in stored
            if one.kind.startswith("change.")
        ]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield Bench(None)
        return
    async with await Database.open(request.getfixturevalue(f"{request.param}_url")) as db:
        yield Bench(db)


def sealed(text: str = "x") -> SealedObject:
    return SealedObject(new_id(), 1, "key1", b"wrapped", b"nonce", text.encode() + b"\x00\xff")


def a_change(device: Device, **more: Any) -> ChangeRequest:
    values: dict[str, Any] = {
        "id": new_id(),
        "ticket": "",
        "site_id": device.site_id,
        "site": device.site,
        "device_id": device.id,
        "device": device.name,
        "type": "wifi",
        "type_version": 2,
        "catalogue_version": 3,
        "parameters": {"ssid": "shop", "key": "***"},
        "summary": "wifi: shop",
        "submitted_by": "anna",
        "submitted_by_id": "a1",
        "submitted_at": NOW,
    }
    return ChangeRequest(**(values | more))


async def made(bench: Bench, device: Device, **more: Any) -> ChangeRequest:
    return await bench.store.create(a_change(device, **more), sealed())


async def go(bench: Bench, change: ChangeRequest, *states: ChangeState, at: datetime = NOW, **values: Any) -> Any:
    """Through these states; ``values`` with the last one."""
    for state in states:
        last = tuple(values.items()) if state is states[-1] else ()
        change = await bench.store.turn(Turn(change.id, change.revision, state, at, "x", values=last))
    return change


def approval(at: float = 0) -> Approval:
    return Approval("bob", "b1", after(at), "basis", "digest", "by telephone")


async def scheduled(bench: Bench, device: Device, at: float = 0, **values: Any) -> ChangeRequest:
    change = await go(bench, await made(bench, device), S.ACCEPTED, shown=SHOWN)
    change = await go(bench, change, S.APPROVED, approval=approval(at))
    found: ChangeRequest = await go(bench, change, S.SCHEDULED, **({"not_before": NOW} | values))
    return found


async def to_do(bench: Bench, at: float = 0) -> list[str]:
    return [one.id for one in await bench.store.to_do(after(at))]


async def test_what_was_written_is_read_again_by_id_and_by_ticket(bench: Bench) -> None:
    device = await bench.device()
    secret = sealed("key")
    more: dict[str, Any] = {
        "requested_for": after(60), "note": "please", "bulk_id": "b" * 32, "key": "a1:k", "by_right": True,
        "standard": False,
    }  # fmt: skip
    new = a_change(device, **more)
    change = await bench.store.create(new, secret)
    assert change == replace(new, ticket="CHG-000001")
    assert await bench.store.parameters(change.id) == secret
    for name in (change.id, "CHG-000001"):
        record = await bench.store.change(name)
        assert record.change == change
        assert [(one.number, one.state, one.by) for one in record.steps] == [(1, S.SUBMITTED, "anna")]
    for name in ("CHG-000002", "CHG-1", "CHG-", "nothing", "CHG-99999999999999999999"):
        with pytest.raises(NotFound):
            await bench.store.change(name)
    (event,) = await bench.events()
    assert (event.kind, event.device_id) == ("change.submitted", device.id)
    assert event.data["site"] == "s1"
    assert (event.data["ticket"], event.data["change_id"]) == ("CHG-000001", change.id)
    assert (event.data["state"], event.data["revision"], event.data["type"]) == ("submitted", 1, "wifi")


async def test_the_same_key_is_the_same_request_and_takes_no_number(bench: Bench) -> None:
    device = await bench.device()
    first = await made(bench, device, key="a1:k")
    assert (await made(bench, device, key="a1:k")).id == first.id
    assert await bench.store.keyed("a1:k") == first
    assert await bench.store.keyed("b1:k") is None
    assert (await made(bench, device)).ticket == "CHG-000002"
    assert len(await bench.events()) == 2


async def test_tickets_have_no_gaps_however_many_ask_at_once(bench: Bench) -> None:
    device = await bench.device()
    found = await asyncio.gather(*(made(bench, device, key=f"a1:{number % 20}") for number in range(40)))
    assert {one.ticket for one in found} == {f"CHG-{number:06}" for number in range(1, 21)}
    with pytest.raises(Conflict):
        await go(bench, found[0], S.DONE)
    assert (await made(bench, device)).ticket == "CHG-000021"


async def test_a_turn_writes_step_state_and_event_and_is_made_on_one_revision_alone(bench: Bench) -> None:
    change = await made(bench, await bench.device())
    values = (
        ("shown", SHOWN), ("fee", Fee(billable=True, reason="late")), ("catalogue_version", 9),
        ("expires_at", after(99)),
    )  # fmt: skip
    turn = Turn(change.id, 1, S.ACCEPTED, after(1), "cpe-manager", "fine", "ok", values, sealed("effect"))
    found = await bench.store.turn(turn)
    assert (found.state, found.revision, found.reason, found.code) == (S.ACCEPTED, 2, "fine", "ok")
    assert (found.shown, found.fee, found.catalogue_version) == (SHOWN, Fee(billable=True, reason="late"), 9)
    record = await bench.store.change(change.id)
    assert record.change == found
    assert [(one.number, one.state, one.at, one.reason) for one in record.steps] == [
        (1, S.SUBMITTED, NOW, ""),
        (2, S.ACCEPTED, after(1), "fine"),
    ]
    assert (await bench.store.effect(change.id)).ciphertext == b"effect\x00\xff"
    with pytest.raises(Conflict):
        await bench.store.turn(turn)
    with pytest.raises(NotFound):
        await bench.store.turn(replace(turn, change_id="0" * 32))
    given = await go(bench, found, S.APPROVED, approval=approval(5))
    assert (await bench.store.change(change.id)).change == given
    assert given.approval == approval(5)
    assert [one.kind for one in await bench.events()] == ["change.submitted", "change.accepted", "change.approved"]


async def test_of_two_who_turn_at_once_one_does(bench: Bench) -> None:
    change = await go(bench, await made(bench, await bench.device()), S.ACCEPTED, shown=SHOWN)
    both = await asyncio.gather(
        go(bench, change, S.WITHDRAWN), go(bench, change, S.APPROVED, approval=approval()), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["ChangeRequest", "Conflict"]
    assert len((await bench.store.change(change.id)).steps) == 3


async def test_what_is_shown_anew_takes_the_place_of_what_was(bench: Bench) -> None:
    device = await bench.device()
    change = await made(bench, device)
    with pytest.raises(NotFound):
        await bench.store.effect(change.id)
    change = await bench.store.turn(Turn(change.id, 1, S.ACCEPTED, NOW, "x", effect=sealed("one")))
    change = await go(bench, change, S.APPROVED, S.SCHEDULED)
    change = await go(bench, change, S.EXECUTING, look_at=after(30))
    again = Turn(
        change.id, change.revision, S.ACCEPTED, NOW, "x", effect=sealed("two"), kind="change.asked_again",
        values=(("round", 1), ("approval", None)),
    )  # fmt: skip
    found = await bench.store.turn(again)
    assert (await bench.store.effect(change.id)).ciphertext == b"two\x00\xff"
    assert (found.round, found.approval, found.look_at) == (1, None, None)
    assert [one.kind for one in await bench.events()][-1] == "change.asked_again"


async def test_what_is_noted_is_no_step(bench: Bench) -> None:
    device = await bench.device()
    change = await made(bench, device)
    push_id = await bench.push(device)
    quiet = {"push_id": push_id, "look_at": after(5), "tries": 2, "reason": "no answer"}
    assert await bench.store.note(change.id, 1, quiet)
    found = (await bench.store.change(change.id)).change
    assert found == replace(change, **quiet)
    assert not await bench.store.note(change.id, 2, {"tries": 3})
    assert len(await bench.events()) == 1
    assert (await go(bench, found, S.WITHDRAWN)).tries == 0


async def test_who_evaluates_has_a_request_alone_for_a_while(bench: Bench) -> None:
    device = await bench.device()
    ids = [(await made(bench, device)).id for _ in range(3)]

    async def take(at: float, limit: int = 9) -> Sequence[str]:
        return [one.id for one in await bench.store.to_evaluate(after(at), after(at + 60), limit)]

    assert await take(0, 2) == ids[:2]
    assert await take(1) == ids[2:]
    assert await take(2) == []
    assert await take(60) == ids[:2]
    await bench.store.release_all()
    assert await take(61) == ids


async def test_lists_are_newest_first_and_cut_down_to_sites(bench: Bench) -> None:
    one, two = await bench.device("r1", "s1"), await bench.device("r2", "s2")
    ids = [(await made(bench, device)).id for device in (one, two, one, one)]
    page = await bench.store.changes(ChangeFilter(sites=("s1",)), limit=2)
    assert [each.id for each in page.items] == [ids[3], ids[2]]
    rest = await bench.store.changes(ChangeFilter(sites=("s1",)), after=page.next, limit=2)
    assert ([each.id for each in rest.items], rest.next) == ([ids[0]], None)
    assert (await bench.store.changes(ChangeFilter(sites=()))).items == ()
    with pytest.raises(NotFound):
        await bench.store.change(ids[1], ["s1"])
    assert (await bench.store.change(ids[1], ["s2"])).change.device == "r2"
    found = await made(bench, two, type="dhcp", bulk_id="b" * 32, by_right=True, submitted_by_id="c")
    for wanted in (
        ChangeFilter(type="dhcp"), ChangeFilter(bulk_id="b" * 32), ChangeFilter(by_right=True),
        ChangeFilter(not_submitted_by="a1"), ChangeFilter(device="r2", type="dhcp", states=(S.SUBMITTED,)),
    ):  # fmt: skip
        assert [each.id for each in (await bench.store.changes(wanted)).items] == [found.id]
    assert (await bench.store.changes(ChangeFilter(states=(S.DONE,)))).items == ()


async def test_a_cursor_of_another_list_is_refused(db: Database) -> None:
    with pytest.raises(InputError):
        await db.changes.changes(ChangeFilter(), after="nonsense")


async def test_only_what_can_be_decided_now_is_to_be_done(bench: Bench) -> None:
    device = await bench.device()
    change = await made(bench, device)
    assert await to_do(bench) == []
    change = await go(bench, change, S.ACCEPTED, shown=SHOWN, expires_at=after(100))
    assert await to_do(bench, 99) == []
    assert await to_do(bench, 100) == [change.id]
    change = await go(bench, change, S.APPROVED, approval=approval(), expires_at=None)
    assert await to_do(bench) == [change.id]
    change = await go(bench, change, S.SCHEDULED, not_before=after(50))
    assert await to_do(bench, 49) == []
    assert await to_do(bench, 50) == [change.id]
    change = await go(bench, change, S.EXECUTING, look_at=after(80))
    assert await to_do(bench, 79) == []
    assert await to_do(bench, 80) == [change.id]
    push_id = await bench.push(device)
    assert await bench.store.note(change.id, change.revision, {"push_id": push_id, "look_at": None})
    assert await to_do(bench, 999) == []
    await bench.end(push_id, Phase.STUCK)
    assert await to_do(bench) == [change.id]
    change = await go(bench, change, S.STUCK)
    assert await to_do(bench) == []
    await bench.settle(push_id)
    assert await to_do(bench) == [change.id]
    assert await bench.store.unclosed(9) == []
    change = await go(bench, change, S.REVERTED, ended_at=after(9))
    assert [one.id for one in await bench.store.unclosed(9)] == [change.id]
    await go(bench, change, S.CLOSED, closed_at=after(10))
    assert (await to_do(bench), await bench.store.unclosed(9)) == ([], [])
    assert (await bench.store.counts())[S.CLOSED] == 1
    assert sum((await bench.store.counts()).values()) == 1


async def test_what_is_the_customers_by_right_needs_no_answer(bench: Bench) -> None:
    change = await go(bench, await made(bench, await bench.device(), by_right=True), S.ACCEPTED, shown=SHOWN)
    assert await to_do(bench) == [change.id]


async def test_of_one_device_the_one_approved_first_goes_first_and_alone(bench: Bench) -> None:
    device, other = await bench.device("r1"), await bench.device("r2")
    late = await scheduled(bench, device, at=20)
    early = await scheduled(bench, device, at=10)
    waits = await scheduled(bench, device, at=5, not_before=after(1000))
    beside = await scheduled(bench, other, at=30)
    assert await to_do(bench) == [early.id, beside.id]
    early = await go(bench, early, S.EXECUTING)
    assert set(await to_do(bench)) == {early.id, beside.id}
    with pytest.raises(Conflict):
        await go(bench, late, S.EXECUTING)
    early = await go(bench, early, S.DONE, ended_at=NOW)
    assert await to_do(bench) == [late.id, beside.id]
    assert await to_do(bench, 1000) == [waits.id, beside.id]


async def test_one_that_was_approved_before_goes_first_though_it_is_not_scheduled_yet(bench: Bench) -> None:
    device = await bench.device()
    late = await scheduled(bench, device, at=20)
    first = await go(bench, await made(bench, device), S.ACCEPTED, shown=SHOWN)
    first = await go(bench, first, S.APPROVED, approval=approval(10))
    assert await to_do(bench) == [first.id]
    await go(bench, first, S.SCHEDULED, not_before=after(500))
    assert await to_do(bench) == [late.id]


async def test_nothing_of_a_device_executes_beside_one_that_is_stuck(bench: Bench) -> None:
    device = await bench.device()
    stuck = await go(bench, await scheduled(bench, device), S.EXECUTING, S.STUCK)
    other = await scheduled(bench, device, at=5)
    assert await to_do(bench) == []
    with pytest.raises(Conflict):
        await go(bench, other, S.EXECUTING)
    await go(bench, stuck, S.DONE, ended_at=NOW)
    assert await to_do(bench) == [other.id]


async def test_of_two_of_one_device_that_are_begun_at_once_one_is(bench: Bench) -> None:
    device = await bench.device()
    both = [await scheduled(bench, device, at=at) for at in (1, 2)]
    found = await asyncio.gather(*(go(bench, one, S.EXECUTING) for one in both), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["ChangeRequest", "Conflict"]
