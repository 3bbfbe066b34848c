from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cpe_manager.adapters.holidays import PublicHolidays
from cpe_manager.domain.changes.windows import closed_on, opening
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.push.push_windows import HORIZON, Calendar, calendar_of, windows_of

OFFICE = windows_of("Mon-Fri 08:00-18:00 Europe/Brussels")


def at(text: str) -> datetime:
    """By the clock of Greenwich; Brussels is an hour ahead in winter, two in summer."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_holidays_of_belgium_are_known_with_easter_and_what_hangs_on_it() -> None:
    found = PublicHolidays().between("BE", date(2026, 1, 1), date(2026, 12, 31))
    assert sorted(found) == [
        date(2026, 1, 1), date(2026, 4, 5), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 14), date(2026, 5, 24),
        date(2026, 5, 25), date(2026, 7, 21), date(2026, 8, 15), date(2026, 11, 1), date(2026, 11, 11),
        date(2026, 12, 25),
    ]  # fmt: skip
    assert all(found.values())


def test_holidays_are_cut_to_the_days_asked_for_over_the_turn_of_a_year() -> None:
    found = PublicHolidays().between("BE", date(2026, 12, 25), date(2027, 1, 1))
    assert list(found) == [date(2026, 12, 25), date(2027, 1, 1)]


def test_no_country_has_no_holidays_and_an_unknown_one_is_refused() -> None:
    assert PublicHolidays().between("", date(2026, 1, 1), date(2026, 12, 31)) == {}
    with pytest.raises(InputError, match="XX"):
        PublicHolidays().between("XX", date(2026, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-30T09:00", "2026-11-30T09:00"),  # a Monday, within
        ("2026-11-30T17:00", "2026-12-01T07:00"),  # 18:00 in Brussels: shut
        ("2026-12-24T18:00", "2026-12-28T07:00"),  # Christmas is a Friday, and then comes the weekend
        ("2026-12-25T09:00", "2026-12-28T07:00"),  # on the holiday itself
        ("2026-03-27T18:00", "2026-03-30T06:00"),  # summer time began on the Sunday
        ("2026-04-03T17:00", "2026-04-07T06:00"),  # over Easter Monday
    ],
)
def test_the_change_window_leaves_holidays_out(now: str, opens: str) -> None:
    days = PublicHolidays().between("BE", at(now).date(), date(2027, 12, 31))
    assert opening(at(now), [Calendar(OFFICE, closed_on(days))]) == at(opens)


def test_all_calendars_have_to_be_open() -> None:
    office = Calendar(OFFICE)
    site = calendar_of("daily 17:00-20:00 Europe/Brussels", "2026-11-30..2026-12-01")
    assert opening(at("2026-11-30T09:00"), [office, site]) == at("2026-12-02T16:00")
    assert opening(at("2026-12-02T16:30"), [office, site]) == at("2026-12-02T16:30")
    assert opening(at("2026-12-02T17:00"), [office, site]) == at("2026-12-03T16:00")
    assert opening(at("2026-12-02T17:00"), []) == at("2026-12-02T17:00")


def test_calendars_that_are_never_open_together_give_the_horizon() -> None:
    now = at("2026-11-30T09:00")
    site = calendar_of("Sat,Sun 00:00-24:00 Europe/Brussels", "")
    assert opening(now, [Calendar(OFFICE), site]) == now + HORIZON
