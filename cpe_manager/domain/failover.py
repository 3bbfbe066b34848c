"""What a switch, a return or a roll-back came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    ok: bool
    reason: str
    defective: bool = False
    by: str = ""
