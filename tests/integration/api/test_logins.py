"""People log in, stay known for a while, and guessing is dear to those who guess."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from cpe_manager.adapters.passwords import Argon2Passwords, Cost
from cpe_manager.domain.access.access import SYSTEM, Role
from cpe_manager.domain.access.accounts import BY_NAME, BY_NAME_AND_SOURCE, AccountKind
from cpe_manager.ports.passwords import Verified
from cpe_manager.services.access.book import AccountChange, NewAccount
from cpe_manager.services.access.logins import Origin
from tests.integration.api.world import World

GOOD = "four words of an own"

SESSION = "/api/v1/session"
ME = "/api/v1/me"


async def a_person(world: World, name: str = "an", *roles: Role, password: str = GOOD) -> None:
    """With a password of their own choice."""
    book = world.services.accounts.book
    new = NewAccount(name, AccountKind.USER, frozenset(roles or {Role.VIEWER}), password="first words of ours")
    made = await book.add(new, by=SYSTEM)
    begun = await world.services.accounts.logins.begin(made, "oidc", Origin("127.0.0.1"))
    known = await world.services.accounts.access.by_cookie(begun.text, csrf=None, changes=False)
    await book.own_password(known.principal, "first words of ours", password, session=None)


@asynccontextmanager
async def browser(
    world: World, source: str = "192.0.2.7", base: str = "http://api"
) -> AsyncIterator[httpx.AsyncClient]:
    """Keeps cookies, and comes from an address."""
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False, client=(source, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield client


async def log_in(http: httpx.AsyncClient, name: str = "an", password: str = GOOD) -> httpx.Response:
    return await http.post(SESSION, json={"name": name, "password": password})


async def test_a_person_logs_in_is_known_and_logs_out(world: World) -> None:
    await a_person(world, "an", Role.OPERATOR)
    async with browser(world) as http:
        answer = await log_in(http, " An ")
        assert answer.status_code == 201, answer.text
        assert answer.headers["cache-control"] == "no-store"
        me = answer.json()
        assert (me["name"], me["roles"], me["sites"], me["must_change_password"]) == ("an", ["operator"], None, False)
        cookies = answer.headers.get_list("set-cookie")
        session = next(one for one in cookies if one.startswith("cpe_manager_session="))
        for part in ("HttpOnly", "SameSite=strict", "Path=/api/"):
            assert part in session
        assert "Secure" not in session
        assert (await http.get("/api/v1/devices")).status_code == 200
        csrf = me["session"]["csrf_token"]
        assert (await http.get(ME)).json()["session"]["csrf_token"] == csrf
        out = await http.delete(SESSION, headers={"X-CSRF-Token": csrf})
        assert out.status_code == 204
        assert (await http.get("/api/v1/devices")).status_code == 401
    kinds = [event.kind for event in await world.database.events.after(0)]
    assert kinds[-2:] == ["login.succeeded", "login.ended"]


async def test_behind_tls_the_cookies_are_for_tls_alone(world: World) -> None:
    await a_person(world)
    async with browser(world, base="https://api") as http:
        cookies = (await log_in(http)).headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in one and "HttpOnly" in one and "SameSite=strict" in one for one in cookies)


async def test_a_change_by_cookie_takes_the_token_that_another_site_cannot_know(world: World) -> None:
    await a_person(world, "an", Role.OPERATOR)
    async with browser(world) as http:
        csrf = (await log_in(http)).json()["session"]["csrf_token"]
        assert (await http.post("/api/v1/backups", json={"names": ["x"]})).status_code == 403
        for wrong in (b"", csrf[:-1].encode() + b".", b"\xe9"):
            refused = await http.post("/api/v1/backups", json={"names": ["x"]}, headers={b"X-CSRF-Token": wrong})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        taken = await http.post("/api/v1/backups", json={"names": ["x"]}, headers={"X-CSRF-Token": csrf})
        assert taken.status_code != 403
    async with browser(world) as other:
        theirs = (await log_in(other)).json()["session"]["csrf_token"]
    assert theirs != csrf


async def test_a_session_ends_idle_and_at_last_anyway(world: World) -> None:
    await a_person(world)
    async with browser(world) as http:
        await log_in(http)
        await world.clock.advance(29 * 60)
        assert (await http.get(ME)).status_code == 200
        await world.clock.advance(31 * 60)
        assert (await http.get(ME)).status_code == 401
        await log_in(http)
        for _ in range(12 * 3 - 1):
            await world.clock.advance(20 * 60)
            assert (await http.get(ME)).status_code == 200
        await world.clock.advance(20 * 60)
        assert (await http.get(ME)).status_code == 401


async def test_a_token_goes_before_a_cookie(world: World) -> None:
    await a_person(world)
    async with browser(world) as http:
        await log_in(http)
        reader = {"Authorization": f"Bearer {await world.token()}"}
        assert (await http.get(ME, headers=reader)).json()["name"] == "admin+originals+read+write"
        assert (await http.get(ME, headers={"Authorization": "Bearer cpem_x"})).status_code == 401


async def test_what_an_administrator_takes_away_is_gone_at_the_next_request(world: World) -> None:
    await a_person(world, "an", Role.OPERATOR)
    async with browser(world) as http, await world.client() as admin:
        csrf = {"X-CSRF-Token": (await log_in(http)).json()["session"]["csrf_token"]}
        made = await http.post(f"{ME}/tokens", json={"name": "mine"}, headers=csrf)
        token = {"Authorization": f"Bearer {made.json()['text']}"}
        await admin.patch("/api/v1/accounts/an", json={"roles": ["viewer"]})
        refused = await http.post("/api/v1/backups", json={"names": ["x"]}, headers=csrf)
        assert (refused.status_code, "operate" in refused.json()["detail"]) == (403, True)
        assert (await admin.post("/api/v1/backups", json={}, headers=token)).status_code == 403
        await admin.patch("/api/v1/accounts/an", json={"disabled": True})
        assert (await http.get(ME)).status_code == 401
        assert (await admin.get(ME, headers=token)).status_code == 401
        assert (await log_in(http)).status_code == 401


class Counting:
    """The real hasher, and how often it was asked to verify, for whom."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self._real = Argon2Passwords(Cost(1, 8, 1))

    async def hash(self, password: str) -> str:
        return await self._real.hash(password)

    async def verify(self, hashed: str | None, password: str) -> Verified:
        self.asked.append(hashed is not None)
        return await self._real.verify(hashed, password)


