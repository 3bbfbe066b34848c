"""When lines need this process for themselves, so that what can wait gives way (``services.jobs.giving_way``)."""

from __future__ import annotations

from typing import Final, Protocol

LINES: Final = 10
"""So many lines at once that something speaks against, or that are being moved: fewer are decided on in passing."""


class Watching(Protocol):
    @property
    def deciding(self) -> int: ...


class Looking(Protocol):
    @property
    def pressed(self) -> bool: ...


class Pressure:
    def __init__(self, watching: Watching, looking: Looking) -> None:
        self._watching, self._looking = watching, looking

    def reason(self) -> str:
        """Why bulk work should wait; empty when it need not."""
        if (lines := self._watching.deciding) >= LINES:
            return f"{lines} lines are being decided on"
        return "lines are looked at late" if self._looking.pressed else ""
