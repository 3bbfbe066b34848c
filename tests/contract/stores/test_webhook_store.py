from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint
from tests.contract.stores.making import NOW, after, new_id


def sealed(object_id: str) -> SealedObject:
    return SealedObject(object_id, 1, "key-1", b"wrapped", b"nonce", b"ciphertext")


def endpoint(name: str = "desk", **more: Any) -> Endpoint:
    return Endpoint(new_id(), name, "https://desk.example/x", ("line.*",), new_id(), NOW, "op", **more)


async def added(db: Database, name: str = "desk") -> Endpoint:
    new = endpoint(name)
    return await db.webhooks.add(new, sealed(new.object_id), [NewEvent("webhook.added", NOW)])


async def happen(db: Database, *kinds: str, at: float = 0) -> int:
    await db.events.add([NewEvent(kind, after(at)) for kind in kinds])
    return await db.events.last_id()


async def taken(db: Database, owner: str, at: float = 0) -> list[Endpoint]:
    known = await db.events.last_id()
    return list(await db.webhooks.take(owner, now=after(at), until=after(at + 30), known=known))


async def test_an_endpoint_begins_after_what_has_happened_and_is_found_by_name_and_id(db: Database) -> None:
    last = await happen(db, "line.mobile", "line.fixed")
    made = await added(db)
    assert made.cursor == last
    assert await db.webhooks.endpoint("desk") == made == await db.webhooks.endpoint(made.id)
    assert (await db.webhooks.secret(made.id)) == sealed(made.object_id)
    with pytest.raises(Conflict):
        await added(db)
    with pytest.raises(NotFound):
        await db.webhooks.endpoint("other")
    with pytest.raises(NotFound):
        await db.webhooks.secret("0" * 32)


async def test_endpoints_are_listed_by_name_page_by_page(db: Database) -> None:
    for name in ("b", "a", "c"):
        await added(db, name)
    first = await db.webhooks.endpoints(limit=2)
    assert [one.name for one in first.items] == ["a", "b"]
    assert [one.name for one in (await db.webhooks.endpoints(after=first.next, limit=2)).items] == ["c"]


async def test_one_owner_at_a_time_has_an_endpoint_and_only_while_there_is_something_to_tell(
    db: Database, other: Database
) -> None:
    made = await added(db)
    # The event of its being added is one that it has not been told.
    (mine,) = await taken(db, "a")
    assert mine.fence == made.fence + 1
    assert await taken(other, "b", at=29) == []
    (theirs,) = await taken(other, "b", at=31)
    assert theirs.fence == mine.fence + 1
    assert not await db.webhooks.settle(replace(mine, cursor=99), [], until=NOW)
    known = await db.events.last_id()
    assert await other.webhooks.settle(replace(theirs, cursor=known), [], until=after(31))
    assert (await db.webhooks.endpoint("desk")).cursor == known
    assert await taken(db, "a", at=40) == []
    await happen(db, "line.mobile")
    assert len(await taken(db, "a", at=40)) == 1


async def test_a_start_as_the_only_process_takes_every_endpoint_from_whoever_had_it(db: Database) -> None:
    await added(db)
    (mine,) = await taken(db, "a")
    await db.webhooks.release_all()
    assert not await db.webhooks.settle(mine, [], until=NOW)
    assert len(await taken(db, "b")) == 1


async def test_what_fails_waits_for_its_time_and_what_is_disabled_for_a_person(db: Database) -> None:
    await added(db)
    (mine,) = await taken(db, "a")
    await db.webhooks.settle(replace(mine, failures=1, failing_since=NOW, next_at=after(100)), [], until=NOW)
    assert await taken(db, "a", at=99) == []
    (mine,) = await taken(db, "a", at=100)
    message = "desk is disabled"
    alarm = Alarm(f"webhook.disabled:{mine.id}", "webhook.disabled", None, None, NOW, message)
    await db.webhooks.settle(replace(mine, state="disabled", next_at=None), [], until=NOW, alarm=alarm)
    assert [one.message for one in await db.events.alarms()] == [message]
    assert await taken(db, "a", at=9999) == []
    again = await db.webhooks.replay(mine.id, None, [], after(9999))
    assert (again.state, again.failures, again.next_at, again.cursor) == ("active", 0, None, mine.cursor)
    assert await db.events.alarms() == []
    assert len(await taken(db, "a", at=9999)) == 1


async def test_a_replay_begins_with_the_first_event_of_its_time_and_takes_the_row_from_its_owner(db: Database) -> None:
    first = await happen(db, "line.mobile", at=10)
    await happen(db, "line.fixed", at=20)
    made = await added(db)
    (mine,) = await taken(db, "a")
    assert (await db.webhooks.replay(made.id, after(10), [], NOW)).cursor == first - 1
    assert (await db.webhooks.replay(made.id, after(11), [], NOW)).cursor == first
    last = await db.events.last_id()
    assert (await db.webhooks.replay(made.id, after(999), [], NOW)).cursor == last
    assert not await db.webhooks.settle(mine, [], until=NOW)
    with pytest.raises(NotFound):
        await db.webhooks.replay("0" * 32, None, [], NOW)


async def test_the_latest_attempts_are_kept_and_no_more_than_some_hundred(db: Database) -> None:
    made = await added(db)
    (mine,) = await taken(db, "a")
    for start in (0, 150):
        attempts = [Attempt(n, after(n), n % 2 == 0, 200, 0.5, "") for n in range(start, start + 150)]
        assert await db.webhooks.settle(mine, attempts, until=NOW)
    kept = await db.webhooks.attempts(made.id, 1000)
    assert [one.event_id for one in kept] == list(range(299, 99, -1))
    assert kept[0] == Attempt(299, after(299), False, 200, 0.5, "")
    assert len(await db.webhooks.attempts(made.id)) == 20


async def test_what_is_removed_leaves_nothing_behind(db: Database) -> None:
    made = await added(db)
    (mine,) = await taken(db, "a")
    alarm = Alarm(f"webhook.disabled:{made.id}", "webhook.disabled", None, None, NOW, "x")
    await db.webhooks.settle(mine, [Attempt(1, NOW, False, None, 0.1, "x")], until=NOW, alarm=alarm)
    await db.webhooks.remove(made.id, [NewEvent("webhook.removed", NOW)], NOW)
    assert (await db.webhooks.endpoints()).items == ()
    assert await db.events.alarms() == []
    assert await db.backups.key_ids() == {}
    assert not await db.webhooks.settle(mine, [], until=NOW)
    with pytest.raises(NotFound):
        await db.webhooks.remove(made.id, [], NOW)
    await added(db)
