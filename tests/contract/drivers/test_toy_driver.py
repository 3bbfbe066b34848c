"""A family is three files' worth of change: those of docs/adding-a-driver.md make one that passes the whole suite."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "adding-a-driver.md"
COPIED = ("backups", "cpe_manager", "drivers", "simulators", "tests", "pyproject.toml")
ROSTER = "tests/contract/drivers/roster.py"
NEW = ("drivers/toy.py", "simulators/personas/toy.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def pieces() -> dict[str, str]:
    """The page's files, by path."""
    found = re.findall(r"^### `([^`\n]+)`\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(found)


def run(copy: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)


def git(copy: Path, *args: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    done = run(copy, "git", *who, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it is now, committed in a copy, with the page's three pieces put in."""
    where = tmp_path_factory.mktemp("toy") / "copy"
    where.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, where / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, where / name)
    (where / ".gitignore").write_text("__pycache__/\n.hypothesis/\n.mypy_cache/\n.ruff_cache/\n.pytest_cache/\n")
    git(where, "init", "-q")
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", "as it is")
    texts = pieces()
    for path in NEW:
        (where / path).write_text(texts[path])
    roster = (where / ROSTER).read_text()
    assert texts[ROSTER].count("\n") == 1
    (where / ROSTER).write_text(roster.replace("ROSTER = (\n", f"ROSTER = (\n{texts[ROSTER]}", 1))
    return where


def test_the_family_passes_the_contract_suite(copy: Path) -> None:
    done = run(
        copy, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.support.no_skips", "-p", "no:cacheprovider",
        "tests/contract/drivers", "--ignore", "tests/contract/drivers/test_toy_driver.py", "-k", "toy",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = int(next(iter(re.findall(r"(\d+) passed", done.stdout)), "0"))
    assert passed >= 40, done.stdout[-2000:]


def test_exactly_three_paths_differ_and_one_of_them_in_one_line(copy: Path) -> None:
    changed = git(copy, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(line[3:] for line in changed) == sorted((*NEW, ROSTER))
    assert git(copy, "diff", "--numstat").split() == ["1", "0", ROSTER]


def test_the_code_on_the_page_is_as_clean_as_the_rest(copy: Path) -> None:
    tools = Path(sys.executable).parent
    for argv in (("ruff", "check"), ("ruff", "format", "--check")):
        done = run(copy, str(tools / argv[0]), *argv[1:], "--no-cache", *NEW)
        assert done.returncode == 0, done.stdout + done.stderr
    done = run(copy, str(tools / "mypy"), *NEW)
    assert done.returncode == 0, done.stdout + done.stderr
