from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.access import Permission, Role
from cpe_manager.domain.access.accounts import Account, AccountKind, GuessRule, Session
from cpe_manager.domain.access.tokens import Token
from cpe_manager.domain.errors import Conflict, InputError, NotFound
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.accounts import NewPassword
from cpe_manager.ports.stores import InventoryChanges, SiteChange
from tests.contract.stores.making import NOW, after, kinds, new_id

TOLD = [NewEvent("account.added", NOW)]
RULE = GuessRule(free=2, first=timedelta(seconds=10), longest=timedelta(seconds=30), memory=timedelta(hours=1))


def an_account(name: str = "an", **more: Any) -> Account:
    values: dict[str, Any] = {
        "id": new_id(),
        "name": name,
        "kind": AccountKind.USER,
        "roles": frozenset({Role.OPERATOR}),
        "created_at": NOW,
        "created_by": "op",
    }
    return Account(**(values | more))


def a_password(text: str = "hash-1", **more: Any) -> NewPassword:
    return NewPassword(**({"hash": text, "at": NOW, "temporary": False} | more))


async def added(db: Database, name: str = "an", **more: Any) -> Account:
    return await db.accounts.add(an_account(name, **more), a_password(), TOLD)


async def sites(db: Database, *names: str) -> None:
    changes = tuple(SiteChange(name, new_id()) for name in names)
    await db.inventory.apply(InventoryChanges(at=NOW, sites=changes))


def a_session(account: Account, digest: str = "d1", at: float = 0, **more: Any) -> Session:
    values: dict[str, Any] = {
        "digest": digest,
        "account_id": account.id,
        "way": "password",
        "began_at": after(at),
        "seen_at": after(at),
        "expires_at": after(at + 3600),
        "source": "192.0.2.7",
    }
    return Session(**(values | more))


async def test_an_account_comes_back_as_it_was_written_by_name_and_by_id(db: Database) -> None:
    await sites(db, "gent", "brugge")
    new = an_account(
        roles=frozenset({Role.CUSTOMER}), sites=frozenset({"gent", "brugge"}), full_name="An Peeters",
        email="an@example.com", subject="https://idp.example 17",
    )  # fmt: skip
    made = await db.accounts.add(new, a_password(temporary=True), TOLD)
    assert made == replace(new, has_password=True, password_at=NOW, temporary=True)
    assert await db.accounts.account("an") == made == await db.accounts.account(new.id)
    assert await db.accounts.by_subject("https://idp.example 17") == made
    assert await db.accounts.by_subject("https://idp.example 18") is None
    assert await db.accounts.for_login("an") == (made, "hash-1")
    assert await db.accounts.for_login("jan") is None
    assert await kinds(db) == ["account.added"]
    with pytest.raises(NotFound):
        await db.accounts.account("jan")


async def test_a_name_and_a_subject_are_one_accounts_and_a_refused_one_leaves_nothing(db: Database) -> None:
    await added(db, subject="i 1")
    for other in (an_account("an"), an_account("jan", subject="i 1")):
        with pytest.raises(Conflict):
            await db.accounts.add(other, None, TOLD)
    with pytest.raises(NotFound, match="no such site: nowhere"):
        await db.accounts.add(an_account("piet", sites=frozenset({"nowhere"})), None, TOLD)
    assert [one.name for one in (await db.accounts.accounts()).items] == ["an"]
    assert await kinds(db) == ["account.added"]


async def test_accounts_are_listed_by_name_page_by_page_each_with_its_own_sites(db: Database) -> None:
    await sites(db, "s1", "s2")
    for name, site in (("c", "s1"), ("a", "s2")):
        await added(db, name, roles=frozenset({Role.CUSTOMER}), sites=frozenset({site}))
    await added(db, "b")
    first = await db.accounts.accounts(limit=2)
    assert [(one.name, one.sites) for one in first.items] == [("a", frozenset({"s2"})), ("b", None)]
    rest = await db.accounts.accounts(after=first.next, limit=2)
    assert [(one.name, one.sites) for one in rest.items] == [("c", frozenset({"s1"}))]
    with pytest.raises(InputError):
        await db.accounts.accounts(after="x")


