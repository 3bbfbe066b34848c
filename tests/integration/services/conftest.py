from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.services.world import World, working


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    """A node at work on an empty database."""
    async with working(tmp_path, sqlite_url) as made:
        yield made
