"""Writing past the product, as somebody with access to its database would do it, while it runs in this process."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import create_engine, text

_SECONDS = 100
"""To wait for the turn at a SQLite file."""


async def executed_beside(url: str, statement: str, **values: Any) -> int:
    """The number of rows that it was about. In a thread: whoever has the file at this moment lets go of it on the loop
    that would wait here."""
    return await asyncio.to_thread(_execute, url, statement, values)


def _execute(url: str, statement: str, values: dict[str, Any]) -> int:
    engine = create_engine(url, connect_args={"timeout": _SECONDS} if url.startswith("sqlite") else {})
    try:
        with engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount
    finally:
        engine.dispose()
