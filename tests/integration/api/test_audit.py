"""What requests leave in the audit log, and how it is read over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from backups.auditing import RingAuditKeys
from cpe_manager.api.auditing import Audit, Denials
from cpe_manager.api.middleware import RequestLog
from cpe_manager.api.schemas.audit import AuditWatchView
from cpe_manager.cli.auditing import watched_in_words
from cpe_manager.domain.access.audit import Link, NewAuditEntry
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.audit import AuditStore
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.access.audit import AuditBook
from tests.fakes.audit import FixedKeys
from tests.fakes.clock import SimulatedClock
from tests.integration.api.world import World

AUDIT = "/api/v1/audit"
TOKENS = "/api/v1/tokens"


async def entries(http: httpx.AsyncClient, **where: Any) -> list[dict[str, Any]]:
    answer = await http.get(AUDIT, params=where)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_request_that_changes_something_is_in_it_before_it_is_answered(
    http: httpx.AsyncClient, world: World
) -> None:
    made = await http.post(TOKENS, json={"name": "reader", "scopes": ["read"]})
    assert made.status_code == 201
    (one,) = await entries(http)
    caller = "+".join(sorted(Scope))
    assert (one["number"], one["actor"], one["action"], one["result"]) == (1, caller, "createToken", "done")
    assert one["actor_id"].startswith("token:")
    assert one["request_id"] == made.headers["x-request-id"]
    assert one["source"] == "127.0.0.1"
    assert one["data"]["method"] == "POST"
    assert (one["data"]["path"], one["data"]["status"]) == ("/tokens", 201)
    assert made.json()["text"] not in str(one)
    await http.delete(f"{TOKENS}/reader")
    assert [one["target"] for one in await entries(http, action="revokeToken")] == ["token:reader"]
    shown = await http.get(f"{AUDIT}/1")
    assert shown.json() == one
    assert (await http.get(f"{AUDIT}/99")).status_code == 404


async def test_reading_is_not_in_it_and_what_was_refused_or_failed_is(http: httpx.AsyncClient, world: World) -> None:
    await http.get("/api/v1/devices")
    await http.get("/api/v1/devices/none")
    assert await entries(http) == []
    async with await world.client(Scope.READ) as reader:
        assert (await reader.post(TOKENS, json={"name": "x", "scopes": ["admin"]})).status_code == 403
        assert (await reader.get(AUDIT)).status_code == 403
        assert (await reader.get(f"{AUDIT}/verification")).status_code == 403
    await http.post(TOKENS, json={"name": "", "scopes": ["read"]})
    await http.delete(f"{TOKENS}/nobody")
    await http.post("/api/v1/no-such-thing")
    found = [(one["action"], one["result"], one["actor"]) for one in reversed(await entries(http))]
    everything = "+".join(sorted(Scope))
    assert found == [
        ("createToken", "denied", "read"),
        ("listAudit", "denied", "read"),
        ("verifyAudit", "denied", "read"),
        ("createToken", "failed", everything),
        ("revokeToken", "failed", everything),
        ("none", "failed", everything),
    ]
    assert [one["action"] for one in await entries(http, result="denied", actor="read", limit=1)] == ["verifyAudit"]


async def test_nobody_fills_the_log_from_outside(http: httpx.AsyncClient, world: World) -> None:
    async with await world.client(token="cpem_wrong") as stranger:
        for _ in range(50):
            assert (await stranger.post(TOKENS, json={})).status_code == 401
        await world.clock.advance(61)
        assert (await stranger.get("/api/v1/devices")).status_code == 401
    first, second = reversed(await entries(http))
    assert (first["action"], first["result"], first["actor"], first["source"]) == ("none", "denied", "", "127.0.0.1")
    assert second["data"]["spared"] == 49
    assert "cpem_wrong" not in str([first, second])


def test_so_many_callers_at_once_are_counted_together() -> None:
    denials = Denials()
    assert all(denials.noted((str(number), "x"), 0.0) == 0 for number in range(10_000))
    assert denials.noted(("one more", "x"), 1.0) == 0
    assert denials.noted(("another", "x"), 2.0) is None
    assert denials.noted(("another", "x"), 100.0) == 0
    assert len(denials.known) == 1


async def test_events_of_people_become_entries(http: httpx.AsyncClient, world: World) -> None:
    assert await world.services.audit.look() == 0
    event = NewEvent(
        "change.approved", world.clock.now(), message="CHG-000001 approved",
        data={"by": "carla", "by_id": "c1", "ticket": "CHG-000001", "site": "gent", "state": "approved", "revision": 3},
    )  # fmt: skip
    await world.database.events.add([event, NewEvent("backup.stored", world.clock.now())])
    assert await world.services.audit.look() == 1
    (one,) = await entries(http, action="change.*")
    assert (one["actor"], one["actor_id"], one["target"], one["site"]) == ("carla", "c1", "change:CHG-000001", "gent")
    assert one["data"] == {"event": 2, "message": "CHG-000001 approved", "revision": 3, "state": "approved"} | {
        "event": one["data"]["event"]
    }
    assert await world.services.audit.look() == 0


async def test_an_original_that_was_opened_is_in_it(http: httpx.AsyncClient, world: World) -> None:
    await world.services.audit.look()
    await world.add_devices("r1")
    await world.back_up("r1", "one")
    assert (await http.get("/api/v1/devices/r1/backups/1/original")).status_code == 200
    await world.services.audit.look()
    (one,) = await entries(http, action="original.opened")
    assert one["target"] == "device:r1"


async def test_a_verification_over_http_tells_what_is_whole_and_what_was_seen(http: httpx.AsyncClient) -> None:
    for number in range(5):
        await http.post(TOKENS, json={"name": f"t{number}", "scopes": ["read"]})
    url = f"{AUDIT}/verification"
    part = (await http.get(url, params={"limit": 2})).json()
    assert (part["ok"], part["first"], part["last"], part["next"]) == (True, 1, 2, 3)
    rest = (await http.get(url, params={"from": 3})).json()
    assert (rest["ok"], rest["last"], rest["next"], rest["head"]["number"]) == (True, 5, None, 5)
    seen = {"seen_number": 5, "seen_digest": rest["head"]["digest"]}
    assert (await http.get(url, params=seen)).json()["ok"]
    wrong = (await http.get(url, params=seen | {"seen_digest": "0" * 64})).json()
    assert (wrong["ok"], wrong["fault"]["number"], wrong["fault"]["what"]) == (False, 5, "forked")
    assert (await http.get(url, params={"seen_number": 5})).status_code == 422
    pages = [await http.get(AUDIT, params={"order": "oldest", "limit": 3})]
    pages.append(await http.get(AUDIT, params={"order": "oldest", "cursor": pages[0].json()["next_cursor"]}))
    assert [one["number"] for page in pages for one in page.json()["items"]] == [1, 2, 3, 4, 5]


async def test_the_chain_goes_on_under_the_same_key_when_sealing_keys_are_rotated(
    http: httpx.AsyncClient, world: World
) -> None:
    await http.post(TOKENS, json={"name": "a", "scopes": ["read"]})
    assert (await http.post("/api/v1/keys/rotate")).status_code == 202
    await http.post(TOKENS, json={"name": "b", "scopes": ["read"]})
    assert len({one["key_id"] for one in await entries(http)}) == 1
    assert (await http.get(f"{AUDIT}/verification")).json()["ok"]


class Refusing:
    """A store that can be made to refuse."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self.refuses = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, entries: list[NewAuditEntry], link: Link) -> Any:
        if self.refuses:
            raise StoreBusy("the database is locked")
        return await self._store.append(entries, link)


