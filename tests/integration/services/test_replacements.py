"""Hardware is swapped and its configuration comes back: the product in one process, with virtual boxes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.fleet.inventory import LifeState
from cpe_manager.domain.replacement.carrying import carried
from cpe_manager.domain.replacement.replacements import Stage
from cpe_manager.kit.uci import ports
from cpe_manager.ports.driver import Replacing
from cpe_manager.services.replacement.replacements import Said
from tests.contract.drivers.harness import significant
from tests.integration.services.swapping import DRIVERS, Bench, bench

FAMILIES = ("openwrt", "teltonika", "vyos", "frr_linux", "cisco_ios", "routeros")
PAIRS = (
    ("cisco_ios", "vyos"),
    ("openwrt", "routeros"),
    ("teltonika", "frr_linux"),
    ("vyos", "cisco_ios"),
)
_HARDWARE = re.compile(r"hw-id '[^']*'|option (?:macaddr|path) '[^']*'|admin-mac=\S+")
"""What belongs to a unit and not to its configuration."""


def text_of(b: Bench, which: str) -> str:
    device = b.old if which == "old" else b.new
    return _HARDWARE.sub("-", significant(b.running(device), device))


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_unit_of_the_same_family_runs_what_the_old_one_did(tmp_path: Path, family: str) -> None:
    async with bench(tmp_path, family, family) as b:
        await b.in_service()
        driver = b.services.drivers.get(family)
        wanted = driver.parse(b.running(b.old))
        assert driver.parse(b.running(b.new)) != wanted
        record = await b.through(await b.order())
        progress = record.replacement.progress
        assert progress.stage is Stage.CLOSED, record
        assert driver.parse(b.running(b.new)) == wanted
        if isinstance(driver, Replacing):
            assert progress.plan["way"] == "whole"
            assert text_of(b, "new") == text_of(b, "old")
        device = (await b.services.inventory.show("SITE-1")).device
        assert (device.state, device.port, device.serial) == (
            LifeState.ACTIVE,
            b.new.port,
            record.replacement.unit.serial,
        )
        assert device.position_id == record.replacement.position_id
        assert all(test["passed"] for test in progress.report["tests"])
        events = [event.kind for event in await b.services.events.after(0, limit=1000)]
        assert events.index("device.replaced") < events.index("push.confirmed") < events.index("replacement.closed")
        assert "hostkey.changed" not in events


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=str)
async def test_another_family_comes_to_mean_what_the_old_one_did_and_every_loss_was_accepted(
    tmp_path: Path, old: str, new: str
) -> None:
    async with bench(tmp_path, old, new) as b:
        await b.in_service()
        source, target = DRIVERS.get(old), DRIVERS.get(new)
        present = target.parse(b.running(b.new))
        wanted, gaps = carried(source.parse(b.running(b.old)), present, target.spec.features)
        made = await b.order()
        record = await b.until(made, "key")
        await b.services.replacements.accept(made, Said(b.key), by="test")
        record = await b.until(made, "plan")
        plan = record.replacement.progress.plan
        assert {loss.part for loss in gaps} <= {loss["part"] for loss in plan["losses"]}
        assert any(loss["lines"] for loss in plan["losses"])
        secrets = b.old.spec.secrets
        for secret in (secrets.login, secrets.wifi, secrets.ppp, secrets.snmp, secrets.enable):
            assert secret not in repr(record)
        # Nothing has happened yet: not on the box, not in the inventory.
        assert target.parse(b.running(b.new)) == present
        assert (await b.services.inventory.show("SITE-1")).device.id == record.replacement.device_id
        with pytest.raises(Conflict, match="look at it again"):
            await b.services.replacements.accept(made, Said(plan="000000000000"), by="test")
        record = await b.through(made)
        assert record.replacement.progress.stage is Stage.CLOSED, record
        assert target.parse(b.running(b.new)) == wanted
        device = (await b.services.inventory.show("SITE-1")).device
        assert (device.family, device.state) == (new, LifeState.ACTIVE)


async def test_another_serial_number_than_ordered_stops_it_before_anything_changes(tmp_path: Path) -> None:
    async with bench(tmp_path, "teltonika", "teltonika") as b:
        await b.in_service()
        before = b.running(b.new)
        made = await b.order(serial="OTHER-1", host_key=b.key)
        record = await b.until(made, "retry")
        assert "OTHER-1 was ordered" in record.replacement.progress.note
        assert record.replacement.progress.stage is Stage.FAILED
        assert b.running(b.new) == before
        assert (await b.services.inventory.show("SITE-1")).device.id == record.replacement.device_id
        await b.services.replacements.cancel(made, by="test")
        record = await b.until(made)
        assert record.replacement.progress.stage is Stage.CANCELLED


async def test_no_log_in_is_sent_to_a_box_whose_key_nobody_accepted(tmp_path: Path) -> None:
    async with bench(tmp_path, "openwrt", "openwrt") as b:
        await b.in_service()
        made = await b.order(host_key="SHA256:something-else")
        record = await b.until(made, "key")
        assert b.key in record.replacement.progress.note
        stats = b.new.stats
        assert (stats.connections > 0, stats.auth_completed, stats.passwords_refused) == (True, 0, 0)
        with pytest.raises(Conflict, match="that one can be accepted"):
            await b.services.replacements.accept(made, Said("SHA256:something-else"), by="test")


async def test_a_box_that_comes_late_is_waited_for_and_the_journal_stays_short(tmp_path: Path) -> None:
    async with bench(tmp_path, "openwrt", "openwrt") as b:
        await b.in_service()
        port, b.new.port = b.new.port, 1
        made = await b.order()
        b.new.port = port
        async with asyncio.timeout(30):
            while len((record := await b.services.replacements.show(made)).journal) < 1:
                await asyncio.sleep(0.05)
        assert [(entry.step, entry.result) for entry in record.journal] == [("key", "failed")]
        assert record.replacement.progress.not_before is not None
        await b.services.replacements.cancel(made, by="test")
        assert (await b.until(made)).replacement.progress.stage is Stage.CANCELLED


async def test_a_box_that_came_with_another_log_in_is_given_the_sites(tmp_path: Path) -> None:
    async with bench(tmp_path, "vyos", "vyos", user="site") as b:
        await b.in_service()
        record = await b.through(await b.order())
        assert record.replacement.progress.stage is Stage.CLOSED, record
        assert "was given the log-in old" in record.replacement.progress.report["log_in"]
        assert (await b.services.inventory.show("SITE-1")).device.credential == "old"
        assert (await b.services.facts.refresh("SITE-1", "session")).facts.os_release
        assert b.old.spec.secrets.login not in repr(record)


async def test_a_family_that_is_not_given_a_log_in_keeps_the_one_that_it_came_with(tmp_path: Path) -> None:
    async with bench(tmp_path, "openwrt", "openwrt", user="site") as b:
        await b.in_service()
        record = await b.through(await b.order())
        assert record.replacement.progress.stage is Stage.CLOSED, record
        assert "keeps the log-in new" in record.replacement.progress.report["log_in"]
        assert (await b.services.inventory.show("SITE-1")).device.credential == "new"


async def test_a_model_with_other_ports_gets_the_text_with_its_own_names(tmp_path: Path) -> None:
    async with bench(tmp_path, "openwrt", "openwrt") as b:
        names = {"wan": "eth0", "lan1": "lan5", "lan2": "lan1"}
        state = b.new.state
        lines = ports.renamed(state.running, names).splitlines(keepends=True)
        state.running = state.startup = "".join(line for line in lines if "'lan4'" not in line)
        await b.in_service()
        made = await b.order(host_key=b.key)
        plan = (await b.until(made, "plan")).replacement.progress.plan
        assert plan["renamed"] == {"wan": "eth0", "lan2": "lan5"}
        assert plan["unmapped"] == ["lan4"]
        await b.services.replacements.accept(made, Said(names={"lan2": "lan3", "lan3": "lan5"}), by="test")
        plan = (await b.until(made, "plan")).replacement.progress.plan
        assert plan["renamed"] == {"wan": "eth0", "lan2": "lan3", "lan3": "lan5"}
        record = await b.through(made)
        assert record.replacement.progress.stage is Stage.CLOSED, record
        wanted = ports.renamed(b.running(b.old), plan["renamed"])
        assert _HARDWARE.sub("-", significant(b.running(b.new), b.new)) == _HARDWARE.sub(
            "-", significant(wanted, b.old)
        )
