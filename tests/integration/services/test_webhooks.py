"""Events told to a real server, as a receiver reads them; time alone is simulated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from cpe_manager.adapters.http_posts import HttpPosts
from cpe_manager.domain.errors import Conflict, ConnectFailed, Forbidden, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.posts import Posted
from cpe_manager.services.telling.webhooks import For, WebhookParts, WebhookRules, Webhooks
from tests.integration.api.world import World, opened
from tests.support.hook_server import HookServer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with HookServer() as running:
        yield running


async def happen(world: World, *numbers: int, kind: str = "line.mobile") -> None:
    now = world.clock.now()
    await world.database.events.add([NewEvent(kind, now, message=str(number)) for number in numbers])


async def tell(world: World, service: Webhooks | None = None) -> None:
    """One look, to its end."""
    hooks = service or world.services.webhooks
    await hooks.look()
    await hooks.idle()


def told(server: HookServer) -> list[int]:
    return [int(call["data"]["message"]) for call, _ in server.calls if call["type"].startswith("line.")]


class Receiver:
    """Takes what comes when it is well, keeps what it has taken, once by id, as the documentation asks for."""

    def __init__(self, server: HookServer) -> None:
        self.well = True
        self.taken: dict[str, int] = {}
        self.status = 500
        server.answer = self.answer

    def answer(self, call: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if not self.well:
            return self.status, {}
        self.taken.setdefault(headers["webhook-id"], int(call["data"]["message"]))
        return 204, {}


async def test_what_is_told_is_what_a_receivers_library_believes(world: World, server: HookServer) -> None:
    # Its library compares with the clock on the wall.
    world.clock.step(datetime.now(UTC) - world.clock.now())
    made = await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await world.database.events.add(
        [NewEvent("line.mobile", world.clock.now(), "warning", message="1", data={"reasons": ["3 echoes lost: ü"]})]
    )
    await tell(world)
    ((call, headers),) = server.calls
    assert Webhook(made.secret).verify(server.raw[0], dict(headers)) == call
    assert (call["type"], call["data"]["severity"]) == ("line.mobile", "warning")
    assert call["data"]["data"] == {"reasons": ["3 echoes lost: ü"]}
    assert headers["webhook-id"] == f"evt_{call['data']['id']}"
    assert headers["content-type"] == "application/json"
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(made.secret).verify(server.raw[0] + b" ", dict(headers))


async def test_only_the_kinds_that_are_wanted_are_told_from_then_on_in_order(world: World, server: HookServer) -> None:
    await happen(world, 1)
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, *range(2, 130))
    await happen(world, 999, kind="backup.stored")
    await tell(world)
    assert told(server) == list(range(2, 130))
    assert len(server.calls) == 128
    endpoint, attempts, behind = await world.services.webhooks.show("desk")
    assert behind == 0
    assert endpoint.cursor == await world.database.events.last_id()
    assert all(one.ok and one.status == 200 for one in attempts)
    await tell(world)
    assert len(server.calls) == 128


async def test_a_receiver_that_is_down_for_an_hour_misses_nothing_and_keeps_the_order(
    world: World, server: HookServer
) -> None:
    receiver = Receiver(server)
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    sent = 0
    for minute in range(100):
        if minute == 10:
            await server.stop()
        if minute == 70:
            await server.start()
            receiver.well = False
        if minute == 75:
            receiver.well = True
        for _ in range(2):
            sent += 1
            await happen(world, sent)
        await tell(world)
        await world.clock.advance(60)
    await world.clock.advance(3600)
    await tell(world)
    assert list(receiver.taken.values()) == list(range(1, sent + 1))
    kinds = [one.kind for one in await world.database.events.after(0, limit=5000) if one.kind.startswith("webhook.")]
    assert kinds == ["webhook.added", "webhook.failing", "webhook.recovered"]
    assert await world.database.events.alarms() == []


async def test_nothing_is_told_past_what_was_not_taken_and_pauses_grow(world: World, server: HookServer) -> None:
    receiver = Receiver(server)
    receiver.well = False
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, 1, 2)
    pauses: list[float] = []
    for tries in range(1, 9):
        await tell(world)
        assert len(server.calls) == tries
        due = (await world.services.webhooks.show("desk"))[0].next_at
        assert due is not None
        pauses.append((due - world.clock.now()).total_seconds())
        await world.clock.advance(pauses[-1] - 1)
        await tell(world)
        assert len(server.calls) == tries
        await world.clock.advance(1)
    assert set(told(server)) == {1}
    assert pauses == sorted(pauses)
    assert 4 <= pauses[0] <= 5
    assert 512 <= pauses[-1] <= 640
    assert {headers["webhook-id"] for _, headers in server.calls} == {server.calls[0][1]["webhook-id"]}


async def test_a_receiver_that_fails_for_days_is_disabled_with_an_alarm_and_goes_on_after_a_replay(
    world: World, server: HookServer
) -> None:
    receiver = Receiver(server)
    receiver.well = False
    made = await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, 1, 2, 3)
    for _ in range(130):
        await tell(world)
        await world.clock.advance(3600)
    endpoint, _, _ = await world.services.webhooks.show("desk")
    assert endpoint.state == "disabled"
    assert "HTTP 500" in endpoint.reason
    (alarm,) = await world.database.events.alarms()
    assert alarm.key == f"webhook.disabled:{made.endpoint.id}"
    calls = len(server.calls)
    await world.clock.advance(86400)
    await tell(world)
    assert len(server.calls) == calls
    receiver.well = True
    await world.services.webhooks.replay("desk", None, by="op")
    await tell(world)
    assert list(receiver.taken.values()) == [1, 2, 3]
    assert await world.database.events.alarms() == []


async def test_a_receiver_that_is_gone_is_believed_at_once(world: World, server: HookServer) -> None:
    receiver = Receiver(server)
    receiver.well, receiver.status = False, 410
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, 1)
    await tell(world)
    assert (await world.services.webhooks.show("desk"))[0].state == "disabled"


async def test_a_receiver_may_ask_for_a_longer_pause(world: World, server: HookServer) -> None:
    receiver = Receiver(server)
    receiver.well, receiver.status = False, 429
    server.more_headers = {"Retry-After": "600"}
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, 1)
    for _ in range(12):
        await tell(world)
        await world.clock.advance(50)
    assert len(server.calls) == 1
    await world.clock.advance(10)
    await tell(world)
    assert len(server.calls) == 2


async def test_a_replay_tells_the_same_events_under_the_same_ids(world: World, server: HookServer) -> None:
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, 1)
    await world.clock.advance(3600)
    await happen(world, 2, 3)
    await tell(world)
    await world.services.webhooks.replay("desk", world.clock.now() - timedelta(minutes=1), by="op")
    await tell(world)
    assert told(server) == [1, 2, 3, 2, 3]
    ids = [headers["webhook-id"] for _, headers in server.calls]
    assert ids[1:3] == ids[3:]


async def test_two_processes_do_not_tell_the_same_endpoint_side_by_side(world: World, server: HookServer) -> None:
    parts = WebhookParts(world.database.webhooks, world.database.events, world.vault, HttpPosts(private=True))
    other = Webhooks(parts, world.clock, world.ids, WebhookRules("other", plain=True))
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, *range(1, 80))
    server.delay = 0.002
    await asyncio.gather(tell(world), tell(world, other))
    assert told(server) == list(range(1, 80))
    await other.close()


async def test_what_a_process_left_undone_is_told_by_the_next_one(world: World, server: HookServer) -> None:
    receiver = Receiver(server)
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    await happen(world, *range(1, 200))
    server.delay = 0.005
    serving = asyncio.create_task(world.services.webhooks.run())
    while len(server.calls) < 70:
        await asyncio.sleep(0.01)
    # As when it is killed: what it had told since the last write is told once more.
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    server.delay = 0.0
    await world.clock.advance(31)
    parts = WebhookParts(world.database.webhooks, world.database.events, world.vault, HttpPosts(private=True))
    successor = Webhooks(parts, world.clock, world.ids, WebhookRules("next", plain=True))
    await tell(world, successor)
    assert list(receiver.taken.values()) == list(range(1, 200))
    assert len(server.calls) <= 199 + 51
    await successor.close()


async def test_a_test_is_told_beside_the_order_of_the_others(world: World, server: HookServer) -> None:
    await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    attempt = await world.services.webhooks.test("desk")
    assert (attempt.ok, attempt.status) == (True, 200)
    assert server.calls[0][0]["type"] == "webhook.test"
    await server.stop()
    attempt = await world.services.webhooks.test("desk")
    assert (attempt.ok, attempt.status) == (False, None)
    assert attempt.reason


async def test_private_addresses_are_told_nothing_unless_that_is_set(world: World, server: HookServer) -> None:
    parts = WebhookParts(world.database.webhooks, world.database.events, world.vault, HttpPosts(private=False))
    strict = Webhooks(parts, world.clock, world.ids, WebhookRules("strict"))
    with pytest.raises(InputError, match="https://"):
        await strict.add("desk", server.url, ["line.*"], by="op")
    await strict.add("desk", server.url.replace("http://", "https://"), ["line.*"], by="op")
    await happen(world, 1)
    await tell(world, strict)
    assert "not a public address" in (await strict.show("desk"))[0].reason
    assert server.calls == []
    await strict.close()


async def test_the_secret_is_in_no_event_no_list_and_no_log(
    world: World, server: HookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await world.services.webhooks.add("desk", f"{server.url}?key=url-secret", ["*"], by="op")
    await server.stop()
    await tell(world)
    everything = json.dumps([dict(one.data) | {"m": one.message} for one in await world.database.events.after(0)])
    everything += repr(made.endpoint.kinds) + capsys.readouterr().out
    for secret in (made.secret, made.secret.removeprefix("whsec_"), "url-secret"):
        assert secret not in everything
    assert made.secret not in repr(made)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_thousands_of_events_reach_a_receiver_that_was_down_for_an_hour_in_order_and_signed(
    world: World, server: HookServer
) -> None:
    receiver = Receiver(server)
    made = await world.services.webhooks.add("desk", server.url, ["line.*"], by="op")
    sent = 0
    for minute in range(100):
        if minute == 20:
            await server.stop()
        if minute == 80:
            await server.start()
        await happen(world, *range(sent + 1, sent + 31))
        sent += 30
        await tell(world)
        await world.clock.advance(60)
    await world.clock.advance(3600)
    await tell(world)
    assert list(receiver.taken.values()) == list(range(1, sent + 1))
    # Time is not the wall's here, so the library signs anew what it would have to be signed with.
    for (_, headers), body in zip(server.calls, server.raw, strict=True):
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signature = Webhook(made.secret).sign(headers["webhook-id"], at, body.decode())
        assert headers["webhook-signature"] == signature


def bound_parts(world: World, sites: Mapping[str, frozenset[str]], posts: Any = None) -> WebhookParts:
    async def sites_of(account_id: str) -> frozenset[str] | None:
        return sites.get(account_id)

    private = HttpPosts(private=True)
    return WebhookParts(
        world.database.webhooks, world.database.events, world.vault, private, posts or HttpPosts(private=True), sites_of
    )


async def changed(world: World, *sites: str, kind: str = "change.done") -> None:
    now = world.clock.now()
    await world.database.events.add([NewEvent(kind, now, message="1", data={"site": site}) for site in sites])


async def test_a_name_that_means_nothing_is_told_in_words() -> None:
    said = r"^https://no-such-host\.invalid: the name means no address \([a-z -]+\)$"
    with pytest.raises(ConnectFailed, match=said):
        await HttpPosts(private=True).post("https://no-such-host.invalid", b"{}", {}, seconds=60)


async def test_an_endpoint_that_is_bound_to_sites_is_told_of_changes_of_these_alone(
    world: World, server: HookServer
) -> None:
    await world.services.webhooks.add("desk", server.url, ["*"], by="op", bound=For(sites=("gent", "luik")))
    await changed(world, "gent", "namen", "luik", "")
    await changed(world, "gent", kind="line.mobile")
    await changed(world, "gent", kind="activation.activated")
    await world.database.events.add([NewEvent("change.done", world.clock.now())])
    await tell(world)
    told_of = [(call["type"], call["data"]["data"]["site"]) for call, _ in server.calls]
    assert told_of == [("change.done", "gent"), ("change.done", "luik"), ("activation.activated", "gent")]
    assert (await world.services.webhooks.show("desk"))[0].sites == ("gent", "luik")
    with pytest.raises(InputError, match="at least one"):
        await world.services.webhooks.add("x", server.url, ["*"], by="op", bound=For(sites=()))


async def test_a_customers_endpoint_follows_what_the_account_may_see_and_ends_with_it(
    world: World, server: HookServer
) -> None:
    sites = {"an": frozenset({"gent"})}
    hooks = Webhooks(bound_parts(world, sites), world.clock, world.ids, WebhookRules("test", plain=True))
    url = server.url.replace("http://", "https://")
    await hooks.add("an.desk", url, ["*"], by="an", bound=For(account_id="an"))
    with pytest.raises(Forbidden):
        await hooks.add("bo.desk", url, ["*"], by="bo", bound=For(account_id="bo"))
    for name in ("show", "test"):
        with pytest.raises(NotFound):
            await getattr(hooks, name)("an.desk", "bo")
    with pytest.raises(NotFound):
        await hooks.remove("an.desk", by="bo", account_id="bo")
    with pytest.raises(NotFound):
        await hooks.replay("an.desk", None, by="bo", account_id="bo")
    assert (await hooks.list(account_id="bo")).items == ()
    assert [one.name for one in (await hooks.list(account_id="an")).items] == ["an.desk"]
    await hooks.close()
    posts = Noted()
    hooks = Webhooks(bound_parts(world, sites, posts), world.clock, world.ids, WebhookRules("test", plain=True))
    await changed(world, "gent", "luik")
    await tell(world, hooks)
    sites["an"] = frozenset({"luik"})
    await changed(world, "gent", "luik")
    await tell(world, hooks)
    assert posts.sites == ["gent", "luik"]
    del sites["an"]
    await changed(world, "luik")
    await tell(world, hooks)
    endpoint = (await hooks.show("an.desk", "an"))[0]
    assert (endpoint.state, posts.sites) == ("disabled", ["gent", "luik"])
    assert "represents no customer" in endpoint.reason
    for number in range(9):
        sites["an"] = frozenset({"gent"})
        await hooks.add(f"an.{number}", url, ["*"], by="an", bound=For(account_id="an"))
    with pytest.raises(Conflict, match="at most"):
        await hooks.add("an.more", url, ["*"], by="an", bound=For(account_id="an"))
    await hooks.close()


class Noted:
    """``ports.posts.Posts`` that takes everything, and knows whose it was."""

    def __init__(self) -> None:
        self.sites: list[str] = []

    def check(self, url: str) -> None: ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int = 0) -> Posted:
        self.sites.append(json.loads(body)["data"]["data"]["site"])
        return Posted(204, b"", None)

    async def close(self) -> None: ...


async def test_a_customers_receiver_is_never_one_of_the_operators_own_servers(world: World, server: HookServer) -> None:
    parts = bound_parts(world, {"an": frozenset({"gent"})}, HttpPosts(private=False))
    hooks = Webhooks(parts, world.clock, world.ids, WebhookRules("test", plain=True))
    with pytest.raises(InputError, match="https://"):
        await hooks.add("an.desk", server.url, ["*"], by="an", bound=For(account_id="an"))
    await hooks.add("an.desk", server.url.replace("http://", "https://"), ["*"], by="an", bound=For(account_id="an"))
    await changed(world, "gent")
    await tell(world, hooks)
    assert "not a public address" in (await hooks.show("an.desk"))[0].reason
    assert server.calls == []
    await hooks.close()
