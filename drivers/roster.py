"""The drivers that exist: every module of this package that has a ``DRIVER``, and the long tail behind them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

import drivers as package
from cpe_manager.domain.errors import UnknownFamily
from cpe_manager.domain.fleet.families import PLATFORM_PREFIX, unknown_platform
from cpe_manager.ports.driver import Driver
from drivers.long_tail import LongTail


class DriverRoster:
    """Implements ``ports.driver.Drivers``. Scans once, when made.

    ``platforms``: device types that the adapter of the long tail can log in to, as it names them.
    """

    def __init__(self, platforms: Iterable[str] = ()) -> None:
        self._drivers: Mapping[str, Driver] = _scan()
        self._platforms = tuple(f"{PLATFORM_PREFIX}{name}" for name in platforms)
        self._long_tail: dict[str, Driver] = {}

    def get(self, family: str) -> Driver:
        if family.startswith(PLATFORM_PREFIX):
            return self._of_the_long_tail(family)
        try:
            return self._drivers[family]
        except KeyError:
            raise UnknownFamily(f"no driver for {family!r}; there are: {', '.join(self._drivers)}") from None

    def families(self) -> tuple[str, ...]:
        return tuple(self._drivers)

    def platforms(self) -> tuple[str, ...]:
        return self._platforms

    def _of_the_long_tail(self, family: str) -> Driver:
        if family not in self._platforms:
            raise UnknownFamily(unknown_platform(family, self._platforms))
        if family not in self._long_tail:
            self._long_tail[family] = LongTail(family.removeprefix(PLATFORM_PREFIX))
        return self._long_tail[family]


def _scan() -> dict[str, Driver]:
    found: dict[str, Driver] = {}
    for module in pkgutil.iter_modules(package.__path__):
        driver: Driver | None = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "DRIVER", None)
        if driver is None:
            continue
        family = driver.spec.family
        if family in found:
            raise ValueError(f"two drivers for family {family!r}")
        found[family] = driver
    return dict(sorted(found.items()))
