"""What devices say of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.ports.facts import DeviceFacts

_TOLD = ("hostname", "model", "serial", "os_release")


class FactsView(View):
    """Null for what the device does not say."""

    hostname: str | None
    model: str | None
    serial: str | None
    os_release: str | None
    uptime_seconds: int | None = Field(description="When it was asked")
    booted_at: datetime | None
    source: str = Field(description="session, snmp, or both: each for what the other did not know")
    at: datetime = Field(description="When it was asked")

    @classmethod
    def of(cls, found: DeviceFacts) -> FactsView:
        told = {name: getattr(found.facts, name) or None for name in _TOLD}
        return cls(
            **told, uptime_seconds=found.facts.uptime, booted_at=found.booted_at, source=found.source, at=found.at
        )


class RefreshBody(Body):
    """How to ask. SNMP needs an access in the device's credential."""

    way: Literal["both", "session", "snmp"] = "both"
