"""Telnet through the whole pipeline: allowed by a group, warned of at each connect, refused once it is forbidden."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from cpe_manager.domain.fleet.inventory import Group
from tests.contract.drivers.roster import OVER_TELNET
from tests.integration.faults.pipeline import PATIENT, end_of, not_backed_up, pipeline


async def test_a_fleet_over_telnet_is_backed_up_while_its_group_allows_it(tmp_path: Path, sqlite_url: str) -> None:
    case = OVER_TELNET[0]
    async with pipeline(tmp_path, sqlite_url, case, ["P-1", "P-2"]) as made:
        with capture_logs() as logs:
            rows = await made.run()
        assert {name: end_of(row) for name, row in rows.items()} == {"P-1": "true", "P-2": "true"}
        standings = await made.standings()
        assert not_backed_up(made, standings) == {}
        assert [one.view.host_keys for one in standings.values()] == [(), ()], "there are none over Telnet"
        warned = {(entry["device"], entry["why"]) for entry in logs if entry["event"] == "session.insecure"}
        assert warned == {("P-1", "telnet"), ("P-2", "telnet")}
        inventory = made.parts.services.inventory
        group = next(one for one in await inventory.groups() if one.name == PATIENT)
        await inventory.put_group(
            Group(PATIENT, family=case.family, settings={**group.settings, "allow_telnet": False}), by="t"
        )
        connections = [device.stats.connections for device in made.fleet.devices]
        rows = await made.run()
        assert {name: end_of(row) for name, row in rows.items()} == {"P-1": "telnet_refused", "P-2": "telnet_refused"}
        assert [device.stats.connections for device in made.fleet.devices] == connections
        await made.nothing_left()
