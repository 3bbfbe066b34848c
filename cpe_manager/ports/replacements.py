"""What replacing hardware needs from the database. Every method is one transaction; all raise ``StoreError``.

Who works on a replacement holds it for a while, with a fence that counts up with each new holder: whatever is written
under a hold that somebody else has taken over is refused with ``FenceLost``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.replacement.replacements import Answers, Entry, Progress, Replacement, ReplacementRecord

PUSH_KEY: Final = "replacement:"
"""What the idempotency keys of a replacement's pushes hold: their snapshots are what the new hardware came with."""

TICKET: Final = "replacement"
"""Kind of the engine's tickets; their ids are those of replacements."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to work on a replacement."""

    replacement_id: str
    owner: str
    fence: int


class ReplacementStore(Protocol):
    async def create(self, replacement: Replacement) -> Replacement:
        """The replacement that has the same ``key`` already, if any, and then nothing is written. Emits
        ``replacement.ordered``. Raises ``Conflict`` when another one of the position is open."""
        ...

    async def replacement(self, replacement_id: str) -> ReplacementRecord:
        """Raises ``NotFound``."""
        ...

    async def replacements(
        self, *, position_id: str | None = None, open_only: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[Replacement]:
        """Newest first; the cursor is opaque."""
        ...

    async def due(self, now: datetime) -> Sequence[str]:
        """Ids of open ones that nobody holds and that wait for no person, their time come."""
        ...

    async def hold(self, replacement_id: str, *, owner: str, now: datetime, ttl: float) -> Hold | None:
        """For ``ttl`` seconds. None when it has ended or somebody else's hold is alive."""
        ...

    async def renew(self, hold: Hold, *, now: datetime, ttl: float) -> bool:
        """False when somebody else has taken it over."""
        ...

    async def release(self, hold: Hold) -> None: ...

    async def release_all(self) -> None:
        """Let go of every hold, whoever has it: for a start as the only process. Fences stay."""
        ...

    async def advance(
        self, hold: Hold, progress: Progress, entry: Entry | None = None, events: Sequence[NewEvent] = ()
    ) -> None:
        """Write what the work has come to, with a line of the journal and events. Raises ``FenceLost``."""
        ...

    async def answer(self, replacement_id: str, answers: Answers, event: NewEvent) -> Replacement:
        """Write what a person said: nothing is asked any more, and it is due.

        Raises ``NotFound``, ``Conflict`` when it has ended."""
        ...

    async def restorable(self, position_id: str) -> str | None:
        """Id of the latest good version of a position, what new hardware ran before a restore left out; None when there
        is none."""
        ...

    async def releases(self) -> Sequence[tuple[str, str]]:
        """(device id, release) of every device in service that has told its release."""
        ...
