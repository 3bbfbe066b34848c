"""Bearer tokens: made once, stored as a hash, good until they are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import Conflict, InputError, NotFound, StoreFull, Unauthorised
from cpe_manager.services.access.tokens import Tokens
from tests.integration.services.world import RefusingJobs, World, opened

READ = frozenset({Scope.READ})


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    async with opened(tmp_path, sqlite_url) as made:
        yield made


@pytest.fixture
def tokens(world: World) -> Tokens:
    return Tokens(world.database.tokens, world.database.events, world.clock, world.ids)


async def test_a_token_is_known_by_its_text_and_nothing_stored_gives_the_text_away(
    tokens: Tokens, world: World, sqlite_url: str
) -> None:
    made = await tokens.create("ci", READ, days=None, by="alice")
    found = await tokens.authenticate(made.text)
    assert (found.id, found.scopes, found.name) == (made.token.id, READ, "ci")
    secret = made.text.removeprefix("cpem_")
    stored = b"".join(
        path.read_bytes() for path in Path(sqlite_url.removeprefix("sqlite:///")).parent.glob("store.db*")
    )
    assert secret.encode() not in stored
    assert await world.events("token.created") == ["token ci created by alice"]


async def test_a_token_ends_on_its_day_and_not_before(tokens: Tokens, world: World) -> None:
    made = await tokens.create("ci", READ, days=1, by="alice")
    world.clock.step(timedelta(hours=24, seconds=-1))
    await tokens.authenticate(made.text)
    world.clock.step(timedelta(seconds=1))
    with pytest.raises(Unauthorised):
        await tokens.authenticate(made.text)


async def test_a_revoked_token_is_refused_at_the_next_request(tokens: Tokens) -> None:
    made = await tokens.create("ci", READ, days=None, by="alice")
    await tokens.authenticate(made.text)
    await tokens.revoke("ci", by="alice")
    with pytest.raises(Unauthorised):
        await tokens.authenticate(made.text)
    with pytest.raises(NotFound):
        await tokens.revoke("other", by="alice")


@pytest.mark.parametrize("text", ["", "cpem_", "cpem_" + "A" * 43, "\x00", "é"])
async def test_an_unknown_text_is_refused_in_the_same_words(tokens: Tokens, text: str) -> None:
    with pytest.raises(Unauthorised, match="no valid token"):
        await tokens.authenticate(text)


async def test_a_token_without_name_or_scope_or_with_a_name_in_use_is_refused(tokens: Tokens) -> None:
    with pytest.raises(InputError, match="name"):
        await tokens.create("  ", READ, days=None, by="alice")
    with pytest.raises(InputError, match="scope"):
        await tokens.create("ci", frozenset(), days=None, by="alice")
    await tokens.create("ci", READ, days=None, by="alice")
    with pytest.raises(Conflict):
        await tokens.create("ci", READ, days=None, by="alice")


async def test_the_last_use_is_noted_to_the_minute(tokens: Tokens, world: World) -> None:
    made = await tokens.create("ci", READ, days=None, by="alice")
    await tokens.authenticate(made.text)
    first = world.clock.now()
    world.clock.step(timedelta(seconds=30))
    await tokens.authenticate(made.text)
    assert [token.last_used_at for token in await tokens.list()] == [first]
    world.clock.step(timedelta(seconds=31))
    await tokens.authenticate(made.text)
    assert [token.last_used_at for token in await tokens.list()] == [world.clock.now()]


async def test_a_full_disk_does_not_lock_people_out(world: World) -> None:
    store = RefusingJobs(cast("Any", world.database.tokens))
    tokens = Tokens(cast("Any", store), world.database.events, world.clock, world.ids)
    made = await tokens.create("ci", READ, days=None, by="alice")
    store.always(StoreFull("no space left"), "used")
    assert (await tokens.authenticate(made.text)).id == made.token.id
