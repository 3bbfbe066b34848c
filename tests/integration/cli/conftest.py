from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import structlog
from typer.testing import Result

from tests.integration.api.live import Live, live_daemon
from tests.unit.cli.runner import Cli, command_line


@pytest.fixture(autouse=True)
def silent_daemon() -> Iterator[None]:
    """The daemon shares the process, so its lines would land in the command's captured output."""

    def drop(*_event: object) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """The command line without a daemon."""
    return command_line(tmp_path)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    with live_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def cli(bare: Cli, daemon: Live) -> Cli:
    """The command line with a live daemon and a token that may do everything."""

    def call(*args: str, stdin: str | None = None) -> Result:
        env = {"CPE_MANAGER_URL": daemon.url, "CPE_MANAGER_TOKEN": daemon.token}
        return bare(*args, env=env, stdin=stdin)

    return call


@pytest.fixture
def fleet(daemon: Live) -> Live:
    """The daemon with two devices."""
    daemon.run(daemon.world.add_devices("r1", "r2"))
    return daemon
