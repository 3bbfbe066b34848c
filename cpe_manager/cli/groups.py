"""``cpe-manager group``: what devices inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, pairs
from cpe_manager.cli.render import fields, out, show_json, show_json_items, table
from cpe_manager.domain.errors import InputError, NotFound

if TYPE_CHECKING:
    from cpe_manager.api.schemas.devices import GroupView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The group's name.", metavar="GROUP")]


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List groups with what they hand down."""
    with state_of(ctx).client() as client:
        found = client.groups()
    if as_json:
        show_json_items(found)
        return
    columns = ("group", "below", "family", "credential", "port", "settings")
    table(columns, [(g.name, g.parent, g.family, g.credential, g.port, _settings(g)) for g in found], none="no groups")


def _settings(group: GroupView) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(group.settings.items()))


@app.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a group's own settings. What it does not set comes from the group above it."""
    with state_of(ctx).client() as client:
        found = client.group(name)
    if as_json:
        show_json(found)
        return
    fields(
        [
            ("group", found.name), ("below", found.parent), ("family", found.family),
            ("credential", found.credential), ("port", found.port),
            *((f"setting {key}", value) for key, value in sorted(found.settings.items())),
        ]
    )  # fmt: skip


@app.command("set")
def change(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Name,
    parent: Annotated[str | None, typer.Option(help="The group above it.")] = None,
    family: Annotated[str | None, typer.Option(help="Device family.")] = None,
    credential: Annotated[str | None, typer.Option(help="Name of the log-in.")] = None,
    port: Annotated[str | None, typer.Option(help="SSH port.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="Such as max_attempts=3; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a group, or change what is given. An empty value takes away: --credential '', --setting max_attempts="""
    given = {"parent": parent, "family": family, "credential": credential, "port": _port(port)}
    settings = pairs(setting or [], "--setting")
    with state_of(ctx).client() as client:
        body, tag = _body_now(client, name)
        body |= {key: value or None for key, value in given.items() if value is not None}
        body["settings"] = {key: value for key, value in {**body["settings"], **settings}.items() if value != ""}
        stored = client.put_group(name, body, match=tag)
    if as_json:
        show_json(stored)
    else:
        out(f"group {stored.name} stored; devices in it and below it follow at their next backup")


def _port(text: str | None) -> int | str | None:
    """Unchanged when empty, which takes the port away. Raises ``InputError``."""
    if text and not (text.isascii() and text.isdecimal()):
        raise InputError(f"--port {text!r} is not a number")
    return int(text) if text else text


def _body_now(client: Client, name: str) -> tuple[dict[str, Any], int | str]:
    """What a request has to say to leave the group as it is: it is replaced as a whole. And what it is read at."""
    try:
        found, tag = client.group_tagged(name)
    except NotFound:
        return {"settings": {}}, 0
    return found.model_dump(exclude={"name"}), tag
