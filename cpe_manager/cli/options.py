"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the job has ended.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show so many.")]
Device = Annotated[str, typer.Argument(help="The device's name (or id).", metavar="DEVICE")]
Number = Annotated[int | None, typer.Argument(help="The version's number.", min=1, metavar="[VERSION]")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="CPE_MANAGER_DATA_DIR",
        help="Where settings, keys and the database live; default ~/.local/share/cpe-manager.",
    ),
]


def confirmed(question: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back; without a terminal ``--yes`` is the only way. Raises ``Abort``."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
