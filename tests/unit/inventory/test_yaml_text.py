"""YAML read as text with lines: what it keeps, and what it withstands."""

from __future__ import annotations

import pytest

from cpe_manager.adapters.inventory.yaml_text import YamlMap, read_yaml
from cpe_manager.domain.errors import InputError


def test_scalars_stay_as_written_and_only_null_is_nothing() -> None:
    text = "a: 00123\nb: yes\nc: 2026-01-01\nd: ~\ne:\nf: ''\ng: 'null'\nh: |\n  x\n"
    assert read_yaml(text, file="f") == {
        "a": "00123", "b": "yes", "c": "2026-01-01", "d": None, "e": None, "f": "", "g": "null", "h": "x\n",
    }  # fmt: skip


def test_every_key_knows_its_line() -> None:
    root = read_yaml("a: 1\n\n# x\nb:\n  c: [1, {d: 2}]\n", file="f")
    assert isinstance(root, YamlMap)
    assert (root.line_of("a"), root.line_of("b"), root["b"].line_of("c"), root["b"].line_of("?")) == (1, 4, 5, 5)


def test_aliases_and_merges_work_as_in_yaml() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nmine:\n  <<: [*b, *o]\n  x: 9\nsame: *b\n"
    root = read_yaml(text, file="f")
    assert root["mine"] == {"x": "9", "y": "2", "z": "4"}
    assert root["same"] is root["base"]


def test_a_bomb_of_aliases_and_merges_stays_small() -> None:
    lists = "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))
    maps = "\n".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 60))
    root = read_yaml(f"a0: &a0 [x]\n{lists}\nm0: &m0 {{k: v}}\n{maps}\n", file="f")
    assert root["m59"] == {"k": "v"}
    assert root["a59"][0] is root["a58"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: c: d\n", "f:2", "not valid YAML"),
        ("a: 1\nb: [1\n", "f:3", "not valid YAML"),
        ("a: 1\nb: \x07\n", "f:2", "not valid YAML"),
        ("a: 1\nb: \ud800\n", "f:2", "half of a character"),
        ("a: 1\na: 2\n", "f:2", "'a' is on line 1 already"),
        ("a: *x\n", "f:1", "alias"),
        ("a: &x [*x]\n", "f:1", "alias"),
        ("a: 1\n---\nb: 1\n", "f:2", "second YAML document"),
        ("? [a]\n: 1\n", "f:1", "plain text"),
        ("a:\n  <<: 5\n", "f:2", "<<"),
        ("[" * 100_000, "f:1", "nested deeper"),
        ("a: " + "{b: " * 70 + "1" + "}" * 70, "f:1", "nested deeper"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, place: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(text, file="f")
    assert str(caught.value).startswith(f"{place}: ")
    assert words in str(caught.value)


def test_an_empty_text_is_nothing() -> None:
    assert read_yaml("# only a comment\n", file="f") is None


def test_tags_construct_nothing() -> None:
    assert read_yaml("a: !!python/object/apply:os.system ['true']\n", file="f") == {"a": ["true"]}
