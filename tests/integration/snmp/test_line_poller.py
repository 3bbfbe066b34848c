"""One question tells how a box's two ways are, on a box of every family."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.snmp.gets import SnmpGets
from cpe_manager.adapters.snmp.line_poller import SnmpLinePoller
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.domain.errors import CredentialMissing, DeviceTimeout
from cpe_manager.domain.failover.lines import Way
from cpe_manager.ports.line_oids import LineTarget
from cpe_manager.ports.sensing import LineReading, PortReading
from cpe_manager.ports.snmp import SnmpTarget, Value
from drivers.roster import DriverRoster
from simulators.device import Device
from tests.integration.snmp.boxes import by_community, by_user, target

ROSTER = DriverRoster()
FAMILIES = pytest.mark.parametrize("family", ROSTER.families())


class Counting:
    """The real reader, and how often it was asked."""

    def __init__(self, real: SnmpGets) -> None:
        self._real = real
        self.gets = self.walks = 0

    async def get(self, target: SnmpTarget, names: Sequence[str]) -> Mapping[str, Value]:
        self.gets += 1
        return await self._real.get(target, names)

    async def walk(self, target: SnmpTarget, root: str, *, most: int = 2000) -> Mapping[str, Value]:
        self.walks += 1
        return await self._real.walk(target, root, most=most)


class Scene:
    def __init__(self, box: Device, reader: Counting | SnmpGets, **ports: tuple[str, ...]) -> None:
        self.box, self.reader = box, reader
        self.poller = SnmpLinePoller(reader, SystemClock())
        oids = ROSTER.get(box.spec.family).spec.snmp.line
        self.poller.set_targets({"line": LineTarget(target(box, by_community(box)), oids, **ports)})

    async def ports(self) -> dict[Way, PortReading]:
        return {port.way: port for port in (await self.poller.poll("line")).ports}


@pytest.fixture
async def reader() -> AsyncIterator[Counting]:
    gets = SnmpGets(SnmpPoller(SystemClock()))
    yield Counting(gets)
    gets.close()


@FAMILIES
async def test_a_box_tells_of_its_line_and_its_modem_and_what_is_the_matter_with_either(snmp_box, reader, family):
    scene = Scene(await snmp_box(family), reader)
    ports = scene.box.snmp.ports
    before = sum(ports.octets(ports.line_index))
    got = await scene.ports()
    assert (got[Way.FIXED].up, got[Way.MOBILE].up, got[Way.FIXED].what, got[Way.MOBILE].what) == (True, True, "", "")
    assert got[Way.MOBILE].signal == ports.signal
    assert got[Way.FIXED].errors == ports.counted.crc_errors
    assert (got[Way.FIXED].octets or 0) >= before > 0
    scene.box.lose_line()
    ports.registered = False
    got = await scene.ports()
    assert (got[Way.FIXED].up, got[Way.MOBILE].up) == (False, False)
    assert got[Way.FIXED].what == "interface down, no VDSL synchronisation, no ADSL synchronisation"
    assert "in the mobile network" in got[Way.MOBILE].what
    scene.box.restore_line()
    ports.registered = True
    got = await scene.ports()
    assert (got[Way.FIXED].up, got[Way.MOBILE].up) == (True, True)


class Partial(Counting):
    """An agent that has no object under some roots."""

    def __init__(self, real: SnmpGets, *without: str) -> None:
        super().__init__(real)
        self.without = tuple(f"{root}." for root in without)

    async def get(self, target: SnmpTarget, names: Sequence[str]) -> Mapping[str, Value]:
        found = await super().get(target, names)
        return {name: value for name, value in found.items() if not name.startswith(self.without)}


HC_IN, HC_OUT, IN, OUT = (
    "1.3.6.1.2.1.31.1.1.1.6",
    "1.3.6.1.2.1.31.1.1.1.10",
    "1.3.6.1.2.1.2.2.1.10",
    "1.3.6.1.2.1.2.2.1.16",
)


@pytest.mark.parametrize(
    ("without", "bits"), [((), 64), ((HC_IN, HC_OUT), 32), ((HC_OUT,), 32), ((HC_OUT, OUT), None), ((IN,), 64)]
)
async def test_octets_over_mobile_are_in_and_out_of_the_widest_counters_that_a_box_has(snmp_box, without, bits):
    gets = SnmpGets(SnmpPoller(SystemClock()))
    scene = Scene(await snmp_box(), Partial(gets, *without))
    ports = scene.box.snmp.ports
    mobile = ports.states[3]
    mobile.in_octets, mobile.out_octets, mobile.in_rate, mobile.out_rate = 2.0**32 + 1000, 2.0**33 + 200, 0.0, 0.0
    got = (await scene.ports())[Way.MOBILE]
    gets.close()
    if bits is None:
        assert got.octets is None  # half of it would be no volume
        return
    said = {64: 2**32 + 1000 + 2**33 + 200, 32: 1200}[bits]
    assert (got.octets, got.octet_bits, got.port) == (said, bits, 4)


async def test_after_the_first_poll_each_is_one_question(snmp_box, reader):
    scene = Scene(await snmp_box(), reader)
    await scene.ports()
    reader.gets = reader.walks = 0
    for _ in range(3):
        await scene.ports()
    assert (reader.gets, reader.walks) == (3, 0)


async def test_a_port_is_taken_by_either_of_its_names_and_without_one_by_its_type(snmp_box, reader):
    box = await snmp_box()
    named = Scene(box, reader, fixed_ports=("nosuch0", "gigabitethernet0/1"), mobile_ports=("Cellular0/2/0",))
    assert await named.ports()
    assert named.poller.way_of("line", 2, "") is Way.FIXED
    missing = Scene(box, reader, mobile_ports=("Dialer7",))
    assert (await missing.ports())[Way.MOBILE].up is True
    assert missing.poller.way_of("line", 4, "") is Way.MOBILE


async def test_interfaces_are_learned_again_after_a_restart_of_the_agent(snmp_box, reader):
    scene = Scene(await snmp_box(), reader)
    before = await scene.poller.poll("line")
    reader.walks = 0
    scene.box.restart(down=0)
    after = await scene.poller.poll("line")
    assert (after.uptime or 0.0) < (before.uptime or 0.0)
    assert reader.walks > 0
    assert {port.way: port.up for port in after.ports} == {Way.FIXED: True, Way.MOBILE: True}


async def test_a_question_without_a_task_says_the_same_once_it_is_known_where_things_are(snmp_box):
    gets = SnmpGets(SnmpPoller(SystemClock()))
    scene = Scene(await snmp_box(), gets)
    assert not scene.poller.ask("line", print)
    assert not scene.poller.ask("another", print)
    usual = await scene.poller.poll("line")

    async def asked() -> Any:
        told = asyncio.get_running_loop().create_future()
        assert scene.poller.ask("line", told.set_result)
        assert not told.done()
        return await told

    assert {(port.way, port.up, port.signal) for port in (await asked()).ports} == {
        (port.way, port.up, port.signal) for port in usual.ports
    }
    scene.box.restart(down=0)
    # Interfaces may be numbered anew: nothing is said of them until that has been looked at.
    after = await asked()
    assert after.ports == ()
    assert (after.uptime or 0.0) < (usual.uptime or 0.0)
    assert not scene.poller.ask("line", print)
    assert len((await scene.poller.poll("line")).ports) == 2
    silent = target(scene.box, by_community(scene.box), timeout=0.1, retries=1)
    oids = ROSTER.get(scene.box.spec.family).spec.snmp.line
    scene.poller.set_targets({"line": LineTarget(silent, oids)})
    await scene.poller.poll("line")
    scene.box.restart(down=30)
    failed = await asked()
    assert isinstance(failed, DeviceTimeout)
    assert "2 tries" in str(failed)
    gets.close()


async def test_which_way_an_interface_belongs_to_is_known_by_number_and_by_name(snmp_box, reader):
    scene = Scene(await snmp_box(), reader)
    assert scene.poller.way_of("line", 1, "") is None
    assert scene.poller.way_of("line", 0, "Cellular0/2/0") is Way.MOBILE
    await scene.ports()
    ways = [scene.poller.way_of("line", index, "") for index in range(1, 6)]
    assert ways == [Way.FIXED, None, None, Way.MOBILE, None]
    assert scene.poller.way_of("another", 1, "") is None


async def test_a_line_whose_box_cannot_be_asked_and_one_that_is_silent_are_errors(snmp_box, reader):
    scene = Scene(await snmp_box(), reader)
    with pytest.raises(CredentialMissing):
        await scene.poller.poll("another")
    silent = target(scene.box, by_community(scene.box), timeout=0.1, retries=0)
    await scene.ports()
    scene.poller.set_targets({"line": LineTarget(silent, ROSTER.get("cisco_ios").spec.snmp.line)})
    scene.box.restart(down=30)
    with pytest.raises(DeviceTimeout):
        await scene.poller.poll("line")


async def test_version_three_does_the_same(snmp_box, reader):
    box = await snmp_box("routeros")
    poller = SnmpLinePoller(reader, SystemClock())
    poller.set_targets({"line": LineTarget(target(box, by_user(box)), ROSTER.get("routeros").spec.snmp.line)})
    reading = await poller.poll("line")
    assert isinstance(reading, LineReading)
    assert [port.up for port in reading.ports] == [True, True]
