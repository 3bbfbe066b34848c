from __future__ import annotations

import pytest

from cpe_manager.domain.errors import FetchIncomplete
from cpe_manager.kit.config_text import after_header, checked, last_lines, values


def test_line_ends_and_outer_blank_lines_are_made_the_same_everywhere() -> None:
    assert checked("\r\n\r\na\r\n\r\n b  \r\n\n\n") == "a\n\n b  \n"


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "a\x07b\n", "a\ufffdb\n", "é\x9b\n", "a\rb\n"])
def test_nothing_and_damaged_text_are_no_configuration(text: str) -> None:
    with pytest.raises(FetchIncomplete):
        checked(text)


def test_letters_beyond_ascii_are_text() -> None:
    assert checked("description Café 東京\n") == "description Café 東京\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hostname a\n", ["a"]),
        ("x\nhostname a\nhostname b", ["a", "b"]),
        ("x\n hostname a\nthe hostname b\n", []),
        ("hostname \n", [""]),
        ("", []),
    ],
)
def test_values_are_taken_from_whole_lines_only(text: str, found: list[str]) -> None:
    assert values(text, "hostname ") == found


@pytest.mark.parametrize(
    ("text", "count", "lines"),
    [("a\nb\nc\n", 2, ["c", "b"]), ("a\n", 3, ["a"]), ("", 1, [""]), ("a\n\n\n", 1, ["a"])],
)
def test_the_last_lines_come_last_one_first(text: str, count: int, lines: list[str]) -> None:
    assert last_lines(text, count) == lines


def test_the_header_is_split_off_with_the_building_note_before_it() -> None:
    assert after_header("Building configuration...\n\nCurrent : 5\nbody\n", "Current") == ("Current : 5", "\nbody\n")


@pytest.mark.parametrize("text", ["body\n", "log\nCurrent : 5\nbody\n", "Current : 5\na\nCurrent : 5\nb\n", ""])
def test_a_header_that_is_missing_preceded_or_repeated_is_refused(text: str) -> None:
    with pytest.raises(FetchIncomplete, match="header"):
        after_header(text, "Current")
