"""Building blocks for the patterns with which drivers name the secrets of their dialect."""

from __future__ import annotations

import re
from typing import Final

WORD: Final = r"(?P<secret>\S+)"
"""A secret that ends at the next blank."""
REST: Final = r"(?P<secret>\S(?:.*\S)?)[ \t]*$"
"""A secret that may hold blanks and ends with its line."""
QUOTED: Final = r"'(?P<secret>(?:[^'\n]|'\\'')+)'"
"""A secret in single quotes as POSIX shells and UCI write them, a quote in it as ``'\\''``."""


def patterns(*sources: str) -> tuple[re.Pattern[str], ...]:
    """The sources compiled as rules are: ``^`` and ``$`` are a line's ends."""
    return tuple(re.compile(source, re.MULTILINE) for source in sources)
