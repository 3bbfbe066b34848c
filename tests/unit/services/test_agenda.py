"""One heap for all that has to be done: in the order of time, moved and dropped at will."""

from __future__ import annotations

from cpe_manager.services.failover.agenda import NEVER, Agenda, Entry


def test_what_is_due_is_done_in_its_order_and_comes_again_when_it_says():
    agenda, done = Agenda(), []

    def again(name: str, after: float) -> Entry:
        def fire(now: float) -> float:
            done.append((name, now))
            return now + after

        return Entry(fire)

    agenda.put(again("slow", 5), 2.0)
    agenda.put(again("fast", 1), 1.0)
    agenda.put(again("once", NEVER), 1.5)
    assert agenda.work(0.9, 100) == (0, 0.0)
    number, late = agenda.work(2.0, 100)
    assert (number, late) == (3, 1.0)
    assert [name for name, _ in done] == ["fast", "once", "slow"]
    assert agenda.next == 3.0


def test_an_entry_that_was_moved_is_done_at_its_new_time_alone_and_one_that_was_dropped_never():
    agenda, done = Agenda(), []
    moved, dropped = Entry(lambda now: done.append(now) or NEVER), Entry(lambda now: done.append(-now) or NEVER)
    agenda.put(moved, 1.0)
    agenda.put(moved, 3.0)
    agenda.put(dropped, 2.0)
    agenda.drop(dropped)
    agenda.work(2.5, 10)
    assert done == []
    agenda.work(3.0, 10)
    assert done == [3.0]


def test_of_many_some_are_done_at_once():
    agenda, done = Agenda(), []
    for number in range(10):
        agenda.put(Entry(lambda now, number=number: done.append(number) or NEVER), number / 100)
    assert agenda.work(1.0, 4)[0] == 4
    assert done == [0, 1, 2, 3]


def test_an_entry_that_moves_itself_while_it_is_done_stays_where_it_moved_to():
    agenda = Agenda()
    entry = Entry(lambda _now: NEVER)

    def fire(now: float) -> float:
        agenda.put(entry, now + 1)
        return now + 50

    entry.fire = fire
    agenda.put(entry, 1.0)
    agenda.work(1.0, 10)
    assert entry.due == 2.0
