from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.kit.terminal_text import clean, foreign_character, rendered, without_escapes


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (b"plain\r\ntext\r\n", "plain\ntext\n"),
        (b"cr cr lf\r\r\nnext", "cr cr lf\nnext"),
        (b"\x1b[1;32mrouter#\x1b[0m", "router#"),
        (b"\x1b]0;title with spaces\x07router#", "router#"),
        (b"\x1b]2;title\x1b\\router#", "router#"),
        (b"\x1b(Brouter\x1b=#", "router#"),
        (
            b" --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08        \x08\x08\x08\x08\x08\x08\x08\x08\x08 ip route",
            " ip route",
        ),
        (b"--More--\r        \r exit", " exit"),
        (b"--More--\r\x1b[Kinterface", "interface"),
        (b"--More--\x1b[2K\rinterface", "interface"),
        (b"\x1b[7m--More--\x1b[m\r\x1b[K", ""),
        (b"typo\x08 \x08ed", "typed"),
        (b"abcdef\rxyz", "xyzdef"),
        (b"kept  \r\n", "kept  \n"),
        ("Ga\u0308ste-WLAN é".encode(), "Ga\u0308ste-WLAN é"),
    ],
)
def test_terminal_bytes_become_what_a_person_reads(printed: bytes, read: str) -> None:
    assert clean(printed) == read


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x1b\r\x08")))
def test_text_without_control_sequences_passes_unchanged(text: str) -> None:
    assert clean(text.encode()) == text
    assert rendered(text) is text


@given(st.binary(max_size=200))
def test_no_byte_sequence_breaks_the_cleaning(data: bytes) -> None:
    assert "\r\n" not in clean(data)


def test_an_unfinished_escape_sequence_stays_visible() -> None:
    assert without_escapes("router#\x1b[") == "router#\x1b["


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hostname r1\n", None),
        ("\ttab is text\n", None),
        ("a\nb\x00c", "U+0000 in line 2"),
        ("\x1b", "U+001B in line 1"),
        ("bad \ufffd byte", "U+FFFD in line 1"),
        ("\x7f", "U+007F in line 1"),
        ("\x9b", "U+009B in line 1"),
    ],
)
def test_a_character_that_no_configuration_holds_is_named(text: str, found: str | None) -> None:
    assert foreign_character(text) == found
