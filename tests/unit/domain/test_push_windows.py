"""When a push may begin, by the wall clock of a place: also in the two nights of the year in which that jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.push.push_windows import HORIZON, calendar_of, freezes_of, windows_of

OFFICE = "Mon-Fri 08:00-18:00 Europe/Brussels"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-11-27 is a Friday; Brussels is an hour ahead of UTC then, two in summer.
CASES = [
    ("", "", "2026-11-27T03:00", "2026-11-27T03:00"),
    (OFFICE, "", "2026-11-27T07:00", "2026-11-27T07:00"),
    (OFFICE, "", "2026-11-27T06:59:59", "2026-11-27T07:00"),
    (OFFICE, "", "2026-11-27T16:59:59", "2026-11-27T16:59:59"),
    (OFFICE, "", "2026-11-27T17:00", "2026-11-30T07:00"),
    (OFFICE, "", "2026-07-03T06:00", "2026-07-03T06:00"),
    (f"{OFFICE}; Sat 09:00-12:00", "", "2026-11-27T17:00", "2026-11-28T08:00"),
    ("daily 22:00-04:00 Europe/Brussels", "", "2026-11-28T02:59", "2026-11-28T02:59"),
    ("daily 22:00-04:00 Europe/Brussels", "", "2026-11-28T03:00", "2026-11-28T21:00"),
    ("Fri 22:00-04:00 Europe/Brussels", "", "2026-11-28T02:00", "2026-11-28T02:00"),
    ("Fri 22:00-04:00 Europe/Brussels", "", "2026-11-29T02:00", "2026-12-04T21:00"),
    ("Sat-Mon 00:00-24:00 UTC", "", "2026-11-27T03:00", "2026-11-28T00:00"),
    ("Sat,Sun 10:00-11:00 Pacific/Auckland", "", "2026-11-27T00:00", "2026-11-27T21:00"),
    # The clock goes forward in the night of 2026-03-29: 02:00-03:00 does not exist.
    ("daily 02:00-03:00 Europe/Brussels", "", "2026-03-29T00:59", "2026-03-30T00:00"),
    ("daily 02:30-04:00 Europe/Brussels", "", "2026-03-29T00:30", "2026-03-29T01:30"),
    ("daily 01:00-05:00 Europe/Brussels", "", "2026-03-29T02:59", "2026-03-29T02:59"),
    ("daily 01:00-05:00 Europe/Brussels", "", "2026-03-29T03:00", "2026-03-29T23:00"),
    # It goes back in the night of 2026-10-25: 02:00-03:00 comes twice, and both are inside.
    ("daily 02:00-03:00 Europe/Brussels", "", "2026-10-25T00:00", "2026-10-25T00:00"),
    ("daily 02:00-03:00 Europe/Brussels", "", "2026-10-25T01:59", "2026-10-25T01:59"),
    ("daily 02:00-03:00 Europe/Brussels", "", "2026-10-25T02:00", "2026-10-26T01:00"),
    ("", "2026-12-21..2027-01-03 Europe/Brussels", "2026-12-20T22:59", "2026-12-20T22:59"),
    ("", "2026-12-21..2027-01-03 Europe/Brussels", "2026-12-20T23:00", "2027-01-03T23:00"),
    ("", "2026-12-24T12:00..2026-12-26T08:00 UTC", "2026-12-25T00:00", "2026-12-26T08:00"),
    (OFFICE, "2026-12-21..2027-01-03", "2026-12-18T17:00", "2027-01-04T07:00"),
    (OFFICE, "2026-11-30..2026-11-30; 2026-12-01..2026-12-02", "2026-11-29T10:00", "2026-12-03T07:00"),
    ("", "2026-11-30..2026-12-01; 2026-11-29..2026-11-30", "2026-11-29T10:00", "2026-12-01T23:00"),
]


@pytest.mark.parametrize(("windows", "freezes", "now", "opens"), CASES)
def test_a_push_begins_when_its_window_opens(windows: str, freezes: str, now: str, opens: str) -> None:
    assert calendar_of(windows, freezes).opens(at(now)) == at(opens)


def test_a_freeze_without_end_is_looked_at_again() -> None:
    now = at("2026-11-27T03:00")
    assert calendar_of(OFFICE, "2026-01-01..2029-01-01").opens(now) == now + HORIZON


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)), st.integers(0, 1439), st.integers(1, 1439))  # noqa: DTZ001
def test_it_opens_no_earlier_than_asked_and_stays_open_where_it_opened(when: datetime, first: int, length: int) -> None:
    last = (first + length) % 1440
    text = f"Mon-Thu {first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02} Europe/Brussels"
    calendar, now = calendar_of(text, "2026-06-01..2026-06-30"), when.replace(tzinfo=UTC)
    opens = calendar.opens(now)
    assert opens >= now
    assert calendar.opens(opens) == opens
    if opens > now:
        assert calendar.opens(opens - timedelta(microseconds=1)) == opens


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("weekdays", "is no window"),
        ("Mon-Fri 8-18", "is no window"),
        ("Weekend 08:00-18:00", "is no day"),
        ("Mon- 08:00-18:00", "is no day"),
        ("Mon 24:00-25:00", "no clock shows"),
        ("Mon 08:60-09:00", "no clock shows"),
        ("Mon 08:00-08:00", "is empty"),
        ("Mon 08:00-18:00 Europe/Gent", "is no time zone"),
        ("Mon 08:00-18:00 ../../etc/passwd", "is no time zone"),
    ],
)
def test_a_window_that_means_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        windows_of(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("christmas", "is no freeze"),
        ("2026-12-32..2027-01-01", "no calendar has"),
        ("2027-01-03..2026-12-21", "runs backwards"),
        ("2026-12-24T12:00+01:00..2026-12-26", "offset"),
        ("2026-12-21..2027-01-03 Mars", "is no time zone"),
    ],
)
def test_a_freeze_that_means_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        freezes_of(text)


def test_a_device_can_say_that_there_is_none() -> None:
    assert windows_of("always") == windows_of(" ") == ()
    assert freezes_of("none") == freezes_of("") == ()
