"""Coverage as a box measures it: whom it asks, what it makes of half an answer, and what it does not touch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import CommandRefused, Conflict, ConnectFailed, DeviceTimeout, InputError
from cpe_manager.domain.failover.coverage import CoverageReading
from cpe_manager.domain.failover.lines import Line, LineSetup, Way
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.ports.coverage import Transfer
from cpe_manager.ports.driver import Driver
from cpe_manager.ports.sensing import LineReading, PortReading
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Credential, ExecResult, Shell, Target
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.failover.coverage import BoxCoverage, TransferTest
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.credentials import FixedCredentials
from tests.fakes.drivers import FAMILY, FixedDrivers, PlainDriver
from tests.fakes.shell import ScriptedShell
from tests.support.one_box import enrolled

TEST = TransferTest("http://192.0.2.80/25mb", "http://192.0.2.80/sink", 5)
TOLD = LineReading((PortReading(Way.FIXED, True), PortReading(Way.MOBILE, True, signal=-83.0)))


class MeasuringDriver(PlainDriver):
    """Its boxes measure, and have one mobile port."""

    def __init__(self, speeds: dict[bool, float | CommandRefused], ports: tuple[str, ...] = ("wwan0",)) -> None:
        super().__init__()
        self.asked: list[Transfer] = []
        self._speeds, self._ports = speeds, ports

    async def transfer(self, shell: Shell, test: Transfer) -> float:
        del shell
        self.asked.append(test)
        found = self._speeds[test.upload]
        if isinstance(found, CommandRefused):
            raise found
        return found

    def interfaces(self, text: str) -> Interfaces:
        assert text == "hostname r1\n"
        return Interfaces(self._ports, {Role.MOBILE: self._ports})

    def adopted(self, text: str, present: str, names: Any) -> str:
        del present, names
        return text


class Poller:
    def __init__(self, found: LineReading | Exception) -> None:
        self._found = found

    async def poll(self, line_id: str) -> LineReading:
        assert line_id == "l1"
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def way_of(self, line_id: str, index: int, name: str) -> Way | None:
        del line_id, index, name
        return None


@dataclass
class OneBox:
    """``Sessions`` with one box behind every address; ``error``: nobody gets in."""

    error: Exception | None = None
    opened: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        if self.error is not None:
            raise self.error
        self.opened.append(target.name)
        yield OpenedSession(
            ScriptedShell(commands={"*": ExecResult("hostname r1\n", "", 0)}), "ssh-ed25519 AAAA", "192.0.2.7"
        )


@dataclass
class Bench:
    database: Database
    keys: KeyFile
    device: Device
    sessions: OneBox = field(default_factory=OneBox)

    def meter(self, driver: Driver, poller: Poller | None = None, test: TransferTest = TEST) -> BoxCoverage:
        credentials = FixedCredentials({"lab": Credential("backup", "login-secret-1")})
        clock = SimulatedClock()
        outside = Outside(self.sessions, FixedDrivers(driver), credentials, Vault(self.keys), clock, CountingIds())
        return BoxCoverage(self.database.inventory, outside, test, poller)

    def line(self, **more: Any) -> Line:
        return Line("l1", "L1", "s1", self.device.id, "r1", "", replace(LineSetup("l1"), **more))


@pytest.fixture
async def bench(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Bench]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(tmp_path / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(sqlite_url) as database:
        device = await enrolled(database, clock, ids, FAMILY)
        yield Bench(database, keys, device)


async def test_signal_registration_and_both_directions_are_measured_over_the_mobile_port(bench: Bench) -> None:
    driver = MeasuringDriver({False: 21.5, True: 7.25})
    found = await bench.meter(driver, Poller(TOLD)).measure(bench.line())
    assert found == CoverageReading(-83.0, True, 21.5, 7.25)
    assert driver.asked == [Transfer(TEST.download_url, "wwan0", False, 5), Transfer(TEST.upload_url, "wwan0", True, 5)]
    assert bench.sessions.opened == ["r1"]


async def test_a_port_that_was_named_is_taken_at_its_word(bench: Bench) -> None:
    driver = MeasuringDriver({False: 1.0, True: 1.0}, ports=())
    await bench.meter(driver).measure(bench.line(mobile_port="wwan1"))
    assert {one.port for one in driver.asked} == {"wwan1"}
    found = await bench.meter(driver).measure(bench.line())
    assert "no mobile interface" in found.reason


async def test_half_an_answer_is_kept_with_what_is_missing(bench: Bench) -> None:
    driver = MeasuringDriver({False: 21.5, True: CommandRefused("Connection refused")})
    for poller in (None, Poller(DeviceTimeout("r1: no answer")), Poller(LineReading(()))):
        found = await bench.meter(driver, poller).measure(bench.line())
        assert (found.signal_dbm, found.registered, found.down_mbps, found.up_mbps) == (None, None, 21.5, None)
        assert found.reason == "signal and registration are not told by SNMP; up: Connection refused"
    one_way = replace(TEST, upload_url="")
    assert "no URL is set for up" in (await bench.meter(driver, None, one_way).measure(bench.line())).reason


async def test_what_cannot_be_measured_at_all_is_an_error_and_a_box_that_cannot_is_told(bench: Bench) -> None:
    with pytest.raises(InputError, match="on site"):
        await bench.meter(MeasuringDriver({}), None, TransferTest()).measure(bench.line())
    found = await bench.meter(PlainDriver(), Poller(TOLD)).measure(bench.line())
    assert (found.signal_dbm, found.reason) == (-83.0, "a plain box cannot measure a transfer from here")
    assert bench.sessions.opened == []
    bench.sessions.error = ConnectFailed("nobody there")
    with pytest.raises(ConnectFailed):
        await bench.meter(MeasuringDriver({})).measure(bench.line(mobile_port="wwan0"))
    await bench.database.inventory.pin(bench.device.id, [], at=SimulatedClock().now(), by="test")
    with pytest.raises(Conflict, match="never visited"):
        await bench.meter(MeasuringDriver({})).measure(bench.line())
