"""Coverage as the box itself can measure it: signal and registration over SNMP, a transfer bound to its mobile port."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

import structlog

from cpe_manager.domain.errors import Conflict, CpeManagerError, DeviceError, InputError
from cpe_manager.domain.failover.coverage import CoverageReading
from cpe_manager.domain.failover.lines import Line, Way
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.ports.coverage import Transfer, Transferring
from cpe_manager.ports.driver import Driver, Wired
from cpe_manager.ports.sensing import LinePoller
from cpe_manager.ports.shell import Shell
from cpe_manager.ports.stores import InventoryStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.fleet.targets import known, target_of

log = structlog.get_logger()

AT_ONCE: Final = 4
"""Checks at the same time: each of them fills a customer's mobile connection for some seconds."""
NOT_TOLD: Final = "signal and registration are not told by SNMP"


@dataclass(frozen=True, slots=True)
class TransferTest:
    """What is fetched and sent. Empty URLs: nothing to measure against. ``seconds``: for each direction."""

    download_url: str = ""
    upload_url: str = ""
    seconds: float = 10.0


class BoxCoverage:
    """``CoverageMeter`` by the box itself. ``poller`` None: no SNMP from here."""

    def __init__(
        self, inventory: InventoryStore, outside: Outside, test: TransferTest, poller: LinePoller | None = None
    ) -> None:
        self._inventory, self._outside, self._test, self._poller = inventory, outside, test, poller
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def measure(self, line: Line) -> CoverageReading:
        if not self._test.download_url and not self._test.upload_url:
            raise InputError(
                "nothing to measure against: set coverage_download_url and coverage_upload_url, or record a verdict "
                "that was found on site"
            )
        view = await self._inventory.device(line.device_id)
        resolved = resolve(view.device, {group.name: group for group in await self._inventory.groups()})
        driver = self._outside.drivers.get(known("family", resolved.family))
        if not view.pinned_keys and resolved.settings.transport == "ssh":
            raise Conflict(f"{line.device} was never visited; its first backup learns its host key")
        target = target_of(view.device, resolved, view.pinned_keys)
        reading = await self._told(line)
        if not isinstance(driver, Transferring):
            return _with(reading, f"a {driver.spec.family} box cannot measure a transfer from here")
        secrets = tuple(self._outside.credentials.get(target.credential_ref).secrets())
        with ExitStack() as held:
            held.enter_context(self._outside.redactor.holding(*secrets))
            async with self._slots, self._outside.sessions.open(target) as opened:
                port = line.setup.mobile_port or await _mobile_port(driver, opened.shell)
                if not port:
                    return _with(reading, "the box has no mobile interface, as far as its configuration tells")
                return await self._transfers(driver, opened.shell, port, reading)

    async def _transfers(
        self, driver: Transferring, shell: Shell, port: str, reading: CoverageReading
    ) -> CoverageReading:
        test = self._test
        for way, url in (("down", test.download_url), ("up", test.upload_url)):
            if not url:
                reading = _with(reading, f"no URL is set for {way}")
                continue
            try:
                mbps = await driver.transfer(shell, Transfer(url, port, upload=way == "up", seconds=test.seconds))
            except DeviceError as error:
                reading = _with(reading, f"{way}: {error}")
                continue
            reading = replace(reading, down_mbps=mbps) if way == "down" else replace(reading, up_mbps=mbps)
        return reading

    async def _told(self, line: Line) -> CoverageReading:
        if self._poller is None:
            return CoverageReading(reason=NOT_TOLD)
        try:
            polled = await self._poller.poll(line.id)
        except CpeManagerError as error:
            log.info("coverage.not_told", line=line.id, code=error.code, error=str(error))
            return CoverageReading(reason=NOT_TOLD)
        mobile = next((port for port in polled.ports if port.way is Way.MOBILE), None)
        if mobile is None or (mobile.up is None and mobile.signal is None):
            return CoverageReading(reason=NOT_TOLD)
        return CoverageReading(signal_dbm=mobile.signal, registered=mobile.up)


async def _mobile_port(driver: Driver, shell: Shell) -> str:
    if not isinstance(driver, Wired):
        return ""
    text = (await driver.fetch(shell)).text
    return next(iter(driver.interfaces(text).roles.get(Role.MOBILE, ())), "")


def _with(reading: CoverageReading, reason: str) -> CoverageReading:
    return replace(reading, reason=f"{reading.reason}; {reason}" if reading.reason else reason)
