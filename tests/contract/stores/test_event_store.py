from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.access import UNBOUND, Sight
from cpe_manager.domain.events import EventFilter, NewEvent
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.stores import DeviceFilter, InventoryChanges, OverdueChange
from tests.contract.stores.making import NOW, a_device, add, after, back_up, doubt, fleet, kinds, new_id

HOUR = 3600.0


async def raised(db: Database) -> list[str | None]:
    return [alarm.device for alarm in await db.events.alarms()]


async def test_events_come_back_after_an_id_in_order(db: Database) -> None:
    assert await db.events.last_id() == 0
    await db.events.add([NewEvent("a", NOW, message="é", data={"n": [1, None]}), NewEvent("b", NOW, "error")])
    first, second = await db.events.after(0)
    assert (first.kind, first.message, first.data, first.severity) == ("a", "é", {"n": [1, None]}, "info")
    assert second.severity == "error"
    assert [event.kind for event in await db.events.after(first.id)] == ["b"]
    assert len(await db.events.after(0, limit=1)) == 1
    assert await db.events.last_id() == second.id
    await db.events.add([])


async def test_a_follower_is_given_what_its_sight_allows_and_the_stream_judges_alike(db: Database) -> None:
    happened = [
        NewEvent("change.done", NOW, data={"site": "a"}),
        NewEvent("change.done", NOW, data={"site": "b"}),
        NewEvent("change.done", NOW, data={"site": ["a"]}),
        NewEvent("change.done", NOW),
        NewEvent("changes.done", NOW, data={"site": "a"}),
        NewEvent("line.mobile", NOW, data={"site": "a"}),
        NewEvent("account.added", NOW),
        NewEvent("login.failed", NOW),
    ]
    await db.events.add(happened)
    everything = await db.events.after(0)
    for sight, expected in (
        (UNBOUND, range(8)),
        (Sight(hidden=("account.*", "login.*")), range(6)),
        (Sight(("change.*",)), range(4)),
        (Sight(("change.*",), sites=frozenset({"a"})), [0]),
        (Sight(("change.*", "line.mobile"), sites=frozenset({"a", "c"})), [0, 5]),
        (Sight(("change.*",), sites=frozenset()), []),
        (Sight(()), []),
    ):
        where = EventFilter(sight=sight)
        found = [event.id for event in await db.events.after(0, where=where)]
        assert found == [everything[number].id for number in expected], sight
        assert found == [event.id for event in everything if where.wants(event)], sight
    both = EventFilter(kinds=("line.*",), sight=Sight(("change.*",)))
    assert await db.events.after(0, where=both) == []


async def test_a_follower_that_reads_on_from_its_last_id_misses_nothing(db: Database, other: Database) -> None:
    """Ids become visible in order, however many write at once."""
    seen: list[int] = []
    done = asyncio.Event()

    async def follow() -> None:
        while True:
            last = done.is_set()
            seen.extend(event.id for event in await db.events.after(seen[-1] if seen else 0))
            if last:
                return

    async def write(store: Database) -> None:
        for _ in range(15):
            await store.events.add([NewEvent("tick", NOW)] * 3)

    follower = asyncio.create_task(follow())
    await asyncio.gather(*(write(store) for store in (db, other) * 3))
    done.set()
    await follower
    assert len(seen) == 270


