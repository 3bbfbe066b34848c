"""The whole product in one process, as bootstrap builds it, and virtual boxes: an old one in service, a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cpe_manager import bootstrap
from cpe_manager.domain.fleet.host_keys import fingerprint
from cpe_manager.domain.fleet.inventory import DeviceRecord
from cpe_manager.domain.replacement.replacements import ReplacementRecord, Unit
from cpe_manager.services.bundle import Services
from cpe_manager.services.replacement.replacements import ReplacementAsked, Said
from cpe_manager.settings import Settings
from cpe_manager.wiring import Parts
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown

PATIENCE = 100.0
DRIVERS = DriverRoster()
OPTIONS: Mapping[str, Mapping[str, str]] = {"frr_linux": {"mode": "linux"}}


def spec_of(name: str, family: str, seed: int) -> DeviceSpec:
    return DeviceSpec(name, family, seed=seed, options=OPTIONS.get(family, {}))


@dataclass
class Bench:
    parts: Parts
    old: Device
    new: Device
    families: tuple[str, str]

    @property
    def services(self) -> Services:
        return self.parts.services

    @property
    def key(self) -> str:
        return fingerprint(self.new.host_key_public)

    def serial(self) -> str:
        return "" if self.new.spec.family == "openwrt" else serial_of(self.new)

    async def in_service(self) -> None:
        record = DeviceRecord(
            name=self.old.name, address=self.old.address, file="", line=0, site="s1", port=self.old.port,
            family=self.families[0], credential="old", serial="OLD-1",
        )  # fmt: skip
        await self.services.inventory.add(record, by="test", host_key=self.old.host_key_public)
        async with asyncio.timeout(PATIENCE):
            while not (await self.services.inventory.show(self.old.name)).status.current_backup_id:
                await asyncio.sleep(0.1)

    async def order(self, **more: Any) -> str:
        unit = Unit(
            serial=more.pop("serial", None) or self.serial() or "NEW-1",
            address=self.new.address,
            port=self.new.port,
            family=self.families[1] if self.families[0] != self.families[1] else None,
            credential="new",
        )
        asked = ReplacementAsked(self.old.name, unit, **more)
        return (await self.services.replacements.order(asked, by="test")).id

    async def until(self, replacement_id: str, *words: str) -> ReplacementRecord:
        """Once it asks one of these, or has come to one of these stages, or has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                record = await self.services.replacements.show(replacement_id)
                progress = record.replacement.progress
                if progress.ended_at or {progress.stage.value, *(ask.value for ask in progress.asks)} & set(words):
                    return record
                await asyncio.sleep(0.05)

    async def through(self, replacement_id: str) -> ReplacementRecord:
        """To its end, accepting whatever is shown."""
        while True:
            record = await self.until(replacement_id, "key", "plan", "retry")
            progress = record.replacement.progress
            if progress.ended_at or "retry" in progress.asks:
                return record
            plan = progress.plan.get("fingerprint") if "plan" in progress.asks else None
            key = self.key if "key" in progress.asks else None
            await self.services.replacements.accept(replacement_id, Said(key, plan), by="test")

    def running(self, device: Device) -> str:
        return shown(device)


def serial_of(device: Device) -> str:
    """The serial number that the box itself tells."""
    from simulators.generate.site import make_site

    site = make_site(device.spec)
    return site.serial_digits if device.spec.family == "teltonika" else site.serial


@asynccontextmanager
async def bench(home: Path, old: str, new: str, *, user: str = "backup") -> AsyncIterator[Bench]:
    """``user``: whose log-in the old box has."""
    settings = Settings(data_dir=home / "data", sweep_seconds=0.3)
    await bootstrap.init(settings)
    specs = [replace(spec_of("SITE-1", old, 3), username=user), spec_of("NEW-1", new, 11)]
    async with Fleet(specs) as fleet:
        boxes = fleet.devices
        settings.credentials.write_text(_log_in("old", boxes[0]) + _log_in("new", boxes[1]))
        async with running(settings) as parts:
            yield Bench(parts, *boxes, (old, new))


def _log_in(name: str, box: Device) -> str:
    secrets = box.spec.secrets
    enable = f'enable_password = "{secrets.enable}"\n' if box.spec.family == "cisco_ios" else ""
    return f'[credentials.{name}]\nusername = "{box.spec.username}"\npassword = "{secrets.login}"\n{enable}'


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Parts]:
    async with bootstrap.opened(settings) as parts:
        await parts.take_over()
        await parts.engine.start()
        tasks = [asyncio.create_task(task(), name=name) for name, task in parts.tasks.items()]
        try:
            yield parts
        finally:
            await parts.engine.stop(1.0)
            await parts.worker.close(1.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
