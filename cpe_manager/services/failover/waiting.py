"""Waiting for whichever comes first: being told, or a time."""

from __future__ import annotations

import asyncio

from cpe_manager.ports.clock import Clock


async def woken(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Until the event is set, or ``seconds`` have passed."""
    if event.is_set():
        return
    sleep = asyncio.ensure_future(clock.sleep(seconds))
    told = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({sleep, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleep.cancel()
        told.cancel()
