"""``cpe-manager failover`` and ``incidents``: how lines stand, and what operators ask for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.line_text import describe, show_history, show_incidents
from cpe_manager.cli.lining import LineName, Watch, head, unwell
from cpe_manager.cli.live import follow
from cpe_manager.cli.options import Json, Limit, Wait, Yes, confirmed
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, tame
from cpe_manager.domain.failover.lines import FailoverState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.lines import LineView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
incidents = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Reason = Annotated[str, typer.Option(help="Why, for whoever reads the history.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: the same again asks for nothing new.")]
Asked = Literal["switch", "return", "hold", "release", "test"]

_LOOK_AGAIN: Final = 0.5
"""Seconds between looks at a line that is followed."""
_ON_THE_WAY: Final = frozenset({FailoverState.SWITCHING, FailoverState.RETURNING})


@app.command()
def status(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Argument(help="One line alone.", metavar="[LINE]")] = None,
    watch: Watch = False,
    as_json: Json = False,
) -> None:
    """Show how all lines stand: counts, who watches, every line that is not well, open incidents."""
    with state_of(ctx).client() as client:
        if line is not None and not watch:
            found = client.line(line)
            if as_json:
                show_json(found)
            else:
                describe(found)
            return
        if watch:
            follow(client, lambda: unwell(client), as_json=as_json, **({} if line is None else {"line": line}))
            return
        if as_json:
            show_json(client.line_summary())
            return
        out(head(client))
        columns, rows, _ = unwell(client)
        if rows:
            out()
            table(columns, rows)
        open_ones = list(client.incidents(limit=50, open=True))
        if open_ones:
            out()
            show_incidents(open_ones)


@app.command()
def switch(
    ctx: typer.Context, line: LineName, reason: Reason = "", key: Key = None, yes: Yes = False, wait: Wait = True,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Move a line's traffic to mobile now, verified end to end. Asks first. Exit code 14 when it did not hold."""
    confirmed(f"Move the traffic of {line} to mobile?", yes=yes)
    _ask(ctx, line, "switch", {"reason": reason, "key": key, "wait": wait, "as_json": as_json})


@app.command("return")
def give_back(
    ctx: typer.Context, line: LineName, reason: Reason = "", key: Key = None, wait: Wait = True, as_json: Json = False
) -> None:  # fmt: skip
    """Move a line's traffic back to the fixed line now, whatever quiet hours and waits say."""
    _ask(ctx, line, "return", {"reason": reason, "key": key, "wait": wait, "as_json": as_json})


@app.command()
def hold(
    ctx: typer.Context, line: LineName, reason: Reason = "", key: Key = None, wait: Wait = True, as_json: Json = False
) -> None:  # fmt: skip
    """Hands off: the line stays as it is, whatever happens, until it is released."""
    _ask(ctx, line, "hold", {"reason": reason, "key": key, "wait": wait, "as_json": as_json})


@app.command()
def release(
    ctx: typer.Context, line: LineName, reason: Reason = "", key: Key = None, wait: Wait = True, as_json: Json = False
) -> None:  # fmt: skip
    """End a hold: the line is looked after again."""
    _ask(ctx, line, "release", {"reason": reason, "key": key, "wait": wait, "as_json": as_json})


