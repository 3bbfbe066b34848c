"""A test that cannot be stopped takes its worker process along, so that the run always comes to an end.

pytest-timeout interrupts a test once, and no more after the test has failed: something that swallows the interruption,
or a teardown that waits for ever, would hold up the whole run. Here each phase of a test gets the test's time limit and
a grace; after that the stacks of all threads are printed and the process ends. pytest-xdist reports the test as failed
and goes on with a new worker.

A run that a script starts in the background ignores Ctrl-C, and so would all that it starts: tests that send it would
wait for nothing. It is heeded again. Loaded with ``-p tests.support.no_hangs``.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from tests.support.tiers import time_limit

_STDERR = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hang-grace", type=float, default=60.0, help="seconds that a phase may overrun its time limit")


def pytest_configure(config: pytest.Config) -> None:
    # Later, while tests run, their output is captured: this is where it can still be seen.
    config.stash[_STDERR] = os.dup(2)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@contextmanager
def _bounded(item: pytest.Item) -> Iterator[None]:
    limit = time_limit(item)
    if limit > 0:
        seconds = limit + float(item.config.getoption("hang_grace"))
        faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_STDERR])
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


# Each phase by itself: pytest calls off every such alarm as soon as a phase has failed.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with _bounded(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with _bounded(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with _bounded(item):
        return (yield)
