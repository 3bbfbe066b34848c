"""The adapter's own limits, and the pace of handshakes."""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class SshLimits:
    """What one process allows itself; times in seconds.

    handshakes_per_second: new connections are spaced evenly to this rate, 0 leaves them free. The handshake is the
    expensive part of a session on both ends, so this and not the number of open sessions is what is capped.
    output_bytes: a reply longer than this is an error. settle: a prompt without its echo or evidence is believed when
    nothing follows it for this long. close: how long an orderly end may take.
    """

    handshakes_per_second: float = 200.0
    output_bytes: int = 16 * 1024 * 1024
    settle: float = 1.0
    close: float = 1.0


class HandshakePacer:
    """Gives out turns at a steady rate, in the order of asking."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._interval = 1.0 / per_second if per_second > 0 else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for one's turn. A turn that is cancelled while waiting is not given to somebody else."""
        if not self._interval:
            return
        now = self._clock.monotonic()
        mine = max(now, self._next)
        self._next = mine + self._interval
        if mine > now:
            await self._clock.sleep(mine - now)