async def test_a_change_is_written_over_the_revision_that_was_read_alone(db: Database) -> None:
    await sites(db, "gent")
    made = await added(db, granted=frozenset({Permission.ORIGINALS}))
    wanted = replace(made, roles=frozenset({Role.CUSTOMER}), sites=frozenset({"gent"}), granted=frozenset())
    changed = await db.accounts.change(wanted, [])
    assert changed == replace(wanted, revision=2)
    with pytest.raises(Conflict, match="revision 2"):
        await db.accounts.change(replace(made, full_name="other"), TOLD)
    back = await db.accounts.change(replace(changed, roles=made.roles, sites=None), [])
    assert (back.sites, back.revision) == (None, 3)
    with pytest.raises(NotFound):
        await db.accounts.change(an_account("nobody"), [])
    other = await added(db, "jan", subject="i 1")
    with pytest.raises(Conflict):
        await db.accounts.change(replace(back, subject=other.subject), [])


async def test_a_new_password_ends_the_sessions_but_one_and_no_browser_is_known_any_more(db: Database) -> None:
    made = await added(db)
    for digest in ("d1", "d2"):
        assert await db.accounts.begin(a_session(made, digest), f"b-{digest}", [])
    await db.accounts.set_password(made.id, a_password("hash-2", temporary=True), TOLD, keep="d2")
    assert [one.digest for one in await db.accounts.sessions(made.id)] == ["d2"]
    assert await db.accounts.browser("b-d2", NOW - timedelta(days=1)) is None
    found = await db.accounts.for_login("an")
    assert found is not None
    assert (found[1], found[0].temporary, found[0].revision) == ("hash-2", True, 2)
    await db.accounts.rehash(made.id, "hash-1", "stale")
    await db.accounts.rehash(made.id, "hash-2", "hash-3")
    found = await db.accounts.for_login("an")
    assert found is not None
    assert found[1] == "hash-3"
    with pytest.raises(NotFound):
        await db.accounts.set_password(new_id(), a_password(), [])


async def test_a_session_is_found_with_its_account_until_it_is_ended(db: Database) -> None:
    made = await added(db)
    session = a_session(made)
    assert await db.accounts.begin(session, "b1", [NewEvent("login.succeeded", NOW)])
    last = replace(made, last_login_at=NOW, last_login_from="192.0.2.7")
    assert await db.accounts.session("d1") == (session, last)
    await db.accounts.seen("d1", after(60))
    assert await db.accounts.session("d1") == (replace(session, seen_at=after(60)), last)
    assert await db.accounts.browser("b1", NOW - timedelta(seconds=1)) == made.id
    assert await db.accounts.browser("b1", NOW) is None
    assert await db.accounts.end("d1", [NewEvent("login.ended", NOW)])
    assert not await db.accounts.end("d1", [NewEvent("login.ended", NOW)])
    assert await db.accounts.session("d1") is None
    assert await kinds(db) == ["account.added", "login.succeeded", "login.ended"]


async def test_nobody_logs_in_to_a_disabled_account_and_disabling_ends_its_sessions(db: Database) -> None:
    made = await added(db)
    assert await db.accounts.begin(a_session(made), None, [])
    await db.accounts.change(replace(made, disabled_at=after(1)), [])
    assert await db.accounts.sessions(made.id) == []
    assert not await db.accounts.begin(a_session(made, "d2"), "b1", [NewEvent("login.succeeded", NOW)])
    assert await db.accounts.session("d2") is None
    assert await db.accounts.browser("b1", NOW - timedelta(days=1)) is None
    assert await kinds(db) == ["account.added"]


