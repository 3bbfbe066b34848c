"""Trees of set lines, and the commands between two of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
from cpe_manager.kit.vyos.set_lines import Path, SetLines, commands, remembered

TEXT = """set a b c 'one'
set a b c 'two'
set a b d
set a e f 'x y'
comment a e 'kept in the text, no part of the tree'
set g
"""


def several(path: Path) -> bool:
    return path[-1] == "c"


def between(old: str, new: str) -> tuple[str, ...]:
    return commands(SetLines(old).tree, SetLines(new).tree, several)


def test_values_nodes_and_presence_are_told_apart() -> None:
    box = SetLines(TEXT)
    assert box.values("a b c") == ["one", "two"]
    assert box.value("a e f") == "x y"
    assert box.names("a b") == ["c", "d"]
    assert box.has("a b d")
    assert box.has("g")
    assert not box.has("a e g")
    assert box.leaves("a") == {"b c": ["one", "two"], "b d": [], "e f": ["x y"]}


def test_taking_a_node_away_takes_what_is_empty_above_it_as_far_as_it_may() -> None:
    box = SetLines(TEXT)
    box.drop("a e f")
    assert not box.has("a e")
    box.drop("a b c")
    box.drop("a b d", keep=2)
    assert box.lines() == [("a", "b"), ("g",)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (TEXT, TEXT, ()),
        ("set a x '1'\n", "set a x '2'\n", ("set a x '2'",)),
        ("set a c '1'\nset a c '2'\n", "set a c '2'\nset a c '3'\n", ("delete a c '1'", "set a c '3'")),
        ("set a c '1'\nset a c '2'\n", "set a c '2'\nset a c '1'\n", ("delete a c", "set a c '2'", "set a c '1'")),
        ("set a c '1'\n", "set a\n", ("delete a c",)),
        ("set a b c '1'\nset g\n", "set g\n", ("delete a",)),
        ("set a b 'x'\nset a d 'y'\n", "set a d 'y'\n", ("delete a b",)),
        ("set g\n", "set g h\nset g i 'j'\n", ("set g h", "set g i 'j'")),
        ("set r 1 h 2 d '5'\n", "set r 1 h 2\n", ("delete r 1 h 2 d",)),
    ],
)
def test_the_commands_are_those_that_are_needed(old: str, new: str, expected: tuple[str, ...]) -> None:
    assert between(old, new) == expected


@pytest.mark.parametrize("value", ["it's", 'say "x"', "back\\slash", "two\nlines", "caf\u00e9"])
def test_what_a_line_cannot_hold_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(InputError) as caught:
        SetLines("").put("a b", value)
    assert value not in str(caught.value)


word = st.sampled_from(["a", "b", "c", "d"])
lines = st.lists(
    st.tuples(st.lists(word, min_size=1, max_size=3), st.sampled_from(["", "'1'", "'2'"])).filter(
        # Nodes have names and leaves values, never both.
        lambda line: (line[0][-1] in "cd") == bool(line[1]) and not set(line[0][:-1]) & {"c", "d"}
    ),
    max_size=8,
)


@given(old=lines, new=lines)
def test_replaying_the_commands_gives_the_wanted_tree(
    old: list[tuple[list[str], str]], new: list[tuple[list[str], str]]
) -> None:
    def tree(made: list[tuple[list[str], str]]) -> SetLines:
        box = SetLines("")
        for path, value in made:
            if value and path[-1] == "d":
                box.put(tuple(path), value.strip("'"))
            else:
                box.mark((*path, value) if value else tuple(path))
        return box

    box, wanted = tree(old), tree(new)
    for command in commands(box.tree, wanted.tree, several):
        verb, *path = command.split(" ")
        if verb == "delete":
            box.drop(tuple(path), keep=len(path))
        elif path[-1].startswith("'") and path[-2] == "d":
            box.put(tuple(path[:-1]), path[-1].strip("'"))
        else:
            box.mark(tuple(path))
    assert nested(box.tree) == nested(wanted.tree)


def plainly(text: str) -> list[Path]:
    """All lines of a text's tree, read from the first line to the last."""
    box = SetLines("")
    for line in text.split("\n"):
        if found := re.fullmatch(r"set ([^'\n]*[^'\s])( '[^'\n]*')?[ \t]*", line):
            box.mark((*found[1].split(), found[2].strip()) if found[2] else tuple(found[1].split()))
    return box.lines()


texts = st.lists(
    st.one_of(
        st.lists(word, min_size=1, max_size=5).map(lambda words: f"set {' '.join(words)}"),
        st.tuples(st.lists(word, min_size=1, max_size=4), st.sampled_from(["'1'", "'a b c'", "''", "'2"])).map(
            lambda line: f"set {' '.join(line[0])} {line[1]}"
        ),
        st.text("abset '\t", max_size=14),
    ),
    max_size=14,
).map("\n".join)


@given(text=texts, asked=st.lists(st.lists(word, max_size=4), max_size=5))
def test_what_is_asked_for_first_does_not_matter(text: str, asked: list[list[str]]) -> None:
    expected = plainly(text)
    box = SetLines(text)
    for words in asked:
        path = tuple(words)
        below = list(dict.fromkeys(line[len(path)] for line in expected if line[: len(path)] == path != line))
        assert sorted(box.below(path)) == sorted(below)
    assert sorted(box.lines()) == sorted(expected)
    untouched = SetLines(text)
    inside = [line[2:] for line in expected if line[:2] == ("a", "b") != line]
    assert set(untouched.leaves("a b")) == {" ".join(one[:-1] if one[-1][0] == "'" else one) for one in inside}


@given(text=texts, path=st.lists(word, min_size=1, max_size=4), other=st.lists(word, min_size=1, max_size=4))
def test_a_part_that_nobody_looked_at_is_dropped_and_added_to(text: str, path: list[str], other: list[str]) -> None:
    lazy, plain = SetLines(text), SetLines("")
    for line in plainly(text):
        plain.mark(line)
    for box in (lazy, plain):
        box.names(tuple(other))
        box.drop(tuple(path))
        box.mark(tuple(other))
        box.put((*other, "e"), "x")
    assert nested(lazy.tree) == nested(plain.tree)


def test_an_answer_that_is_remembered_is_given_up_with_the_first_change() -> None:
    asked: list[list[str]] = []

    @remembered
    def first(box: SetLines) -> str:
        asked.append(box.names("a b"))
        return asked[-1][0]

    box = SetLines(TEXT)
    assert [first(box), first(box), len(asked)] == ["c", "c", 1]
    box.drop("a b c")
    assert [first(box), len(asked)] == ["d", 2]
    box.move(("a", "b", "d"), ("a", "b", "x"))
    assert [first(box), len(asked)] == ["x", 3]


def nested(tree: object) -> object:
    """A tree in which the order of values counts and that of nodes does not."""
    assert isinstance(tree, dict)
    return [word for word in tree if word[0] == "'"], {w: nested(tree[w]) for w in tree if w[0] != "'"}
