"""The commit path over a real database and real sessions to a virtual box whose clock, like ours, a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, cast

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import DeviceError
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, Management, Wan
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.driver import FullDriver, Guarded, Replacing
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.sessions import OpenedSession, Sessions
from cpe_manager.ports.shell import Target
from cpe_manager.ports.stores import InventoryChanges, Settled, SiteChange
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.push_trip import Care
from cpe_manager.services.push.pushes import PushAsked, Pushes, PushStores
from drivers.roster import DriverRoster
from simulators import device as simulated
from simulators.fleet import Fleet
from simulators.reach.view import Surroundings
from tests.contract.drivers.harness import credential_of, sessions_for, shown, significant, specs_of
from tests.contract.drivers.roster import MODELLED, DriverCase
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials

AT = Surroundings(IPv4Address("10.100.7.9"), IPv4Address("198.18.7.2"), IPv4Address("198.18.7.1"))
SETUP = CpeConfig(
    "SITE-1",
    wan=Wan("static", IPv4Interface("198.18.7.2/24"), IPv4Address("198.18.7.1")),
    lan=Lan(IPv4Interface("192.168.77.1/24")),
    management=Management((IPv4Network("10.100.7.0/24"),)),
)
"""A box that is managed at its internet address."""
CASES = tuple({case.family: case for case in reversed(MODELLED)}.values())
"""One for each family."""


class NoEngine:
    async def enqueue(self, tickets: Any) -> None: ...


class Whole(FullDriver, Guarded, Replacing):
    """What these tests ask of a driver."""


@dataclass
class Net:
    """``ports.sessions.Sessions``: the way from the addresses of the inventory to where the box really listens."""

    inner: Sessions
    box: simulated.Device
    case: DriverCase
    opened: int = 0

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        host = target.host if self.box.roams else self.box.address
        there = replace(target, host=host, port=self.box.port, options=self.case.device)
        async with self.inner.open(there) as session:
            self.opened += 1
            yield replace(session, manager=str(AT.manager))


@dataclass
class Bench:
    """One virtual box and one push at a time."""

    case: DriverCase
    fleet: Fleet
    box: simulated.Device
    driver: Whole
    net: Net
    clock: SimulatedClock
    database: Database
    outside: Outside
    pushes: Pushes
    cut_off: bool = False
    """Whether the box could not be reached at some time while a push was worked on."""
    care: Care | None = None
    watch: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> str:
        return significant(shown(self.box), self.box)

    def asked(self, **more: Any) -> PushAsked:
        return PushAsked("r1", **({"guard_seconds": 120} | more))

    async def ask(self, **more: Any) -> Push:
        return await self.pushes.submit(self.asked(**more), by="op")

    async def work(self, push: Push, store: PushStore | None = None) -> Settled:
        """To its end. While somebody waits on our clock time runs; else about as fast as outside. ``store``: through
        which the push is written, if not as a matter of course."""
        (row,) = await self.database.jobs.claim(
            push.job_id, 0, owner="w1", now=self.clock.now(), ttl=600, limit=1, per_access_node=0
        )
        path = CommitPath(self.outside, store or self.database.pushes, self.database.backups, self.care)
        task = asyncio.create_task(path.run(row, {}))
        while not task.done():
            await asyncio.sleep(0.01)
            await self.passes(2.0 if self.clock.sleepers else 0.01)
            self.cut_off = self.cut_off or not self.box.answers
            for look in self.watch:
                look()
            kept = await self.database.jobs.renew([row.lease], now=self.clock.now(), ttl=600)
            row = replace(row, lease=kept[0])
        settled = task.result()
        assert await self.database.jobs.settle([replace(settled, lease=row.lease)]) == []
        return settled

    async def passes(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.box.tick()
        # A roaming box listens at its new address a moment after it has moved.
        await self.fleet.settled()

    async def once(self, what: Callable[[Whole, Any], Any]) -> Any:
        """Do something in a session of its own, as soon as the box is reached."""
        target = Target("r1", "r1", self.box.address, self.box.port, self.case.family, self.box.name,
                        (self.box.host_key_public,), options=self.case.device)  # fmt: skip
        async with asyncio.timeout(30):
            while True:
                try:
                    async with self.net.inner.open(target) as opened:
                        return await what(self.driver, opened.shell)
                except DeviceError as error:
                    if error.code not in ("connect_failed", "session_dropped"):
                        raise
                    await asyncio.sleep(0.1)

    async def become(self, wanted: CpeConfig) -> None:
        """Change the box beside all pushes, and keep it."""

        async def change(driver: Whole, shell: Any) -> None:
            await driver.apply(shell, driver.render((await driver.fetch(shell)).text, wanted))
            await driver.save(shell)

        await self.once(change)


@asynccontextmanager
async def bench(
    case: DriverCase, home: Path, url: str, *, managed: bool = True, at: str = "", down_time: float = 0.05
) -> AsyncIterator[Bench]:  # fmt: skip
    """``managed``: the box is set up to be managed at its internet address, and may cut itself off. ``at``: that
    address in 127/8, for a box that is really found there, and elsewhere when its configuration says so."""
    clock, ids = SimulatedClock(datetime.now(UTC)), CountingIds()
    keys = KeyFile(home / "keyring.json", ids)
    keys.create(clock.now())
    async with (
        Fleet(
            [replace(one, **({"address": at} if at else {})) for one in specs_of(case, ["SITE-1"], seed=11)],
            down_time=down_time,
        ) as fleet,
        await Database.open(url) as database,
    ):
        await database.maintenance.migrate()
        box = fleet.devices[0]
        box.state.clock = clock.now
        device = Device(
            id=ids.new(), position_id=ids.new(), site_id="", site="s1", name="r1", address=at or str(AT.address),
            state=LifeState.ACTIVE, installed_at=clock.now(), family=case.family, credential=box.name,
        )  # fmt: skip
        changes = InventoryChanges(at=clock.now(), sites=(SiteChange("s1", ids.new()),), add=(device,))
        await database.inventory.apply(changes)
        await database.inventory.pin(device.id, [box.host_key_public], at=clock.now(), by="test")
        net = Net(cast("Sessions", sessions_for(fleet.devices)), box, case)
        drivers, login = DriverRoster(), FixedCredentials({box.name: credential_of(box)})
        outside = Outside(net, cast("Any", drivers), login, Vault(keys), clock, ids)
        stores = PushStores(database.pushes, database.inventory, database.backups)
        pushes = Pushes(stores, cast("Any", NoEngine()), outside)
        driver = cast("Whole", drivers.get(case.family))
        made = Bench(case, fleet, box, driver, net, clock, database, outside, pushes)
        if at:
            own = IPv4Interface(f"{at}/24")
            wan = Wan("static", own, own.network.network_address + 1)
            await made.become(replace(SETUP, wan=wan))
            box.roam(str(AT.manager))
        elif managed:
            await made.become(SETUP)
            box.surroundings = AT
            assert box.answers, "the box cannot be reached to begin with"
        yield made


def has(bench: Bench, feature: Feature) -> bool:
    return feature in bench.driver.spec.features
