"""Which evidence decides, which does not, and what is said about it."""

from __future__ import annotations

import re

import pytest

from cpe_manager.domain.fleet.recognition import Candidate, Evidence, Verdict, recognise
from cpe_manager.ports.driver import Recognition


def marks(
    *, oid: str = "", descr: str = "", ssh: str = "", banner: str = "", prompt: str = "", priority: int = 0,
    made_from: tuple[str, ...] = (),
) -> Recognition:  # fmt: skip
    def some(source: str) -> tuple[re.Pattern[str], ...]:
        return (re.compile(source),) if source else ()

    return Recognition(
        sys_object_ids=(oid,) if oid else (), sys_descr=some(descr), ssh_version=some(ssh), banner=some(banner),
        prompt=some(prompt), priority=priority, made_from=made_from,
    )  # fmt: skip


BASE = marks(descr="OpenBox", ssh="dropbear", banner="OpenBox|BusyBox", prompt=r"^root@\S+:~#$")
SPECIAL = marks(
    oid="1.3.6.1.4.1.48690", ssh="dropbear", banner="ACME", prompt="^root@ACME-", priority=10, made_from=("base",)
)
OTHER = marks(oid="1.3.6.1.4.1.9.1", ssh="Cisco", prompt=r"^\S+[#>]$")
FAMILIES = {"base": BASE, "special": SPECIAL, "other": OTHER}


def by_name(verdict: Verdict) -> dict[str, Candidate]:
    return {candidate.family: candidate for candidate in verdict.candidates}


def test_one_strong_mark_decides_and_is_named_with_the_words_that_were_seen() -> None:
    verdict = recognise(FAMILIES, Evidence(banner="\nWelcome to\n OpenBox 23\n", prompt="root@R1:~#"))
    assert verdict.family == "base"
    assert verdict.why == "base, by the greeting 'OpenBox' and the prompt 'root@R1:~#'"
    assert by_name(verdict)["base"].score == 5


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(ssh_version="SSH-2.0-dropbear"),
        Evidence(ssh_version="SSH-2.0-dropbear", prompt="root@R1:~#"),
        Evidence(ssh_version="SSH-2.0-Cisco-1.25", prompt="R1>"),
    ],
)
def test_weak_marks_never_decide_however_many_fit(evidence: Evidence) -> None:
    verdict = recognise(FAMILIES, evidence)
    assert verdict.family is None
    assert verdict.candidates
    assert "many boxes have those" in verdict.why


def test_two_families_that_fit_equally_well_are_both_named_and_none_is_taken() -> None:
    twins = {"one": marks(banner="Router"), "two": marks(banner="Router OS")}
    verdict = recognise(twins, Evidence(banner="Router OS 7"))
    assert verdict.family is None
    assert verdict.why == "one and two fit equally well"


def test_priority_is_nothing_between_families_that_are_not_made_from_one_another() -> None:
    twins = {"one": marks(banner="Router"), "two": marks(banner="Router", priority=100)}
    assert recognise(twins, Evidence(banner="Router")).family is None


@pytest.mark.parametrize("prompt", ["root@ACME-1:~#", "root@SHOP-7:~#"])
def test_a_special_family_goes_before_the_one_it_is_made_from_even_where_that_one_has_more_marks(prompt: str) -> None:
    evidence = Evidence(ssh_version="SSH-2.0-dropbear", banner="BusyBox v1\n  ACME RUT", prompt=prompt)
    verdict = recognise(FAMILIES, evidence)
    assert verdict.family == "special"
    assert by_name(verdict)["base"].against == "special is made from it, and fits"


def test_what_is_made_from_another_needs_a_mark_of_its_own() -> None:
    verdict = recognise(
        FAMILIES, Evidence(ssh_version="SSH-2.0-dropbear", banner="BusyBox v1", prompt="root@ACME-1:~#")
    )
    assert verdict.family == "base"


def test_an_object_id_counts_at_whole_arcs_only() -> None:
    assert recognise(FAMILIES, Evidence(sys_object_id=".1.3.6.1.4.1.9.1.1859")).family == "other"
    assert recognise(FAMILIES, Evidence(sys_object_id="1.3.6.1.4.1.9.12.3.1.3")).family is None
    assert recognise(FAMILIES, Evidence(sys_object_id="1.3.6.1.4.1.9.1")).family == "other"


def test_a_banner_is_searched_in_what_the_ssh_server_calls_itself_as_well() -> None:
    assert recognise({"a": marks(banner="ROSSSH")}, Evidence(ssh_version="SSH-2.0-ROSSSH")).family == "a"


def test_an_answer_decides_and_a_missing_one_takes_a_family_out() -> None:
    weak = Evidence(ssh_version="SSH-2.0-Cisco-1.25", prompt="R1>", answers={"other": "C891F 15.7", "base": ""})
    assert recognise(FAMILIES, weak).family == "other"
    lying = Evidence(banner="OpenBox", answers={"base": ""})
    verdict = recognise(FAMILIES, lying)
    assert verdict.family is None
    assert verdict.why == "it looks like base, but does not answer as base does"


def test_an_answer_of_the_special_family_takes_out_the_one_it_is_made_from() -> None:
    both = Evidence(prompt="root@R1:~#", answers={"base": "21.02", "special": "RUT 7.6"})
    assert recognise(FAMILIES, both).family == "special"


def test_nothing_seen_is_said_to_be_nothing() -> None:
    verdict = recognise(FAMILIES, Evidence(banner="login: "))
    assert (verdict.family, verdict.candidates) == (None, ())
    assert verdict.why == "nothing that was seen speaks for a family"


def test_what_is_repeated_of_a_banner_is_one_short_line() -> None:
    verdict = recognise({"a": marks(banner=r"(?s)Open.*end")}, Evidence(banner="Open\n" + "x" * 500 + "\nend"))
    reason = verdict.candidates[0].reasons[0]
    assert "\n" not in reason.seen
    assert len(reason.seen) == 80
