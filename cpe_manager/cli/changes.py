"""``cpe-manager changes``: ask for a change of a line, look at what it would do, approve it, follow it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.change_text import COLUMNS, REFUSED, describe, next_of, rows_of
from cpe_manager.cli.change_types import describe_type
from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Yes, confirmed, pairs
from cpe_manager.cli.reading import data_of, put, text_of
from cpe_manager.cli.render import out, show_json, show_json_items, show_json_line, table, tame
from cpe_manager.domain.changes.requests import OPEN, ChangeState
from cpe_manager.domain.errors import Conflict, InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.changes import ChangeDetailView, ChangeImportView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Change = Annotated[str, typer.Argument(help="Ticket (CHG-000123) or id.", metavar="CHANGE")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: the same again asks for nothing new.")]
_EVERY: Final = 1.0
"""Seconds between two looks at one request."""


@app.command()
def submit(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="What, such as open-port; see changes types.", metavar="TYPE")],
    values: Annotated[
        list[str] | None, typer.Argument(help="Its parameters, such as port=443.", metavar="[NAME=VALUE]...")
    ] = None,
    site: Annotated[str | None, typer.Option(help="The site it is for.")] = None,
    device: Annotated[str | None, typer.Option(help="The device it is for.")] = None,
    file: Annotated[Path | None, typer.Option(help="Parameters as JSON or TOML; - is standard input.")] = None,
    at: Annotated[str | None, typer.Option("--for", help="Not before this time (ISO 8601, with its zone).")] = None,
    note: Annotated[str, typer.Option(help="For whoever reads the request.")] = "",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Ask for a change. It is evaluated, and shown to somebody else, who approves it."""
    parameters = put({} if file is None else data_of(file), pairs(values or [], "parameter"))
    body = {"type": kind, "parameters": parameters, "site": site, "device": device, "note": note, "requested_for": at}
    with state_of(ctx).client() as client:
        made = client.submit_change({name: value for name, value in body.items() if value is not None}, key=key)
    if as_json:
        show_json(made)
    else:
        out(f"{made.ticket}: {made.summary} at {made.device}: {made.state}")
        out(f"  next: {next_of(made)}")


