"""What is imported is asked for, and what is asked for has its reason."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("backups", "cpe_manager", "drivers", "simulators")
AROUND: Final = ("benchmarks", "scripts", "tests")
REASONS: Final = ROOT / "docs" / "explanation" / "dependencies.md"
ELSEWHERE: Final = {"cpe_manager_client"}
"""Made by the test that imports it."""


def named(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def asked_for() -> tuple[set[str], set[str]]:
    """What runs, and what tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return (
        {named(one) for one in project["project"]["dependencies"]},
        {named(one) for one in project["dependency-groups"]["dev"]},
    )


@cache
def owners() -> dict[str, list[str]]:
    """Distributions by the package that is imported; looking through all of them takes seconds."""
    return {name: list(found) for name, found in packages_distributions().items()}


def imported(folders: tuple[str, ...]) -> Iterator[str]:
    own = {*PRODUCT, *AROUND, *ELSEWHERE, *sys.stdlib_module_names}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            yield from {name.partition(".")[0] for name in names} - own


@pytest.mark.parametrize(("folders", "tests"), [(PRODUCT, False), (AROUND, True)], ids=["product", "around it"])
def test_what_is_imported_is_asked_for_by_us_and_not_by_others(folders: tuple[str, ...], tests: bool) -> None:
    runs, dev = asked_for()
    known = runs | dev if tests else runs
    dists = owners()
    missing = {top for top in imported(folders) if not {named(one) for one in dists.get(top, [top])} & known}
    assert missing == set()


def test_every_dependency_has_a_reason() -> None:
    rows = [line for line in REASONS.read_text("utf-8").splitlines() if line.startswith("| ")]
    told = {named(one) for row in rows for one in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", row.split("|")[1])}
    assert set.union(*asked_for()) - told == set()


def test_a_lock_names_neither_an_index_nor_a_place() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text("utf-8")
        assert "://" not in text, lock.name
        assert "--index" not in text, lock.name
        assert "--find-links" not in text, lock.name
