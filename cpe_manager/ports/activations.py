"""What activation needs from database and outside. Store methods are one transaction; all raise ``StoreError``.

Who works on an activation holds it for a while, with a fence that counts up with each new holder: whatever is written
under a hold that somebody else has taken over is refused with ``FenceLost``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from cpe_manager.domain.activation.activation_flow import Entry, State
from cpe_manager.domain.activation.activations import Activation, ActivationRecord, ActivationReport, Progress, Said
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.events import Alarm, NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.domain.working_days import Promise

TICKET: Final = "activation"
"""Kind of the engine's tickets; their ids are those of activations."""
PUSH_KEY: Final = "activation:"
"""What the idempotency keys of an activation's pushes begin with."""

AT_RISK: Final = "activation.at_risk"
OVERDUE: Final = "activation.overdue"
UNANSWERED: Final = "activation.rush_unanswered"
ALARMS: Final = (AT_RISK, OVERDUE, UNANSWERED)
"""Kinds of the alarms of an activation; at most one of each is raised."""


def alarm_key(kind: str, activation_id: str) -> str:
    return f"{kind}:{activation_id}"


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to work on an activation."""

    activation_id: str
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class ActivationFilter:
    """None: any. ``sites``: names; what lies outside does not exist. ``device``: by id."""

    sites: Collection[str] | None = None
    device_id: str | None = None
    states: tuple[State, ...] | None = None
    open_only: bool = False


class ActivationStore(Protocol):
    async def create(self, activation: Activation, order: SealedObject) -> Activation:
        """With event ``activation.ordered``. The activation that has the same ``key`` already, if any, and then nothing
        is written. Raises ``Conflict`` when another one of the site is open."""
        ...

    async def activation(self, ref: str, sites: Collection[str] | None = None) -> ActivationRecord:
        """By id; or the latest of a site or a device, by name. Raises ``NotFound``, also for one outside ``sites``."""
        ...

    async def activations(
        self, wanted: ActivationFilter, *, after: str | None = None, limit: int = 50
    ) -> Page[Activation]:
        """Newest first; the cursor is opaque."""
        ...

    async def order(self, activation_id: str) -> SealedObject:
        """What was ordered, whole. Raises ``NotFound``."""
        ...

    async def due(self, now: datetime) -> Sequence[str]:
        """Ids of open ones that nobody holds and that wait for no person, their time come."""
        ...

    async def hold(self, activation_id: str, *, owner: str, now: datetime, ttl: float) -> Hold | None:
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
        """Write what the work has come to, with a line of the journal and events; what has ended has no alarm any more.
        Raises ``FenceLost``."""
        ...

    async def say(self, before: Activation, said: Said, event: NewEvent, promise: Promise | None = None) -> Activation:
        """Write what a person said, and what is promised from now on, where that changes; it is due then. Raises
        ``NotFound``, and ``Conflict`` when it has ended, or when something else was said since ``before`` was read."""
        ...

    async def add_report(self, hold: Hold, report: ActivationReport) -> None:
        """The same number once more takes the place of the one before. Raises ``FenceLost``."""
        ...

    async def report(self, activation_id: str, number: int | None = None) -> ActivationReport:
        """None: the latest. Raises ``NotFound``."""
        ...

    async def late(self, now: datetime) -> Sequence[Activation]:
        """Open ones of which something is at risk, overdue or unanswered at ``now``."""
        ...

    async def alarm(self, raised: Sequence[Alarm], cleared: Sequence[str], at: datetime) -> None:
        """Raise what is not raised yet, and clear by key what is. Both with their events."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """Activations that are open, by state."""
        ...


Seen = Literal["open", "refused", "silent", "unreachable"]
"""What an attempt to connect came to: a connection; somebody said no; nobody said anything; a router on the way said
that the host is not there."""


@dataclass(frozen=True, slots=True)
class PortSeen:
    """``reason``: in words, empty for one that is open. ``vantage``: where it was tried from."""

    seen: Seen
    reason: str = ""
    vantage: str = ""


class OutsideProber(Protocol):
    """Tries ports as somebody on the internet would."""

    async def tcp(self, host: str, port: int, seconds: float) -> PortSeen:
        """Raises ``InputError`` when it cannot try at all, with the reason."""
        ...


class ReportPages(Protocol):
    """Makes a page of a report."""

    async def html(self, report: Mapping[str, Any]) -> str:
        """One page that loads nothing. Raises ``InputError`` when it cannot be made."""
        ...
