"""Boxes for the tests: each test gets its own, in well under a second, and they are gone when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from simulators.lab import netns
from tests.lab.box import LoginShell, RealBox, missing
from tests.lab.cpe import PROGRAMS, RealCpe

StartBox = Callable[[str, LoginShell], RealBox]


@pytest.fixture
def lab_possible() -> None:
    if reason := missing():
        pytest.skip(f"no lab: {reason}")


@pytest.fixture(scope="session")
def network_possible() -> None:
    """For the whole lab of edge, operator, internet and CPEs."""
    if reason := netns.missing():
        pytest.skip(f"no lab: {reason}")


@pytest.fixture
def start_box(lab_possible: None) -> Iterator[StartBox]:
    """Starts a box by host name and login shell of its user."""
    with ExitStack() as running:
        yield lambda name, shell: running.enter_context(RealBox(name, shell))


@pytest.fixture
def vtysh_box(start_box: StartBox) -> RealBox:
    return start_box("gent-r1", "/usr/bin/vtysh")


@pytest.fixture
def bash_box(start_box: StartBox) -> RealBox:
    return start_box("namur-r1", "/bin/bash")


@pytest.fixture(params=["/usr/bin/vtysh", "/bin/bash"], ids=["vtysh", "bash"])
def box(request: pytest.FixtureRequest, start_box: StartBox) -> RealBox:
    """One box of each kind in turn."""
    return start_box("aalst-r1", request.param)


@pytest.fixture
def cpe() -> Iterator[RealCpe]:
    """A whole CPE, with a customer's host behind it and the internet before it."""
    if reason := missing(PROGRAMS):
        pytest.skip(f"no lab: {reason}")
    with RealCpe("hasselt-r1", "/bin/bash") as running:
        yield running
