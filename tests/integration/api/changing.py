"""Change requests as the API's tests make them: who asks, who answers, and what a keeper would have shown."""

from __future__ import annotations

from typing import Any

import httpx

from cpe_manager.domain.access.access import Role
from cpe_manager.domain.changes.requests import ChangeState, Shown
from cpe_manager.ports.changes import Turn
from tests.integration.api.world import World

OPEN_PORT: dict[str, Any] = {
    "type": "open-port",
    "site": "w1",
    "parameters": {"ports": [{"port": 443, "inside": "192.168.1.10"}]},
}
WIFI: dict[str, Any] = {
    "type": "wifi",
    "site": "w1",
    "parameters": {"networks": [{"band": "2.4", "key": "a-secret-wifi-key"}]},
}
SHOWN = Shown(
    "basis-1",
    "digest-1",
    (
        ("port_mappings", [], [{"protocol": "tcp", "outside": 443, "inside": "192.168.1.10"}]),
        ("wifi.enabled", True, False),
    ),
    "+ ip nat inside source static tcp 192.168.1.10 443",
    ("the port can be reached from everywhere",),
)


async def desk(world: World) -> httpx.AsyncClient:
    """A program that asks."""
    return await world.client(token=await world.account("desk", Role.EXECUTOR))


async def approver(world: World) -> httpx.AsyncClient:
    return await world.client(token=await world.account("approver", Role.APPROVER))


async def customer(world: World, name: str, *sites: str) -> httpx.AsyncClient:
    return await world.client(token=await world.account(name, Role.CUSTOMER, sites=sites))


async def asked(http: httpx.AsyncClient, body: dict[str, Any] | None = None, key: str = "") -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await http.post("/api/v1/changes", json=body or OPEN_PORT, headers=headers)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/changes/{made['id']}"
    assert answer.headers["etag"] == f'"{made["revision"]}"'
    return made


async def comes_to(world: World, change_id: str, state: ChangeState, reason: str = "", **values: Any) -> None:
    """As the keeper would take it there."""
    now = (await world.database.changes.change(change_id)).change
    code = values.pop("code", "")
    at = world.clock.now()
    turn = Turn(now.id, now.revision, state, at, "cpe-manager", reason, code, values=tuple(values.items()))
    await world.database.changes.turn(turn)


async def accepted(world: World, change_id: str, shown: Shown = SHOWN) -> None:
    sealed = world.vault.seal_note(world.ids.new(), "{}")
    now = (await world.database.changes.change(change_id)).change
    values = (("shown", shown), ("catalogue_version", 1))
    at = world.clock.now()
    turn = Turn(now.id, now.revision, ChangeState.ACCEPTED, at, "cpe-manager", values=values, effect=sealed)
    await world.database.changes.turn(turn)
