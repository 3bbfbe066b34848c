"""Following what keeps a journal: each step once, where it rests, and what is said to whoever stops waiting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from cpe_manager.cli.journals import begun, followed

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


class Step(BaseModel):
    at: datetime = NOW
    step: str
    result: str | None = None
    reason: str = ""


class Work(BaseModel):
    journal: list[Step] = []
    note: str = ""
    ended: bool = False


def story() -> Iterator[Work]:
    done = Step(step="swap", result="done", reason="push 7\x1b[2J")
    yield Work(note="waits for the box")
    yield Work(note="waits for the box", journal=[Step(step="swap")])
    yield Work(note="still", journal=[done])
    yield Work(journal=[done, Step(step="test", result="failed")], ended=True)


def test_each_step_is_told_once_and_before_the_first_one_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    told = story()
    seen = followed(lambda: next(told), lambda one: one.ended, "it goes on", as_json=False)
    assert seen.ended
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == "waits for the box"
    assert [line.split()[1:3] for line in lines[1:]] == [["swap", "done:"], ["test", "failed"]]
    assert "\x1b" not in said.err


def test_as_json_the_end_alone_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    told = story()
    followed(lambda: next(told), lambda one: one.ended, "it goes on", as_json=True)
    said = capsys.readouterr()
    assert (Work.model_validate_json(said.out).ended, said.err) == (True, "")


def test_whoever_stops_waiting_is_told_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> Work:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        followed(stopped, lambda one: one.ended, "replacement 7 goes on: show 7", as_json=True)
    assert capsys.readouterr().err == "replacement 7 goes on: show 7\n"


def test_who_does_not_wait_gets_a_line_or_the_object(capsys: pytest.CaptureFixture[str]) -> None:
    begun(Work(note="n"), "under way", as_json=False)
    begun(Work(note="n"), "under way", as_json=True)
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert (first, Work.model_validate_json(rest).note) == ("under way", "n")
