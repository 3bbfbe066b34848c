"""Who looks at lines is told which there are and where their boxes are; platforms and boxes are kept ready in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from cpe_manager.domain.errors import ConnectFailed, DeviceTimeout, StoreBusy
from cpe_manager.domain.failover.lines import FailoverState, LineRecord
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.ports.line_oids import LineTarget
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.snmp import SnmpAccess
from cpe_manager.ports.stores import DeviceFilter, InventoryChanges
from cpe_manager.services.failover.line_ports import LinePorts
from cpe_manager.services.failover.looking import (
    AGAIN_SECONDS,
    ANEW_SECONDS,
    WARM_SECONDS,
    LineLooking,
    Lookers,
    Warmth,
)
from cpe_manager.services.failover.sensed_lines import Place
from drivers.roster import DriverRoster
from simulators.device import Device as Simulated
from tests.contract.drivers.harness import shown, specs_of
from tests.contract.drivers.roster import MODELLED
from tests.fakes.credentials import FixedCredentials
from tests.fakes.inventory_store import MemoryInventoryStore
from tests.fakes.sensing import FakePlatform, FakePlatforms
from tests.integration.services.watching import POLICY, Bench, bench_of

S = FailoverState
ACCESS = SnmpAccess(community="branch")
LOGINS = {"lab": Credential("u", "p", snmp=ACCESS), "mute": Credential("u", "p")}


@dataclass
class Told:
    """Sensing, polling and traps at once: what each was told, in order."""

    lines: list[Sequence[LineRecord]] = field(default_factory=list)
    places: list[Mapping[str, Place]] = field(default_factory=list)
    targets: list[Mapping[str, LineTarget]] = field(default_factory=list)
    hurried: list[str] = field(default_factory=list)

    def set_lines(self, records: Sequence[LineRecord], places: Mapping[str, Place] | None = None) -> None:
        self.lines.append(records)
        self.places.append({} if places is None else places)

    def moved(self, line_id: str, moved: bool) -> None:
        pass

    def hurry(self, line_id: str) -> None:
        self.hurried.append(line_id)

    def set_targets(self, targets: Mapping[str, LineTarget]) -> None:
        self.targets.append(targets)

    def devices(self) -> list[str]:
        return sorted(record.line.device for record in self.lines[-1])


class Inventory(MemoryInventoryStore):
    """``busy``: the database refuses. ``asked``: what devices were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        self.asked: list[DeviceFilter] = []

    async def all_devices(self, where: DeviceFilter) -> Sequence[Device]:
        if self.busy:
            raise StoreBusy("locked")
        self.asked.append(where)
        return await super().all_devices(where)


class Versions:
    """Inventory and backups as far as `LinePorts` reads them: all devices have the same version."""

    def __init__(self) -> None:
        case = next(case for case in MODELLED if case.family == "frr_linux")
        self._text = shown(Simulated(specs_of(case, ["SITE-1"], 1)[0]))

    async def device(self, device_id: str) -> Any:
        return SimpleNamespace(status=SimpleNamespace(current_backup_id="v1"))

    async def redacted(self, backup_id: str) -> bytes:
        return self._text.encode()


class Scene:
    def __init__(self, bench: Bench) -> None:
        self.bench, self.told, self.trapped = bench, Told(), Told()
        self.inventory = Inventory()
        self.task: asyncio.Task[None] | None = None

    async def line(self, name: str, of: Mapping[str, Any] | None = None, **setup: Any) -> LineRecord:
        """A line; ``of``: how its device is, if not as the others."""
        record, _ = await self.bench.line(name, **setup)
        devices = self.bench.store.devices
        known = {"family": "frr_linux", "address": f"addr-{name}", **(of or {})}
        devices[record.line.device_id] = replace(devices[record.line.device_id], **known)
        return record

    async def start(self, *, ports: bool = False) -> None:
        self.inventory.rows = self.bench.store.devices
        watcher = await self.bench.start()
        versions: Any = Versions()
        drivers = DriverRoster()
        found = LinePorts(versions, versions, drivers, self.bench.clock) if ports else None
        lookers = Lookers(self.told, self.told, [self.trapped], found)
        logins = drivers, FixedCredentials(LOGINS)
        looking = LineLooking(watcher, lookers, self.inventory, logins, self.bench.clock)
        self.task = asyncio.create_task(looking.run())
        await self.bench.clock.advance(1)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with bench_of() as bench:
        made = Scene(bench)
        yield made
        if made.task is not None:
            made.task.cancel()
            await asyncio.gather(made.task, return_exceptions=True)


