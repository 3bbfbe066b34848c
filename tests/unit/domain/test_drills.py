"""Whom to drill tonight, and what the fleet's proofs amount to."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.backup.drills import Candidate, Count, Verdict, choose, standing

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
FAMILIES = ("acme", "beta", "gamma", "delta")
verdicts = st.none() | st.sampled_from(Verdict)


def candidate(number: int, family: str, verdict: Verdict | None, nights_ago: int) -> Candidate:
    at = NOW - timedelta(days=nights_ago) if nights_ago else None
    return Candidate(f"d{number:04}", f"cpe-{number}", family, f"b{number}", verdict if at else None, at)


@st.composite
def fleets(draw: st.DrawFn) -> list[Candidate]:
    """Any mix of families, and any history: drilled versions, and new versions of devices that were drilled before."""
    kinds = draw(st.lists(st.tuples(st.sampled_from(FAMILIES), verdicts, st.integers(0, 5)), min_size=1, max_size=40))
    return [candidate(number, *kind) for number, kind in enumerate(kinds)]


@given(fleets(), st.integers(1, 45), st.data())
def test_while_nothing_changes_every_device_has_its_turn_in_the_fewest_nights(
    fleet: list[Candidate], sample: int, data: st.DataObject
) -> None:
    drilled: set[str] = set()
    for night in range(math.ceil(len(fleet) / sample)):
        chosen = choose(data.draw(st.permutations(fleet)), sample)
        at = NOW + timedelta(days=night)
        drilled |= {one.device_id for one in chosen}
        # Whatever comes of it: also a device that fails every time must not keep others from their turn.
        ended = {one.device_id: data.draw(st.sampled_from(Verdict)) for one in chosen}
        fleet = [
            replace(one, verdict=ended[one.device_id], last_drill_at=at) if one.device_id in ended else one
            for one in fleet
        ]
    assert drilled == {one.device_id for one in fleet}


@given(fleets(), st.integers(1, 45))
def test_every_family_is_tried_every_night_and_nobody_twice(fleet: list[Candidate], sample: int) -> None:
    chosen = choose(fleet, sample)
    assert {one.family for one in chosen} == {one.family for one in fleet}
    assert len({one.device_id for one in chosen}) == len(chosen)
    assert min(sample, len(fleet)) <= len(chosen) <= sample + len(FAMILIES) - 1


@given(fleets(), st.integers(1, 45))
def test_no_drilled_version_is_drilled_again_while_another_was_never(fleet: list[Candidate], sample: int) -> None:
    first = choose(fleet, sample)[:sample]
    if any(one.verdict is not None for one in first):
        assert {one.device_id for one in fleet if one.verdict is None} <= {one.device_id for one in first}


def test_the_proof_that_is_oldest_is_made_anew_first() -> None:
    fleet = [candidate(number, "acme", Verdict.PROVEN, ago) for number, ago in enumerate((2, 9, 4))]
    assert [one.device_id for one in choose(fleet, 2)] == ["d0001", "d0002"]


def test_no_sample_is_no_drill() -> None:
    assert choose([candidate(0, "acme", None, 0)], 0) == ()
    assert choose([candidate(0, "acme", None, 0)], -3) == ()


def test_the_share_is_of_what_can_be_drilled() -> None:
    found = standing(
        [
            Count("acme", Verdict.PROVEN, 6, oldest=NOW),
            Count("acme", Verdict.FAILED, 1),
            Count("acme", None, 3, waiting=1),
            Count("acme", Verdict.NOT_POSSIBLE, 2),
            Count("netmiko:x", None, 100, waiting=100),
        ],
        {"acme": True, "netmiko:x": False},
    )
    assert (found.countable, found.proven, found.share) == (10, 6, 0.6)
    acme, other = found.families
    assert (acme.devices, acme.unproven, acme.not_possible, acme.share, acme.oldest_proof) == (12, 3, 2, 0.6, NOW)
    assert (other.possible, other.share) == (False, None)


def test_the_alarm_judges_what_was_drilled_and_what_waited_too_long_alone() -> None:
    fresh = Count("acme", None, 50)
    night = standing([Count("acme", Verdict.PROVEN, 9, oldest=NOW), fresh], {"acme": True})
    assert not night.below(0.9), "new versions have not had their turn yet"
    worse = standing([Count("acme", Verdict.PROVEN, 9), Count("acme", Verdict.DIFFERS, 2), fresh], {"acme": True})
    assert worse.below(0.9)
    late = standing([Count("acme", Verdict.PROVEN, 9), replace(fresh, waiting=2)], {"acme": True})
    assert late.below(0.9)
    assert not late.below(0.8)
    assert not standing([], {}).below(1.0)
    assert not standing([replace(fresh, waiting=50)], {}).below(1.0), "families that cannot be drilled raise no alarm"
