"""A process that handles tickets, for tests to share work with and to kill.

``python -m tests.contract.engine.worker URL end|hang``: prints ``ready``, then the id of every ticket it begins.
"""

from __future__ import annotations

import asyncio
import os
import sys

from cpe_manager.adapters.engine.procrastinate import EngineOptions, ProcrastinateEngine
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Ticket


async def main(url: str, manner: str) -> None:
    async def handler(ticket: Ticket) -> None:
        os.write(1, f"{ticket.id}\n".encode())
        await asyncio.sleep(3600 if manner == "hang" else 0.01)

    engine = ProcrastinateEngine(url, EngineOptions(slots={Priority.BULK: 1}, poll=0.2, heartbeat=0.3))
    engine.register("look", handler)
    await engine.start()
    os.write(1, b"ready\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
