"""Options that several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cpe_manager.domain.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the job has ended.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show so many.")]
Device = Annotated[str, typer.Argument(help="The device's name (or id).", metavar="DEVICE")]
Number = Annotated[int | None, typer.Argument(help="The version's number.", min=1, metavar="[VERSION]")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Transport = Annotated[
    str | None,
    typer.Option(metavar="ssh|telnet", help="How it is reached; telnet, insecure, only where its group allows it."),
]
LegacyCrypto = Annotated[
    bool | None,
    typer.Option("--legacy-crypto/--no-legacy-crypto", help="Accept SHA-1, CBC and DSA of an old box; insecure."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="CPE_MANAGER_DATA_DIR",
        help="Where settings, keys and the database live; default ~/.local/share/cpe-manager.",
    ),
]


def confirmed(question: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back. Raises ``Abort`` for a no, ``InputError`` when nobody can answer."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo(err=True)
        raise InputError("nobody answered; where no person can, pass --yes") from None
    if not agreed:
        raise typer.Abort


def insecure_ways(transport: str | None, legacy_crypto: bool | None) -> dict[str, str]:
    """What was said of them, as a device's settings."""
    ways = {"transport": transport, "legacy_crypto": None if legacy_crypto is None else str(legacy_crypto).lower()}
    return {name: value for name, value in ways.items() if value is not None}


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """``name=value`` texts as a mapping. Raises ``InputError``."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {text!r}: write it as name=value")
        found[name] = value
    return found
