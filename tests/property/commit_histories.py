"""Histories of pushes by the hundred thousand: what Hypothesis would take a quarter of an hour for, drawn from seeds.

A history is written down as what it was drawn as, so that two are the same only if everything in them is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.push.commit_path import END, MARGIN, MOST_REVERTS, Phase, Result, Step, decide, phase_of
from tests.property.commit_model import AFTER, BEFORE, HALF, MISHAPS, MOST_PARTS, STYLES, Manager, Mishap, ModelDevice

Event = tuple[str, int]
"""A mishap with the number of the part before which it strikes; or one of the words below, with a number."""
WELL, PASSES, RESTARTS, PATH, WITHDRAWS = "goes well", "time passes", "restarts", "path", "withdraws"
SECONDS: Final = (1, 30, 60, 99, 100, 101, 119, 120, 121, 600)
_BETWEEN: Final = (WELL, WELL, PASSES, RESTARTS, PATH, PATH, WITHDRAWS)


@dataclass(frozen=True, slots=True)
class History:
    style: int
    good: bool
    events: tuple[Event, ...]


def draw(rng: random.Random) -> History:
    """Up to 14 events; most strike on the way from arming to the end, since a step before has no effect."""
    events: list[Event] = []
    head = rng.randrange(6)
    if head:
        events.append((WELL, head))
    for _ in range(rng.randrange(1, 14)):
        if rng.random() < 0.65:
            events.append((rng.choice(MISHAPS), rng.randrange(MOST_PARTS)))
        else:
            word = rng.choice(_BETWEEN)
            events.append((word, {PASSES: rng.choice(SECONDS), PATH: rng.randrange(2)}.get(word, rng.randrange(1, 4))))
    return History(rng.randrange(len(STYLES)), rng.random() < 0.75, tuple(events))


def histories(seed: int, count: int) -> Iterator[History]:
    """So many, no two the same."""
    rng, seen = random.Random(seed), set[History]()
    while len(seen) < count:
        drawn = draw(rng)
        if drawn not in seen:
            seen.add(drawn)
            yield drawn


def happen(manager: Manager, event: Event) -> None:
    word, number = event
    if word == WELL:
        for _ in range(number):
            if manager.ended is None:
                manager.step()
    elif word == PASSES:
        manager.tick(number)
    elif word == RESTARTS:
        manager.device.reboot()
    elif word == PATH:
        manager.device.reachable = bool(number)
    elif word == WITHDRAWS:
        manager.withdrawn = True
    elif manager.ended is None:
        mishap: Mishap = word  # type: ignore[assignment]  # what is left are mishaps
        manager.step(mishap, number)


def live(history: History) -> Manager:
    """The whole history, and then nothing that goes wrong any more: the push has to come to an end, a true one."""
    manager = Manager(ModelDevice(STYLES[history.style]), good=history.good)
    for event in history.events:
        happen(manager, event)
        if manager.ended is not None:
            break
    settle(manager)
    return manager


def settle(manager: Manager) -> None:
    manager.device.reachable = True
    for _ in range(40):
        if manager.ended is not None:
            break
        manager.tick(30)
        manager.step()


def check(manager: Manager) -> None:
    """It has ended; the device is before or after, as the end says, and stays so whatever becomes of it."""
    device, journal = manager.device, manager.journal
    assert manager.ended in END
    if manager.ended is Phase.STUCK:
        deadline = next((entry.deadline for entry in journal if entry.deadline), None)
        refused = [entry for entry in journal if entry.step is Step.REVERT and entry.result is Result.FAILED]
        assert sum(deadline is None or entry.at >= deadline + MARGIN for entry in refused) >= MOST_REVERTS
    else:
        wanted = AFTER if manager.ended is Phase.CONFIRMED else BEFORE
        assert (device.running, device.startup) == (wanted, wanted)
        assert manager.good or manager.ended is not Phase.CONFIRMED
        assert device.fires_at is None
        manager.tick(100_000)
        device.reboot()
        assert (device.running, device.startup) == (wanted, wanted)
        assert device.running != HALF
    if manager.ended is Phase.WITHDRAWN:
        assert not device.touched
    assert phase_of(journal) in (manager.ended, Phase.PLANNED, Phase.CHECKED, Phase.SNAPSHOTTED)
    # What has ended stays ended, and says so again, to whoever takes it up.
    for resumed in (False, True):
        assert decide(journal, manager.now, withdrawn=manager.withdrawn, resumed=resumed).end in (manager.ended, None)
    assert decide(journal, manager.now, withdrawn=manager.withdrawn).end is manager.ended
