"""Every role against every operation, over HTTP: what the table denies is answered by 403 and has no effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from cpe_manager.domain.access.access import SYSTEM, Permission, Role
from cpe_manager.domain.access.accounts import AccountKind
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.services.access.book import NewAccount, TokenWish
from tests.integration.api.world import CSV, World
from tests.support.rights_table import TABLE, WHO

ROLES = {
    "V": Role.VIEWER,
    "O": Role.OPERATOR,
    "X": Role.EXECUTOR,
    "A": Role.APPROVER,
    "D": Role.ADMINISTRATOR,
    "C": Role.CUSTOMER,
}
SCOPES = {"r": Scope.READ, "w": Scope.WRITE, "a": Scope.ADMIN, "o": Scope.ORIGINALS}
NEAR = {"name": "r1", "line": "r1", "site": "r1", "version": "1", "webhook": "desk", "account": "victim"}
"""Things that there are, so that what is let through by mistake has an effect."""
FAR = {"version": "99", "number": "99"}

SUBSCRIPTION = {"customer": "Bakkerij Peeters", "formula": "pro-plus", "technology": "copper"}
BODIES: Mapping[str, Any] = {
    "addDevice": {"name": "new", "address": "198.51.100.99", "family": "frr_linux", "credential": "lab", "site": "r1"},
    "putGroup": {"family": "frr_linux"},
    "importInventory": {
        "files": [{"name": "a.csv", "text": f"{CSV}r9,198.51.100.98,frr_linux,lab,r9\n"}], "backup": False,
    },
    "suspendDevice": None,
    "resumeDevice": None,
    "acceptHostKey": {"forget": True},
    "runBackup": {"names": ["r1"]},
    "verifyBackups": None,
    "setUpLine": {"watched": True},
    "orderLine": {"what": "hold"},
    "importLines": {"rows": [{"number": 1, "device": "r1", "values": {"watched": False}}]},
    "putSubscription": SUBSCRIPTION,
    "importSubscriptions": {"rows": [{"number": 1, "site": "r1", "values": SUBSCRIPTION}]},
    "addSchedule": {"name": "weekly", "cron": "0 1 * * 0"},
    "runSchedule": None,
    "removeSchedule": None,
    "createToken": {"name": "more", "scopes": ["admin"]},
    "addAccount": {"name": "more", "roles": ["administrator"]},
    "changeAccount": {"roles": ["administrator"]},
    "giveAccountPassword": None,
    "unlockAccount": None,
    "createAccountToken": {"name": "more"},
    "createWebhook": {"name": "more", "url": "https://203.0.113.1/", "kinds": ["*"]},
    "replayWebhook": None,
    "removeWebhook": None,
    "rotateKey": None,
}  # fmt: skip
"""Of what changes something: with these the operation does it, when it is allowed."""
OF_ONES_OWN = {
    "changeOwnPassword": {"old": "several words are good", "new": "other words are good"},
    "createOwnToken": {"name": "more"},
}
SPECIAL = {
    "removeSchedule": {"name": "nightly"},
    "runSchedule": {"name": "nightly"},
    "putGroup": {"name": "g"},
    "createAccountToken": {"account": "robot"},
}


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str

    def request(self, values: Mapping[str, str]) -> tuple[str, str]:
        path = self.path
        while "{" in path:
            name = path[path.index("{") + 1 : path.index("}")]
            path = path.replace(f"{{{name}}}", values.get(name, "nothing"))
        return self.method, path


def operations(world: World) -> list[Operation]:
    paths = world.app.openapi()["paths"]
    return [
        Operation(found["operationId"], method.upper(), path)
        for path, methods in paths.items()
        for method, found in methods.items()
    ]


async def furnish(world: World) -> None:
    """Something for every verb to happen to."""
    await world.add_devices("r1", "r2")
    await world.back_up("r1", "x")
    book = world.services.accounts.book
    await book.add(NewAccount("victim", AccountKind.USER, frozenset({Role.VIEWER})), by=SYSTEM)
    await book.add(NewAccount("robot", AccountKind.SERVICE, frozenset({Role.VIEWER})), by=SYSTEM)
    async with await world.client() as http:
        for path, body in (
            ("schedules", {"name": "nightly", "cron": "0 1 * * *"}),
            ("webhooks", {"name": "desk", "url": "https://203.0.113.1/", "kinds": ["*"]}),
        ):
            made = await http.post(f"/api/v1/{path}", json=body)
            assert made.status_code == 201, made.text


async def everybody(world: World) -> dict[str, httpx.AsyncClient]:
    tokens: dict[str, str] = {"-": ""}
    for letter, role in ROLES.items():
        tokens[letter] = await world.account(role.value, role, sites=["r1"] if role is Role.CUSTOMER else None)
    for letter, scope in SCOPES.items():
        tokens[letter] = await world.token(scope)
    originals = frozenset({Permission.ORIGINALS})
    given = NewAccount("given", AccountKind.SERVICE, frozenset({Role.VIEWER}), granted=originals)
    book = world.services.accounts.book
    await book.add(given, by=SYSTEM)
    tokens["G"] = (await book.make_token("given", TokenWish("all"), by=SYSTEM)).text
    assert set(tokens) == set(WHO)
    clients = {letter: await world.client(token=text) for letter, text in tokens.items()}
    for client in clients.values():
        await client.get("/api/v1/me")
    return clients


async def kept(world: World) -> str:
    """Everything that is stored but the audit log, which notes denials."""
    rows = [batch async for batch in world.database.maintenance.dump() if not batch[0].startswith("audit")]
    return json.dumps(rows, sort_keys=True, default=str)


async def test_the_table_has_a_row_for_every_operation_and_for_nothing_else(world: World) -> None:
    ids = {operation.id for operation in operations(world)}
    assert ids - TABLE.keys() == set(), "say in tests/support/rights_table.py who may do that"
    assert TABLE.keys() - ids == set()
    assert all(set(who) <= set(WHO) for who in TABLE.values())


async def test_what_the_table_denies_is_answered_by_403_and_nothing_has_happened(world: World) -> None:
    await furnish(world)
    clients = await everybody(world)
    before, tickets = await kept(world), list(world.engine.tickets)
    for operation in operations(world):
        method, path = operation.request({**NEAR, **SPECIAL.get(operation.id, {})})
        body = BODIES.get(operation.id, OF_ONES_OWN.get(operation.id))
        for letter in sorted(set(WHO) - set(TABLE[operation.id])):
            answer = await clients[letter].request(method, path, json=body)
            expected = (401, "unauthorised") if letter == "-" else (403, "forbidden")
            assert (answer.status_code, answer.json()["code"]) == expected, (operation.id, letter, answer.text)
    assert await kept(world) == before
    assert world.engine.tickets == tickets


async def test_what_the_table_allows_is_not_denied(world: World) -> None:
    await furnish(world)
    clients = await everybody(world)
    world.app.state.feed.close()  # a stream would not end
    for operation in operations(world):
        # Of what there is none, so that nobody's request takes away what the next one's is about.
        method, path = operation.request(FAR)
        for letter in TABLE[operation.id]:
            answer = await clients[letter].request(method, path)
            denied = answer.status_code == 403 or (answer.status_code == 401 and operation.id != "logIn")
            assert not denied, (operation.id, letter, answer.text)
            assert answer.status_code < 500 or operation.id == "verifyAudit", (operation.id, letter, answer.text)


async def test_the_requests_that_were_denied_do_something_when_they_are_allowed(world: World) -> None:
    """Or the test above would prove nothing."""
    await furnish(world)
    clients = await everybody(world)
    by_id = {operation.id: operation for operation in operations(world)}
    for name, body in BODIES.items():
        method, path = by_id[name].request({**NEAR, **SPECIAL.get(name, {})})
        before = await kept(world)
        who = next(letter for letter in "DO" if letter in TABLE[name])
        answer = await clients[who].request(method, path, json=body)
        assert answer.status_code < 300, (name, answer.text)
        if name not in {"importSubscriptions", "importLines", "unlockAccount", "resumeDevice"}:
            assert await kept(world) != before, name
