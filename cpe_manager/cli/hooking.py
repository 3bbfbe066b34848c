"""``cpe-manager webhooks``: other servers that are told of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Yes, confirmed
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, when
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.webhooks import WebhookView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NONE = "nobody is told of events; cpe-manager webhooks add NAME URL --kind 'line.*'"

Name = Annotated[str, typer.Argument(help="The webhook's name or id.", metavar="WEBHOOK")]


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List webhooks, and how they fare."""
    with state_of(ctx).client() as client:
        found = list(client.webhooks())
    if as_json:
        show_json_items(found)
        return
    rows = [(one.name, one.url, ",".join(one.kinds), _standing(one), one.delivered_at) for one in found]
    table(("name", "url", "kinds", "state", "delivered"), rows, none=NONE)


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    url: Annotated[str, typer.Argument(help="Where events are posted to: https://...")],
    kind: Annotated[list[str], typer.Option(help="Of events: line.mobile, line.* or '*'; may be repeated.")],
    site: Annotated[
        list[str] | None, typer.Option(help="Tell of changes and activations of this site alone; may be repeated.")
    ] = None,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read a secret that the receiver has already from standard input.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Have events told to another server, from the next one on. The secret that signs them is printed this once."""
    secret = typer.get_text_stream("stdin").readline().strip() if secret_stdin else None
    if secret == "":
        raise InputError("--secret-stdin: nothing came on standard input")
    with state_of(ctx).client() as client:
        made = client.add_webhook({"name": name, "url": url, "kinds": kind, "sites": site or None, "secret": secret})
    if as_json:
        show_json(made)
        return
    if secret:
        out(f"{made.webhook.name} added")
        return
    err("Give this secret to the receiver; it is not shown again:")
    out(made.secret)


@app.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a webhook with its latest attempts."""
    with state_of(ctx).client() as client:
        found = client.webhook(name)
    if as_json:
        show_json(found)
        return
    fields(
        (
            ("name", found.name),
            ("id", found.id),
            ("url", found.url),
            ("kinds", ", ".join(found.kinds)),
            ("sites", ", ".join(found.sites) if found.sites is not None else None),
            ("state", _standing(found)),
            ("reason", found.reason or None),
            ("failing since", found.failing_since),
            ("tried again", found.next_at),
            ("delivered", found.delivered_at),
            ("events behind", found.behind),
            ("added", f"{when(found.created_at)} by {found.created_by}"),
        )
    )
    rows = [
        (one.at, one.event_id or "test", "taken" if one.ok else one.reason, f"{one.seconds:.2f} s")
        for one in found.attempts
    ]
    out()
    table(("at", "event", "result", "took"), rows, none="nothing was sent yet")


@app.command()
def remove(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a webhook with its secret."""
    confirmed(f"Remove webhook {name}? What it was not told is not told any more.", yes=yes)
    with state_of(ctx).client() as client:
        client.remove_webhook(name)
    out(f"{name} removed")


@app.command("test")
def try_out(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Send an event of kind webhook.test now. Exit code 1 when it was not taken."""
    with state_of(ctx).client() as client:
        attempt = client.test_webhook(name)
    if as_json:
        show_json(attempt)
    else:
        out(f"taken in {attempt.seconds:.2f} s" if attempt.ok else f"not taken: {attempt.reason}")
    if not attempt.ok:
        raise typer.Exit(1)


@app.command()
def replay(
    ctx: typer.Context,
    name: Name,
    since: Annotated[
        str | None,
        typer.Option(help="2026-11-28T22:00:00Z, or 30m, 6h, 2d ago. Without: go on where it stands."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell events once more, under the same ids; a webhook that was disabled is active again."""
    at = since_of(since) if since is not None else None
    with state_of(ctx).client() as client:
        found = client.replay_webhook(name, at)
    if as_json:
        show_json(found)
    else:
        out(f"{found.name} is told everything after event {found.cursor}")


def _standing(webhook: WebhookView) -> str:
    if webhook.state != "active":
        return webhook.state
    return f"fails since {when(webhook.failing_since)}" if webhook.failing_since else "active"


def since_of(text: str) -> datetime:
    """A moment, or so long ago. Raises ``InputError``."""
    units = {"m": 60, "h": 3600, "d": 86400}
    if text[-1:] in units and text[:-1].isascii() and text[:-1].isdigit() and len(text) < 8:
        return datetime.now(UTC) - timedelta(seconds=int(text[:-1]) * units[text[-1]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--since {text!r}: write 2026-11-28T22:00:00Z, 30m, 6h or 2d") from None
    return at if at.tzinfo else at.astimezone()
