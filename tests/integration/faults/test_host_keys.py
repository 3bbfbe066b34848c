"""A box that shows another host key gets nothing from us until a person has accepted the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.domain.jobs import Outcome
from simulators.device import Device
from simulators.faults import kinds
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.integration.faults.pipeline import Pipeline, not_backed_up, pipeline, wrong_texts

SWAPPED = ("P-0000", "P-0001")
"""Boxes that were exchanged: their key is another one for good."""
IMPOSTORS = ("P-0002", "P-0003")
"""Somebody in between shows another key, and goes away again."""
BYSTANDERS = ("P-0004", "P-0005")


def received(device: Device) -> tuple[int, int, int, int]:
    """Everything that a box counts behind the key exchange."""
    stats = device.stats
    return (stats.passwords_accepted, stats.passwords_refused, stats.auth_completed, stats.sessions)


@pytest.mark.parametrize("case", ROSTER, ids=str)
async def test_nothing_is_sent_to_a_box_with_another_host_key_until_the_key_is_accepted(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with pipeline(tmp_path, sqlite_url, case, [*SWAPPED, *IMPOSTORS, *BYSTANDERS]) as made:
        await made.run()
        before = await made.standings()
        assert not_backed_up(made, before) == {}
        for name in SWAPPED:
            made.fleet.device(name).rotate_host_key()
        for name in IMPOSTORS:
            made.fleet.device(name).set_fault(kinds.HostKeyChanged())
        for device in made.fleet.devices:
            device.change()
        for _ in range(2):
            await refuses(made, (*SWAPPED, *IMPOSTORS))
        after = await made.standings()
        for name in (*SWAPPED, *IMPOSTORS):
            assert after[name].good == before[name].good
            assert after[name].current_id == before[name].current_id
        await accept(made, SWAPPED)
        await made.heal()
        rows = await made.run()
        assert {row.outcome for row in rows.values()} == {Outcome.STORED, Outcome.UNCHANGED}
        assert {name for name, row in rows.items() if row.outcome is Outcome.UNCHANGED} == set(BYSTANDERS)
        found = await made.standings()
        assert (not_backed_up(made, found), wrong_texts(made, found)) == ({}, {})
        await made.nothing_left()


async def refuses(made: Pipeline, hit: tuple[str, ...]) -> None:
    """A run in which these devices are not logged in to, and the others are backed up."""
    counted = {name: received(made.fleet.device(name)) for name in hit}
    rows = await made.run()
    assert {name for name, row in rows.items() if row.error_code == "host_key"} == set(hit)
    assert {name for name, row in rows.items() if row.outcome is Outcome.FAILED} == set(hit)
    assert {name: received(made.fleet.device(name)) for name in hit} == counted
    for name in hit:
        status = (await made.parts.services.inventory.show(name)).status
        assert status.last_error_code == "host_key"
    await made.nothing_left()


async def accept(made: Pipeline, names: tuple[str, ...]) -> None:
    """What a person does after having looked at the key that the box offered."""
    for name in names:
        truly = made.fleet.device(name).host_key_public
        offered = [
            key.key for key in (await made.parts.services.inventory.show(name)).host_keys if key.state != "pinned"
        ]
        assert offered == [truly]
        view = await made.parts.services.inventory.accept_key(name, by="test")
        assert [(key.key, key.state) for key in view.host_keys] == [(truly, "pinned")]
