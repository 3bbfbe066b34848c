"""``cpe-manager token``: who may talk to the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json
from cpe_manager.cli.render import err, out, show_json, show_json_items, table
from cpe_manager.domain.access.access import Permission
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.accounts import AccountTokenView, NewAccountTokenView
    from cpe_manager.api.schemas.system import NewTokenView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


Account = Annotated[str | None, typer.Option(help="Of this account; a person's own are made by login.")]


@app.command("list")
def listing(ctx: typer.Context, account: Account = None, as_json: Json = False) -> None:
    """List tokens, revoked ones too: all, or those of an account with what they are limited to."""
    with state_of(ctx).client() as client:
        if account is not None:
            _of_account(client.account_tokens(account), as_json=as_json)
            return
        found = client.tokens()
        names = {} if as_json else {one.id: one.name for one in client.accounts()}
    if as_json:
        show_json_items(found)
        return
    rows = [
        (t.name, names.get(t.account or "", t.account), ",".join(t.scopes) or ",".join(t.permissions or ["all"]),
         t.created_at, t.expires_at, t.revoked_at, t.last_used_at)
        for t in found
    ]  # fmt: skip
    table(("name", "account", "may", "created", "expires", "revoked", "last used"), rows)


def _of_account(found: Sequence[AccountTokenView], *, as_json: bool) -> None:
    if as_json:
        show_json_items(found)
        return
    rows = [
        (t.name, ",".join(t.permissions or ["all"]), t.created_at, t.expires_at, t.revoked_at, t.last_used_at,
         t.last_used_from)
        for t in found
    ]  # fmt: skip
    table(("name", "may", "created", "expires", "revoked", "last used", "from"), rows)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="read: see; write: operate; admin: tokens and keys; originals: open originals."),
    ] = None,
    account: Account = None,
    may: Annotated[
        list[Permission] | None, typer.Option(help="With --account: at most this of what it may; repeatable.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Valid so long; default until revoked, of an account 90.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token, of a program's account or of nobody. Its text is printed this once."""
    if (account is None) == (not scope) or (may and account is None):
        raise InputError("a token has --scope, or it is of an --account, which may be cut down by --may")
    with state_of(ctx).client() as client:
        made: NewTokenView | NewAccountTokenView
        if account is None:
            made = client.create_token({"name": name, "scopes": list(scope or []), "days": days})
        else:
            made = client.create_account_token(account, {"name": name, "permissions": may or None, "days": days})
    if as_json:
        show_json(made)
        return
    err("Keep this token safe; it is not shown again:")
    out(made.text)


@app.command()
def revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The token's name or id.")],
    account: Account = None,
) -> None:
    """Revoke a token at once and for ever."""
    with state_of(ctx).client() as client:
        if account is None:
            out(f"token {client.revoke_token(name).name} revoked")
        else:
            out(f"token {client.revoke_account_token(account, name).name} of {account} revoked")
