"""``cpe-manager login`` and ``whoami``: one's own token on this machine."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from cpe_manager.cli.accounts import PasswordStdin, asked, from_stdin
from cpe_manager.cli.connection import client_files, place_of, state_of, write_private, written
from cpe_manager.cli.options import Json
from cpe_manager.cli.render import err, fields, out, show_json, when


def attach(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(whoami)


def login(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Your account's name.")],
    days: Annotated[int, typer.Option(min=1, max=730, help="How long this machine's token is valid.")] = 30,
    password_stdin: PasswordStdin = False,
    new_password_stdin: Annotated[
        bool, typer.Option("--new-password-stdin", help="And a second line, should the first password be a given one.")
    ] = False,
) -> None:
    """Log in, and keep a token of your own account in the client file of this machine."""
    from cpe_manager.client import Client

    state = state_of(ctx)
    url = place_of(state)
    password = from_stdin() if password_stdin else asked("Password")
    with Client(url, "") as client:
        me = client.log_in(name, password)
        csrf = me.session.csrf_token if me.session else None
        if me.must_change_password:
            err("This password was given to you; choose your own (12 characters or more, several words are good).")
            fresh = from_stdin() if new_password_stdin else asked("New password", confirm=True)
            client.change_password(password, fresh, csrf)
        made = client.create_own_token({"name": _token_name(), "days": days}, csrf)
        client.log_out(csrf)
    path = client_files(state.data_dir)[0]
    write_private(path, written(url, made.text))
    out(f"logged in as {me.name}; the token is in {path}, valid until {when(made.token.expires_at)}")


def _token_name() -> str:
    """Of this machine and moment: an earlier one stays valid until it is revoked or ends."""
    from datetime import UTC, datetime

    return f"{socket.gethostname()[:40]}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def whoami(ctx: typer.Context, as_json: Json = False) -> None:
    """Show who you are to the daemon, and what you may do."""
    with state_of(ctx).client() as client:
        me = client.me()
    if as_json:
        show_json(me)
        return
    fields(
        (
            ("name", me.name),
            ("kind", me.kind),
            ("roles", ", ".join(me.roles) or "none"),
            ("sites", "all" if me.sites is None else ", ".join(me.sites) or "none"),
            ("may", ", ".join(me.permissions) or "nothing"),
            ("token", me.token),
        )
    )
