"""Logging in by a provider: the whole way of a browser, with a provider in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.oidc import OidcClient, OidcProvider
from cpe_manager.domain.access.access import SYSTEM, Role
from cpe_manager.domain.access.accounts import AccountKind
from cpe_manager.domain.errors import ProviderFailed
from cpe_manager.services.access.book import AccountChange, NewAccount
from cpe_manager.services.access.single_sign_on import Mapping, SingleSignOn
from tests.integration.api.world import World
from tests.support import oidc_server
from tests.support.oidc_server import CLIENT, SECRET

AN: dict[str, Any] = {
    "sub": "17", "preferred_username": "An.Peeters", "name": "An Peeters", "email": "an@example.com", "groups": ["noc"]
}  # fmt: skip
ROLES = {"noc": Role.OPERATOR, "desk": Role.VIEWER, "klant": Role.CUSTOMER}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    program = [sys.executable, str(Path(oidc_server.__file__))]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as provider:
        try:
            assert provider.stdout is not None
            yield provider.stdout.readline().strip()
        finally:
            provider.kill()


def say(issuer: str, wrong: str = "", **claims: Any) -> None:
    httpx.post(f"{issuer}/control", json={"claims": {**AN, **claims}, "wrong": wrong}).raise_for_status()


def a_provider(issuer: str, secret: str | None = SECRET) -> OidcProvider:
    return OidcProvider(OidcClient(issuer, CLIENT, secret), SystemClock())


def set_up(world: World, issuer: str, sites_claim: str = "", secret: str | None = SECRET) -> None:
    """As ``wiring_accounts`` does."""
    house = world.services.accounts
    mapping = Mapping(roles=ROLES, sites_claim=sites_claim)
    sso = SingleSignOn(
        a_provider(issuer, secret), mapping, world.database.accounts, house.logins, world.clock, world.ids
    )  # fmt: skip
    object.__setattr__(house, "sso", sso)


@asynccontextmanager
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def to_the_provider(http: httpx.AsyncClient) -> str:
    """Where the provider sends the browser back to."""
    sent = await http.get("/login/oidc")
    assert sent.status_code == 302, sent.text
    async with httpx.AsyncClient() as outside:
        back = await outside.get(sent.headers["location"])
    assert back.status_code == 302
    return str(back.headers["location"])


async def signed_on(http: httpx.AsyncClient) -> httpx.Response:
    return await http.get(await to_the_provider(http))


async def test_a_browser_goes_to_the_provider_and_comes_back_known(world: World, issuer: str) -> None:
    set_up(world, issuer)
    say(issuer)
    async with browser(world) as http:
        assert "/login/oidc" in (await http.get("/login")).text
        came = await signed_on(http)
        assert came.status_code == 200, came.text
        cookies = came.headers.get_list("set-cookie")
        assert any("cpe_manager_session=" in one and "SameSite=strict" in one and "HttpOnly" in one for one in cookies)
        me = (await http.get("/api/v1/me")).json()
        assert (me["name"], me["roles"], me["session"]["way"]) == ("an.peeters", ["operator"], "oidc")
        csrf = {"X-CSRF-Token": me["session"]["csrf_token"]}
        assert (await http.delete("/api/v1/session", headers=csrf)).status_code == 204
    made = await world.services.accounts.book.show("an.peeters")
    assert (made.subject, made.full_name, made.email) == (f"{issuer} 17", "An Peeters", "an@example.com")
    assert not made.has_password


async def test_what_somebody_may_is_what_the_provider_says_at_each_log_in(world: World, issuer: str) -> None:
    set_up(world, issuer)
    say(issuer)
    async with browser(world) as http:
        await signed_on(http)
        first = await world.services.accounts.book.show("an.peeters")
        say(issuer, groups=["desk", "unheard of"], preferred_username="renamed")
        await signed_on(http)
        again = await world.services.accounts.book.show(first.id)
        assert (again.name, again.roles) == ("an.peeters", frozenset({Role.VIEWER}))
        say(issuer, groups=["unheard of"])
        refused = await signed_on(http)
        assert (refused.status_code, "no role" in refused.text) == (403, True)
        del_groups = {key: value for key, value in AN.items() if key != "groups"}
        httpx.post(f"{issuer}/control", json={"claims": {**del_groups, "userinfo": {"groups": ["noc"]}}})
        assert (await signed_on(http)).status_code == 200, "from userinfo, where the token does not say"
        await world.services.accounts.book.change("an.peeters", AccountChange(disabled=True), by=SYSTEM)
        say(issuer)
        assert (await signed_on(http)).status_code == 403
        assert (await http.get("/api/v1/me")).status_code == 401


async def test_a_customer_comes_with_sites_or_not_at_all(world: World, issuer: str) -> None:
    await world.add_devices("gent", "brugge")
    say(issuer, groups=["klant"], sites=["gent"])
    set_up(world, issuer)
    async with browser(world) as http:
        assert (await signed_on(http)).status_code == 403
        set_up(world, issuer, sites_claim="sites")
        assert (await signed_on(http)).status_code == 200
        assert (await http.get("/api/v1/me")).json()["sites"] == ["gent"]
        say(issuer, groups=["klant", "noc"], sites=["gent"])
        assert (await signed_on(http)).status_code == 403, "a customer is nothing else beside"
        say(issuer, groups=["klant"], sites=["nergens"])
        assert (await signed_on(http)).status_code == 404


async def test_nobody_becomes_an_account_that_is_not_linked_to_them(world: World, issuer: str) -> None:
    set_up(world, issuer)
    book = world.services.accounts.book
    await book.add(NewAccount("an.peeters", AccountKind.USER, frozenset({Role.ADMINISTRATOR})), by=SYSTEM)
    say(issuer)
    async with browser(world) as http:
        refused = await signed_on(http)
        assert (refused.status_code, "not linked" in refused.text) == (409, True)
        assert (await http.get("/api/v1/me")).status_code == 401
        await book.change("an.peeters", AccountChange(subject=f"{issuer} 17"), by=SYSTEM)
        assert (await signed_on(http)).status_code == 200
        assert (await http.get("/api/v1/me")).json()["roles"] == ["operator"]


@pytest.mark.parametrize(
    "wrong",
    ["nonce", "no nonce", "audience", "audiences", "issuer of token", "expired", "no expiry", "unsigned", "signature",
     "unknown key", "garbage", "no subject", "denied"],
)  # fmt: skip
async def test_an_answer_that_proves_nothing_lets_nobody_in(world: World, issuer: str, wrong: str) -> None:
    set_up(world, issuer)
    say(issuer, wrong)
    async with browser(world) as http:
        refused = await signed_on(http)
        assert refused.status_code == 401, refused.text
        assert "cpe_manager_session" not in str(refused.headers.get_list("set-cookie"))
        assert (await http.get("/api/v1/me")).status_code == 401
    assert (await world.services.accounts.book.list()).items == ()


@pytest.mark.parametrize("change", ["rotated", "elliptic", "post only"])
async def test_keys_that_the_provider_changes_and_ways_that_it_asks_for_are_gone_along_with(
    world: World, issuer: str, change: str
) -> None:
    set_up(world, issuer)
    say(issuer)
    async with browser(world) as http:
        if change != "post only":
            assert (await signed_on(http)).status_code == 200
        say(issuer, change)
        assert (await signed_on(http)).status_code == 200


async def test_what_one_browser_was_given_is_nothing_in_another_and_nothing_twice(world: World, issuer: str) -> None:
    set_up(world, issuer)
    say(issuer)
    async with browser(world) as mine, browser(world) as other:
        back = await to_the_provider(mine)
        assert (await other.get(back)).status_code == 401, "no cookie"
        await to_the_provider(other)
        assert (await other.get(back)).status_code == 401, "another one's cookie"
        wrong = {**dict(parse_qsl(urlsplit(back).query)), "state": "x"}
        assert (await mine.get("/login/oidc/callback", params=wrong)).status_code == 401
        back = await to_the_provider(mine)
        assert (await mine.get(back)).status_code == 200
        assert (await mine.get(back)).status_code == 401


async def test_a_code_without_its_verifier_or_the_clients_secret_is_refused_by_the_provider(
    world: World, issuer: str
) -> None:
    set_up(world, issuer, secret="another secret")
    say(issuer)
    async with browser(world) as http:
        refused = await signed_on(http)
        assert (refused.status_code, "invalid_client" in refused.text) == (401, True)
    provider = a_provider(issuer)
    asked = dict(parse_qsl(urlsplit(await provider.address("s1", "http://api/back")).query))
    assert asked["code_challenge_method"] == "S256"
    stolen = oidc_server.b64(b"x" * 32)
    code = {"grant_type": "authorization_code", "code": stolen, "redirect_uri": "http://api/back", "code_verifier": "x"}
    assert httpx.post(f"{issuer}/token", data=code, auth=(CLIENT, SECRET)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("wrong", ["issuer", "no pkce", "token endpoint"])
async def test_a_provider_that_does_not_do_its_part_is_said_so(world: World, issuer: str, wrong: str) -> None:
    set_up(world, issuer)
    say(issuer, wrong)
    async with browser(world) as http:
        answer = await http.get("/login/oidc")
        if wrong == "token endpoint":
            answer = await signed_on(http)
        assert answer.status_code == 502, answer.text


async def test_a_provider_that_is_away_is_said_so_without_its_address() -> None:
    with pytest.raises(ProviderFailed, match="cannot be reached") as caught:
        await a_provider("http://127.0.0.1:9").address("s", "http://api/back")
    assert "127.0.0.1" not in str(caught.value)
