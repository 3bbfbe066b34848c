"""What boxes say of themselves, in a session, over SNMP, and along with a backup; over the real adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import AuthFailed, Conflict, DeviceError, InputError, NotFound
from cpe_manager.domain.fleet.inventory import Device as StoredDevice
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.snmp import SnmpAccess
from cpe_manager.ports.stores import InventoryChanges, SiteChange
from cpe_manager.services.fleet.facts import FRESH, Askable, DeviceFactsBook, SnmpFacing, facts_due, facts_event
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.generate.site import make_site
from simulators.snmp.access import login_of
from simulators.spec import DeviceSpec
from tests.fakes.credentials import FixedCredentials

CLOCK = SystemClock()


def access_to(box: Device) -> SnmpAccess:
    login = login_of(box.spec)
    return SnmpAccess("", login.user, login.auth_password, login.auth_protocol, login.priv_password)


@dataclass
class Scene:
    box: Device
    device: StoredDevice
    database: Database
    book: DeviceFactsBook

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.database.events.after(0)]


@asynccontextmanager
async def scene(
    home: Path, family: str = "cisco_ios", *, pinned: bool = True, snmp: SnmpAccess | None = None, no_snmp: bool = False
) -> AsyncIterator[Scene]:
    async with Fleet([DeviceSpec("GENT-01", family, 5)], snmp=True) as fleet:
        box = fleet.devices[0]
        login = Credential(box.spec.username, box.spec.secrets.login, box.spec.secrets.enable)
        credentials = FixedCredentials({"c": replace(login, snmp=None if no_snmp else snmp or access_to(box))})
        async with await Database.open(f"sqlite:///{home / 'facts.sqlite3'}") as database:
            await database.maintenance.migrate()
            device = StoredDevice(
                "d" * 32, "a" * 32, "b" * 32, "s", box.name, box.address, LifeState.ACTIVE, box.port, family,
                credential="c", settings={"snmp_port": box.snmp.port, "snmp_timeout": 5.0},
            )  # fmt: skip
            site = SiteChange("s", "b" * 32)
            await database.inventory.apply(InventoryChanges(at=CLOCK.now(), sites=(site,), add=(device,)))
            if pinned:
                await database.inventory.pin(device.id, [box.host_key_public], at=CLOCK.now(), by="test")
            ways = Askable(SshSessions(credentials, CLOCK), SnmpPoller(CLOCK), DriverRoster(), credentials)
            yield Scene(
                box,
                device,
                database,
                DeviceFactsBook(database.facts, database.inventory, database.events, ways, CLOCK),
            )


async def test_a_router_tells_in_a_session_what_it_is_and_over_snmp_since_when(tmp_path):
    async with scene(tmp_path) as here:
        site = make_site(here.box.spec)
        found = await here.book.refresh("GENT-01")
        assert found.source == "both"
        assert (found.facts.hostname, found.facts.os_release) == ("GENT-01", "15.7(3)M8")
        assert found.facts.serial == site.serial
        assert found.facts.model
        assert found.facts.uptime == pytest.approx(here.box.state.uptime, abs=60)
        assert await here.book.known("GENT-01") == found


@pytest.mark.parametrize(
    ("family", "model", "release", "serial"),
    [
        ("cisco_ios", "C891F-K9", "15.7(3)M8", True),
        ("teltonika", "RUTX11000000", "RUTX_R_00.07.06.3", True),
        ("routeros", "C53UiG+5HPaxD2HPaxD", "7.15.3", True),
        # Net-SNMP knows nothing of the hardware.
        ("openwrt", "", "23.05.5", False),
        ("vyos", "", "1.4.0", False),
        ("frr_linux", "", "", False),
    ],
)
async def test_snmp_alone_tells_what_the_family_has_in_its_mibs(tmp_path, family, model, release, serial):
    async with scene(tmp_path, family, pinned=False) as here:
        found = await here.book.refresh("GENT-01", "snmp")
        told = found.facts
        assert found.source == "snmp"
        site = make_site(here.box.spec)
        its_own = site.serial_digits if family == "teltonika" else site.serial
        assert (told.model, told.serial) == (model, its_own if serial else "")
        assert told.hostname.lower() == "gent-01"
        assert told.os_release == release
        assert found.booted_at is not None
        assert abs((CLOCK.now() - found.booted_at).total_seconds() - here.box.state.uptime) < 60


async def test_a_session_and_snmp_name_the_same_teltonika(tmp_path):
    async with scene(tmp_path, "teltonika") as here:
        in_session = (await here.book.refresh("GENT-01", "session")).facts
        over_snmp = (await here.book.refresh("GENT-01", "snmp")).facts
        assert (in_session.model, in_session.serial, in_session.os_release) == (
            over_snmp.model,
            over_snmp.serial,
            over_snmp.os_release,
        )


async def test_one_way_that_fails_does_not_spoil_the_other(tmp_path):
    wrong = SnmpAccess(user="nobody", auth_password="not-the-password", priv_password="not-the-password")
    async with scene(tmp_path, snmp=wrong) as here:
        found = await here.book.refresh("GENT-01")
        assert found.source == "session"
        assert found.facts.os_release
        with pytest.raises(AuthFailed):
            await here.book.refresh("GENT-01", "snmp")


async def test_a_box_that_was_never_visited_is_asked_over_snmp_and_no_key_is_trusted(tmp_path):
    async with scene(tmp_path, pinned=False) as here:
        assert (await here.book.refresh("GENT-01")).source == "snmp"
        with pytest.raises(Conflict, match="its first backup learns its host key"):
            await here.book.refresh("GENT-01", "session")
        assert here.box.stats.connections == 0


async def test_without_an_snmp_access_there_is_one_way_alone(tmp_path):
    async with scene(tmp_path, no_snmp=True) as here:
        assert (await here.book.refresh("GENT-01")).source == "session"
        with pytest.raises(InputError, match="neither snmp_community nor snmp_user"):
            await here.book.refresh("GENT-01", "snmp")


async def test_when_no_way_leads_to_an_answer_the_first_ways_reason_is_told(tmp_path):
    async with scene(tmp_path) as here:
        await here.box.snmp.stop()
        here.box.rotate_host_key()
        with pytest.raises(DeviceError) as caught:
            await here.book.refresh("GENT-01")
        assert caught.value.code == "host_key"
        with pytest.raises(NotFound, match="has not told anything of itself yet"):
            await here.book.known("GENT-01")


async def test_another_serial_number_is_an_event_and_the_same_one_is_none(tmp_path):
    async with scene(tmp_path) as here:
        old = DeviceFacts(here.device.id, Facts(serial="OLD-1", model="?"), "session", CLOCK.now())
        await here.database.facts.put([replace(old, facts=Facts(serial="OLD-1"))])
        found = await here.book.refresh("GENT-01")
        await here.book.refresh("GENT-01")
        events = await here.database.events.after(0)
        [told] = [event for event in events if event.kind == "device.facts_changed"]
        assert told.data == {"serial": ["OLD-1", found.facts.serial]}
        assert told.message == f"GENT-01: serial OLD-1 is now {found.facts.serial}"


async def test_a_box_of_unknown_family_says_over_snmp_what_it_is(tmp_path):
    async with scene(tmp_path) as here:
        credentials = FixedCredentials({"c": Credential("x", snmp=access_to(here.box)), "n": Credential("x")})
        poller = SnmpPoller(CLOCK)

        class OnItsPort:
            """The agent of a simulated box has a port of its own."""

            async def get(self, target, names):
                return await poller.get(replace(target, port=here.box.snmp.port), names)

        facing = SnmpFacing(OnItsPort(), credentials)
        target = _target(here.box)
        found = await facing.identify(target)
        assert found is not None
        assert (found.sys_object_id, found.sys_descr[:18]) == ("1.3.6.1.4.1.9.1.1859", "Cisco IOS Software")
        assert await facing.identify(replace(target, credential_ref="n")) is None
        await here.box.snmp.stop()
        assert await facing.identify(target) is None


def _target(box: Device):
    from cpe_manager.ports.shell import Target

    return Target("", box.address, box.address, box.port, "", "c")


def test_facts_are_asked_for_again_after_a_week_and_when_no_driver_told_them():
    at = CLOCK.now()
    told = DeviceFacts("d", Facts(), "session", at)
    assert facts_due(None, at)
    assert not facts_due(told, at + timedelta(days=6))
    assert facts_due(told, at + FRESH)
    assert facts_due(replace(told, source="snmp"), at)


def test_what_is_not_said_any_more_is_no_news():
    device = StoredDevice("d", "p", "s", "s", "x", "192.0.2.1", LifeState.ACTIVE)
    before = DeviceFacts("d", Facts(model="M", os_release="1", uptime=5), "both", CLOCK.now())
    assert facts_event(device, before, replace(before, facts=Facts(model="", os_release="1", uptime=1))) is None
    assert facts_event(device, None, before) is None