async def test_whatever_is_wrong_the_answer_is_the_same_after_the_same_work(world: World) -> None:
    await a_person(world)
    await a_person(world, "gone")
    book = world.services.accounts.book
    await book.change("gone", AccountChange(disabled=True), by=SYSTEM)
    await book.add(NewAccount("nopassword", AccountKind.USER, frozenset({Role.VIEWER})), by=SYSTEM)
    await book.add(NewAccount("robot", AccountKind.SERVICE, frozenset({Role.VIEWER})), by=SYSTEM)
    counting = Counting()
    object.__setattr__(world.services.accounts.logins, "_passwords", counting)
    bodies = set()
    tries = [
        ("an", "wrong words"),
        ("nobody", GOOD),
        ("gone", GOOD),
        ("nopassword", ""),
        ("robot", GOOD),
        ("Å /", GOOD),
    ]
    for name, password in tries:
        async with browser(world) as http:
            answer = await log_in(http, name, password)
            assert answer.status_code == 401, name
            body = answer.json()
            body.pop("instance")
            bodies.add(str(body))
            assert not answer.headers.get_list("set-cookie")
    assert len(bodies) == 1
    assert len(counting.asked) == len(tries), "one hash for each, of nobody's password where there is none"
    events = [one for one in await world.database.events.after(0, limit=1000) if one.kind == "login.failed"]
    assert [one.data["account"] for one in events] == ["an", None, "gone", "nopassword", "robot", None]
    assert not any("nobody" in str(one.data) or "Å" in one.message for one in events)


async def test_guessing_gets_slower_and_is_refused_alike_for_names_that_are_none(world: World) -> None:
    await a_person(world)
    answers: dict[str, list[tuple[int, str | None]]] = {}
    for name, source in (("an", "192.0.2.1"), ("nobody", "192.0.2.2")):
        async with browser(world, source) as http:
            for _ in range(BY_NAME_AND_SOURCE.free + 2):
                answer = await log_in(http, name, "wrong words")
                answers.setdefault(name, []).append((answer.status_code, answer.headers.get("retry-after")))
    free = [(401, None)] * BY_NAME_AND_SOURCE.free
    assert answers["an"] == answers["nobody"] == [*free, (429, "2"), (429, "2")]
    async with browser(world, "192.0.2.1") as http:
        right = await log_in(http)
        assert (right.status_code, right.json()["code"]) == (429, "throttled"), "not looked at, though it is right"
        await world.clock.advance(2)
        assert (await log_in(http, "an", "wrong words")).status_code == 401
        assert (await log_in(http)).headers["retry-after"] == "4"
        await world.clock.advance(4)
        assert (await log_in(http)).status_code == 201
    held = [one for one in await world.database.events.after(0, limit=1000) if one.kind == "login.held"]
    assert [one.data["account"] for one in held] == ["an", None]


