"""``cpe-manager key``: the keys that seal the originals."""

from __future__ import annotations

from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Wait, Yes, confirmed
from cpe_manager.cli.progress import settle
from cpe_manager.cli.render import out, show_json_items, table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List the sealing keys and how many originals each of them wraps."""
    with state_of(ctx).client() as client:
        found = client.keys()
    if as_json:
        show_json_items(found)
        return
    rows = [(k.key_id, k.created_at, "active" if k.active else "", k.objects) for k in found]
    table(("key", "created", "", "originals"), rows)


@app.command()
def rotate(ctx: typer.Context, wait: Wait = True, as_json: Json = False) -> None:
    """Activate a new key and re-wrap what older keys wrap. Copy the key file to its safe place afterwards."""
    with state_of(ctx).client() as client:
        settle(client, client.rotate_key(), wait=wait, as_json=as_json)


@app.command()
def retire(
    ctx: typer.Context, key_id: Annotated[str, typer.Argument(help="The key's id.", metavar="KEY")], yes: Yes = False
) -> None:
    """Take a key that wraps nothing any more out of the key file."""
    confirmed(f"Delete key {key_id}? Archives made with it need their own copy of it.", yes=yes)
    with state_of(ctx).client() as client:
        client.retire_key(key_id)
    out(f"key {key_id} retired")
