"""``cpe-manager mail``: what customers and the operator are told by e-mail."""

from __future__ import annotations

from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Limit
from cpe_manager.cli.render import fields, out, show_json, show_json_items, table, tame
from cpe_manager.domain.errors import InputError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NONE = "no mails; they are sent once mail_host and mail_from are set"


@app.command("list")
def listing(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(metavar="queued|sent|failed", help="Only those.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List mails, newest first."""
    from cpe_manager.api.schemas.mail import MailView

    with state_of(ctx).client() as client:
        found = list(client.pages("/mails", MailView, limit=limit, state=state))
    if as_json:
        show_json_items(found)
        return
    rows = [(one.id, one.created_at, one.kind, one.recipient, one.state, one.reason) for one in found]
    table(("id", "made", "tells of", "recipient", "state", "reason"), rows, none=NONE)


@app.command()
def show(
    ctx: typer.Context, mail: Annotated[str, typer.Argument(help="The mail's id.")], as_json: Json = False
) -> None:
    """Show one mail whole."""
    from cpe_manager.api.schemas.mail import MailDetailView
    from cpe_manager.client_http import part

    with state_of(ctx).client() as client:
        found = client.get(f"/mails/{part(mail)}", MailDetailView)
    if as_json:
        show_json(found)
        return
    fields(
        (
            ("id", found.id),
            ("tells of", f"{found.kind} (event {found.event_id})"),
            ("site", found.site),
            ("to", f"{found.recipient} ({found.audience}, {found.language})"),
            ("state", found.state),
            ("made", found.created_at),
            ("sent", found.sent_at),
            ("tries", found.attempts),
            ("tried again", found.next_at),
            ("reason", found.reason),
            ("subject", found.subject),
        )
    )
    out()
    out(tame(found.body))


@app.command()
def retry(
    ctx: typer.Context,
    mail: Annotated[str | None, typer.Argument(help="The mail's id.")] = None,
    all_failed: Annotated[bool, typer.Option("--failed", help="All that were given up.")] = False,
    as_json: Json = False,
) -> None:
    """Have a mail, or all that failed, tried again at once."""
    from cpe_manager.api.schemas.mail import MailRetryView

    if (mail is None) != all_failed:
        raise InputError("say which mail, or --failed")
    with state_of(ctx).client() as client:
        done = client.post("/mail-retries", MailRetryView, {"id": mail})
    if as_json:
        show_json(done)
    else:
        out(f"{done.tried_again} tried again")
