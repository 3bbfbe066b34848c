"""From a datagram to an event: over the real port, the real database and real agents."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.snmp import Notification, Sender, SnmpAccess, SnmpTarget
from cpe_manager.ports.stores import InventoryChanges, SiteChange
from cpe_manager.services.traps.traps import PortNames, Storms
from simulators.snmp.families import oid
from simulators.snmp.line import Sink
from tests.integration.services.trap_scene import ADDRESS, CLOCK, a_box, access_to, known, scene
from tests.integration.snmp import burst


async def test_a_lost_line_is_an_event_with_device_and_interface_and_so_is_its_return(tmp_path):
    async with a_box() as box, scene(tmp_path, {"GENT-01": access_to(box)}, known("GENT-01")) as here:
        box.snmp.sinks = (Sink(ADDRESS, here.port.port, "3"),)
        box.lose_line()
        [lost] = await here.told(1)
        box.restore_line()
        [_, back] = await here.told(2)
    assert (lost.kind, lost.severity, lost.device) == ("trap.link_down", "warning", "GENT-01")
    assert lost.message == "GENT-01: VDSL0: link down"
    assert (lost.data["interface"], lost.data["if_index"]) == ("VDSL0", 1)
    assert (lost.data["admin_status"], lost.data["oper_status"]) == ("up", "down")
    assert lost.data["source"] == ADDRESS
    assert (back.kind, back.severity, back.data["oper_status"]) == ("trap.link_up", "info", "up")
    assert here.dropped() == {}


async def test_a_port_that_was_switched_off_is_no_warning(tmp_path):
    async with a_box() as box, scene(tmp_path, {"GENT-01": access_to(box)}, known("GENT-01")) as here:
        box.snmp.sinks = (Sink(ADDRESS, here.port.port),)
        if box.snmp.ports.set_admin(1, 2):
            box.snmp._tell(1)
        [lost] = await here.told(1)
    assert (lost.severity, lost.message) == ("info", "GENT-01: GigabitEthernet0/1: link down (switched off)")


async def test_an_inform_is_acknowledged_when_its_event_is_stored_and_makes_one_event(tmp_path):
    async with a_box() as box, scene(tmp_path, {"GENT-01": access_to(box)}, known("GENT-01")) as here:
        here.events.refusals = 2
        box.snmp.sinks = (Sink(ADDRESS, here.port.port, "2c", inform=True, timeout=0.3, retries=8),)
        box.lose_line()
        await asyncio.sleep(0.5)
        assert box.snmp.stats.acknowledged == 0
        async with asyncio.timeout(20):
            while not box.snmp.stats.acknowledged:
                await asyncio.sleep(0.02)
        box.restore_line()
        found = await here.told(2)
        assert [event.kind for event in found] == ["trap.link_down", "trap.link_up"]


async def test_what_nobody_of_the_inventory_can_have_sent_is_counted_and_makes_no_event(tmp_path):
    devices = (known("GENT-01"), known("NO-SNMP", "127.0.0.2"), known("AWAY", "127.0.0.3", state=LifeState.SUSPENDED))
    async with a_box() as box, a_box("STRANGER") as stranger:
        accesses = {"GENT-01": access_to(box), "NO-SNMP": None, "AWAY": access_to(stranger)}
        async with scene(tmp_path, accesses, *devices) as here:
            send_from("127.0.0.9", burst.template(box.spec.secrets.snmp), here.port.port)
            await here.until_dropped(unknown_source=1)
            send_from("127.0.0.2", burst.template(box.spec.secrets.snmp), here.port.port)
            await here.until_dropped(unknown_source=1, no_access=1)
            send_from("127.0.0.3", burst.template(stranger.spec.secrets.snmp), here.port.port)
            await here.until_dropped(unknown_source=2, no_access=1)
            send_from(ADDRESS, b"\x30\x03\x02\x01\x01", here.port.port)
            await here.until_dropped(unknown_source=2, no_access=1, malformed=1)
            stranger.snmp.sinks = tuple(Sink(ADDRESS, here.port.port, version) for version in ("2c", "3"))
            stranger.lose_line()
            await here.until_dropped(unknown_source=2, no_access=1, malformed=1, community=1, authentication=1)
            box.snmp.sinks = (Sink(ADDRESS, here.port.port),)
            box.lose_line()
            assert [event.device for event in await here.told(1)] == ["GENT-01"]


async def test_a_burst_of_ten_thousand_traps_is_ten_thousand_events(tmp_path):
    access = SnmpAccess(community="c0mmunity")
    async with scene(tmp_path, {"GENT-01": access}, known("GENT-01")) as here:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(burst.__file__ or "")), str(here.port.port), "10000", "5000", "c0mmunity",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        found = await here.told(10_000, within=90)
        await process.communicate()
        await here.traps.look()
    assert len(found) == 10_000
    assert here.dropped() == {}


async def test_a_trap_that_tells_a_number_alone_gets_the_name_from_the_box_for_the_next_time(tmp_path):
    async with a_box() as box:
        names = PortNames(SnmpPoller(CLOCK))
        task = asyncio.create_task(names.run())
        names.want("d", SnmpTarget("GENT-01", box.address, access_to(box), box.snmp.port, 5.0))
        async with asyncio.timeout(20):
            while names.get("d", 1) is None:
                await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert [names.get("d", index) for index in (1, 2, 99)] == ["VDSL0", "GigabitEthernet0/1", None]


async def test_any_other_trap_tells_its_values_but_never_a_secret(tmp_path):
    access = SnmpAccess(community="c0mmunity")
    async with scene(tmp_path, {"GENT-01": access}, known("GENT-01")) as here:
        sender = Sender(known("GENT-01").id, "GENT-01", access)
        values = {
            "1.3.6.1.6.3.18.1.4.0": b"c0mmunity",
            "1.3.6.1.4.1.9.1": b"the community is c0mmunity",
            "1.3.6.1.4.1.9.2": bytes.fromhex("00ff80aa"),
            "1.3.6.1.4.1.9.3": 7,
        }
        one = Notification(sender, "1.3.6.1.4.1.9.0.1", values, CLOCK.now(), ADDRESS, 1, 5.0)
        event = here.traps._event(one)
    assert (event.kind, event.message) == ("trap.received", "GENT-01: sent a trap 1.3.6.1.4.1.9.0.1")
    shown = event.data["values"]
    assert "c0mmunity" not in str(event)
    assert set(shown) == {"1.3.6.1.4.1.9.1", "1.3.6.1.4.1.9.2", "1.3.6.1.4.1.9.3"}
    assert (shown["1.3.6.1.4.1.9.2"], shown["1.3.6.1.4.1.9.3"]) == ("00:ff:80:aa", "7")


async def test_a_device_that_was_just_added_is_heard_once_its_address_is_looked_up_again(tmp_path):
    async with a_box() as box, scene(tmp_path, {"GENT-01": access_to(box)}) as here:
        box.snmp.sinks = (Sink(ADDRESS, here.port.port),)
        box.lose_line()
        await here.until_dropped(unknown_source=1)
        new = known("GENT-01")
        changes = InventoryChanges(at=CLOCK.now(), sites=(SiteChange(new.site, new.site_id),), add=(new,))
        await here.database.inventory.apply(changes)
        for host, (_, neighbours) in list(here.traps.senders._known.items()):
            here.traps.senders._known[host] = (0.0, neighbours)  # as if its time had passed
        box.restore_line()
        assert [event.kind for event in await here.told(1)] == ["trap.link_up"]


async def test_of_a_device_that_never_stops_no_more_is_kept_than_a_disk_can_hold(tmp_path):
    access = SnmpAccess(community="c0mmunity")
    async with scene(tmp_path, {"GENT-01": access}, known("GENT-01"), storms=Storms(CLOCK, 3)) as here:
        for number in range(6):
            data = burst.template("c0mmunity").replace(b"\xfe\xff\xfe\xff", number.to_bytes(4, "big"))
            send_from(ADDRESS, data, here.port.port)
        await here.until_dropped(storm=3)
        kinds = [event.kind for event in await here.told(4)]
    assert kinds == ["trap.link_down"] * 3 + ["trap.storm"]


async def test_a_cold_start_is_a_warning(tmp_path):
    async with a_box() as box, scene(tmp_path, {"GENT-01": access_to(box)}, known("GENT-01")) as here:
        box.snmp.sinks = (Sink(ADDRESS, here.port.port),)
        box.snmp.notify(oid("1.3.6.1.6.3.1.1.5.1"), [])
        [told] = await here.told(1)
    assert (told.kind, told.severity) == ("trap.cold_start", "warning")


def send_from(source: str, data: bytes, port: int) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
        out.bind((source, 0))
        out.sendto(data, (ADDRESS, port))