async def test_everybody_is_told_of_the_lines_with_places_and_targets(scene: Scene) -> None:
    await scene.inventory.apply(InventoryChanges(scene.bench.clock.now(), groups=(Group("shops", port=2222),)))
    one = await scene.line("r1", fixed_port="eth7", mobile_port="wwan7")
    two = await scene.line("r2", {"group": "shops", "settings": {"snmp_port": 1161}})
    await scene.start()
    assert scene.told.devices() == [record.line.device for record in scene.trapped.lines[-1]] == ["r1", "r2"]
    assert scene.told.places[-1] == {one.line.id: Place("addr-r1", 22), two.line.id: Place("addr-r2", 2222)}
    first, second = (scene.told.targets[-1][record.line.id] for record in (one, two))
    assert (first.target.host, first.target.port, first.target.access) == ("addr-r1", 161, ACCESS)
    assert (first.fixed_ports, first.mobile_ports) == (("eth7",), ("wwan7",))
    assert (second.target.port, second.fixed_ports, second.mobile_ports) == (1161, (), ())
    assert first.oids == DriverRoster().get("frr_linux").spec.snmp.line
    assert sorted(scene.inventory.asked[-1].names or ()) == ["r1", "r2"]  # not the whole inventory


@pytest.mark.parametrize(
    ("wrong", "placed"),
    [
        ({"credential": "mute"}, True), ({"credential": None}, True), ({"credential": "gone"}, True),
        ({"family": None}, True), ({"family": "unheard-of"}, True), ({"group": "gone"}, False),
        ({"state": LifeState.SUSPENDED}, None),
    ],
)  # fmt: skip
async def test_a_box_that_cannot_be_polled_is_looked_at_all_the_same_and_hinders_no_other(
    scene: Scene, wrong: dict[str, Any], placed: bool | None
) -> None:
    odd = await scene.line("r1", wrong)
    well = await scene.line("r2")
    await scene.start()
    assert scene.told.devices() == (["r2"] if placed is None else ["r1", "r2"])
    assert set(scene.told.places[-1]) == ({odd.line.id, well.line.id} if placed else {well.line.id})
    assert set(scene.told.targets[-1]) == {well.line.id}


async def test_lines_that_come_and_go_are_told_and_many_at_once_are_told_together(scene: Scene) -> None:
    await scene.line("r0")
    await scene.start()
    assert scene.told.devices() == ["r0"]
    times = len(scene.told.lines)
    names = [f"r{number}" for number in range(1, 9)]
    for name in names:
        await scene.line(name)
        assert scene.bench.watcher is not None
        scene.bench.watcher.nudge()
        await scene.bench.clock.advance(0.02)
    await scene.bench.clock.advance(12)
    assert scene.told.devices() == ["r0", *names]
    assert len(scene.told.lines) - times <= 2
    await scene.line("r0", watched=False)
    await scene.bench.clock.advance(12)
    assert scene.told.devices() == names
    assert len(scene.trapped.lines) == len(scene.told.lines) == len(scene.told.targets)


async def test_an_address_that_changed_without_a_word_is_seen_in_time(scene: Scene) -> None:
    record = await scene.line("r1")
    await scene.start()
    devices = scene.bench.store.devices
    devices[record.line.device_id] = replace(devices[record.line.device_id], address="elsewhere")
    await scene.bench.clock.advance(ANEW_SECONDS - 10)
    assert scene.told.places[-1][record.line.id].host == "addr-r1"
    await scene.bench.clock.advance(15)
    assert scene.told.places[-1][record.line.id].host == "elsewhere"
    assert scene.told.targets[-1][record.line.id].target.host == "elsewhere"


async def test_a_database_that_refuses_leaves_what_was_told_and_is_asked_again(scene: Scene) -> None:
    await scene.line("r1")
    scene.inventory.busy = True
    await scene.start()
    await scene.bench.clock.advance(10 * AGAIN_SECONDS)
    assert (scene.told.lines, scene.told.targets) == ([], [])
    scene.inventory.busy = False
    await scene.bench.clock.advance(AGAIN_SECONDS + 0.1)
    assert scene.told.devices() == ["r1"]


async def test_without_the_lead_nobody_looks_and_the_database_is_left_alone(scene: Scene) -> None:
    await scene.line("r1")
    await scene.start()
    await scene.bench.die()
    asked = len(scene.inventory.asked)
    await scene.bench.clock.advance(1)
    assert (scene.told.lines[-1], scene.told.places[-1], scene.told.targets[-1]) == ([], {}, {})
    assert len(scene.inventory.asked) == asked


async def test_a_line_that_something_speaks_against_is_looked_at_closely(scene: Scene) -> None:
    one, site = await scene.bench.line("r1")
    await scene.start()
    await scene.bench.passing(6)
    assert scene.told.hurried == []
    site.fixed_up = False
    await scene.bench.until(lambda: scene.told.hurried == [one.line.id])


