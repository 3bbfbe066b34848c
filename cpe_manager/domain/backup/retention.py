"""Which versions of one position may go.

Only changes make versions, so a box that is left alone keeps its whole history under any policy. Periods without a new
version use up none of a policy's numbers: ``daily=31`` are the last 31 days *on which something changed*.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.errors import InputError


@dataclass(frozen=True, slots=True)
class Policy:
    """How many to keep: the newest versions, then the newest one of each day, ISO week and month with a version."""

    keep_last: int = 30
    daily: int = 31
    weekly: int = 13
    monthly: int = 24
    refused: int = 3
    """Newest refused versions kept as evidence. At least one: a refused text that comes again is known by it."""

    def __post_init__(self) -> None:
        if self.keep_last < 1 or self.refused < 1:
            raise InputError("a retention policy keeps at least one version")
        if min(self.daily, self.weekly, self.monthly) < 0:
            raise InputError("a retention policy counts from 0 up")


@dataclass(frozen=True, slots=True)
class Version:
    """What retention needs to know of a version; ``current``: it is some device's last good one."""

    id: str
    captured_at: datetime
    state: BackupState
    current: bool = False


def expired(versions: Iterable[Version], policy: Policy, *, timezone: str) -> list[str]:
    """Ids to delete, oldest first, of the versions of one position. Days, weeks and months are those of ``timezone``.

    Never in it: a current version, the newest good one, a quarantined one (a person has to decide first).
    """
    zone = _zone(timezone)
    ordered = sorted(versions, key=lambda version: (version.captured_at, version.id), reverse=True)
    good = [version for version in ordered if version.state is BackupState.GOOD]
    refused = [version for version in ordered if version.state is BackupState.REFUSED]
    kept = {version.id for version in ordered if version.current or version.state is BackupState.QUARANTINED}
    kept.update(version.id for version in good[: policy.keep_last])
    kept.update(version.id for version in refused[: policy.refused])
    local = [(version.id, version.captured_at.astimezone(zone)) for version in good]
    kept.update(_newest_of_each(((i, at.date()) for i, at in local), policy.daily))
    kept.update(_newest_of_each(((i, at.isocalendar()[:2]) for i, at in local), policy.weekly))
    kept.update(_newest_of_each(((i, (at.year, at.month)) for i, at in local), policy.monthly))
    return [version.id for version in reversed(ordered) if version.id not in kept]


def _newest_of_each(newest_first: Iterable[tuple[str, Hashable]], count: int) -> set[str]:
    """Ids of the newest version in each of the last ``count`` periods that have one; given (id, period)."""
    newest: dict[Hashable, str] = {}
    for version_id, period in newest_first:
        newest.setdefault(period, version_id)
    return set(list(newest.values())[:count])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InputError(f"no time zone {name!r}") from error
