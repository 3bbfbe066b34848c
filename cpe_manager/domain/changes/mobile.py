"""Mobile backup on or off as a change (§3.8). Whether coverage lets it be on is asked where changes are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cpe_manager.domain.changes.base import Entry, after_patch
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import domain, misfit, spoken, told
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import Bounds
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.probes import Probe

_CARRIES = "traffic goes over the mobile connection at the moment: it has to go back to the fixed line first"


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileBackup:
    active: bool = field(metadata=told("Whether the mobile connection stands by", example=True))
    apn: str | None = field(
        default=None,
        metadata=told("Access point name; a box that has no mobile connection yet needs it", Bounds(1, 100, domain),
                      example="backup.isp.example"),
    )  # fmt: skip
    username: str | None = field(
        default=None, metadata=told("User name at the access point", Bounds(1, 64, spoken("the user name")))
    )
    password: str | None = field(
        default=None,
        repr=False,
        metadata=told("Password at the access point; never shown again", Bounds(1, 64, spoken("the password")),
                      secret=True),
    )  # fmt: skip

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise misfit("password" if self.password is None else "username", "a log-in has a name and a password")
        if not self.active and (self.apn is not None or self.username is not None):
            raise misfit("apn" if self.apn is not None else "username", "whoever turns it off gives nothing else")


class MobileBackupChange(Entry[MobileBackup]):
    """Turns mobile backup on or off (§3.8). Off leaves the hardware set up, without a route over it."""

    name: ClassVar[str] = "mobile-backup"
    parameters: ClassVar[type] = MobileBackup

    def summary(self, wanted: MobileBackup, /) -> str:
        return f"mobile backup {'on' if wanted.active else 'off'}" + (f" by {wanted.apn}" if wanted.apn else "")

    def conflicts(self, wanted: MobileBackup, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        if now.mobile is None and not wanted.active:
            yield Finding(Check.ABSENT, "there is no mobile backup")
        if now.mobile is not None and now.mobile.preferred:
            yield Finding(Check.IN_USE, _CARRIES)

    def effect(self, wanted: MobileBackup, now: CpeConfig, _setting: Setting, /) -> Effect:
        if now.mobile is None and not wanted.active:
            raise misfit("active", "there is no mobile backup")
        if now.mobile is None and wanted.apn is None:
            raise misfit("apn", "there is no mobile connection yet: give its access point name")
        if now.mobile is not None and now.mobile.preferred:
            raise misfit("active", _CARRIES)
        part: dict[str, Any] = {"active": wanted.active}
        part |= {
            name: value for name in ("apn", "username", "password") if (value := getattr(wanted, name)) is not None
        }
        after_patch("apn" if wanted.apn is not None else "active", now, {"mobile": part})
        probes = [Probe("config", f"mobile.{name}", value=value) for name, value in part.items() if name != "password"]
        return Effect({"mobile": part}, tuple(probes))
