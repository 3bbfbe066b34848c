"""The real port, the real database and real agents, for tests of what becomes of traps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.snmp.receiver import LocalEngine, TrapPort, new_engine
from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.events import Event
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.snmp import SnmpAccess
from cpe_manager.ports.stores import InventoryChanges, SiteChange
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.traps.trap_senders import TrapStores
from cpe_manager.services.traps.traps import Storms, Traps
from simulators.device import Device as Box
from simulators.fleet import Fleet
from simulators.snmp.access import login_of
from simulators.spec import DeviceSpec
from tests.fakes.credentials import FixedCredentials

CLOCK = SystemClock()
ADDRESS = "127.0.0.1"


class StubbornEvents:
    """The real store of events, but for the first ``refusals`` times."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.refusals = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def add(self, events: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreBusy("the database is locked")
        await self._real.add(events)


@dataclass
class Scene:
    database: Database
    traps: Traps
    port: TrapPort
    metrics: Metrics
    events: StubbornEvents

    async def told(self, number: int, kind: str = "trap.", within: float = 40) -> list[Event]:
        """Events of a kind, once there are so many."""
        async with asyncio.timeout(within):
            while True:
                events = await self.database.events.after(0, limit=20_000)
                found = [event for event in events if event.kind.startswith(kind)]
                if len(found) >= number:
                    return found
                await asyncio.sleep(0.05)

    def dropped(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.metrics.render().decode())
        [family] = [family for family in families if family.name == "cpe_snmp_traps_dropped"]
        return {s.labels["reason"]: s.value for s in family.samples if s.name.endswith("_total")}

    async def until_dropped(self, **wanted: float) -> None:
        async with asyncio.timeout(20):
            while self.dropped() != wanted:
                await asyncio.sleep(0.02)


def known(name: str, address: str = ADDRESS, **more: Any) -> Device:
    number = f"{abs(hash(name)):032x}"[-32:]
    values = {"site": name, "site_id": number, "state": LifeState.ACTIVE, "family": "cisco_ios", "credential": name}
    return Device(id=number, position_id=number, name=name, address=address, **{**values, **more})  # type: ignore[arg-type]


@asynccontextmanager
async def scene(
    home: Path, accesses: dict[str, SnmpAccess | None], *devices: Device, storms: Storms | None = None
) -> AsyncIterator[Scene]:
    logins = {name: Credential("x", "y", snmp=access) for name, access in accesses.items()}
    async with await Database.open(f"sqlite:///{home / 'traps.sqlite3'}") as database:
        await database.maintenance.migrate()
        sites = tuple(SiteChange(one.site, one.site_id) for one in devices)
        await database.inventory.apply(InventoryChanges(at=CLOCK.now(), sites=sites, add=devices))
        port = TrapPort(ADDRESS, 0, LocalEngine(new_engine(), 1), CLOCK)
        metrics, events = Metrics(), StubbornEvents(database.events)
        stores = TrapStores(database.inventory, events, FixedCredentials(logins))  # type: ignore[arg-type]
        traps = Traps(port, stores, SnmpPoller(CLOCK), CLOCK, metrics, Redactor(), storms)
        await port.start()
        running = [asyncio.create_task(traps.run()), asyncio.create_task(traps.names.run())]
        try:
            yield Scene(database, traps, port, metrics, events)
        finally:
            for task in running:
                task.cancel()
            ends = await asyncio.gather(*running, return_exceptions=True)
            await port.stop()
            assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


def access_to(box: Box) -> SnmpAccess:
    login = login_of(box.spec)
    return SnmpAccess(login.community, login.user, login.auth_password, login.auth_protocol, login.priv_password)


@asynccontextmanager
async def a_box(name: str = "GENT-01") -> AsyncIterator[Box]:
    async with Fleet([DeviceSpec(name, "cisco_ios", 5)], snmp=True) as fleet:
        yield fleet.devices[0]
