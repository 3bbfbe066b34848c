from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.tokens import Scope, Token
from cpe_manager.domain.errors import Conflict, NotFound
from cpe_manager.domain.schedules import Schedule
from tests.contract.stores.making import NOW, after, new_id


def a_schedule(name: str = "nightly") -> Schedule:
    return Schedule(new_id(), name, "30 2 * * *", "Europe/Brussels", 240, "shops", enabled=True, created_at=NOW)


def a_token(name: str = "grafana") -> Token:
    return Token(new_id(), name, frozenset({Scope.READ, Scope.ORIGINALS}), NOW, expires_at=after(3600))


async def test_schedules_come_back_by_name_as_they_were_added(db: Database) -> None:
    weekly, nightly = a_schedule("weekly"), replace(a_schedule(), group=None, enabled=False)
    await db.schedules.add(weekly)
    await db.schedules.add(nightly)
    assert await db.schedules.schedules() == [nightly, weekly]


async def test_a_schedule_name_exists_once(db: Database) -> None:
    await db.schedules.add(a_schedule())
    with pytest.raises(Conflict, match="nightly"):
        await db.schedules.add(a_schedule())
    await db.schedules.remove("nightly")
    with pytest.raises(NotFound):
        await db.schedules.remove("nightly")
    await db.schedules.add(a_schedule())


async def test_the_last_occurrence_only_moves_forward(db: Database) -> None:
    schedule = a_schedule()
    await db.schedules.add(schedule)
    for at in (after(60), after(30)):
        await db.schedules.fired(schedule.id, at)
    assert [one.last_occurrence_at for one in await db.schedules.schedules()] == [after(60)]
    await db.schedules.fired(new_id(), NOW)


async def test_a_token_is_found_by_its_digest_alone(db: Database) -> None:
    token = a_token()
    await db.tokens.add(token, "d1")
    assert await db.tokens.by_digest("d1") == token
    assert await db.tokens.by_digest("d2") is None
    assert await db.tokens.tokens() == [token]


async def test_a_token_name_is_free_again_after_revocation(db: Database) -> None:
    first, second = a_token(), a_token()
    await db.tokens.add(first, "d1")
    with pytest.raises(Conflict, match="grafana"):
        await db.tokens.add(second, "d2")
    assert (await db.tokens.revoke("grafana", at=after(1))).revoked_at == after(1)
    assert (await db.tokens.revoke("grafana", at=after(2))).revoked_at == after(1)
    await db.tokens.add(second, "d2")
    assert (await db.tokens.revoke(second.id, at=after(3))).id == second.id
    found = await db.tokens.by_digest("d1")
    assert found is not None
    assert found.revoked_at == after(1)
    with pytest.raises(NotFound):
        await db.tokens.revoke("nobody", at=NOW)


async def test_use_of_tokens_is_noted_for_many_at_once(db: Database) -> None:
    tokens = [a_token(name) for name in ("a", "b", "c")]
    for token in tokens:
        await db.tokens.add(token, token.id)
    await db.tokens.used([tokens[0].id, tokens[2].id], after(9))
    await db.tokens.used([], after(9))
    assert [token.last_used_at for token in await db.tokens.tokens()] == [after(9), None, after(9)]
