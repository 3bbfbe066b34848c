"""``--tier fast|rest`` splits the suite in two, so that together they run every test once.

Fast is unit, contract and property tests that need nothing but Python; rest is all others. Loaded with
``-p tests.support.tiers``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_FAST_FOLDERS = frozenset({"unit", "contract", "property"})
_SLOW_MARKS = frozenset({"lab", "container", "postgres", "slow"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "rest"), help="run one half of the suite")


def is_fast(path: Path, marks: frozenset[str]) -> bool:
    """Whether a test at a path relative to the repository belongs to the fast tier."""
    return path.parts[:1] == ("tests",) and path.parts[1] in _FAST_FOLDERS and not marks & _SLOW_MARKS


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tier = config.getoption("tier")
    if tier is None:
        return
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        marks = frozenset(mark.name for mark in item.iter_markers())
        fast = is_fast(item.path.relative_to(config.rootpath), marks)
        (chosen if fast == (tier == "fast") else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen
