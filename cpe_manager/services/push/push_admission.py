"""When a push may begin: windows, freezes, and how much may be in flight or go wrong at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import Device, DeviceSettings, Group
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.push_windows import calendar_of
from cpe_manager.domain.push.pushes import Hold, Limits, Push, PushRecord, Waiting
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.stores import Claimed

log = structlog.get_logger()

_PAUSES: Final[Mapping[Hold, float]] = {
    Hold.WINDOW: 900.0,
    Hold.FLEET: 5.0,
    Hold.ACCESS_NODE: 5.0,
    Hold.FAILURES: 60.0,
    Hold.STUCK: 30.0,
}
"""Seconds until a push that may not begin is looked at again, at the latest: settings and other pushes change."""


@dataclass(frozen=True, slots=True)
class Rules:
    """``windows`` and ``freezes``: where neither device nor group says."""

    windows: str = ""
    freezes: str = ""
    limits: Limits = field(default_factory=Limits)


class Admission:
    """Lets pushes begin, or says what they wait for."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()

    @property
    def limits(self) -> Limits:
        return self._rules.limits

    def window(self, device: Device, groups: Mapping[str, Group], now: datetime) -> Waiting | None:
        """Until when its window is shut; None when it is open."""
        try:
            settings = resolve(device, groups).settings
        except InputError:
            return None  # planning fails with the reason
        return self._shut(settings, now)

    def _shut(self, settings: DeviceSettings, now: datetime) -> Waiting | None:
        windows, freezes = settings.push_windows or self._rules.windows, settings.push_freezes or self._rules.freezes
        opens = calendar_of(windows, freezes).opens(now)
        if opens <= now:
            return None
        frozen = calendar_of(windows, "").opens(now) <= now
        reason = f"changes are frozen ({freezes})" if frozen else f"outside of the window ({windows})"
        return Waiting(Hold.WINDOW, reason, opens)

    async def not_yet(
        self, store: PushStore, record: PushRecord, claimed: Claimed, groups: Mapping[str, Group], clock: Clock
    ) -> Waiting | None:
        """What a push that has not begun waits for; None: it begins now. One that was given up is not kept waiting."""
        push, now = record.push, clock.now()
        if push.begun_at is not None or record.journal or push.withdrawn_by is not None:
            return None
        shut = None if unbound(push) else self.window(claimed.device, groups, now)
        waiting = await store.admit(push, self._rules.limits, shut, now, claimed.lease)
        if waiting is not None:
            log.info("push.waits", device=push.device, push_id=push.id, hold=waiting.hold.value, reason=waiting.reason)
        return waiting


def unbound(push: Push) -> bool:
    """Whether windows and freezes are nothing to it."""
    return push.any_time or push.priority is Priority.URGENT


def again_at(waiting: Waiting, now: datetime) -> datetime:
    """When it is looked at again."""
    latest = now + timedelta(seconds=_PAUSES[waiting.hold])
    return latest if waiting.until is None else min(waiting.until, latest)
