"""What a device would come up with, and who changed it: what the driver says is what the box does."""

from __future__ import annotations

import asyncio

import pytest

from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.kit.redaction import canonical, strip_login
from cpe_manager.ports.driver import Writing
from cpe_manager.ports.driver_reading import Starting, Witnessing
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import DRIVERS, credential_of, sessions_for, specs_of, target_of
from tests.contract.drivers.roster import ROSTER, DriverCase

WITHIN = 60.0
STARTING = tuple(case for case in ROSTER if isinstance(DRIVERS.get(case.family), Starting))
WITNESSES = tuple(case for case in ROSTER if isinstance(DRIVERS.get(case.family), Witnessing))
AT_ONCE = ("openwrt", "teltonika", "routeros")
"""Families whose boxes keep every change, so that there is nothing to save."""


class Seen:
    """What one session tells: what runs and what would run, as backups compare them; who changed it."""

    def __init__(self, case: DriverCase, fleet: Fleet) -> None:
        self.case, self.device = case, fleet.devices[0]
        self.sessions = sessions_for(fleet.devices)
        self.spec = DRIVERS.get(case.family).spec

    def plain(self, text: str) -> str:
        kept = strip_login(text, self.spec.secrets, credential_of(self.device).secrets())
        return canonical(kept, self.spec.volatile)

    async def look(self) -> tuple[str, str | None]:
        driver = DRIVERS.get(self.case.family)
        assert isinstance(driver, Starting)
        async with self.sessions.open(target_of(self.device, self.case)) as opened:
            running = (await driver.fetch(opened.shell)).text
            startup = await driver.startup(opened.shell, running)
        return self.plain(running), None if startup is None else self.plain(startup)

    async def witness(self) -> LastChange | None:
        driver = DRIVERS.get(self.case.family)
        assert isinstance(driver, Witnessing)
        async with self.sessions.open(target_of(self.device, self.case)) as opened:
            return await driver.changes_by(opened.shell, (await driver.fetch(opened.shell)).text)

    async def save(self) -> None:
        driver = DRIVERS.get(self.case.family)
        assert isinstance(driver, Writing)
        async with self.sessions.open(target_of(self.device, self.case)) as opened:
            await driver.save(opened.shell)


def whole(case: DriverCase) -> bool:
    """FRR alone, without root, cannot read the file that it starts from."""
    return case.family != "frr_linux" or case.box.get("mode") == "linux"


@pytest.mark.parametrize("case", [case for case in STARTING if whole(case)], ids=str)
async def test_a_box_comes_up_with_what_it_says_it_would(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        seen = Seen(case, fleet)
        before, startup = await seen.look()
        assert startup == before
        seen.device.change()
        changed, startup = await seen.look()
        assert changed != before
        assert startup == (changed if case.family in AT_ONCE else before)
        await seen.save()
        assert await seen.look() == (changed, changed)
        seen.device.change()
        _, promised = await seen.look()
        seen.device.restart(0.0)
        await fleet.settled()
        running, startup = await seen.look()
        assert running == startup == promised


@pytest.mark.parametrize("case", [case for case in STARTING if not whole(case)], ids=str)
async def test_who_cannot_tell_says_so(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        assert (await Seen(case, fleet).look())[1] is None


@pytest.mark.parametrize("case", WITNESSES, ids=str)
async def test_a_box_tells_who_changed_it_last(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        seen = Seen(case, fleet)
        _by_hand(seen.device)
        told = await seen.witness()
        assert told is not None
        assert told.by == "jdoe"
        assert told.source
        if case.family != "routeros":
            assert f"{seen.device.state.changed_at:%H:%M:%S}" in told.when


def _by_hand(device: Device) -> None:
    device.change(by="jdoe")


async def test_a_router_with_nothing_saved_would_come_up_empty() -> None:
    (case, *_) = (case for case in STARTING if case.family == "cisco_ios")
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        seen = Seen(case, fleet)
        seen.device.state.startup = ""
        assert (await seen.look())[1] == ""


@pytest.mark.parametrize("case", [case for case in STARTING if case.family in ("openwrt", "teltonika")], ids=str)
async def test_what_somebody_has_staged_is_not_what_a_box_with_uci_comes_up_with(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet, asyncio.timeout(WITHIN):
        seen = Seen(case, fleet)
        before, _ = await seen.look()
        async with seen.sessions.open(target_of(seen.device, case)) as opened:
            await opened.shell.execute("uci set system.@system[0].zonename='Staged/Only'")
        running, startup = await seen.look()
        assert "Staged/Only" in running
        assert startup is not None
        assert startup.split() == before.split()
        seen.device.restart(0.0)
        await fleet.settled()
        assert (await seen.look())[0] == before
