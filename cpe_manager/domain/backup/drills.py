"""Restore drills: which backups are brought back onto a box this night, and what the fleet's proofs amount to.

A proof belongs to one stored version. A device that gets a new version is unproven again until that one was drilled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GRACE = timedelta(days=7)
"""How long a version may wait for its first drill before it counts against the target: a new version would otherwise
raise the alarm in the night that made it."""


class Verdict(StrEnum):
    """``proven``: after a restore and a restart a box ran what was stored, to the letter. ``differs``: something else.
    ``failed``: it could not be brought back. ``not_possible``: of its kind of text no box can be made."""

    PROVEN = "proven"
    DIFFERS = "differs"
    FAILED = "failed"
    NOT_POSSIBLE = "not_possible"


NOT_PROVEN = frozenset({Verdict.DIFFERS, Verdict.FAILED})


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What came of bringing one version back. ``seconds``: from the order for a box to the verdict; ``lines``: how many
    differ; ``reason`` is one line without secrets, empty when proven."""

    backup_id: str
    device_id: str
    verdict: Verdict
    at: datetime
    seconds: float = 0.0
    lines: int = 0
    reason: str = ""
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active device with the version that would be restored, and what is known of its drills."""

    device_id: str
    device: str
    family: str
    """That of the version."""
    backup_id: str
    verdict: Verdict | None = None
    """Of this very version; None: it was never drilled."""
    last_drill_at: datetime | None = None
    """Of whatever version of the device."""


def choose(candidates: Iterable[Candidate], sample: int) -> tuple[Candidate, ...]:
    """Whom to drill tonight: versions that were never drilled first, then those whose drill is longest ago.

    ``sample`` is how many are taken in that order, so that while nothing changes every device has its turn within
    ``ceil(devices / sample)`` nights. A family that is not among them adds its own first one: every family is tried
    every night, and a driver that stopped restoring is found out in one night. No sample, no drill.
    """
    if sample < 1:
        return ()
    queue = sorted(candidates, key=_turn)
    chosen = queue[:sample]
    families = {one.family for one in chosen}
    for one in queue[sample:]:
        if one.family not in families:
            families.add(one.family)
            chosen.append(one)
    return tuple(chosen)


def _turn(one: Candidate) -> tuple[bool, bool, float, str]:
    # Whatever came of it, a drill is one: a device that fails every night must not keep the others from their turn.
    last = one.last_drill_at
    return (one.verdict is not None, last is not None, last.timestamp() if last else 0.0, one.device_id)


@dataclass(frozen=True, slots=True)
class Count:
    """Active devices of one family whose current versions have this verdict (None: never drilled).

    ``waiting``: how many of them have waited longer than ``GRACE``, of those that were never drilled.
    """

    family: str
    verdict: Verdict | None
    devices: int
    waiting: int = 0
    oldest: datetime | None = None
    """The drill that is longest ago."""


@dataclass(frozen=True, slots=True)
class FamilyStanding:
    """One family's proofs. ``possible`` false: its backups cannot be drilled, and count for nothing in any share."""

    family: str
    possible: bool
    devices: int = 0
    proven: int = 0
    differs: int = 0
    failed: int = 0
    unproven: int = 0
    not_possible: int = 0
    waiting: int = 0
    oldest_proof: datetime | None = None

    @property
    def countable(self) -> int:
        return self.devices - self.not_possible if self.possible else 0

    @property
    def share(self) -> float | None:
        """Proven of those that can be; None when none can."""
        return self.proven / self.countable if self.countable else None


@dataclass(frozen=True, slots=True)
class Standing:
    """The fleet's proofs, family by family."""

    families: tuple[FamilyStanding, ...] = ()

    @property
    def countable(self) -> int:
        return sum(one.countable for one in self.families)

    @property
    def proven(self) -> int:
        return sum(one.proven for one in self.families if one.possible)

    @property
    def share(self) -> float | None:
        """Of the active devices with a backup that can be drilled: how many are proven. None when there are none."""
        return self.proven / self.countable if self.countable else None

    @property
    def judged(self) -> int:
        """Devices that count for the alarm: those drilled, and those that have waited too long for it."""
        return sum(one.proven + one.differs + one.failed + one.waiting for one in self.families if one.possible)

    def below(self, target: float) -> bool:
        """Whether the alarm has to be up. ``target`` is a share; while nothing is judged, nothing is missed."""
        return bool(self.judged) and self.proven / self.judged < target


def standing(counts: Sequence[Count], possible: Mapping[str, bool]) -> Standing:
    """``possible``: by family, whether its backups can be drilled; one that is not named cannot."""
    families: dict[str, dict[str, int]] = {}
    oldest: dict[str, datetime] = {}
    for count in counts:
        sums = families.setdefault(count.family, {})
        name = "unproven" if count.verdict is None else count.verdict.value
        sums[name] = sums.get(name, 0) + count.devices
        sums["devices"] = sums.get("devices", 0) + count.devices
        sums["waiting"] = sums.get("waiting", 0) + count.waiting
        if count.verdict is Verdict.PROVEN and count.oldest is not None:
            oldest[count.family] = count.oldest
    return Standing(
        tuple(
            FamilyStanding(family, possible.get(family, False), oldest_proof=oldest.get(family), **sums)
            for family, sums in sorted(families.items())
        )
    )
