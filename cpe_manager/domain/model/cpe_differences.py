"""What differs between two configurations of the neutral model."""

from __future__ import annotations

from dataclasses import dataclass, fields

from cpe_manager.domain.model.cpe_config import CpeConfig


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of the model that differs: its name, and the two values as they print (secrets never do)."""

    part: str
    before: str
    after: str


def differences(before: CpeConfig, after: CpeConfig) -> tuple[Difference, ...]:
    """What differs, part by part. A secret that changed makes its part differ though both print alike."""
    found = []
    for part in fields(CpeConfig):
        old, new = getattr(before, part.name), getattr(after, part.name)
        if old != new:
            found.append(Difference(part.name, repr(old), repr(new)))
    return tuple(found)