@app.command("test")
def exercise(
    ctx: typer.Context, line: LineName, reason: Reason = "", key: Key = None, yes: Yes = False, wait: Wait = True,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Exercise the backup now: switch, verify, return. Asks first. Exit code 14 when the backup does not work."""
    confirmed(f"Move the traffic of {line} to mobile and back, to test its backup?", yes=yes)
    _ask(ctx, line, "test", {"reason": reason, "key": key, "wait": wait, "as_json": as_json})


@app.command()
def coverage(
    ctx: typer.Context,
    line: LineName,
    verdict: Annotated[
        str | None, typer.Option(help="Write down what was found on site: passed or refused; with --reason.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Is the mobile coverage enough for a backup (§3.8)? Measures signal, registration and throughput at the box.

    Without a passed check no line is moved. Exit code 14 when it is refused.
    """
    with state_of(ctx).client() as client:
        body = {"verdict": verdict, "reason": reason} if verdict else None
        found = client.coverage(line, body)
    if as_json:
        show_json(found)
    else:
        registered = {True: "yes", False: "no", None: None}[found.registered]
        fields(
            [
                ("device", found.line.device), ("verdict", found.verdict), ("reason", found.reason),
                ("signal", None if found.signal_dbm is None else f"{found.signal_dbm:g} dBm"),
                ("registered", registered),
                ("down", None if found.down_mbps is None else f"{found.down_mbps:.1f} Mbps"),
                ("up", None if found.up_mbps is None else f"{found.up_mbps:.1f} Mbps"),
            ]
        )  # fmt: skip
    if found.verdict == "refused" and verdict is None:
        raise JobFailed(f"{found.line.device}: coverage refused, mobile backup is not activated: {tame(found.reason)}")


@app.command()
def history(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Argument(help="One line alone.", metavar="[LINE]")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Show what became of a line, or of all of them, newest first, each step with its reasons."""
    with state_of(ctx).client() as client:
        steps = list(client.line_history(line, limit=limit))
        names = {}
        if line is None and steps and not as_json:
            ids = {one.line_id for one in steps}
            names = {one.id: one.device for one in client.lines() if one.id in ids} or {"": ""}
    if as_json:
        show_json_items(steps)
    else:
        show_history(steps, names)


@incidents.command("list")
def list_incidents(
    ctx: typer.Context,
    line: Annotated[str | None, typer.Option(help="Only those of this line.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List incidents of lines and access nodes, newest first: P1 no backup, P2 backup active, P3 backup defective."""
    with state_of(ctx).client() as client:
        found = list(client.incidents(limit=limit, line=line, open=open_only or None))
    if as_json:
        show_json_items(found)
    else:
        show_incidents(found)


def _ask(ctx: typer.Context, line: str, what: Asked, options: dict[str, Any]) -> None:
    with state_of(ctx).client() as client:
        before = client.line(line)
        made = client.order_line(line, {"what": what, "reason": options["reason"]}, key=options["key"])
        if not options["wait"]:
            if options["as_json"]:
                show_json(made)
            else:
                out(f"{made.device}: {f'{what} asked for' if made.wanted else f'{made.state} already'}")
            return
        try:
            seen = _until_done(client, made, quiet=options["as_json"])
        except KeyboardInterrupt:
            err(f"it goes on: cpe-manager lines show {line}")
            raise
    if options["as_json"]:
        show_json(seen)
    _judge(what, before, seen, quiet=options["as_json"])


def _until_done(client: Client, seen: LineView, *, quiet: bool) -> LineView:
    told: tuple[FailoverState, list[str]] | None = None
    warned = False
    while seen.wanted or seen.state in _ON_THE_WAY:
        if not quiet and (seen.state, seen.reasons) != told:
            told = (seen.state, seen.reasons)
            err(f"{seen.device}: {seen.state}" + tame(f": {'; '.join(seen.reasons)}" if seen.reasons else ""))
        if not warned and client.line_summary().watcher is None:
            warned = True
            err("nobody watches lines at this moment: it waits until a process does (Ctrl-C leaves it waiting)")
        time.sleep(_LOOK_AGAIN)  # noqa: TID251 - the command line waits; it has no event loop
        seen = client.line(seen.id)
    return seen


def _judge(what: Asked, before: LineView, seen: LineView, *, quiet: bool) -> None:
    good = {
        "switch": seen.state is FailoverState.MOBILE,
        "return": seen.state is FailoverState.FIXED,
        "hold": seen.state is FailoverState.HELD,
        "release": seen.state is not FailoverState.HELD,
        "test": seen.test_ok is True and seen.tested_at != before.tested_at,
    }
    why = f": {'; '.join(seen.reasons)}" if seen.reasons else ""
    if not good[what]:
        raise JobFailed(tame(f"{seen.device}: {what} did not come about, the line is {seen.state}{why}"))
    if not quiet:
        words = "the backup works" if what == "test" else f"{seen.state}, {seen.carrier} carries"
        out(f"{seen.device}: {words}{tame(why)}")
