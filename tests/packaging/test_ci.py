"""The test runner's own promises: nothing is skipped unseen in CI, a run ends, the two tiers are the whole suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.support.tiers import is_fast

_SUITE = """
import pytest

def test_runs():
    assert True

@pytest.mark.skip(reason="not on this machine")
def test_is_skipped():
    raise AssertionError

def test_skips_itself():
    pytest.skip("no server here")

@pytest.mark.xfail(strict=True)
def test_is_known_to_fail():
    raise AssertionError
"""

_MODULE = """
import pytest

pytest.skip("not this module", allow_module_level=True)
"""

_HANGING = """
import threading
import pytest

@pytest.fixture
def stuck():
    yield
    threading.Event().wait()

def test_fails_and_never_ends(stuck):
    raise AssertionError("the first failure")

def test_swallows_the_time_limit():
    try:
        threading.Event().wait()
    except BaseException:
        threading.Event().wait()

def test_comes_after_them():
    assert True
"""

_INTERRUPTING = """
import signal, subprocess, sys

def test_interrupts_a_program():
    program = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    program.stdout.readline()
    program.send_signal(signal.SIGINT)
    assert program.wait() == -signal.SIGINT
"""


def run_suite(
    folder: Path, text: str, *, ci: str, workers: int, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    plugins = ("-p", "tests.support.no_skips", "-p", "tests.support.tiers", "-p", "tests.support.no_hangs")
    general = ("-n", str(workers), "-ra", "--rootdir", str(folder))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *general, *options, str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("workers", [0, 2], ids=["one process", "workers"])
def test_a_skipped_test_fails_in_ci_and_says_why(tmp_path: Path, workers: int) -> None:
    done = run_suite(tmp_path, _SUITE, ci="true", workers=workers)
    assert done.returncode == 1
    # pytest calls a test that a mark skipped an error, for it never came to run.
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout
    assert "not on this machine" in done.stdout
    assert "no server here" in done.stdout


@pytest.mark.parametrize("workers", [0, 2], ids=["one process", "workers"])
def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path, workers: int) -> None:
    done = run_suite(tmp_path, _MODULE, ci="true", workers=workers)
    assert done.returncode not in {0, 5}
    assert "not this module" in done.stdout


def test_elsewhere_a_skip_stays_a_skip(tmp_path: Path) -> None:
    done = run_suite(tmp_path, _SUITE, ci="", workers=0)
    assert done.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


def test_a_test_that_cannot_be_stopped_fails_and_the_others_run(tmp_path: Path) -> None:
    limits = ("--timeout", "0.5", "--hang-grace", "0.5", "-p", "no:randomly")
    done = run_suite(tmp_path, _HANGING, ci="", workers=1, options=limits)
    assert done.returncode == 1
    assert "crashed while running 'test_sample.py::test_fails_and_never_ends'" in done.stdout
    assert "crashed while running 'test_sample.py::test_swallows_the_time_limit'" in done.stdout
    assert "the first failure" in done.stdout
    assert " 1 passed" in done.stdout
    assert "in stuck" in done.stderr


@pytest.mark.parametrize("workers", [0, 1], ids=["one process", "workers"])
def test_ctrl_c_reaches_what_tests_start_although_the_run_is_in_the_background(tmp_path: Path, workers: int) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does to what it starts with "&"
    try:
        done = run_suite(tmp_path, _INTERRUPTING, ci="", workers=workers, options=("--timeout", "20"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert " 1 passed" in f" {done.stdout}", done.stdout


def test_a_test_that_needs_more_than_python_is_not_in_the_fast_tier() -> None:
    assert is_fast(Path("tests/unit/test_x.py"), frozenset({"parametrize"}))
    assert not is_fast(Path("tests/contract/test_x.py"), frozenset({"postgres"}))
    assert not is_fast(Path("tests/e2e/test_x.py"), frozenset())
    # Folders that are not are not even looked into.
    assert is_fast(Path("tests/unit/cli"), frozenset())
    assert is_fast(Path("tests/contract/drivers"), frozenset())
    assert not is_fast(Path("tests/integration"), frozenset())
