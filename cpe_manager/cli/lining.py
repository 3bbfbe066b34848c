"""``cpe-manager lines``: which lines are watched, how each one stands, what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli import row_results
from cpe_manager.cli.connection import state_of
from cpe_manager.cli.line_text import COLUMNS, describe, rows_of, worst_first
from cpe_manager.cli.live import Rows, follow
from cpe_manager.cli.options import Json, pairs
from cpe_manager.cli.reading import put, rows_with_lines
from cpe_manager.cli.render import out, show_json, show_json_items, table
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.failover.lines import FailoverState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.lines import LineView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LineName = Annotated[str, typer.Argument(help="The line's device, reference or id.", metavar="LINE")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay, and keep it up to date until Ctrl-C.")]


@app.command("list")
def listing(
    ctx: typer.Context,
    state: Annotated[FailoverState | None, typer.Option(help="Only lines in this state.")] = None,
    node: Annotated[str | None, typer.Option(help="Only lines of this access node.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    watch: Watch = False,
    as_json: Json = False,
) -> None:
    """List the lines that were set up, with what carries each one's traffic."""
    with state_of(ctx).client() as client:

        def found() -> Iterable[LineView]:
            return client.lines(limit=limit, state=state, node=node)

        if watch:
            follow(client, lambda: (COLUMNS, rows_of(worst_first(found())), ""), as_json=as_json)
        elif as_json:
            show_json_items(found())
        else:
            table(COLUMNS, rows_of(found()), none="no line is set up: cpe-manager lines set DEVICE ...")


@app.command()
def show(ctx: typer.Context, line: LineName, as_json: Json = False) -> None:
    """Show a line: its state and why, what carries, what happens next, its incident, the last change before."""
    with state_of(ctx).client() as client:
        found = client.line(line)
    if as_json:
        show_json(found)
    else:
        describe(found)


@app.command()
def watch(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Argument(help="One line alone.", metavar="[LINE]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON, one object a line.")] = False,
) -> None:
    """Stay with what happens: a live table on a terminal, a line for each event elsewhere."""
    with state_of(ctx).client() as client:
        where = {} if line is None else {"line": client.line(line).id}
        follow(client, lambda: _watched(client, line), as_json=as_json, **where)


def _watched(client: Client, line: str | None) -> Rows:
    if line is not None:
        return COLUMNS, rows_of([client.line(line)]), ""
    return unwell(client)


def unwell(client: Client) -> Rows:
    """Lines that are not on a fixed line that is well, worst first, under the count of all."""
    found = [
        one for state in FailoverState if state is not FailoverState.FIXED for one in client.lines(state=state)
    ]  # fmt: skip
    return COLUMNS, rows_of(worst_first(found)), head(client)


def head(client: Client) -> str:
    """The whole in one line."""
    seen = client.line_summary()
    states = ", ".join(f"{number} {state}" for state, number in seen.states.items() if number) or "no line is watched"
    incidents = ", ".join(f"{number} P{priority}" for priority, number in seen.incidents.items() if number)
    watcher = f"watched by {seen.watcher}" if seen.watcher else "NOBODY WATCHES at this moment"
    return f"{states}; {f'open incidents: {incidents}' if incidents else 'no open incident'}; {watcher}"


@app.command("set")
def set_up(
    ctx: typer.Context,
    device: Annotated[str, typer.Argument(help="A device in service, or its line.", metavar="DEVICE")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            help="What is known, such as line_address=192.0.2.10 policy.misses=5.", metavar="[NAME=VALUE]..."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set a line up, or change what is known of it; what is not named stays as it was.

    Names: watched, formula, ordered, moves, line_address, mobile_address, platform, fixed_ipv4, fixed_ipv6,
    fixed_gateway, mobile_gateway, fixed_port, mobile_port, policy.NAME. An empty value takes one away.
    """
    given = pairs(values or [], "value")
    with state_of(ctx).client() as client:
        body, revision = _known(client, device)
        for name, text in given.items():
            if not name.startswith("policy."):
                body[name] = text if name not in _SWITCHES else put({}, {name: text})[name]
            elif text:
                put(body, {name: text})
            else:
                body["policy"].pop(name.removeprefix("policy."), None)
        made = client.set_up_line(device, body, match=revision)
        found = client.line(made.id)
    if as_json:
        show_json(found)
        return
    out(f"{found.device}: line {found.line} {'set up' if revision == 0 else 'changed'}")
    for gap in found.gaps:
        out(f"  {gap}")
    if found.entitled:
        out(f"  is not moved when it is lost: {found.entitled}")


_SWITCHES: Final = frozenset({"watched", "ordered"})


def _known(client: Client, device: str) -> tuple[dict[str, Any], int]:
    """What is known, as a body, and the revision that it was read at; 0: nothing is."""
    try:
        found = client.line(device)
    except NotFound:
        return {"policy": {}}, 0
    return found.setup.model_dump(mode="json", exclude={"coverage", "coverage_reason"}), found.revision


@app.command("import")
def bring_in(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a head line, or JSON; - is standard input.", metavar="FILE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each row.")] = False,
    as_json: Json = False,
) -> None:
    """Set up many lines from a table: a column device, and one for each name that `lines set` takes.

    What is wrong with one row stops no other; columns that are not there leave what is known. The verdicts of coverage
    checks may come along (coverage, coverage_reason). Exit code 3 when a row was refused.
    """
    rows = rows_with_lines(file)
    with state_of(ctx).client() as client:
        found = row_results.bring_in(
            rows, "device", lambda part: client.import_lines({"rows": part, "dry_run": dry_run}).results
        )
    row_results.tell(found, "device", file, dry_run=dry_run, as_json=as_json)