async def test_all_sessions_of_one_account_end_and_those_that_expired_go_with_the_next_log_in(db: Database) -> None:
    an, jan = await added(db, "an"), await added(db, "jan")
    for account, digest in ((an, "d1"), (an, "d2"), (jan, "d3")):
        await db.accounts.begin(a_session(account, digest), None, [])
    assert await db.accounts.end_all(an.id, []) == 2
    assert await db.accounts.end_all(an.id, []) == 0
    assert await db.accounts.session("d3") is not None
    await db.accounts.begin(a_session(an, "d4", at=3600), None, [])
    assert await db.accounts.session("d3") is None


async def test_tries_cost_more_and_more_and_are_not_counted_while_they_wait(db: Database) -> None:
    at = 0.0
    pauses = []
    for _ in range(5):
        tried = await db.accounts.reserve({"k": RULE}, after(at))
        assert tried.until is None
        until = tried.guesses["k"].until
        pauses.append((until - after(at)).total_seconds() if until else 0)
        if until:
            refused = await db.accounts.reserve({"k": RULE, "other": RULE}, after(at))
            assert refused.until == until
        at += pauses[-1]
    assert pauses == [0, 10, 20, 30, 30]
    assert "other" not in await db.accounts.guesses(["k", "other"])
    later = await db.accounts.reserve({"k": RULE}, after(at + 3600))
    assert later.guesses["k"].failures == 1


async def test_what_was_right_is_forgiven_wholly_or_by_one(db: Database) -> None:
    for at in range(2):
        await db.accounts.reserve({"name": RULE, "source": RULE}, after(at))
    await db.accounts.forgive(["name"], ["source", "none"])
    found = await db.accounts.guesses(["name", "source"])
    assert {key: (one.failures, one.until) for key, one in found.items()} == {"source": (1, None)}
    await db.accounts.forgive([], ["source"])
    assert await db.accounts.guesses(["source"]) == {}
    for key in ("aa1", "aa2", "ab1"):
        await db.accounts.reserve({key: RULE}, NOW)
    await db.accounts.forget("aa")
    assert set(await db.accounts.guesses(["aa1", "aa2", "ab1"])) == {"ab1"}


async def test_many_tries_at_once_are_no_more_than_many_in_a_row(db: Database, other: Database) -> None:
    both = [(db if number % 2 else other).accounts.reserve({"k": RULE, "s": RULE}, NOW) for number in range(12)]
    tried = await asyncio.gather(*both)
    assert sum(one.until is None for one in tried) == RULE.free
    assert (await db.accounts.guesses(["k"]))["k"].failures == RULE.free


async def test_tokens_of_accounts_have_names_of_their_own(db: Database) -> None:
    an, jan = await added(db, "an"), await added(db, "jan")

    def a_token(name: str, **more: Any) -> Token:
        return Token(**({"id": new_id(), "name": name, "scopes": frozenset(), "created_at": NOW} | more))

    limit = frozenset({Permission.SEE})
    mine = a_token("ci", account_id=an.id, limit=limit, created_by="an", expires_at=after(60))
    for token, text in ((mine, "1"), (a_token("ci", account_id=jan.id), "2"), (a_token("ci"), "3")):
        await db.tokens.add(token, text)
    with pytest.raises(Conflict):
        await db.tokens.add(a_token("ci", account_id=an.id), "4")
    assert await db.tokens.by_digest("1") == mine
    assert await db.tokens.tokens(account_id=an.id) == [mine]
    assert len(await db.tokens.tokens()) == 3
    await db.tokens.used([mine.id], after(5), "192.0.2.1")
    await db.tokens.used([mine.id], after(6))
    found = await db.tokens.by_digest("1")
    assert found is not None
    assert (found.last_used_at, found.last_used_from) == (after(6), "192.0.2.1")
    with pytest.raises(NotFound):
        await db.tokens.revoke(mine.id, at=after(7), account_id=jan.id)
    assert (await db.tokens.revoke("ci", at=after(7))).account_id is None
    assert (await db.tokens.revoke("ci", at=after(7), account_id=an.id)).id == mine.id
    assert (await db.tokens.revoke(mine.id, at=after(9))).revoked_at == after(7)
    await db.tokens.add(a_token("ci", account_id=an.id), "5")
