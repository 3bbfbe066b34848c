"""``cpe-manager families``: which devices this release knows, and what it can do with them."""

from __future__ import annotations

from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json
from cpe_manager.cli.render import fields, out, show_json, table


def families(
    ctx: typer.Context,
    family: Annotated[str | None, typer.Argument(help="Show this one alone.", metavar="[FAMILY]")] = None,
    as_json: Json = False,
) -> None:
    """List the device families, or show one. Those named netmiko:... are fetched through netmiko."""
    with state_of(ctx).client() as client:
        if family is not None:
            _show(ctx, family, as_json=as_json)
            return
        found = client.families()
    if as_json:
        show_json(found)
        return
    rows = [(one.family, one.title, "yes" if one.modelled else "no", ", ".join(one.lacks)) for one in found.items]
    table(("family", "devices", "neutral model", "cannot carry"), rows)
    out(f"and {len(found.platforms)} platforms through netmiko, {found.platforms[0]} to {found.platforms[-1]}")


def _show(ctx: typer.Context, family: str, *, as_json: bool) -> None:
    with state_of(ctx).client() as client:
        one = client.family(family)
    if as_json:
        show_json(one)
        return
    fields(
        [
            ("family", one.family), ("devices", one.title), ("maturity", one.maturity),
            ("a text is whole when", one.evidence), ("neutral model", "read and written" if one.modelled else "no"),
            ("carries", ", ".join(one.features)), ("cannot carry", ", ".join(one.lacks)),
            ("takes changes back by", one.rollback),
            ("keeps changes", "at once" if one.keeps_at_once else "when saved"),
            ("tells its startup", "yes" if one.tells_startup else "no"),
            ("tells who changed it", "yes" if one.tells_who else "no"),
        ]
    )  # fmt: skip
