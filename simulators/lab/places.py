"""Getting commands run in the nodes of a running lab, whatever runs them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

NODES: Final = Path(__file__).with_name("nodes")
"""The scripts of the nodes, on this machine."""
PROBES: Final = Path(__file__).with_name("probes.py")
_COMMAND_SECONDS: Final = 30.0


class LabError(Exception):
    """The lab itself did not do what was asked; the message says which command and what it answered."""


class Places(Protocol):
    """Where the nodes are, and how one gets in."""

    def within(self, node: str) -> tuple[str, ...]:
        """What a command is put behind to run inside ``node``. Raises ``LabError`` for one that is not there."""
        ...

    def script(self, name: str) -> str:
        """Path of one of the nodes' scripts as the nodes see it."""
        ...

    def python(self) -> str:
        """The interpreter as hosts see it."""
        ...

    def probes(self) -> str:
        """Path of ``probes.py`` as hosts see it."""
        ...


def run(*command: str, given: str | None = None, seconds: float = _COMMAND_SECONDS) -> str:
    """Run a command to a good end; what it printed. Raises ``LabError``."""
    done = attempt(command, given=given, seconds=seconds)
    if done.returncode != 0:
        raise LabError(f"{_told(command)}: status {done.returncode}: {done.stdout}{done.stderr}".rstrip())
    return done.stdout


def attempt(
    command: Sequence[str], *, given: str | None = None, seconds: float = _COMMAND_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command to any end. Raises ``LabError`` when it does not come to one in time, or cannot be started."""
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"{_told(command)}: no end after {seconds:g} s") from None
    except OSError as error:
        raise LabError(f"{_told(command)}: {error}") from error


def _told(command: Sequence[str]) -> str:
    told = " ".join(command)
    return told if len(told) < 300 else f"{told[:300]}..."
