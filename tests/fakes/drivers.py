"""One invented family: whatever the device prints is its configuration."""

from __future__ import annotations

import re

from cpe_manager.domain.errors import UnknownFamily
from cpe_manager.ports.driver import Capture, Driver, Facts, SecretRule, Spec
from cpe_manager.ports.shell import Shell

FAMILY = "plain"
SPEC = Spec(
    family=FAMILY,
    title="Plain router",
    comment="!",
    volatile=(re.compile(r"^! saved at .*$", re.MULTILINE),),
    secrets=(
        SecretRule(re.compile(r"^login password (?P<secret>\S+)", re.MULTILINE), "login"),
        SecretRule(re.compile(r"^snmp community (?P<secret>\S+)", re.MULTILINE), "snmp"),
    ),
)


class PlainDriver:
    """``ports.driver.Driver``. ``counts``: whether its devices vouch for the length of what they show."""

    def __init__(self, *, counts: bool = True) -> None:
        self.counts = counts

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        return Capture((await shell.execute("show configuration")).stdout, "", counted=self.counts)

    async def facts(self, shell: Shell) -> Facts:
        await shell.execute("show version")
        return Facts()


class FixedDrivers:
    """``ports.driver.Drivers`` over the drivers given, by default the plain one alone."""

    def __init__(self, *drivers: Driver) -> None:
        self._drivers: dict[str, Driver] = {driver.spec.family: driver for driver in drivers or (PlainDriver(),)}

    def get(self, family: str) -> Driver:
        try:
            return self._drivers[family]
        except KeyError:
            raise UnknownFamily(f"no driver for {family!r}") from None

    def families(self) -> tuple[str, ...]:
        return tuple(self._drivers)

    def platforms(self) -> tuple[str, ...]:
        return ()
