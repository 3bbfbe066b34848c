"""What is known of a database that refuses: why work stands still, and when to try again."""

from __future__ import annotations

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock

PROBE_SECONDS = 30.0
"""How often a little work is tried while the database refuses."""
BELIEVED_SECONDS = 120.0
"""A refusal older than this says nothing any more: with work due, the tries would have renewed it."""


class Hindrance:
    """Set by whoever was refused, cleared by the next result that is written, and outlived when nothing is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._error: StoreError | None = None
        self._at = 0.0
        self._probe_at = 0.0

    @property
    def error(self) -> StoreError | None:
        if self._error is not None and self._clock.monotonic() - self._at > BELIEVED_SECONDS:
            self._error = None
        return self._error

    def refused(self, error: StoreError) -> None:
        self._error, self._at = error, self._clock.monotonic()

    def over(self) -> None:
        self._error = None

    def pause(self) -> bool:
        """Whether to leave work alone now: fetching what cannot be written would load the devices for nothing."""
        now = self._clock.monotonic()
        if self.error is None:
            return False
        if now < self._probe_at:
            return True
        self._probe_at = now + PROBE_SECONDS
        return False
