"""``cpe-manager token``: who may talk to the daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json
from cpe_manager.cli.render import err, out, show_json, show_json_items, table
from cpe_manager.domain.tokens import Scope

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List tokens, revoked ones too."""
    with state_of(ctx).client() as client:
        found = client.tokens()
    if as_json:
        show_json_items(found)
        return
    rows = [(t.name, ",".join(t.scopes), t.created_at, t.expires_at, t.revoked_at, t.last_used_at) for t in found]
    table(("name", "scopes", "created", "expires", "revoked", "last used"), rows)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    scope: Annotated[
        list[Scope], typer.Option(help="read: see; write: operate; admin: tokens and keys; originals: open originals.")
    ],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid so long; default until revoked.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token. Its text is printed this once."""
    with state_of(ctx).client() as client:
        made = client.create_token({"name": name, "scopes": list(scope), "days": days})
    if as_json:
        show_json(made)
        return
    err("Keep this token safe; it is not shown again:")
    out(made.text)


@app.command()
def revoke(ctx: typer.Context, name: Annotated[str, typer.Argument(help="The token's name or id.")]) -> None:
    """Revoke a token at once and for ever."""
    with state_of(ctx).client() as client:
        out(f"token {client.revoke_token(name).name} revoked")
