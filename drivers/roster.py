"""The drivers that exist: every module of this package that has a ``DRIVER``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

import drivers as package
from cpe_manager.domain.errors import UnknownFamily
from cpe_manager.ports.driver import Driver


class DriverRoster:
    """Implements ``ports.driver.Drivers``. Scans once, when made."""

    def __init__(self) -> None:
        self._drivers: Mapping[str, Driver] = _scan()

    def get(self, family: str) -> Driver:
        try:
            return self._drivers[family]
        except KeyError:
            raise UnknownFamily(f"no driver for {family!r}; there are: {', '.join(self._drivers)}") from None

    def families(self) -> tuple[str, ...]:
        return tuple(self._drivers)


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
