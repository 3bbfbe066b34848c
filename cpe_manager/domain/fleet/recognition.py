"""Which family a box is of, from what it showed: reasons that a person can check, and no guess.

Evidence is weighed, not counted. What a vendor put there (SNMP identity, the greeting, an answer to the family's own
questions) is *strong*; the form of a prompt and the name of the SSH server are *weak*, since half the world prints
``name#`` and runs OpenSSH or dropbear. Without something strong nobody is recognised, however much that is weak fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

Source = Literal["sys_object_id", "sys_descr", "banner", "prompt", "ssh_version", "answer"]

WEIGHTS: Final[Mapping[Source, int]] = {
    "sys_object_id": 5,
    "answer": 5,
    "sys_descr": 4,
    "banner": 4,
    "prompt": 1,
    "ssh_version": 1,
}
STRONG: Final = frozenset[Source]({"sys_object_id", "answer", "sys_descr", "banner"})
_WORDS: Final[Mapping[Source, str]] = {
    "sys_object_id": "SNMP sysObjectID",
    "answer": "its answer",
    "sys_descr": "SNMP sysDescr",
    "banner": "the greeting",
    "prompt": "the prompt",
    "ssh_version": "the SSH server",
}
_SHOWN: Final = 80
"""Characters of what was seen that a reason repeats."""


class Marks(Protocol):
    """What gives a family away (``cpe_manager.ports.driver.Recognition`` is one, and says what each means)."""

    @property
    def sys_object_ids(self) -> tuple[str, ...]: ...
    @property
    def sys_descr(self) -> tuple[re.Pattern[str], ...]: ...
    @property
    def ssh_version(self) -> tuple[re.Pattern[str], ...]: ...
    @property
    def banner(self) -> tuple[re.Pattern[str], ...]: ...
    @property
    def prompt(self) -> tuple[re.Pattern[str], ...]: ...
    @property
    def priority(self) -> int: ...
    @property
    def made_from(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a box; empty: not known. Texts without terminal sequences, ``\\n`` line ends.

    answers: for each family whose questions were asked, what the box said it is, in one line; empty when it did not
    answer as one of that family would.
    """

    ssh_version: str = ""
    banner: str = ""
    prompt: str = ""
    sys_object_id: str = ""
    sys_descr: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for a family, with the words that were seen."""

    source: Source
    seen: str

    @property
    def strong(self) -> bool:
        return self.source in STRONG


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family with what speaks for it. ``against``: why it is out all the same; empty when it is not."""

    family: str
    reasons: tuple[Reason, ...]
    against: str = ""

    @property
    def score(self) -> int:
        return sum(WEIGHTS[reason.source] for reason in self.reasons)

    @property
    def strong(self) -> bool:
        return any(reason.strong for reason in self.reasons)

    @property
    def answered(self) -> bool:
        return any(reason.source == "answer" for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``family`` is None when it is not sure; ``why`` is one line for people, in both cases.

    candidates: every family that anything speaks for, the likeliest first, those that are out last.
    """

    family: str | None
    why: str
    candidates: tuple[Candidate, ...] = ()


def recognise(families: Mapping[str, Marks], evidence: Evidence) -> Verdict:
    """The one family that the evidence speaks for, or none.

    Sure is who alone is on top with something strong. A family that is made from another fits wherever that one's
    marks are; so the other is out as soon as something strong speaks for the one with the higher priority. Who was
    asked and did not answer is out, too.
    """
    found = [_candidate(family, marks, evidence) for family, marks in families.items()]
    found = [candidate for candidate in found if candidate.reasons]
    ranked = sorted(
        (_outdone(one, found, families) for one in found), key=lambda one: (bool(one.against), -one.score, one.family)
    )
    candidates = tuple(ranked)
    family, why = _decision([one for one in ranked if not one.against], [one for one in ranked if one.against])
    return Verdict(family, why, candidates)


def _decision(standing: list[Candidate], out: list[Candidate]) -> tuple[str | None, str]:
    if not standing and not out:
        return None, "nothing that was seen speaks for a family"
    if not standing:
        return None, "; ".join(f"it looks like {one.family}, but {one.against}" for one in out)
    best, *others = standing
    if not best.strong:
        names = ", ".join(candidate.family for candidate in standing)
        return None, f"only a prompt or the SSH server's name speak for {names}; many boxes have those"
    equal = [candidate.family for candidate in others if candidate.score == best.score]
    if equal:
        return None, f"{_and([best.family, *equal])} fit equally well"
    seen = [f"{_WORDS[reason.source]} {reason.seen!r}" for reason in best.reasons]
    return best.family, f"{best.family}, by {_and(seen)}"


def _candidate(family: str, marks: Marks, evidence: Evidence) -> Candidate:
    reasons: list[Reason] = []
    if matched := _below(evidence.sys_object_id, marks.sys_object_ids):
        reasons.append(Reason("sys_object_id", matched))
    answer = evidence.answers.get(family)
    if answer:
        reasons.append(Reason("answer", answer[:_SHOWN]))
    looked: tuple[tuple[Source, str, tuple[re.Pattern[str], ...]], ...] = (
        ("sys_descr", evidence.sys_descr, marks.sys_descr),
        ("banner", f"{evidence.ssh_version}\n{evidence.banner}", marks.banner),
        ("prompt", evidence.prompt, marks.prompt),
        ("ssh_version", evidence.ssh_version, marks.ssh_version),
    )
    for source, text, patterns in looked:
        if seen := _first(text, patterns):
            reasons.append(Reason(source, seen))
    against = f"does not answer as {family} does" if answer == "" else ""
    return Candidate(family, tuple(reasons), against)


def _outdone(candidate: Candidate, found: Iterable[Candidate], families: Mapping[str, Marks]) -> Candidate:
    """The candidate, out if a family that is made from it is here by a mark of its own."""
    mine = families[candidate.family].priority
    for other in found:
        marks = families[other.family]
        special = candidate.family in marks.made_from and marks.priority > mine
        if special and other.strong and not other.against and not candidate.against:
            return replace(candidate, against=f"{other.family} is made from it, and fits")
    return candidate


def _below(number: str, prefixes: tuple[str, ...]) -> str:
    """``number`` when it lies below one of the prefixes, at a whole arc."""
    number = number.strip(". ")
    return number if any(f"{number}.".startswith(f"{prefix}.") for prefix in prefixes) else ""


def _first(text: str, patterns: tuple[re.Pattern[str], ...]) -> str:
    """The words that the first pattern which is found matched, on one line."""
    for pattern in patterns:
        if text and (match := pattern.search(text)):
            return " ".join(match.group().split())[:_SHOWN]
    return ""


def _and(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
