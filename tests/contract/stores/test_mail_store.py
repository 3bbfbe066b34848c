"""The outbox of mails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.telling.mail import Mail
from tests.contract.stores.making import NOW, after, new_id


def a_mail(event: int, recipient: str = "an@x.example", **more: Any) -> Mail:
    values: dict[str, Any] = {"site": "gent", "audience": "customer", "language": "nl", "subject": "é", "body": "b\n"}
    values |= {"next_at": NOW}
    return Mail(new_id(), event, "change.done", recipient=recipient, created_at=NOW, **(values | more))


async def put(db: Database, *mails: Mail) -> None:
    since = await db.mail.cursor()
    assert await db.mail.fill(since, max(since, *(one.event_id for one in mails)), mails)


async def take(db: Database, at: float = 0, owner: str = "w1") -> list[Mail]:
    return list(await db.mail.take(owner, now=after(at), until=after(at + 60), limit=10))


async def test_the_first_mails_are_of_what_happens_from_then_on(db: Database) -> None:
    await db.events.add([NewEvent("change.done", NOW)] * 3)
    assert await db.mail.cursor() == 3
    await db.events.add([NewEvent("change.done", NOW)])
    assert await db.mail.cursor() == 3


async def test_mails_and_cursor_move_together_and_by_one_process_alone(db: Database, other: Database) -> None:
    assert await db.mail.cursor() == 0
    mails = [a_mail(number) for number in range(1, 40)]
    done = await asyncio.gather(*(store.mail.fill(0, 40, mails) for store in (db, other)))
    assert sorted(done) == [False, True]
    assert not await db.mail.fill(0, 50, [a_mail(41)])
    assert await db.mail.fill(40, 41, [a_mail(41), a_mail(41), a_mail(41, "bo@x.example")])
    assert await db.mail.cursor() == 41
    page = await db.mail.mails(limit=30)
    rest = await db.mail.mails(limit=30, after=page.next)
    found = [*page.items, *rest.items]
    assert len(found) == 41
    assert found[-1] == mails[0]


async def test_of_each_recipient_only_the_oldest_is_given_out_and_to_one_process(db: Database, other: Database) -> None:
    await put(db, a_mail(1), a_mail(2), a_mail(2, "bo@x.example"), a_mail(3, "cy@x.example", next_at=after(50)))
    first = await take(db)
    assert [(one.event_id, one.recipient) for one in first] == [(1, "an@x.example"), (2, "bo@x.example")]
    assert await take(other, 49, "w2") == []
    sent = [replace(one, state="sent", sent_at=NOW, attempts=1) for one in first]
    await db.mail.settle(sent, at=NOW)
    assert [(one.event_id, one.recipient) for one in await take(db, 55)] == [(2, "an@x.example"), (3, "cy@x.example")]
    assert (await db.mail.mail(first[0].id)).state == "sent"


async def test_whoever_lost_a_mail_writes_nothing_of_it(db: Database, other: Database) -> None:
    await put(db, a_mail(1))
    (mine,) = await take(db)
    assert await take(other, 59) == []
    (theirs,) = await take(other, 61)
    await db.mail.settle([replace(mine, state="failed")], at=NOW)
    assert (await db.mail.mail(mine.id)).state == "queued"
    await other.mail.settle([replace(theirs, state="sent")], at=NOW)
    assert (await db.mail.mail(mine.id)).state == "sent"
    with pytest.raises(NotFound):
        await db.mail.mail("0" * 32)


async def test_what_failed_is_tried_again_and_what_was_sent_is_not(db: Database) -> None:
    await put(db, a_mail(1), a_mail(2, "bo@x.example"))
    one, two = await take(db)
    alarm = Alarm("mail.failing", "mail.failing", None, None, NOW, "down")
    failed = replace(one, state="failed", reason="550 é", next_at=None, attempts=3)
    await db.mail.settle([failed, replace(two, state="sent", sent_at=NOW)], events=[NewEvent("mail.failed", NOW)],
                         alarm=alarm, at=NOW)  # fmt: skip
    assert [alarm.key for alarm in await db.events.alarms()] == ["mail.failing"]
    waiting = await db.mail.waiting()
    assert (waiting.queued, waiting.failed, waiting.oldest, waiting.first) == (0, 1, None, None)
    with pytest.raises(Conflict):
        await db.mail.retry(two.id, [], NOW)
    with pytest.raises(NotFound):
        await db.mail.retry("0" * 32, [], NOW)
    assert await db.mail.retry(None, [NewEvent("mail.retried", NOW)], after(9)) == 1
    waiting = await db.mail.waiting()
    assert (waiting.queued, waiting.failed, waiting.oldest, waiting.first) == (1, 0, after(9), 1)
    assert (await db.mail.mails(state="failed")).items == ()
    (again,) = await take(db, 9)
    await db.mail.settle([replace(again, state="sent")], cleared="mail.failing", at=after(10))
    assert await db.events.alarms() == []


async def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(db: Database) -> None:
    await put(db, a_mail(1), a_mail(2, "bo@x.example"))
    one, _ = await take(db)
    await db.mail.settle([replace(one, state="sent")], at=NOW)
    assert await db.mail.forget(NOW) == 0
    assert await db.mail.forget(after(1)) == 1
    assert [one.recipient for one in (await db.mail.mails()).items] == ["bo@x.example"]


async def test_a_start_as_the_only_process_takes_every_mail(db: Database) -> None:
    await put(db, a_mail(1))
    (mine,) = await take(db)
    await db.mail.release_all()
    await db.mail.settle([replace(mine, state="failed")], at=NOW)
    assert [one.id for one in await take(db)] == [mine.id]
