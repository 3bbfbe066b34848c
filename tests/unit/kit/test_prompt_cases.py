"""Each shell in the table reads as a person reads it, wherever the network cuts its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.kit.prompt import Phase, PromptEngine
from tests.unit.kit.prompt_cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return (data[start:stop] for start, stop in pairwise(places))


class Reader:
    """Takes a session in, as the terminal does: a reply ends at READY, or in LIKELY once the device is silent."""

    def __init__(self, case: Case, cuts: list[int]) -> None:
        self.case, self.cuts = case, cuts
        self.engine = PromptEngine(case.rules)
        self.sent = b""

    def feed(self, data: bytes) -> Phase:
        phase = Phase.WAITING
        for piece in pieces(data, self.cuts):
            progress = self.engine.feed(piece)
            phase, self.sent = progress.phase, self.sent + progress.reply
        return phase

    def log_in(self) -> None:
        """Whatever first looks like a prompt is believed; what follows it is then part of the first reply."""
        self.engine.expect_login()
        learned = False
        for piece in pieces(self.case.greeting + self.case.shown, self.cuts):
            if self.engine.feed(piece).phase is Phase.READY and not learned:
                self.engine.learn()
                self.engine.expect("first")
                learned = True
        assert learned
        assert self.feed(b"first\r\n" + self.case.shown) is Phase.READY
        self.engine.take()
        self.sent = b""

    def read(self) -> str:
        """The text of the reply, and nothing sent but what it takes."""
        self.engine.expect("show it")
        *waiting, last = self.case.reply
        for section in waiting:
            assert self.feed(section) is Phase.WAITING
        assert self.feed(last + self.case.shown) is Phase.READY
        return self.engine.take()


def check(case: Case, cuts: list[int]) -> None:
    reader = Reader(case, cuts)
    reader.log_in()
    assert (reader.engine.prompt, reader.engine.hostname) == (case.prompt, case.host)
    assert reader.read() == case.text
    assert case.sent is None or reader.sent.replace(b"\x1b[1;1R", b"") == case.sent
    assert (reader.engine.prompt, reader.engine.hostname) == (case.prompt, case.host)


def test_there_are_more_than_a_hundred_cases_and_each_has_its_own_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES) > 100


@every_case
def test_a_person_and_the_engine_read_the_same(case: Case) -> None:
    check(case, [])


@every_case
def test_a_cut_at_any_place_changes_nothing(case: Case) -> None:
    longest = max(len(case.shown + case.greeting), *(len(section + case.shown) for section in case.reply))
    for cut in range(1, min(longest, 200)):
        check(case, [cut])


@every_case
def test_one_byte_at_a_time_changes_nothing(case: Case) -> None:
    check(case, list(range(4000)))


@given(st.sampled_from(CASES), st.lists(st.integers(min_value=0, max_value=5000), max_size=30))
def test_any_cutting_changes_nothing(case: Case, cuts: list[int]) -> None:
    check(case, cuts)
