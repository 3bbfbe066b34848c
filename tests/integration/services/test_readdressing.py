"""A box that is managed at another address after a change: found there, confirmed there, and nowhere else from then on.

The boxes really move: they stop listening at the old address and listen at the new one, as their configuration says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase, Step
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.ports.stores import InventoryChanges
from cpe_manager.services.push.push_checks import Checks
from cpe_manager.services.push.push_trip import Care
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.dying import WHENS, Dying, Killed, When
from tests.integration.services.real_boxes import CASES, Bench, bench

OLD, NEW = "127.45.7.2", "127.46.9.6"
MOVE: Mapping[str, Any] = {"wan": {"address": f"{NEW}/24", "gateway": "127.46.9.1"}}
ASTRAY: Mapping[str, Any] = {"wan": {"address": f"{NEW}/24", "gateway": "127.46.9.77"}}
"""There is no such router: the box has its new address and finds no way back to whoever manages it."""


async def answers(b: Bench, place: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(place, b.box.port)
    except OSError:
        return False
    writer.close()
    return True


async def address_of(b: Bench) -> str:
    return (await b.database.inventory.device("r1")).device.address


async def is_at(b: Bench, place: str, other: str) -> None:
    """The box, the inventory and the promise all say the same."""
    await b.fleet.settled()
    assert (await address_of(b), b.box.places) == (place, (place,))
    assert (await answers(b, place), await answers(b, other)) == (True, False)
    assert await b.once(lambda driver, shell: driver.armed(shell)) is None
    assert b.box.answers_at(place)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_box_moves_and_the_inventory_with_it(case: DriverCase, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        shown = await b.pushes.plan(b.asked(change=MOVE, managed_at=NEW))
        assert shown.lockouts == ()
        assert any(NEW in warning for warning in shown.warnings)
        push = await b.ask(change=MOVE, managed_at=NEW)
        settled = await b.work(push)
        record = await b.database.pushes.push(push.id)
        assert settled.outcome is Outcome.CONFIRMED, [(e.step, e.reason, e.notes) for e in record.journal]
        assert record.push.managed_at == NEW
        await is_at(b, NEW, OLD)
        events = [one for one in await b.database.events.after(0) if one.kind == "device.changed"]
        assert [one.data["changes"] for one in events] == [{"address": {"before": OLD, "after": NEW}}]
        # From now on it is an ordinary box at that address: a change of something else goes there.
        name = await b.work(await b.ask(change={"hostname": "MOVED-1"}))
        assert name.outcome is Outcome.CONFIRMED, name.error
        # What a restart brings is the new address, too.
        b.box.restart()
        assert b.box.places == (NEW,)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_box_that_is_silent_at_its_new_address_comes_back_to_the_old_one_by_itself(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        before = b.now()
        push = await b.ask(change=ASTRAY, managed_at=NEW)
        settled = await b.work(push)
        assert settled.outcome is Outcome.REVERTED, settled.error
        assert settled.error_code == Check.NOT_THERE
        assert NEW in (settled.error or "")
        await is_at(b, OLD, NEW)
        assert b.now() == before
        assert await b.database.events.alarms() == []


@pytest.mark.slow
@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("step", [Step.ARM, Step.APPLY, Step.PROBE, Step.CONFIRM])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_whoever_takes_it_up_after_a_crash_finds_the_box_wherever_it_is(
    case: DriverCase, step: Step, when: When, tmp_path: Path, sqlite_url: str
) -> None:
    proved = step in (Step.PROBE, Step.CONFIRM) or (step, when) == (Step.APPLY, "done")
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        push = await b.ask(change=MOVE, managed_at=NEW)
        with pytest.raises(Killed):
            await b.work(push, store=Dying(b.database.pushes, step, when))  # type: ignore[arg-type]
        assert await address_of(b) == OLD, "before it is confirmed nothing in the inventory changes"
        await b.database.jobs.release_all(b.clock.now())
        settled = await b.work(push)
        record = await b.database.pushes.push(push.id)
        told = [(entry.step, entry.result, entry.reason) for entry in record.journal]
        assert settled.outcome is (Outcome.CONFIRMED if proved else Outcome.REVERTED), told
        await is_at(b, *((NEW, OLD) if proved else (OLD, NEW)))


@pytest.mark.parametrize("case", CASES[:1], ids=str)
async def test_the_end_is_written_with_the_address_or_not_at_all(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        push = await b.ask(change=MOVE, managed_at=NEW)
        with pytest.raises(Killed):
            await b.work(push, store=Dying(b.database.pushes, None))  # type: ignore[arg-type]
        halfway = (await b.database.pushes.push(push.id)).push
        assert (halfway.phase, halfway.ended_at, await address_of(b)) == (Phase.CONFIRMED, None, OLD)
        await b.database.jobs.release_all(b.clock.now())
        assert (await b.work(push)).outcome is Outcome.CONFIRMED
        await is_at(b, NEW, OLD)


@pytest.mark.parametrize("case", CASES[:1], ids=str)
async def test_only_the_old_address_may_be_given_up(case: DriverCase, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        stop = {"firewall": {"inbound": "accept", "rules": [{"action": "drop", "protocol": "tcp", "ports": 22}]}}
        for change, kind in (
            ({**MOVE, **stop}, Lockout.FIREWALL),
            ({**MOVE, "management": {"sources": ["10.9.0.0/16"]}}, Lockout.ACCESS_LIST),
            ({"wan": {"address": "127.46.9.8/24", "gateway": "127.46.9.1"}}, Lockout.ADDRESS),
            ({"wan": {"gateway": "127.45.7.9"}}, Lockout.ROUTE),
            ({**MOVE, "management": {"ssh": False}}, Lockout.SERVICE),
        ):
            shown = await b.pushes.plan(b.asked(change=change, managed_at=NEW))
            assert kind in {one.kind for one in shown.lockouts}, change
            settled = await b.work(await b.ask(change=change, managed_at=NEW))
            assert (settled.outcome, settled.error_code) == (Outcome.WITHDRAWN, Check.LOCKOUT), change
        await is_at(b, OLD, NEW)


@pytest.mark.parametrize("case", CASES[:1], ids=str)
async def test_an_address_of_another_device_is_refused(case: DriverCase, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        mine = (await b.database.inventory.device("r1")).device
        other = replace(mine, id=b.outside.ids.new(), position_id=b.outside.ids.new(), name="r2", address=NEW)
        await b.database.inventory.apply(InventoryChanges(at=b.clock.now(), add=(other,)))
        b.care = Care(checks=Checks(b.database.addresses))
        # Nothing of the configuration says where it is managed: it is judged all the same.
        for change in (MOVE, {"hostname": "ELSEWHERE"}):
            meant = frozenset({Lockout.ADDRESS})
            settled = await b.work(await b.ask(change=change, managed_at=NEW, overrides=meant))
            assert (settled.outcome, settled.error_code) == (Outcome.WITHDRAWN, Check.FLEET), settled.error
            assert "r2" in (settled.error or "")


@pytest.mark.parametrize("case", CASES[:1], ids=str)
async def test_what_cannot_be_meant_is_refused_with_the_field_named(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        for asked in (
            b.asked(change=MOVE, managed_at="300.1.2.3"),
            b.asked(change=MOVE, managed_at="0.0.0.0"),
            b.asked(save=True, managed_at=NEW),
            b.asked(reboot=True, managed_at=NEW),
        ):
            with pytest.raises(InputError, match="managed_at"):
                await b.pushes.submit(asked, by="op")
        # The address that it has is no other one.
        push = await b.ask(change={"hostname": "SAME-1"}, managed_at=OLD)
        assert push.managed_at is None
        assert (await b.work(push)).outcome is Outcome.CONFIRMED
