from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cpe_manager.domain.backup.acceptance import quarantine_reason
from cpe_manager.domain.backup.backups import LastGood


def last(size: int, lines: int) -> LastGood:
    return LastGood("b-1", "00", size, lines, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_first_capture_is_accepted_unless_it_is_empty() -> None:
    assert quarantine_reason(40, 2, None, ratio=0.5) is None
    assert quarantine_reason(0, 0, None, ratio=0.5) == "the configuration is empty"
    assert quarantine_reason(0, 0, last(8000, 200), ratio=0.0) == "the configuration is empty"


@pytest.mark.parametrize(
    ("size", "lines"),
    [(8000, 200), (4000, 100), (9_000_000, 90_000), (7800, 40_000), (4001, 101)],
)
def test_growth_and_ordinary_shrinking_are_accepted(size: int, lines: int) -> None:
    assert quarantine_reason(size, lines, last(8000, 200), ratio=0.5) is None


@pytest.mark.parametrize(("size", "lines"), [(3999, 190), (7900, 99), (100, 3)])
def test_a_big_loss_of_bytes_or_of_lines_is_quarantined(size: int, lines: int) -> None:
    assert quarantine_reason(size, lines, last(8000, 200), ratio=0.5) is not None


def test_the_reason_gives_an_operator_the_numbers_in_one_line() -> None:
    assert quarantine_reason(800, 30, last(8000, 200), ratio=0.5) == (
        "shrunk to 10% of the bytes (800 of 8000) and 15% of the lines (30 of 200) of the last good version;"
        " accepted by itself from 50% on"
    )


def test_a_small_configuration_may_lose_a_few_lines() -> None:
    assert quarantine_reason(60, 3, last(300, 12), ratio=0.5) is None
    assert quarantine_reason(60, 3, last(600, 13), ratio=0.5) is not None


def test_the_ratio_decides_and_zero_switches_the_comparison_off() -> None:
    assert quarantine_reason(7000, 180, last(8000, 200), ratio=0.95) is not None
    assert quarantine_reason(1, 1, last(8000, 200), ratio=0.0) is None
