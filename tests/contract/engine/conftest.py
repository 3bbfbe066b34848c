"""Engines under test: each adapter is made, started and stopped in the same way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.engine.engines import Engines
from tests.support.postgres import PostgresServer


@pytest.fixture
def ticket_database(postgres: PostgresServer) -> Iterator[str]:
    """URL of a database without tables."""
    with postgres.empty() as url:
        yield url


@pytest.fixture
async def scaled(ticket_database: str) -> AsyncIterator[Engines]:
    """Engines over PostgreSQL alone."""
    made = Engines(ticket_database)
    yield made
    await made.stop()


@pytest.fixture(params=["embedded", pytest.param("procrastinate", marks=pytest.mark.postgres)])
async def engines(request: pytest.FixtureRequest) -> AsyncIterator[Engines]:
    made = Engines(request.getfixturevalue("ticket_database") if request.param == "procrastinate" else None)
    yield made
    await made.stop()
