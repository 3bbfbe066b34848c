"""Whether a complete capture may become the current version by itself, or waits for a person."""

from __future__ import annotations

from typing import Final

from cpe_manager.domain.backup.backups import LastGood

SMALL_LOSS_BYTES: Final = 256
SMALL_LOSS_LINES: Final = 10
"""A loss below both is never suspicious: in a configuration of thirty lines, half is an ordinary clean-up."""


def quarantine_reason(size: int, lines: int, last: LastGood | None, *, ratio: float) -> str | None:
    """Why a capture of ``size`` bytes and ``lines`` lines is to be quarantined, for an operator; None accepts it.

    A configuration that has lost more than the share ``1 - ratio`` of its bytes or of its lines is what a factory
    reset, a half-loaded box or another box behind the same address looks like. Bytes and lines are judged each for
    itself: a banner can make up for lost lines in bytes, and a certificate's loss for few lines. ``ratio`` 0 switches
    the comparison off; a capture with nothing in it is quarantined always. Growth is never suspicious.
    """
    if size <= 0 or lines <= 0:
        return "the configuration is empty"
    if last is None or (last.size - size < SMALL_LOSS_BYTES and last.lines - lines < SMALL_LOSS_LINES):
        return None
    if size >= ratio * last.size and lines >= ratio * last.lines:
        return None
    lost = f"{_share(size, last.size)} of the bytes ({size} of {last.size})"
    lost += f" and {_share(lines, last.lines)} of the lines ({lines} of {last.lines})"
    return f"shrunk to {lost} of the last good version; accepted by itself from {ratio:.0%} on"


def _share(now: int, before: int) -> str:
    return f"{now / before:.0%}" if before > 0 else "100%"
