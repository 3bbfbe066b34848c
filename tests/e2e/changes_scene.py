"""Many change requests at once, sent twice and three times, approved as they come back, while the daemon is killed.

The fleet and the daemon are processes of their own. A program with an account of its own sends the requests over the
API and sends again whatever got no answer; somebody else approves them. What happened is read from the database: the
steps that were kept, the pushes; and from the boxes.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import httpx

from cpe_manager.bootstrap import opened
from cpe_manager.domain.access.access import Principal, Role
from cpe_manager.domain.changes.requests import ChangeRecord, ChangeState
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.changes import ChangeFilter
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.settings import load
from cpe_manager.wiring import Parts
from tests.e2e.world import World, eventually

S = ChangeState
DESK: Final = Principal("desk", "desk", "user", frozenset({Role.OPERATOR}))
FIRST_PORT: Final = 10_000
PATIENCE: Final = 3_000.0


@dataclass
class Played:
    """What was left. ``texts``: what the boxes run in the end, by device."""

    tickets: list[str]
    records: list[ChangeRecord]
    pushes: dict[str, list[Push]]
    texts: dict[str, str]
    kills: int
    seconds: float
    sent: int
    asked: dict[str, int] = field(default_factory=dict)
    """Port by the request's id."""

    def of_device(self) -> Mapping[str, list[ChangeRecord]]:
        found: dict[str, list[ChangeRecord]] = defaultdict(list)
        for record in self.records:
            found[record.change.device].append(record)
        return found

    def waits(self) -> list[float]:
        """Seconds from each approval to the execution that came of it."""
        return [(began - approved).total_seconds() for record in self.records for approved, began in rounds(record)]


def rounds(record: ChangeRecord) -> list[tuple[datetime, datetime]]:
    """(approved, executing) for each time that it was begun on an approval."""
    found: list[tuple[datetime, datetime]] = []
    approved: datetime | None = None
    for step in record.steps:
        if step.state is S.APPROVED:
            approved = step.at
        elif step.state is S.EXECUTING and approved is not None:
            found.append((approved, step.at))
            approved = None
    return found


def stays(record: ChangeRecord, state: ChangeState) -> list[tuple[datetime, datetime]]:
    """When it was in a state, from and to."""
    pairs = pairwise(record.steps)
    return [(one.at, following.at) for one, following in pairs if one.state is state]


def prepare(w: World, devices: int) -> None:
    """A fleet with its first backups, and a daemon."""
    w.fleet(devices, extra=("--mix", "openwrt"))
    w.init()
    w.serve()
    w.ok("devices", "import", str(w.inventory))
    eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] != "open", within=900, every=0.5)


async def play(w: World, count: int, kills: int, seed: int = 1) -> Played:
    """``count`` requests over the fleet, to their ends."""
    chance = random.Random(seed)
    settings = load(w.data)
    loop = asyncio.get_running_loop()
    async with opened(settings) as parts:
        names = await _sell(parts)
        inside = {name: await _inside(parts, name) for name in names}
        started = loop.time()
        program, writer = await _token(w, "program", "executor"), await _token(w, "writer", "approver")
        killing = asyncio.create_task(_kill(w, kills, chance))
        approving = asyncio.create_task(_approve(w, writer))
        asked = {f"k{number}": (names[number % len(names)], FIRST_PORT + number) for number in range(count)}
        sent = 0
        orders = [key for key in asked for _ in range(chance.choice((1, 1, 2, 3)))]
        chance.shuffle(orders)
        made: dict[str, str] = {}
        room = asyncio.Semaphore(32)

        async def send(key: str) -> None:
            name, port = asked[key]
            opening = {"inside": inside[name], "port": port}
            body = {"type": "open-port", "parameters": {"ports": [opening]}, "device": name}
            async with room:
                answer = await _insist(w, program, "POST", "changes", body, key)
            assert answer.status_code == 202, answer.text
            assert made.setdefault(key, answer.json()["id"]) == answer.json()["id"], "one key gave two requests"

        async with asyncio.TaskGroup() as group:
            for key in orders:
                group.create_task(send(key))
        sent = len(orders)
        await _until_closed(parts, count, approving, w)
        seconds = loop.time() - started
        await killing
        approving.cancel()
        records = [await parts.services.changes.show(each, by=DESK) for each in made.values()]
        pushes = {name: await _pushes(parts, name) for name in names}
        with w.sim() as sim:
            texts = {name: sim.show(name) for name in names}
        ports = {made[key]: port for key, (_, port) in asked.items()}
        tickets = [record.change.ticket for record in records]
        return Played(tickets, records, pushes, texts, kills, seconds, sent, ports)


async def _sell(parts: Parts) -> list[str]:
    devices = await parts.services.inventory.list(DeviceFilter(), limit=5_000)
    for view in devices.items:
        values = {"customer": "c", "formula": "pro-plus", "technology": "copper"}
        await parts.services.subscriptions.put(view.device.site, values, DESK)
    return [view.device.name for view in devices.items]


async def _inside(parts: Parts, name: str) -> str:
    """An address of a host inside, by the box's first backup."""
    neutral = await parts.services.history.neutral(await parts.services.history.find(name))
    first, _, last = str(neutral["lan"]["address"]).partition("/")[0].rpartition(".")
    return f"{first}.{'250' if last != '250' else '251'}"


async def _token(w: World, name: str, role: str) -> str:
    made = await _insist(w, w.token, "POST", "accounts", {"name": name, "kind": "service", "roles": [role]})
    assert made.status_code == 201, made.text
    token = await _insist(w, w.token, "POST", f"accounts/{name}/tokens", {"name": "bench"})
    assert token.status_code == 201, token.text
    return str(token.json()["text"])


