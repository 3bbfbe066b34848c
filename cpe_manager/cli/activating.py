"""``cpe-manager activations``: sites that come into service (§4.2, §4.3)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.journals import begun, followed
from cpe_manager.cli.options import Json, Wait, Yes, confirmed, pairs
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.reading import data_of, put
from cpe_manager.cli.render import fields, out, show_json, show_json_items, table, when
from cpe_manager.domain.activation.activation_flow import ENDS, State
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.activations import ActivationDetailView, ActivationView, TestView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_RESTS: Final = frozenset({*ENDS, State.FAILED, State.RUSH_ASKED})

Which = Annotated[str, typer.Argument(help="Its id; or a site or a device, for its latest.", metavar="ACTIVATION")]


@app.command()
def order(
    ctx: typer.Context,
    device: Annotated[str, typer.Argument(help="The box at the site, by name or id.", metavar="DEVICE")],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The order, as JSON or TOML; - is standard input.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A value of it: formula=pro-plus, wan.mode=static; repeatable.", metavar="NAME=VALUE"
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same activation.")] = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Order the activation of a site: subscription, configuration, addresses, wifi, first backup, tests, report.

    What an order says: formula, technology, options, wan, lan, dhcp, wifi, ports, firewall, dns, mobile,
    ready_for_service, rush, customer, representatives, language. Secrets belong into a file, not onto a command line.
    Exit code 14 when it was waited for and did not come to an activated site.
    """
    body: dict[str, Any] = {} if file is None else data_of(file)
    body = put(body, pairs(values or [], "--set")) | {"device": device}
    with state_of(ctx).client() as client:
        made = client.order_activation(body, key=key)
        _and_then(client, made, wait=wait, as_json=as_json)


def _and_then(client: Client, made: ActivationView, *, wait: bool, as_json: bool) -> None:
    show = f"cpe-manager activations show {made.site}"
    if not wait:
        begun(made, f"activation {made.id} of {made.site} under way: {show}", as_json=as_json)
        return
    seen = followed(
        lambda: client.activation(made.id), lambda one: one.state in _RESTS,
        f"activation {made.id} goes on: {show}", as_json=as_json,
    )  # fmt: skip
    if seen.state is not State.ACTIVATED:
        raise JobFailed(f"{seen.site}: {seen.state}" + (f": {seen.note}" if seen.note else ""))
    if not as_json:
        out(f"{seen.site}: activated; cpe-manager activations report {seen.site} has all of it")


@app.command("list")
def listing(
    ctx: typer.Context,
    device: Annotated[str | None, typer.Option(help="Only those of this device.")] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List activations, newest first."""
    where = {"device": device, "state": None if state is None else state.value, "open": open_only or None}
    with state_of(ctx).client() as client:
        found = list(client.activations(limit=limit, **where))
    if as_json:
        show_json_items(found)
        return
    rows = [
        (one.site, one.device, one.formula, one.technology, one.state, _day(one.due_at), one.activated_at, one.note)
        for one in found
    ]
    table(("site", "device", "formula", "technology", "state", "due", "activated", "note"), rows, none="no activations")


@app.command()
def show(ctx: typer.Context, which: Which, as_json: Json = False) -> None:
    """Show an activation: how far it has come, what was tested, and why it waits."""
    with state_of(ctx).client() as client:
        found = client.activation(which)
    if as_json:
        show_json(found)
    else:
        _describe(found)


def _describe(one: ActivationDetailView) -> None:
    answer = one.rush_answer
    rush = ""
    if one.rush:
        rush = f"to be answered by {_day(one.answer_by)}" if one.answer_by else "asked for"
    if answer is not None:
        rush = f"feasible on {answer.day}" if answer.feasible else f"not feasible: {answer.reason}"
    fields(
        [
            ("activation", one.id), ("site", one.site), ("device", one.device),
            ("formula", f"{one.formula} on {one.technology}"), ("state", one.state), ("note", one.note),
            ("ordered", f"{when(one.created_at)} by {one.requested_by}"), ("due", _day(one.due_at)), ("rush", rush),
            ("activated", one.activated_at), ("reports", one.reports or ""),
        ]
    )  # fmt: skip
    if one.tests:
        out()
        _show_tests(one.tests)
    out()
    steps = [(step.at, step.step, step.result or "begun", step.reason) for step in one.journal]
    table(("at", "step", "result", "reason"), steps)


def _show_tests(tests: list[TestView]) -> None:
    rows = [(test.title, test.verdict, test.measured, test.goal, test.reason) for test in tests]
    table(("test", "verdict", "measured", "goal", "reason"), rows)


@app.command("answer-rush")
def answer_rush(
    ctx: typer.Context,
    which: Which,
    feasible: Annotated[bool, typer.Option("--feasible/--not-feasible", help="Whether the day can be kept.")],
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that is promised; default: as asked for.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why not; needed with --not-feasible.")] = "",
    as_json: Json = False,
) -> None:
    """Say whether the ready-for-service date that was asked for can be kept (§4.3)."""
    if not feasible and not reason.strip():
        raise InputError("say why it is not feasible: --reason")
    body = {"feasible": feasible, "day": None if day is None else day.date().isoformat(), "reason": reason}
    with state_of(ctx).client() as client:
        found = client.answer_rush(which, body)
    _said(found, "answered", as_json=as_json)


@app.command()
def retry(ctx: typer.Context, which: Which, wait: Wait = False, as_json: Json = False) -> None:
    """Have an activation that failed tried again, all of it."""
    with state_of(ctx).client() as client:
        made = client.activation_verb(which, "retry")
        if wait:
            _and_then(client, made, wait=True, as_json=as_json)
            return
    _said(made, "is tried again", as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, which: Which, yes: Yes = False, as_json: Json = False) -> None:
    """Call an activation off. A push on its way is taken back; what was configured before stays."""
    confirmed(f"Call the activation {which} off?", yes=yes)
    with state_of(ctx).client() as client:
        made = client.activation_verb(which, "cancel")
    _said(made, "is called off", as_json=as_json)


def _said(one: ActivationView, what: str, *, as_json: bool) -> None:
    if as_json:
        show_json(one)
    else:
        out(f"activation {one.id} of {one.site} {what}")


@app.command()
def report(
    ctx: typer.Context,
    which: Which,
    number: Annotated[int | None, typer.Option(min=1, help="Which one; default: the latest.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as a page to this file; - is standard output.")] = None,
    as_json: Json = False,
) -> None:
    """Show the report of an activation, or write it as a page. Exit code 14 when it did not pass."""
    with state_of(ctx).client() as client:
        if html is not None:
            page = client.activation_page(which, number)
            if str(html) == "-":
                out(page)
            else:
                html.write_text(page, encoding="utf-8")
                out(f"written: {html}")
            return
        found = client.activation_report(which, number)
    if as_json:
        show_json(found)
        return
    data = found.data
    fields(
        [
            ("site", data["site"]), ("customer", data["customer"]), ("formula", data["title"]),
            ("report", f"{found.number}, {data['made_on']}"), ("passed", "yes" if found.passed else data["reason"]),
        ]
    )  # fmt: skip
    out()
    rows = [(one["title"], one["verdict"], one["measured"], one["goal"], one["reason"]) for one in data["tests"]]
    table(("test", "verdict", "measured", "goal", "reason"), rows, none="it did not come to any test")
    if not found.passed:
        raise JobFailed(f"{data['site']}: not passed: {data['reason']}")


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone():%Y-%m-%d}"
