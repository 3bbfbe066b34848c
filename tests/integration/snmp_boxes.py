"""Boxes that answer SNMP, for tests of several folders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

StartSnmpBox = Callable[..., Awaitable[Device]]


@pytest.fixture
async def snmp_box() -> AsyncIterator[StartSnmpBox]:
    """Start one box that answers SNMP: `await snmp_box("cisco_ios", options={...})`."""
    fleets: list[Fleet] = []

    async def start(family: str = "cisco_ios", **fields: object) -> Device:
        spec = DeviceSpec(**{"name": "GENT-01", "family": family, "seed": 5, **fields})  # type: ignore[arg-type]
        fleet = Fleet([spec], down_time=0.2, snmp=True)
        await fleet.start()
        fleets.append(fleet)
        return fleet.device(spec.name)

    yield start
    for fleet in fleets:
        await fleet.stop()
