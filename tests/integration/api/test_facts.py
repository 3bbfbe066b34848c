"""Facts of devices over HTTP."""

from __future__ import annotations

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.ports.driver import Facts
from cpe_manager.ports.facts import DeviceFacts
from tests.integration.api.world import World


async def test_facts_are_shown_by_themselves_and_with_their_device(world: World) -> None:
    await world.add_devices("r1", "r2")
    device = (await world.services.inventory.show("r1")).device
    told = Facts("r1", "C891F-K9", "", "15.7(3)M8", 90)
    await world.database.facts.put([DeviceFacts(device.id, told, "session", world.clock.now())])
    async with await world.client(Scope.READ) as http:
        answer = await http.get("/api/v1/devices/r1/facts")
        shown = (await http.get("/api/v1/devices/r1")).json()
        other = (await http.get("/api/v1/devices/r2")).json()
        unknown = await http.get("/api/v1/devices/r2/facts")
    assert answer.status_code == 200
    facts = answer.json()
    assert (facts["model"], facts["serial"], facts["os_release"]) == ("C891F-K9", None, "15.7(3)M8")
    assert (facts["uptime_seconds"], facts["source"]) == (90, "session")
    assert facts["booted_at"] < facts["at"]
    assert shown["facts"] == facts
    assert other["facts"] is None
    assert unknown.status_code == 404
    assert "has not told anything of itself yet" in unknown.json()["detail"]


async def test_asking_needs_a_device_that_can_be_asked_and_a_token_that_may(world: World) -> None:
    await world.add_devices("r1")
    async with await world.client() as http:
        never = await http.post("/api/v1/devices/r1/facts")
        no_snmp = await http.post("/api/v1/devices/r1/facts", json={"way": "snmp"})
        no_way = await http.post("/api/v1/devices/r1/facts", json={"way": "telepathy"})
        nobody = await http.post("/api/v1/devices/nobody/facts")
    assert (never.status_code, no_snmp.status_code, no_way.status_code, nobody.status_code) == (409, 422, 422, 404)
    assert "its first backup learns its host key" in never.json()["detail"]
    async with await world.client(Scope.READ) as http:
        assert (await http.post("/api/v1/devices/r1/facts")).status_code == 403
