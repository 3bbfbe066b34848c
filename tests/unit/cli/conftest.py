from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.runner import Cli, command_line


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """The command line without a daemon."""
    return command_line(tmp_path)
