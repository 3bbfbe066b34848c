"""``--tier fast|rest`` splits the suite in two, so that together they run every test once.

Fast is the inner loop, under a minute: unit and contract tests that need nothing but Python, but for what is tried on
every family at length and the contract of the stores, which wait for a disk. Rest is all others. What may take longest
goes first, so that no worker is left alone with it at the end. Loaded with
``-p tests.support.tiers``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_FAST_FOLDERS = frozenset({"unit", "contract"})
_OF_THE_DISK = ("contract", "stores")
# Each of these takes seconds for every family, or for every case, and those only become more.
_AT_LENGTH = frozenset(
    {
        "drivers/test_arming",
        "drivers/test_cisco_ios_xe",
        "drivers/test_detection",
        "drivers/test_faults",
        "drivers/test_line_probe",
        "drivers/test_linux_between",
        "drivers/test_linux_swift",
        "drivers/test_model_law",
        "drivers/test_replacing",
        "drivers/test_resetting",
        "drivers/test_stability",
        "drivers/test_truth",
        "drivers/test_uci_archive",
        "drivers/test_vyos_guard",
        "drivers/test_writing",
        "services/test_line_sensing",
        "unit/test_dependencies",
    }
)
_SLOW_MARKS = frozenset({"lab", "container", "postgres", "slow"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "rest"), help="run one half of the suite")


def is_fast(path: Path, marks: frozenset[str]) -> bool:
    """Whether a test at a path relative to the repository belongs to the fast tier."""
    if path.parts[:1] != ("tests",) or path.parts[1] not in _FAST_FOLDERS or marks & _SLOW_MARKS:
        return False
    return path.parts[1:3] != _OF_THE_DISK and f"{path.parent.name}/{path.stem}" not in _AT_LENGTH


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Importing what has no test of the fast tier would take a worker longer than many of that tier's tests."""
    path = collection_path.relative_to(config.rootpath) if collection_path.is_relative_to(config.rootpath) else None
    if config.getoption("tier") != "fast" or path is None or len(path.parts) < 2:
        return None
    # An answer of False would overrule the others who may want to leave something out.
    return None if is_fast(path, frozenset()) else True


def time_limit(item: pytest.Item) -> float:
    """The seconds that pytest-timeout gives a test, 0 for no end."""
    mark = item.get_closest_marker("timeout")
    if mark is not None:
        return float(mark.args[0] if mark.args else mark.kwargs["timeout"])
    return float(item.config.getoption("timeout", None) or item.config.getini("timeout") or 0)


# Last of all: the random order is kept between tests that may take equally long.
@pytest.hookimpl(trylast=True)
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
    items[:] = sorted(chosen, key=time_limit, reverse=True)
