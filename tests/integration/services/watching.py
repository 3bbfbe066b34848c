"""A watcher over lines in memory, with sites that fail as a test wants, on simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from cpe_manager.domain.failover.lines import Evidence, FailoverPolicy, FailoverState, Incident, LineRecord, LineSetup
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.services.failover.conductor import Conductor
from cpe_manager.services.failover.rounds import Readying, WatcherParts
from cpe_manager.services.failover.watching import Watcher, WatcherRules
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.failover import Counts, Site, Sites
from tests.fakes.line_store import MemoryLineStore

POLICY = FailoverPolicy(probe_every=1.0, up_for=20.0, up_for_most=100.0, retry_after=30.0, test_every_days=0)
STEP = 0.25


@dataclass
class Bench:
    store: MemoryLineStore
    clock: SimulatedClock
    ids: CountingIds
    sites: Sites
    counts: Counts = field(default_factory=Counts)
    readying: Readying | None = None
    silent: bool = False
    """Nobody looks at the lines."""
    watcher: Watcher | None = None
    task: asyncio.Task[None] | None = None
    echoed: float = float("-inf")

    async def line(self, name: str, *, node: str = "", **more: Any) -> tuple[LineRecord, Site]:
        device = Device(
            id=self.ids.new(), position_id=self.ids.new(), site_id="", site=name, name=name, address="192.0.2.1",
            state=LifeState.ACTIVE, installed_at=self.clock.now(), family="boxed", credential="lab", line="L1",
            access_node=node or None,
        )  # fmt: skip
        self.store.add(device)
        mishaps = more.pop("mishaps", set())
        follows = more.pop("follows", False)
        first = LineSetup("", formula="pro-plus", ordered=True, coverage="passed", platform="edge")
        record = await self.store.set_up(name, first, self.clock.now(), "test")
        line_id = record.line.id
        values: dict[str, Any] = {
            "formula": "pro-plus", "ordered": True, "coverage": "passed", "platform": "edge",
            "line_address": f"fixed-{line_id}", "mobile_address": f"mobile-{line_id}",
            "fixed_ipv4": IPv4Network("198.51.100.7/32"),
        }  # fmt: skip
        record = await self.store.set_up(name, LineSetup("", **(values | more)), self.clock.now(), "test")
        return record, self.sites.add(line_id, mishaps=set(mishaps), follows=follows)

    async def start(self, owner: str = "w1", policy: FailoverPolicy = POLICY) -> Watcher:
        conductor = Conductor(self.sites, self.sites, self.sites, self.clock)
        parts = WatcherParts(self.store, conductor, self.clock, self.ids, self.counts, self.readying)
        self.watcher = Watcher(parts, WatcherRules(owner, policy))
        self.task = asyncio.create_task(self.watcher.run())
        await self.clock.advance(0.1)
        return self.watcher

    async def die(self) -> None:
        """As a killed process."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.watcher = None

    async def passing(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self._echo()
            await self.clock.advance(STEP)

    def _echo(self) -> None:
        if self.watcher is None or self.silent or self.clock.monotonic() - self.echoed < POLICY.probe_every:
            return
        self.echoed = self.clock.monotonic()
        for site in self.sites.of.values():
            site.follow()
            for seen in site.evidence(self.clock.now().timestamp()):
                self.watcher.observe(seen)

    async def until(self, probe: Callable[[], Any], seconds: float = 400.0) -> None:
        for _ in range(round(seconds / STEP)):
            if probe():
                return
            await self.passing(STEP)
        raise AssertionError(f"it never came: {[(one.state, one.reasons) for one in self.records()]}")

    def records(self) -> list[LineRecord]:
        return [row.record for row in self.store.rows.values()]

    def state(self, site: Site) -> FailoverState:
        return self.store.rows[site.line_id].record.state

    async def reach(self, site: Site, state: FailoverState, seconds: float = 400.0) -> None:
        await self.until(lambda: self.state(site) is state, seconds)

    async def want(self, site: Site, what: Any) -> None:
        await self.store.want(site.line_id, what, by="op", at=self.clock.now())

    def history(self, site: Site) -> list[FailoverState]:
        return [one.after for _, one in self.store.transitions if one.line_id == site.line_id]

    def incidents(self, *, open_only: bool = False) -> list[Incident]:
        return [one for one in self.store.all_incidents.values() if not open_only or one.closed_at is None]

    def observe(self, seen: Evidence) -> None:
        assert self.watcher is not None
        self.watcher.observe(seen)


@asynccontextmanager
async def bench_of() -> AsyncIterator[Bench]:
    clock = SimulatedClock()
    bench = Bench(MemoryLineStore(), clock, CountingIds(), Sites(clock))
    try:
        yield bench
    finally:
        if bench.watcher is not None:
            await bench.die()
