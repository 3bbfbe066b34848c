"""Running commands in this process, with nothing of the machine's own configuration in reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import CliRunner, Result

from cpe_manager.cli.main import app
from cpe_manager.domain.outcomes import EXIT_CODE

Cli = Callable[..., Result]
TREE: Any = typer.main.get_command(app)
"""Made once: it takes as long as running a command."""


def command_line(tmp_path: Path) -> Cli:
    """``call(*args, env=, stdin=)`` runs one command; configuration would be found below ``tmp_path`` only."""
    home: dict[str, str | None] = {
        **dict.fromkeys(("CPE_MANAGER_URL", "CPE_MANAGER_TOKEN", "CPE_MANAGER_DATA_DIR")),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
    }

    def call(*args: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
        with _in_zone("Europe/Brussels"):
            return CliRunner().invoke(TREE, list(args), env={**home, **(env or {})}, input=stdin)

    return call


@contextmanager
def _in_zone(name: str) -> Iterator[None]:
    """The C library reads ``TZ`` when it is told to, and would keep it for the tests that come after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        try:
            yield
        finally:
            patch.undo()
            time.tzset()


def ok(result: Result) -> str:
    """Standard output of a command that has to succeed."""
    assert result.exit_code == 0, result.stderr
    return result.stdout


def parsed(result: Result) -> Any:
    return json.loads(ok(result))


def one_line(result: Result, code: str, *words: str) -> None:
    """A failure is one line that says what is wrong, and the documented exit code."""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("cpe-manager: ")
    for word in words:
        assert word in lines[0]
    assert result.exit_code == EXIT_CODE[code]