async def test_while_something_cannot_be_noted_nothing_more_is_done(world: World) -> None:
    store = Refusing(world.database.audit)
    clock = SimulatedClock()
    book = AuditBook(store, FixedKeys(), clock)
    done: list[str] = []

    async def deed(request: Request) -> PlainTextResponse:
        done.append(request.method)
        # The database goes away between the deed and its entry.
        store.refuses = len(done) == 1
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/api/v1/deed", deed, methods=["GET", "POST"])])
    wrapped = RequestLog(Audit(app, book, clock), Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://api") as http:
        assert (await http.post("/api/v1/deed")).status_code == 200
        refused = await http.post("/api/v1/deed")
        assert (refused.status_code, refused.json()["code"]) == (503, "store_busy")
        assert (await http.get("/api/v1/deed")).status_code == 200
        assert done == ["POST", "GET"]
        store.refuses = False
        assert (await http.post("/api/v1/deed")).status_code == 200
    assert [row.data.count("POST") for row in await world.database.audit.rows(1, 10)] == [1, 1]


async def test_what_is_noted_at_once_is_written_together_and_each_caller_hears_of_it(world: World) -> None:
    import asyncio

    keys = FixedKeys()
    store = Refusing(world.database.audit)
    book = AuditBook(store, keys, world.clock)
    await asyncio.gather(*(book.note([NewAuditEntry(world.clock.now(), "a", "a", f"n{n}")]) for n in range(200)))
    rows = await world.database.audit.rows(1, 1000)
    assert [row.action for row in rows] == [f"n{n}" for n in range(200)]
    store.refuses = True
    for _ in range(2):
        with pytest.raises(StoreBusy):
            await book.note([NewAuditEntry(world.clock.now(), "a", "a", "x")])
    assert (await book.verify()).fault is None


def test_the_key_of_the_log_is_the_rings_and_no_other_one(world: World, tmp_path: Any) -> None:
    from backups.keyfile import KeyFile

    mine = KeyFile(tmp_path / "keyring.json", world.ids)
    other = KeyFile(tmp_path / "other.json", world.ids)
    other.create(world.clock.now())
    before = RingAuditKeys(mine).active()
    mine.rotate(world.clock.now())
    assert RingAuditKeys(mine).active() == before
    assert RingAuditKeys(other).active().secret != before.secret
    assert RingAuditKeys(other).secret(before.id) is None
    assert before.secret.hex() not in repr(before)


async def test_when_the_daemon_last_looked_by_itself_is_told(world: World, http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/audit/verification")).json()["watched"] is None
    assert (await http.get("/api/v1/system")).json()["audit"] is None
    await world.services.audit_watch.look()
    told = (await http.get("/api/v1/audit/verification")).json()["watched"]
    last = (await http.get("/api/v1/audit?limit=1")).json()["items"]
    assert told["fault"] is None
    assert told["verified_to"] == (last[0]["number"] if last else 0)
    assert told["verified_at"] == told["whole_at"]
    assert (await http.get("/api/v1/system")).json()["audit"] == told
    words = watched_in_words(AuditWatchView.model_validate(told))
    assert words.startswith(f"whole up to entry {told['verified_to']} ")
    assert ", all of it looked at " in words
