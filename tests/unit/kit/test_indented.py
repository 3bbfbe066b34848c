"""Blocks by indentation."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.kit.indented import blocks

Blocks = list[tuple[str, tuple[str, ...]]]


def found(text: str) -> Blocks:
    return [(block.head, block.lines) for block in blocks(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (
            "interface A\n ip address x\n shutdown\n!\nend\n",
            [("interface A", ("ip address x", "shutdown")), ("end", ())],
        ),
        ("a\n   b\n     c\n  d\n", [("a", ("b", "  c", "d"))]),
        (" b\na\n c\n!\n d\n\n e\nf", [("a", ("c", "d", "e")), ("f", ())]),
        ("router bgp 1\n !\n x  y\n", [("router bgp 1", ("!", "x  y"))]),
        ("banner motd ^C\n a\nb ^C c\nend", [("banner motd ^C", ()), ("end", ())]),
        ("banner motd #hello#\nend", [("banner motd #hello#", ()), ("end", ())]),
        ("x\n banner motd ^C\ny", [("x", ("banner motd ^C",)), ("y", ())]),
        ("banner login #a\nnobody ends it", [("banner login #a", ())]),
    ],
)
def test_blocks_are_found(text: str, expected: Blocks) -> None:
    assert found(text) == expected


def line_by_line(text: str) -> Blocks:
    """The same, in the plain way."""
    made: list[tuple[str, list[str]]] = []
    delimiter, margin = "", 0
    for line in text.split("\n"):
        if delimiter:
            delimiter = "" if delimiter in line else delimiter
        elif line.startswith(" "):
            indentation = len(line) - len(line.lstrip(" "))
            if made:
                margin = margin or indentation
                made[-1][1].append(line[min(margin, indentation) :])
        elif line and not line.startswith("!"):
            made.append((line, []))
            margin = 0
            opened = re.match(r"banner \S+ (\^C|\S)", line)
            delimiter = opened[1] if opened and line.count(opened[1], opened.start(1)) == 1 else ""
    return [(head, tuple(lines)) for head, lines in made]


LINES = (
    *("a", " a", "  b", "   c", " ", "!", "! x", "", " !", "\tq", "ip route x", "^C", "#", "x ^C y", " e ^C", "banner"),
    *("banner motd ^C", "banner motd #x", "banner motd ^Chi^C", "banner login ^C # x", " banner motd #"),
)


@given(st.lists(st.sampled_from(LINES), max_size=12).map("\n".join))
def test_blocks_are_those_that_a_walk_from_line_to_line_finds(text: str) -> None:
    assert found(text) == line_by_line(text)
