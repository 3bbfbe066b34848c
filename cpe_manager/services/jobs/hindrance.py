"""What is known of a database that refuses: why work stands still, and when to try again."""

from __future__ import annotations

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock

PROBE_SECONDS = 10.0
"""How often a little work is tried while results cannot be written."""
BELIEVED_SECONDS = 120.0
"""A refusal older than this says nothing any more: with work due, the tries would have renewed it."""


class Hindrance:
    """Set by whoever was refused, cleared by what goes through again, and outlived when nothing is due.

    A refused result is a session made for nothing, so work pauses; a refused claim has cost no device anything.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._error: StoreError | None = None
        self._wasting = False
        self._at = 0.0
        self._probe_at = 0.0

    @property
    def error(self) -> StoreError | None:
        if self._error is not None and self._clock.monotonic() - self._at > BELIEVED_SECONDS:
            self.written()
        return self._error

    @property
    def wasting(self) -> bool:
        return self.error is not None and self._wasting

    def result_refused(self, error: StoreError) -> None:
        self._error, self._at, self._wasting = error, self._clock.monotonic(), True

    def claim_refused(self, error: StoreError) -> None:
        self._error, self._at = error, self._clock.monotonic()

    def written(self) -> None:
        self._error, self._wasting = None, False

    def claimed(self) -> None:
        if not self._wasting:
            self._error = None

    def pause(self) -> bool:
        """Whether to leave work alone now: fetching what cannot be written would load the devices for nothing."""
        if not self.wasting:
            return False
        now = self._clock.monotonic()
        if now < self._probe_at:
            return True
        self._probe_at = now + PROBE_SECONDS
        return False
