"""``cpe-manager schedule``: when backups run by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Wait
from cpe_manager.cli.progress import settle
from cpe_manager.cli.render import out, show_json, show_json_items, table, when

if TYPE_CHECKING:
    from cpe_manager.api.schemas.system import ScheduleView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NONE = "no schedules: nothing is backed up by itself; cpe-manager schedule add nightly '0 1 * * *'"

Name = Annotated[str, typer.Argument(help="The schedule's name.", metavar="SCHEDULE")]


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List schedules with their next time."""
    with state_of(ctx).client() as client:
        found = client.schedules()
    if as_json:
        show_json_items(found)
        return
    table(("name", "cron", "time zone", "window", "group", "next", "last"), [_row(one) for one in found], none=NONE)


def _row(schedule: ScheduleView) -> tuple[Any, ...]:
    window = f"{schedule.window_minutes} min"
    following = schedule.next_at if schedule.enabled else "disabled"
    where = schedule.group or "(all)"
    return schedule.name, schedule.cron, schedule.timezone, window, where, following, schedule.last_occurrence_at


@app.command()
def add(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Name,
    cron: Annotated[str, typer.Argument(help="minute hour day month weekday, quoted: '0 1 * * *'.")],
    timezone: Annotated[str, typer.Option(help="IANA name of the time zone.")] = "Europe/Brussels",
    window: Annotated[int, typer.Option(min=1, max=1440, help="Minutes over which devices are spread.")] = 240,
    group: Annotated[str | None, typer.Option(help="Only this group and the groups below it.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add it without letting it fire.")] = False,
    as_json: Json = False,
) -> None:
    """Add a schedule. An occurrence missed while the daemon was down is made up for while its window is open."""
    body = {
        "name": name, "cron": cron, "timezone": timezone, "window_minutes": window, "group": group,
        "enabled": not disabled,
    }  # fmt: skip
    with state_of(ctx).client() as client:
        added = client.add_schedule(body)
    if as_json:
        show_json(added)
    else:
        out(f"{added.name} added; next: {when(added.next_at) if added.next_at else 'disabled'}")


@app.command()
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a schedule; runs that it started stay."""
    with state_of(ctx).client() as client:
        client.remove_schedule(name)
    out(f"{name} removed")


@app.command()
def run(ctx: typer.Context, name: Name, wait: Wait = True, as_json: Json = False) -> None:
    """Back up a schedule's devices now, beside its occurrences."""
    with state_of(ctx).client() as client:
        settle(client, client.run_schedule(name), wait=wait, as_json=as_json)
