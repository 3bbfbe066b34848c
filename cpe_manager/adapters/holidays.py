"""Public holidays, out of the ``holidays`` package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from cpe_manager.domain.errors import InputError


class PublicHolidays:
    """``ports.holidays.Holidays``."""

    def between(self, country: str, first: date, last: date) -> Mapping[date, str]:
        if not country:
            return {}
        found: dict[date, str] = {}
        for year in range(first.year, last.year + 1):
            found |= {day: name for day, name in _of_year(country, year).items() if first <= day <= last}
        return found


@lru_cache(maxsize=64)
def _of_year(country: str, year: int) -> Mapping[date, str]:
    # Reads the rules of every country there is, for a second: not when the process starts, and not in its loop.
    import holidays

    try:
        known = holidays.country_holidays(country, years=year, language="en_US")
    except NotImplementedError:
        raise InputError(f"no holidays of {country!r} are known; give two letters, such as BE") from None
    return MappingProxyType(dict(known.items()))