@app.command("list")
def listing(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    state: Annotated[list[ChangeState] | None, typer.Option(help="Only in this state; repeatable.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only of this site; repeatable.")] = None,
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    bulk: Annotated[str | None, typer.Option(help="Only those of this import.")] = None,
    still: Annotated[bool, typer.Option("--open", help="Only where something is still to happen.")] = False,
    mine: Annotated[bool, typer.Option("--waiting", help="Only those that you may approve.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List change requests, newest first."""
    where: dict[str, Any] = {"state": state, "site": site, "device": device, "type": kind, "bulk": bulk}
    with state_of(ctx).client() as client:
        found = client.approvals(limit=limit) if mine else client.changes(limit=limit, open=still or None, **where)
        if as_json:
            show_json_items(found)
        else:
            table(COLUMNS, rows_of(found), none="no change request is like that")


@app.command()
def show(
    ctx: typer.Context,
    change: Change,
    native: Annotated[bool, typer.Option("--native", help="In the device's own words, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show a change request: what changes, why not, who approved it, what happens next and when."""
    with state_of(ctx).client() as client:
        found = client.change(change)
    if as_json:
        show_json(found)
        return
    describe(found)
    if native and found.shown is not None and found.shown.native:
        out("\nIn the device's own words:")
        out(tame(found.shown.native).removesuffix("\n"))


@app.command()
def approve(
    ctx: typer.Context,
    change: Change,
    digest: Annotated[str | None, typer.Option(help="Of what was shown; without it, it is shown now.")] = None,
    words: Annotated[str, typer.Option(help="How the customer said so, where you write it down.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Approve exactly what is shown. Whoever submitted a request cannot approve it."""
    with state_of(ctx).client() as client:
        found = client.change(change)
        if found.shown is None or not found.needs_approval:
            why = f": {tame(found.reason)}" if found.outcome in REFUSED and found.reason else ""
            raise Conflict(f"{found.ticket} is {found.outcome or found.state}, and waits for no approval{why}")
        if digest is None:
            if not as_json:
                describe(found)
            confirmed(f"Approve {found.ticket}?", yes=yes)
        body = {"digest": digest or found.shown.digest, "words": words}
        given = client.approve_change(change, body, match=None if digest else found.revision)
    if as_json:
        show_json(given)
    else:
        out(f"{given.ticket} is approved; next: {next_of(given)}")


@app.command()
def decline(
    ctx: typer.Context, change: Change, reason: Annotated[str, typer.Option(help="Why.")], as_json: Json = False
) -> None:  # fmt: skip
    """Say no to what is shown."""
    with state_of(ctx).client() as client:
        ended = client.decline_change(change, {"reason": reason})
    if as_json:
        show_json(ended)
    else:
        out(f"{ended.ticket} is {ended.state}")


@app.command()
def withdraw(
    ctx: typer.Context, change: Change, reason: Annotated[str, typer.Option(help="Why.")] = "", as_json: Json = False
) -> None:  # fmt: skip
    """Take a request back before it is executed."""
    with state_of(ctx).client() as client:
        ended = client.withdraw_change(change, {"reason": reason})
    if as_json:
        show_json(ended)
    else:
        out(f"{ended.ticket} is {ended.state}")


@app.command("import")
def bring_in(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a head line; - is standard input.", metavar="FILE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each row.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Ask for many changes: columns type, site or device, and one for each parameter.

    What is wrong with one row stops no other. Exit code 3 when a row was refused.
    """
    text = text_of(file).removeprefix("\ufeff")
    with state_of(ctx).client() as client:
        found = client.import_changes({"csv": text, "dry_run": dry_run}, key=key)
    if as_json:
        show_json(found)
    else:
        _tell_import(found)
    refused = sum(one.result == "refused" for one in found.results)
    if refused:
        raise InputError(f"{refused} of {len(found.results)} rows were refused", file=str(file))


def _tell_import(found: ChangeImportView) -> None:
    refused = [one for one in found.results if one.result == "refused"]
    if refused:
        table(("line", "device", "reason"), [(one.number, one.device, one.reason) for one in refused])
    kept = [one for one in found.results if one.result != "refused"]
    if kept:
        table(("line", "ticket", "device", "what"), [(one.number, one.ticket, one.device, one.summary) for one in kept])
    names = ("submitted", "known", "valid", "refused")
    counts = {name: sum(one.result == name for one in found.results) for name in names}
    words = ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "no rows"
    out(f"{'Dry run, nothing was asked for: ' if found.dry_run else ''}{words}")
    if found.bulk_id is not None:
        out(f"changes list --bulk {found.bulk_id}")


@app.command()
def watch(
    ctx: typer.Context,
    change: Annotated[str | None, typer.Argument(help="One request alone, to its end.", metavar="[CHANGE]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """Follow one request to its end, or what happens to all of them until Ctrl-C."""
    with state_of(ctx).client() as client:
        if change is not None:
            _to_its_end(client, change, as_json=as_json)
            return
        for event in client.follow_events(None, kind=["change.*"]):
            if as_json:
                show_json_line(event)
            else:
                out(f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.kind:20}  {tame(event.message)}")
            sys.stdout.flush()


def _to_its_end(client: Client, change: str, *, as_json: bool) -> None:
    told, said, pause = 0, "", threading.Event()
    while True:
        found = client.change(change)
        told = _tell_steps(found, told, as_json=as_json)
        if found.state not in OPEN or found.state is ChangeState.STUCK:
            break
        if not as_json and (words := next_of(found)) != said:
            said = words
            out(f"  next: {words}")
        sys.stdout.flush()
        pause.wait(_EVERY)


def _tell_steps(found: ChangeDetailView, told: int, *, as_json: bool) -> int:
    for step in found.steps[told:]:
        if as_json:
            show_json_line(step)
        else:
            reason = f": {tame(step.reason)}" if step.reason else ""
            out(f"{step.at.astimezone():%Y-%m-%d %H:%M:%S}  {found.ticket}  {step.state:10}  {step.by}{reason}")
    return len(found.steps)


@app.command()
def types(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One type, with its parameters.", metavar="[TYPE]")] = None,
    as_json: Json = False,
) -> None:
    """Show what can be asked for, and which parameters each takes."""
    with state_of(ctx).client() as client:
        if name is not None:
            one = client.change_type(name)
            if as_json:
                show_json(one)
            else:
                describe_type(one)
            return
        found = client.change_types()
    if as_json:
        show_json_items(found)
    else:
        rows = [(one.type, one.title, one.section, ", ".join(one.components), one.version) for one in found]
        table(("type", "title", "section", "needs", "version"), rows)
