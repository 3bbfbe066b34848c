from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.kit.toml_places import places
from tests.support.catalogues import CONFIG

TEXT = '''\
# a remark
top = 1   # [not.a.table]
many = [
  1,      # ]
  2, "]",
]
dotted.inner = "x"

[first]
"quoted key" = "a # b"
'single' = """
[not.a.table]
no = 1
"""
inline = { a = 1, b = "}" }

  [first."sub.table"]
  last = \'\'\'
x = 1\'\'\'
[[listed]]
name = "one"
[[listed]]
name = "two"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("many",), 3),
        (("dotted", "inner"), 7),
        (("first",), 9),
        (("first", "quoted key"), 10),
        (("first", "single"), 11),
        (("first", "inline"), 15),
        (("first", "inline", "a"), 15),
        (("first", "sub.table"), 17),
        (("first", "sub.table", "last"), 18),
        (("listed",), 20),
        (("listed", "name"), 21),
    ],
)
def test_tables_and_keys_are_found_where_they_stand(path: tuple[str, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert places(TEXT).line(path) == line


def test_what_is_not_there_is_where_its_table_is_or_nowhere() -> None:
    found = places(TEXT)
    assert found.line(("first", "missing")) == 9
    assert found.line(("missing",)) is None
    assert found.line(()) is None
    assert ("no",) not in found.lines
    assert ("not", "a", "table") not in found.lines


def paths(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


@pytest.mark.parametrize("name", ["service-catalogue.toml", "change-catalogue.toml"])
def test_every_key_of_the_shipped_catalogues_has_its_own_line(name: str) -> None:
    text = (CONFIG / name).read_text(encoding="utf-8")
    found, lines = places(text), text.splitlines()
    for path in paths(tomllib.loads(text)):
        line = found.line(path)
        assert line is not None
        assert path[-1] in lines[line - 1]


@given(st.text(alphabet="ab[]{}\"'=.#\\\n ", max_size=60))
def test_no_text_keeps_it_busy_or_breaks_it(text: str) -> None:
    places(text)
