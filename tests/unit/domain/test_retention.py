from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.backup.retention import Policy, Version, expired
from cpe_manager.domain.errors import InputError

BRUSSELS = "Europe/Brussels"
START = datetime(2024, 1, 1, 1, 0, tzinfo=UTC)
GOOD, QUARANTINED, REFUSED = BackupState.GOOD, BackupState.QUARANTINED, BackupState.REFUSED

versions = st.lists(
    st.tuples(st.integers(0, 900 * 24), st.sampled_from([GOOD, GOOD, GOOD, QUARANTINED, REFUSED]), st.booleans()),
    max_size=60,
).map(
    lambda rows: [
        Version(f"v{n:03}", START + timedelta(hours=hours), state, current and state is GOOD and n % 7 == 0)
        for n, (hours, state, current) in enumerate(rows)
    ]
)
policies = st.builds(
    Policy,
    keep_last=st.integers(1, 10),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 6),
    refused=st.integers(1, 3),
)


def nightly(count: int) -> list[Version]:
    return [Version(f"v{n:04}", START + timedelta(days=n), GOOD) for n in range(count)]


def kept(given_versions: list[Version], policy: Policy) -> list[str]:
    gone = set(expired(given_versions, policy, timezone=BRUSSELS))
    return [version.id for version in given_versions if version.id not in gone]


def test_a_change_every_night_for_three_years_keeps_days_weeks_and_months() -> None:
    left = kept(nightly(1096), Policy())
    assert len(left) <= 30 + 31 + 13 + 24
    assert left[-31:] == [f"v{n:04}" for n in range(1065, 1096)]
    assert START + timedelta(days=int(left[0][1:])) < START + timedelta(days=1096 - 23 * 28)


def test_a_box_that_is_left_alone_keeps_its_whole_history() -> None:
    yearly = [Version(f"v{n}", START + timedelta(days=365 * n), GOOD) for n in range(20)]
    assert expired(yearly, Policy(keep_last=1, daily=0, weekly=0, monthly=24), timezone=BRUSSELS) == []


def test_days_are_those_of_the_time_zone() -> None:
    evening = datetime(2026, 1, 10, 22, 30, tzinfo=UTC)  # 23:30 in Brussels
    night = evening + timedelta(hours=1)  # 00:30 the next day in Brussels, the same day in UTC
    late = evening + timedelta(hours=2)
    three = [Version("a", evening, GOOD), Version("b", night, GOOD), Version("c", late, GOOD)]
    policy = Policy(keep_last=1, daily=9, weekly=0, monthly=0)
    assert expired(three, policy, timezone=BRUSSELS) == ["b"]
    assert expired(three, policy, timezone="UTC") == ["a"]


def test_the_newest_refused_versions_stay_as_evidence() -> None:
    refused = [Version(f"r{n}", START + timedelta(days=n), REFUSED) for n in range(5)]
    assert expired(refused, Policy(refused=2), timezone=BRUSSELS) == ["r0", "r1", "r2"]


def test_policies_that_keep_nothing_and_unknown_zones_are_refused() -> None:
    for wrong in ({"keep_last": 0}, {"refused": 0}, {"daily": -1}, {"weekly": -1}, {"monthly": -1}):
        with pytest.raises(InputError):
            Policy(**wrong)
    with pytest.raises(InputError, match="Nowhere"):
        expired([], Policy(), timezone="Nowhere/Town")


@given(versions, policies)
def test_what_must_never_go_never_goes(given_versions: list[Version], policy: Policy) -> None:
    gone = set(expired(given_versions, policy, timezone=BRUSSELS))
    good = sorted((v for v in given_versions if v.state is GOOD), key=lambda v: (v.captured_at, v.id))
    protected = {v.id for v in given_versions if v.current or v.state is QUARANTINED}
    protected |= {v.id for v in good[-policy.keep_last :]}
    assert not gone & protected
    assert gone <= {v.id for v in given_versions}


@given(versions, policies)
def test_a_second_run_finds_nothing_more(given_versions: list[Version], policy: Policy) -> None:
    gone = set(expired(given_versions, policy, timezone=BRUSSELS))
    rest = [version for version in given_versions if version.id not in gone]
    assert expired(rest, policy, timezone=BRUSSELS) == []


@given(versions, policies)
def test_the_number_of_kept_versions_is_bounded(given_versions: list[Version], policy: Policy) -> None:
    gone = set(expired(given_versions, policy, timezone=BRUSSELS))
    counted = [v for v in given_versions if v.id not in gone and v.state is GOOD and not v.current]
    assert len(counted) <= policy.keep_last + policy.daily + policy.weekly + policy.monthly


@given(versions, policies, st.randoms())
def test_the_order_of_the_list_does_not_matter(given_versions: list[Version], policy: Policy, random: object) -> None:
    shuffled = list(given_versions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert expired(shuffled, policy, timezone=BRUSSELS) == expired(given_versions, policy, timezone=BRUSSELS)


@given(versions, policies)
def test_a_more_generous_policy_keeps_no_less(given_versions: list[Version], policy: Policy) -> None:
    generous = Policy(policy.keep_last + 2, policy.daily + 1, policy.weekly + 1, policy.monthly + 1, policy.refused + 1)
    more = set(expired(given_versions, policy, timezone=BRUSSELS))
    assert set(expired(given_versions, generous, timezone=BRUSSELS)) <= more
