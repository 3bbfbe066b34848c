from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import structlog
from typer.testing import CliRunner, Result

from cpe_manager.cli.main import app
from tests.integration.api.live import Live, live_daemon

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def silent_daemon() -> Iterator[None]:
    """The daemon shares the process, so its lines would land in the command's captured output."""

    def drop(*_event: object) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str | None]:
    """An environment in which nothing of the machine's own configuration is found."""
    gone = {"CPE_MANAGER_URL": None, "CPE_MANAGER_TOKEN": None, "CPE_MANAGER_DATA_DIR": None}
    return {
        **gone,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "TZ": "Europe/Brussels",
    }


@pytest.fixture
def bare(home: dict[str, str | None]) -> Cli:
    """The command line without a daemon."""

    def call(*args: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(args), env={**home, **(env or {})}, input=stdin)

    return call


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