async def test_strangers_lock_nobody_out(world: World) -> None:
    """One that guesses from one address holds up itself; many addresses hold up browsers that are not known; whoever
    logged in before is held up by nobody."""
    await a_person(world)
    async with browser(world, "192.0.2.1") as mine:
        assert (await log_in(mine)).status_code == 201
        async with browser(world, "203.0.113.9") as stranger:
            for _ in range(20):
                await log_in(stranger, "an", "wrong words")
            assert (await log_in(stranger, "an", "wrong words")).status_code == 429
        async with browser(world, "192.0.2.50") as new:
            assert (await log_in(new)).status_code == 201
        number = 0
        while (await _guess(world, f"198.51.100.{number % 250}")) != 429:
            number += 1
            assert number < 3 * BY_NAME.free
        async with browser(world, "192.0.2.51") as new:
            assert (await log_in(new)).status_code == 429
        assert (await log_in(mine)).status_code == 201
        shown = await (await world.client()).get("/api/v1/accounts/an")
        assert shown.json()["failed_logins"] >= BY_NAME.free
        async with browser(world, "192.0.2.51") as new:
            await (await world.client()).post("/api/v1/accounts/an/unlock")
            assert (await log_in(new)).status_code == 201


async def _guess(world: World, source: str) -> int:
    async with browser(world, source) as http:
        return (await log_in(http, "an", "wrong words")).status_code


async def test_a_known_browser_that_guesses_is_slowed_down_too(world: World) -> None:
    await a_person(world)
    async with browser(world) as http:
        await log_in(http)
        statuses = [(await log_in(http, "an", "wrong words")).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        await world.clock.advance(2)
        assert (await log_in(http)).status_code == 201
        assert (await log_in(http, "an", "wrong words")).status_code == 401, "what was right is forgiven"


async def test_a_given_password_has_to_be_changed_before_anything_else(world: World) -> None:
    async with await world.client() as admin, browser(world) as http:
        await admin.post("/api/v1/accounts", json={"name": "an", "roles": ["viewer"]})
        given = await admin.post("/api/v1/accounts/an/password")
        first = given.json()["password"]
        assert given.headers["cache-control"] == "no-store"
        me = (await log_in(http, "an", first)).json()
        assert (me["must_change_password"], me["permissions"]) == (True, [])
        csrf = {"X-CSRF-Token": me["session"]["csrf_token"]}
        refused = await http.get("/api/v1/devices")
        assert (refused.status_code, "password" in refused.json()["detail"]) == (403, True)
        assert (await http.post(f"{ME}/tokens", json={"name": "t"}, headers=csrf)).status_code == 403
        for body, status in (
            ({"old": "wrong words", "new": GOOD}, 403),
            ({"old": first, "new": "short"}, 422),
            ({"old": first, "new": "111111111111111"}, 422),
            ({"old": first, "new": first}, 422),
            ({"old": first, "new": GOOD}, 204),
        ):
            answer = await http.post(f"{ME}/password", json=body, headers=csrf)
            assert answer.status_code == status, answer.text
            assert GOOD not in answer.text
            assert first not in answer.text
        assert (await http.get("/api/v1/devices")).status_code == 200
        assert (await log_in(http, "an", first)).status_code == 401
        assert (await log_in(http, "an", GOOD)).status_code == 201


async def test_the_page_loads_nothing_from_elsewhere(world: World) -> None:
    async with browser(world) as http:
        page = await http.get("/login")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "http" not in page.text
        assert "/login/oidc" not in page.text
        for path in ("/login/script.js", "/login/style.css"):
            assert path in page.text
            found = await http.get(path)
            assert found.status_code == 200
            assert "http" not in found.text.replace("HTTP", "")
        assert (await http.get("/login/oidc")).status_code == 404


async def test_a_password_is_hashed_anew_with_the_days_parameters_when_its_owner_logs_in(world: World) -> None:
    await a_person(world)
    before = await world.database.accounts.for_login("an")
    object.__setattr__(world.services.accounts.logins, "_passwords", Argon2Passwords(Cost(2, 16, 1)))
    async with browser(world) as http:
        assert (await log_in(http)).status_code == 201
        after = await world.database.accounts.for_login("an")
        assert before is not None
        assert after is not None
        assert "m=8,t=1" in str(before[1])
        assert "m=16,t=2" in str(after[1])
        assert (await log_in(http)).status_code == 201


@pytest.mark.parametrize(
    "body", [{}, {"name": "an"}, {"name": 1, "password": "x"}, {"name": "an", "password": "x" * 5000}]
)
async def test_a_body_that_is_no_log_in_is_refused_without_repeating_it(world: World, body: dict[str, Any]) -> None:
    async with browser(world) as http:
        answer = await http.post(SESSION, json=body)
        assert answer.status_code == 422
        assert "xxxx" not in answer.text
