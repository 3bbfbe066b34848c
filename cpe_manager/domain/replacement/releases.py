"""Is a box's operating system the one that the fleet runs? (§5.1.3: a replacement comes with the current release.)"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

Currency = Literal["current", "behind", "unknown"]


def compare(own: str, fleet: Iterable[str]) -> tuple[Currency, str]:
    """How a release stands to the commonest one of its family in the fleet, and that one (empty when there is none).
    Of two that are equally common the newer counts. A box that is ahead of the fleet is current."""
    counts = Counter(release for release in fleet if release)
    if not counts or not own:
        return "unknown", ""
    commonest = max(counts, key=lambda release: (counts[release], _order(release)))
    return ("behind" if _order(own) < _order(commonest) else "current"), commonest


def _order(release: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers by their value, words by their letters: 7.9 before 7.15, 15.7(3)M4 before 15.7(3)M10."""
    parts = re.findall(r"\d+|[A-Za-z]+", release)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)
