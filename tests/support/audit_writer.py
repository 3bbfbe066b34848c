"""A process that appends to an audit log: ``python -m tests.support.audit_writer URL NAME COUNT``."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.audit import Link, NewAuditEntry
from tests.fakes.audit import KEY, FixedKeys


async def main(url: str, name: str, count: int) -> None:
    async with await Database.open(url, busy_timeout=60) as database:
        for number in range(count):
            now = datetime.now(UTC)
            entry = NewAuditEntry(now, name, name, "tick", data={"n": number})
            await database.audit.append([entry], Link(KEY, FixedKeys().secret, now))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
