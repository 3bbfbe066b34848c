"""What a box's current version says of its ports is known to whoever polls its line."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.services.failover.line_ports import AT_A_LOOK, NONE, READ_FOR, LinePorts
from drivers.roster import DriverRoster
from simulators.device import Device
from tests.contract.drivers.harness import shown, specs_of
from tests.contract.drivers.roster import MODELLED
from tests.fakes.clock import SimulatedClock


class Books:
    """Inventory and backups at once: which version is current, and what it says."""

    def __init__(self) -> None:
        self.current: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.read: Counter[str] = Counter()
        self.looked = 0
        self.busy = False

    async def device(self, device_id: str) -> Any:
        self.looked += 1
        if self.busy:
            raise StoreBusy("locked")
        return SimpleNamespace(status=SimpleNamespace(current_backup_id=self.current.get(device_id)))

    async def redacted(self, backup_id: str) -> bytes:
        self.read[backup_id] += 1
        return self.texts[backup_id].encode()


class World:
    def __init__(self) -> None:
        self.books, self.clock = Books(), SimulatedClock()
        books: Any = self.books
        self.ports = LinePorts(books, books, DriverRoster(), self.clock)
        case = next(case for case in MODELLED if case.family == "frr_linux")
        self.text = shown(Device(specs_of(case, ["SITE-1"], 1)[0]))

    def has(self, device_id: str, backup_id: str, text: str | None = None) -> None:
        self.books.current[device_id] = backup_id
        self.books.texts[backup_id] = self.text if text is None else text


@pytest.fixture
def world() -> World:
    return World()


async def test_the_ports_of_both_ways_are_those_that_the_version_names(world):
    world.has("a", "v1")
    assert world.ports.get("a") == NONE
    assert await world.ports.learn({"a": "frr_linux"})
    assert world.ports.get("a").fixed[0] == "eth0"
    assert not await world.ports.learn({"a": "frr_linux"})
    assert world.books.read == {"v1": 1}


async def test_a_version_is_read_again_only_when_it_is_another(world):
    world.has("a", "v1")
    await world.ports.learn({"a": "frr_linux"})
    await world.clock.advance(READ_FOR + 1)
    assert not await world.ports.learn({"a": "frr_linux"})
    assert world.books.read == {"v1": 1}
    world.has("a", "v2", world.text.replace("eth0", "enp1s0"))
    await world.clock.advance(READ_FOR + 1)
    assert await world.ports.learn({"a": "frr_linux"})
    assert world.ports.get("a").fixed[0] == "enp1s0"


async def test_what_has_no_version_or_no_such_driver_or_cannot_be_read_names_nothing(world):
    world.has("odd", "v1", "no configuration of anything")
    world.has("unknown", "v2")
    families = {"none": "frr_linux", "odd": "cisco_ios", "unknown": "no-such-family", "tail": "netmiko:x"}
    assert not await world.ports.learn(families)
    assert {world.ports.get(name) for name in families} == {NONE}


async def test_of_thousands_some_are_read_at_a_time_and_those_that_left_are_forgotten(world):
    fleet = {f"d{number}": "frr_linux" for number in range(AT_A_LOOK + 5)}
    assert await world.ports.learn(fleet)
    assert world.books.looked == AT_A_LOOK
    assert not await world.ports.learn(fleet)
    assert world.books.looked == AT_A_LOOK + 5
    assert not await world.ports.learn({})
    assert not await world.ports.learn({"d0": "frr_linux"})
    assert world.books.looked == AT_A_LOOK + 6


async def test_a_store_that_refuses_is_an_error_and_nothing_is_taken_for_read(world):
    world.has("a", "v1")
    world.books.busy = True
    with pytest.raises(StoreBusy):
        await world.ports.learn({"a": "frr_linux"})
    world.books.busy = False
    assert await world.ports.learn({"a": "frr_linux"})
