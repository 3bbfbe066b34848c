"""The whole product in one process, as bootstrap builds it, and a virtual box at a site that is to be activated."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpe_manager import bootstrap
from cpe_manager.domain.activation.activation_flow import ENDS, State
from cpe_manager.domain.activation.activations import Activation, ActivationRecord, TestResult
from cpe_manager.domain.fleet.inventory import DeviceRecord
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.ports.driver import Modelled
from cpe_manager.services.activation.orders import ActivationAsked
from cpe_manager.services.bundle import Services
from cpe_manager.services.push.pushes import PushAsked
from cpe_manager.settings import Settings
from cpe_manager.wiring import Parts
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown

PATIENCE = 110.0
DRIVERS = DriverRoster()
OPTIONS = {"frr_linux": {"mode": "linux"}}
PROBER = Path(__file__).parents[2] / "support" / "outside_prober.py"
SITE = "bakery"


@dataclass
class Site:
    parts: Parts
    box: Device
    family: str
    outside: Path
    """What the internet sees of the site's ports."""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.parts.services

    @property
    def config(self) -> CpeConfig:
        """What the box runs now, read from the simulator itself."""
        driver = DRIVERS.get(self.family)
        assert isinstance(driver, Modelled)
        return driver.parse(shown(self.box))

    def seen_from_outside(self, **ports: str | list[str]) -> None:
        """``p443="open"``; of a list one word is said each time."""
        self.outside.write_text(json.dumps({name.lstrip("p"): seen for name, seen in ports.items()}))

    async def enrolled(self) -> None:
        """In the inventory, visited once: its host key is known."""
        record = DeviceRecord(
            name=self.box.name, address=self.box.address, file="", line=0, site=SITE, port=self.box.port,
            family=self.family, credential="box",
        )  # fmt: skip
        await self.services.inventory.add(record, by="test", host_key=self.box.host_key_public)
        async with asyncio.timeout(PATIENCE):
            while not (await self.services.inventory.show(self.box.name)).status.current_backup_id:
                await asyncio.sleep(0.05)

    async def order(self, *, key: str | None = None, **order: Any) -> Activation:
        whole = {"formula": "pro-plus", "technology": "copper", "customer": "Bakery bv", **order}
        return await self.services.activations.order(ActivationAsked(self.box.name, whole, key), by="op")

    async def rests(self, one: Activation, *states: State) -> ActivationRecord:
        """Once it has ended, waits for a person, or is in one of these states."""
        wanted = {*ENDS, State.FAILED, *states}
        async with asyncio.timeout(PATIENCE):
            while True:
                record = await self.services.activations.show(one.id)
                if record.activation.progress.state in wanted:
                    return record
                await asyncio.sleep(0.05)

    async def pushes(self) -> list[str]:
        """Keys of the pushes of the box, oldest first, without the name of who asked."""
        page = await self.services.pushes.list(device=self.box.name, limit=100)
        return [(one.key or "").partition(":")[2] for one in reversed(page.items)]

    async def pushed(self, change: dict[str, Any]) -> None:
        """Somebody else changes the box."""
        push = await self.services.pushes.submit(PushAsked(self.box.name, change=change), by="colleague")
        async with asyncio.timeout(PATIENCE):
            while (ended := (await self.services.pushes.show(push.id)).push).ended_at is None:
                await asyncio.sleep(0.05)
        assert ended.phase is Phase.CONFIRMED, ended.reason

    async def kinds(self) -> list[str]:
        found = await self.services.events.after(0, limit=10_000)
        return [one.kind for one in found if one.kind.startswith("activation.")]


def results_of(record: ActivationRecord, number: int = -1) -> dict[str, TestResult]:
    return {one.name: one for one in record.activation.progress.rounds[number].results}


@asynccontextmanager
async def site(home: Path, family: str, **settings: Any) -> AsyncIterator[Site]:
    home.mkdir(exist_ok=True)
    outside = home / "outside.json"
    outside.write_text("{}")
    chosen = {
        "activation_prober": f"{sys.executable} {PROBER} {outside}",
        "sweep_seconds": 0.3,
        "activation_line_seconds": 1,
    } | settings
    made = Settings(data_dir=home / "data", **chosen)
    if not (home / "data").exists():
        await bootstrap.init(made)
    spec = DeviceSpec("cpe-1", family, seed=5, options=OPTIONS.get(family, {}))
    async with Fleet([spec]) as fleet:
        (box,) = fleet.devices
        secrets = box.spec.secrets
        enable = f'enable_password = "{secrets.enable}"\n' if family == "cisco_ios" else ""
        login = f'username = "{box.spec.username}"\npassword = "{secrets.login}"\n'
        made.credentials.write_text(f"[credentials.box]\n{login}{enable}")
        async with running(made) as parts:
            found = Site(parts, box, family, outside)
            await found.enrolled()
            yield found


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Parts]:
    """One process from its start to its stop."""
    async with bootstrap.opened(settings) as parts:
        await parts.take_over()
        await parts.engine.start()
        tasks = [asyncio.create_task(_body(run), name=name) for name, run in parts.tasks.items()]
        try:
            yield parts
        finally:
            await parts.engine.stop(1.0)
            await parts.worker.close(1.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _body(run: Any) -> None:
    await run()
