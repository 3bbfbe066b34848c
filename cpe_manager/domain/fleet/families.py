"""Names of device families: our own, and those of the long tail, ``netmiko:<device type>``."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

PLATFORM_PREFIX: Final = "netmiko:"
MOST_NEAR: Final = 5


def is_platform(family: str) -> bool:
    """Whether a family belongs to the long tail: a library logs in, and we read what it shows."""
    return family.startswith(PLATFORM_PREFIX)


def unknown_platform(family: str, known: Collection[str]) -> str:
    """What to say to a name of the long tail that does not exist: the nearest ones that do."""
    wanted = family.removeprefix(PLATFORM_PREFIX)
    names = sorted(name.removeprefix(PLATFORM_PREFIX) for name in known)
    near = difflib.get_close_matches(wanted, names, n=MOST_NEAR, cutoff=0.5)
    # `cisco` is no near match of `cisco_s300` by its letters, but whoever types it wants to see that one.
    near += [name for name in names if wanted and wanted in name and name not in near]
    hint = f"near it: {', '.join(PLATFORM_PREFIX + name for name in near[:MOST_NEAR])}" if near else "none is near it"
    return f"{family!r} is no platform that netmiko knows over SSH; {hint}"