async def _insist(
    w: World, token: str, method: str, path: str, body: Any = None, key: str | None = None
) -> httpx.Response:
    """Until there is an answer that is not ``come again``; the daemon may be gone, or elsewhere by now."""
    headers = {"Authorization": f"Bearer {token}"} | ({} if key is None else {"Idempotency-Key": key})
    while True:
        try:
            async with httpx.AsyncClient(timeout=60) as client:
                answer = await client.request(method, f"{w.url}/api/v1/{path}", json=body, headers=headers)
            if answer.status_code not in (429, 502, 503):
                return answer
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.3)


async def _approve(w: World, token: str) -> None:
    """As they come, and again when they are asked again, until cancelled."""
    while True:
        page = (await _insist(w, token, "GET", "approvals?limit=200")).json()
        for change in reversed(page["items"]):
            body = {"digest": change["shown"]["digest"], "words": "told us by telephone"}
            answer = await _insist(w, token, "POST", f"changes/{change['id']}/approval", body)
            assert answer.status_code in (200, 409), answer.text
        await asyncio.sleep(0.2)


async def _kill(w: World, kills: int, chance: random.Random) -> None:
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(2.0, 12.0))
        await asyncio.to_thread(_kill_one, w)


def _kill_one(w: World) -> None:
    next(process for process in reversed(w.processes) if process.name == "daemon").kill()
    w.serve()


async def _until_closed(parts: Parts, count: int, approving: asyncio.Task[None], w: World) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    counts: Counter[str] = Counter()
    while loop.time() < deadline:
        counts = Counter()
        after: str | None = None
        while True:
            page = await parts.services.changes.list(ChangeFilter(), by=DESK, after=after, limit=500)
            counts.update(one.state.value for one in page.items)
            if (after := page.next) is None:
                break
        if counts["closed"] == count:
            return
        if approving.done():
            approving.result()
        await asyncio.sleep(0.5)
    raise AssertionError(f"not all were closed: {counts}\n{w.logs()}")


async def _pushes(parts: Parts, name: str) -> list[Push]:
    found: list[Push] = []
    after: str | None = None
    while True:
        page = await parts.services.pushes.list(device=name, after=after, limit=200)
        found += page.items
        if (after := page.next) is None:
            return found


def wrong(played: Played) -> list[str]:
    """What is not as it has to be; empty when everything is."""
    found = []
    numbers = sorted(played.tickets)
    if numbers != [f"CHG-{number:06}" for number in range(1, len(numbers) + 1)]:
        found.append(f"tickets have gaps: {numbers[:3]}...{numbers[-1]}")
    for record in played.records:
        states = [step.state for step in record.steps]
        if states.count(S.DONE) != 1 or states[-1] is not S.CLOSED:
            found.append(f"{record.change.ticket} went {[state.value for state in states]}")
        confirmed = [one for one in played.pushes[record.change.device] if _is_of(one, record) and _stands(one)]
        if len(confirmed) != 1:
            found.append(f"{record.change.ticket} was executed {len(confirmed)} times")
        times = played.texts[record.change.device].count(f"'{played.asked[record.change.id]}'")
        if times < 1:
            found.append(f"{record.change.ticket}: the box has no port {played.asked[record.change.id]}")
    for name, records in played.of_device().items():
        found += [f"{name}: {told}" for told in disorder(records)]
    return found


def _is_of(push: Push, record: ChangeRecord) -> bool:
    return f":change:{record.change.id}:" in (push.key or "")


def _stands(push: Push) -> bool:
    return push.phase is Phase.CONFIRMED


def disorder(records: Sequence[ChangeRecord]) -> list[str]:
    """Of one device: two that executed together, or one that went before another that was approved earlier and due."""
    found = []
    spans = sorted(
        (start, end, record.change.ticket) for record in records for start, end in stays(record, S.EXECUTING)
    )
    for (_, end, one), (start, _, other) in pairwise(spans):
        if start < end:
            found.append(f"{other} began before {one} had ended")
    begun: list[tuple[datetime, datetime, Any]] = [(*each, one.change) for one in records for each in rounds(one)]
    for approved, began, change in begun:
        for earlier, later, other in begun:
            retried = other.tries or other.round > len(rounds_of(records, other.id)) - 1
            if earlier < approved and later > began and not retried and earlier < began:
                found.append(f"{change.ticket} went before {other.ticket}, which was approved earlier")
    return found


def rounds_of(records: Sequence[ChangeRecord], change_id: str) -> list[tuple[datetime, datetime]]:
    return next(rounds(record) for record in records if record.change.id == change_id)


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def told(played: Played) -> dict[str, Any]:
    """Figures of a run."""
    waits = played.waits()
    first = [
        (began - approved).total_seconds()
        for records in played.of_device().values()
        for approved, began in sorted(pair for record in records for pair in rounds(record))[:1]
    ]
    steps = Counter(step.state.value for record in played.records for step in record.steps)
    return {
        "changes": len(played.records),
        "sent": played.sent,
        "devices": len(played.pushes),
        "kills": played.kills,
        "seconds": round(played.seconds, 1),
        "executed": sum(_stands(push) for some in played.pushes.values() for push in some),
        "asked_again": steps["accepted"] - len(played.records),
        "pushes": sum(len(some) for some in played.pushes.values()),
        "wait_p50_s": round(statistics.median(waits), 2),
        "wait_p95_s": round(percentile(waits, 0.95), 2),
        "first_of_device_p50_s": round(statistics.median(first), 2),
        "first_of_device_p95_s": round(percentile(first, 0.95), 2),
        "wrong": wrong(played),
    }
