"""TCP connections that are opened only to see whether they come about."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress


class TcpReach:
    """``ports.reach.Reach``."""

    async def tcp(self, host: str, port: int, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return f"no answer within {seconds:g} s"
        except OSError as error:
            number = error.errno or 0  # below zero: the name means nothing, and the library says so in words
            return os.strerror(number).lower() if number > 0 else str(error.strerror or error)
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                await writer.wait_closed()
        return ""
