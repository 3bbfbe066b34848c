"""``cpe-manager events``, ``alarms`` and ``status``: what happens and what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cpe_manager.cli.auditing import watched_in_words
from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Limit
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, show_json_line, table, tame, when

if TYPE_CHECKING:
    from cpe_manager.api.schemas.system import EventView


MOST_NAMES = 8


def attach(app: typer.Typer) -> None:
    app.command()(events)
    app.command()(alarms)
    app.command()(status)


def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,
    after: Annotated[int | None, typer.Option(min=0, help="Only events after this id.")] = None,
    limit: Limit = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON for programs; with --follow one object a line.")
    ] = False,
) -> None:
    """Show the latest events, and follow along."""
    with state_of(ctx).client() as client:
        start = after if after is not None else max(0, client.system().last_event_id - limit)
        found = client.events(start, limit=limit)
        if as_json and not follow:
            show_json_items(found)
            return
        for event in found:
            _show(event, as_json=as_json)
        if follow:
            for event in client.follow_events(found[-1].id if found else start):
                _show(event, as_json=as_json)


def _show(event: EventView, *, as_json: bool) -> None:
    if as_json:
        show_json_line(event)
        return
    mark = {"warning": "!", "error": "!!"}.get(event.severity, "")
    about = f"{event.device}: " if event.device and event.device not in event.message else ""
    text = tame(about + event.message)
    out(f"{event.id}  {event.at.astimezone():%Y-%m-%d %H:%M:%S}  {mark:2}  {event.kind:22}  {text}")


def alarms(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the alarms that hold now: overdue backups, stuck pushes, backups that are not proven."""
    with state_of(ctx).client() as client:
        found = client.alarms()
    if as_json:
        show_json_items(found)
    elif found:
        table(("device", "alarm", "since", "message"), [(a.device, a.kind, a.raised_at, a.message) for a in found])
    else:
        out("no alarms")


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the daemon. Version, engine, counts, and what hinders it."""
    state = state_of(ctx)
    with state.client() as client:
        found = client.system()
        latest = next(client.jobs(limit=1), None)
    if as_json:
        show_json(found)
        return
    fields(
        [
            ("daemon", client.url), ("version", found.version), ("engine", found.engine),
            ("schema", found.schema_version),
            *((f"{name} devices", number) for name, number in found.devices.items()),
            ("families", ", ".join(found.families)), ("credentials", _few(found.credentials)),
            ("alarms", found.alarms),
            ("audit log", None if found.audit is None else watched_in_words(found.audit)),
            ("latest job", f"{latest.kind} {latest.state}, {when(latest.created_at)}" if latest else None),
        ]
    )  # fmt: skip
    if found.credentials_error:
        err(f"credentials: {found.credentials_error}")
    if found.hindrance:
        err(f"hindered: {found.hindrance}")


def _few(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