async def test_ports_that_nobody_named_are_those_of_the_boxes_versions(scene: Scene) -> None:
    open_one = await scene.line("r1")
    named = await scene.line("r2", fixed_port="eth7")
    half = await scene.line("r3", mobile_port="wwan7")
    await scene.start(ports=True)
    while not scene.told.targets[-1][open_one.line.id].fixed_ports:
        await asyncio.sleep(0.01)  # the configuration is read in a thread
        await scene.bench.clock.advance(0.1)
    targets = scene.told.targets[-1]
    ports = {one.line.device: targets[one.line.id] for one in (open_one, named, half)}
    assert [one.fixed_ports[0] for one in ports.values()] == ["eth0", "eth7", "eth0"]
    assert [one.mobile_ports for one in ports.values()] == [(), (), ("wwan7",)]
    times = len(scene.told.targets)
    await scene.bench.clock.advance(60)
    assert len(scene.told.targets) == times


# Readiness


class Edge(FakePlatform):
    def __init__(self, clock: Any, error: Exception | None = None) -> None:
        super().__init__()
        self._clock, self.error = clock, error
        self.warmed: list[float] = []

    async def warm(self) -> None:
        self.warmed.append(self._clock.monotonic())
        if self.error is not None:
            raise self.error


@dataclass
class Warming:
    edges: dict[str, Edge]
    task: asyncio.Task[None]


@pytest.fixture
async def warming(scene: Scene) -> AsyncIterator[Warming]:
    """Lines on three edges, of which one refuses and one is not in the platform file; and one on none."""
    clock = scene.bench.clock
    edges = {"well": Edge(clock), "dead": Edge(clock, ConnectFailed("no route")), "idle": Edge(clock)}
    for name, platform in (("r1", "dead"), ("r2", "gone"), ("r3", "well"), ("r4", "well"), ("r5", "")):
        await scene.bench.line(name, platform=platform)
    watcher = await scene.bench.start()
    platforms: Any = FakePlatforms(**edges)
    task = asyncio.create_task(Warmth(watcher, platforms, clock).run())
    yield Warming(edges, task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_each_platform_of_a_line_is_kept_warm_once_a_round_whatever_the_others_do(
    scene: Scene, warming: Warming
) -> None:
    await scene.bench.clock.advance(2 * WARM_SECONDS + 1)
    for name in ("well", "dead"):
        began = warming.edges[name].warmed
        assert [later - began[0] for later in began] == [0, WARM_SECONDS, 2 * WARM_SECONDS]
    assert warming.edges["idle"].warmed == []
    assert not warming.task.done()


async def test_a_platform_that_comes_back_or_gets_its_first_line_is_warmed_in_the_next_round(
    scene: Scene, warming: Warming
) -> None:
    warming.edges["dead"].error = DeviceTimeout("no answer")
    await scene.bench.line("r6", platform="idle")
    await scene.bench.clock.advance(2 * WARM_SECONDS + 1)
    assert len(warming.edges["idle"].warmed) >= 1
    assert len(warming.edges["dead"].warmed) == 3


@dataclass
class Ready:
    """``services.failover.rounds.Readying``."""

    wanted: list[str] = field(default_factory=list)

    def want(self, device_ids: Sequence[str]) -> None:
        self.wanted = list(device_ids)


async def test_boxes_in_doubt_are_kept_ready_first_then_those_that_must_not_be_out_for_a_second(scene: Scene) -> None:
    ready = scene.bench.readying = Ready()
    quick = {"policy": {"probe_every": 0.2}}
    lines = {
        "slow": {}, "quick": quick, "doubtful": {}, "itself": {"moves": "cpe", **quick},
        "none": {"ordered": False, **quick},
    }  # fmt: skip
    sites, names = {}, {}
    for name, setup in lines.items():
        record, sites[name] = await scene.bench.line(name, **setup)
        names[record.line.device_id] = name
    await scene.bench.start(policy=replace(POLICY, misses=8))

    def wanted() -> list[str]:
        return [names[device_id] for device_id in ready.wanted]

    await scene.bench.passing(6)
    assert wanted() == ["quick"]
    sites["doubtful"].fixed_up = False
    await scene.bench.reach(sites["doubtful"], S.SUSPECT)
    await scene.bench.passing(2)
    assert wanted() == ["doubtful", "quick"]
    await scene.bench.reach(sites["doubtful"], S.MOBILE)
    await scene.bench.passing(2)
    assert wanted() == ["quick"]  # what mobile carries already needs no swift way there
    sites["slow"].power = False
    await scene.bench.reach(sites["slow"], S.FAILED)
    await scene.bench.passing(2)
    assert wanted() == ["slow", "quick"]
    await scene.bench.want(sites["quick"], "hold")
    await scene.bench.reach(sites["quick"], S.HELD)
    await scene.bench.passing(2)
    assert wanted() == ["slow"]