async def test_a_device_is_overdue_once_its_last_success_is_older_than_its_target(db: Database) -> None:
    quick, slow, never = await fleet(db, 3)
    await back_up(db, quick, at=NOW)
    await back_up(db, slow, at=NOW)
    targets = {quick.id: 1.0, slow.id: 48.0}
    assert await db.events.mark_overdue(targets, 26.0, now=after(HOUR)) == OverdueChange()
    change = await db.events.mark_overdue(targets, 26.0, now=after(HOUR + 1))
    assert [alarm.device for alarm in change.raised] == ["cpe0000"]
    assert await db.events.mark_overdue(targets, 26.0, now=after(HOUR + 2)) == OverdueChange()
    change = await db.events.mark_overdue(targets, 26.0, now=after(26 * HOUR + 1))
    assert [alarm.device_id for alarm in change.raised] == [never.id]
    assert await raised(db) == ["cpe0000", "cpe0002"]
    overdue = await db.inventory.devices(DeviceFilter(overdue=True))
    assert [view.status.overdue_since for view in overdue.items] == [after(HOUR + 1), after(26 * HOUR + 1)]
    first = (await db.events.alarms())[0]
    assert (first.key, first.device_id) == (f"backup.overdue:{quick.id}", quick.id)
    assert (first.kind, first.raised_at) == ("backup.overdue", after(HOUR + 1))


async def test_the_next_success_clears_the_alarm_with_an_event(db: Database) -> None:
    (device,) = await fleet(db, 1)
    late = after(30 * HOUR)
    await db.events.mark_overdue({}, 26.0, now=late)
    await doubt(db, device, at=late)
    assert await db.events.mark_overdue({}, 26.0, now=late) == OverdueChange()
    await back_up(db, device, at=late)
    change = await db.events.mark_overdue({}, 26.0, now=late)
    assert [alarm.key for alarm in change.cleared] == [f"backup.overdue:{device.id}"]
    assert await raised(db) == []
    assert [kind for kind in await kinds(db) if kind.startswith("alarm")] == ["alarm.raised", "alarm.cleared"]
    assert (await db.inventory.device(device.id)).status.overdue_since is None


async def test_suspended_devices_raise_no_alarm_and_lose_theirs(db: Database) -> None:
    active, paused = await add(db, a_device("a"), a_device("b", state=LifeState.SUSPENDED))
    late = after(30 * HOUR)
    assert [alarm.device for alarm in (await db.events.mark_overdue({}, 26.0, now=late)).raised] == ["a"]
    await db.inventory.apply(InventoryChanges(at=NOW, update=(replace(active, state=LifeState.SUSPENDED),)))
    assert [alarm.device for alarm in (await db.events.mark_overdue({}, 26.0, now=late)).cleared] == ["a"]
    await db.inventory.apply(InventoryChanges(at=NOW, update=(replace(paused, state=LifeState.ACTIVE),)))
    assert [alarm.device for alarm in (await db.events.mark_overdue({}, 26.0, now=late)).raised] == ["b"]


async def test_a_device_without_installation_time_counts_from_when_it_was_added(db: Database) -> None:
    await add(db, a_device("a", installed_at=None), at=after(10 * HOUR))
    assert await db.events.mark_overdue({}, 26.0, now=after(36 * HOUR)) == OverdueChange()
    assert len((await db.events.mark_overdue({}, 26.0, now=after(36 * HOUR + 1))).raised) == 1


async def test_two_sweeps_at_once_raise_an_alarm_once(db: Database, other: Database) -> None:
    await fleet(db, 20)
    sweeps = [store.events.mark_overdue({}, 26.0, now=NOW + timedelta(days=3)) for store in (db, other) * 2]
    changes = await asyncio.gather(*sweeps)
    assert sorted(len(change.raised) for change in changes) == [0, 0, 0, 20]
    assert len(await db.events.alarms()) == 20
    assert (await kinds(db)).count("alarm.raised") == 20


async def test_statuses_are_of_active_devices_with_family_and_group(db: Database) -> None:
    active, _ = await add(db, a_device("a", family="acme"), a_device("b", state=LifeState.SUSPENDED))
    await add(db, a_device("c"))
    await back_up(db, active)
    found = await db.events.statuses()
    assert [(name, family, group) for name, family, group, _ in found] == [("a", "acme", None), ("c", "", None)]
    assert [status.last_success_at for *_, status in found] == [after(5), None]


async def test_an_event_of_a_device_that_is_not_known_is_kept(db: Database) -> None:
    await db.events.add([NewEvent("original.opened", NOW, device_id=new_id())])
    assert [event.device for event in await db.events.after(0)] == [None]
