"""When the audit log is looked at by itself: each hour what came since, each week all of it; after a fault all of it
each hour, until somebody has put it right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cpe_manager.domain.access.audit import GENESIS, Fault

EVERY: Final = timedelta(hours=1)
WHOLE: Final = timedelta(days=7)
ALARM: Final = "audit.broken"
"""Kind and key of the alarm, and kind of the event, of a log that is not whole."""

What = Literal["rest", "whole"]


@dataclass(frozen=True, slots=True)
class Watched:
    """``at``: when it was last looked at. Up to ``number``, which has ``digest``, it was whole then; ``whole_at``: when
    that was last looked at from the first entry on. ``fault``: what was found the last time; None: nothing."""

    at: datetime
    number: int = 0
    digest: str = GENESIS
    whole_at: datetime | None = None
    fault: Fault | None = None


def due(watched: Watched | None, now: datetime) -> What | None:
    """What is to be looked at now; None: nothing yet."""
    if watched is None or watched.whole_at is None:
        return "whole"
    if now - watched.at < EVERY:
        return None
    return "whole" if watched.fault is not None or now - watched.whole_at >= WHOLE else "rest"
