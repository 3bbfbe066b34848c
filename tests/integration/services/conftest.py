from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.integration.services.world import World, working

Lines = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Lines]:
    """The log's lines, which go nowhere else: tracebacks with all their variables take seconds to print."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    """A node at work on an empty database."""
    async with working(tmp_path, sqlite_url) as made:
        yield made
