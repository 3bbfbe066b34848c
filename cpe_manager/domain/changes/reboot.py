"""A restart of the box as a change: nothing of the configuration differs afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cpe_manager.domain.changes.base import Entry
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.model.cpe_config import CpeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboot:
    """There is nothing to say."""


class RebootChange(Entry[Reboot]):
    """Restarts the box. Traffic stops until it is back."""

    name: ClassVar[str] = "reboot"
    parameters: ClassVar[type] = Reboot

    def summary(self, _wanted: Reboot, /) -> str:
        return "restart of the box"

    def effect(self, _wanted: Reboot, _now: CpeConfig, _setting: Setting, /) -> Effect:
        return Effect(reboot=True)
