"""The PPP log-in of the line as a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from cpe_manager.domain.changes.base import Entry, after_patch
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import misfit, printed, spoken, told
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import Bounds
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class PppLogin:
    username: str = field(
        metadata=told("User name", Bounds(1, 64, spoken("the user name")), example="fb123456@isp.example")
    )
    password: str = field(
        repr=False,
        metadata=told("Password; never shown again", Bounds(1, 64, printed("the password")), example="not-this-one",
                      secret=True),
    )  # fmt: skip


class PppChange(Entry[PppLogin]):
    """Changes the log-in of a line that logs in by PPPoE. The box takes it back when the line does not come up."""

    name: ClassVar[str] = "ppp"
    parameters: ClassVar[type] = PppLogin

    def summary(self, wanted: PppLogin, /) -> str:
        return f"PPP log-in {wanted.username}"

    def conflicts(self, _wanted: PppLogin, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        if now.wan is None or now.wan.mode != "pppoe":
            yield Finding(Check.ABSENT, "the line does not log in by PPPoE")

    def effect(self, wanted: PppLogin, now: CpeConfig, _setting: Setting, /) -> Effect:
        if now.wan is None or now.wan.mode != "pppoe":
            raise misfit("username", "the line does not log in by PPPoE")
        patch = {"wan": {"username": wanted.username, "password": wanted.password}}
        after_patch("username", now, patch)
        probes = (Probe("config", "wan.username", value=wanted.username),)
        return Effect(patch, probes, overrides=frozenset({Lockout.ROUTE}))
