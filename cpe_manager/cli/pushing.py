"""``cpe-manager push`` and ``restore``: look at a change of a device, make it, follow it, give it up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Device, Json, Limit, Wait, Yes, confirmed, pairs
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.reading import data_of, put, text_of
from cpe_manager.cli.render import coloured_diff, err, fields, out, show_json, show_json_items, table, tame, when
from cpe_manager.domain.commit_path import END, Phase
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.lockout import Lockout

if TYPE_CHECKING:
    from cpe_manager.api.schemas.pushes import PlanView, PushDetailView, PushView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_LOOK_AGAIN: Final = 0.5
"""Seconds between looks at a push that is followed."""

Change = Annotated[
    Path | None,
    typer.Option(
        "--change", help="File (JSON or TOML; - is JSON on standard input) with what changes in the neutral model."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One value, such as wan.username=fb1@isp.example; repeatable."),
]
Lines = Annotated[
    Path | None, typer.Option(help="File with commands in the device's own language; - is standard input.")
]
Version = Annotated[int | None, typer.Option(help="A stored version to bring back; 0 is the current one.", min=0)]
Override = Annotated[list[Lockout] | None, typer.Option(help="Accept this predicted lock-out; repeatable.")]
Guard = Annotated[int | None, typer.Option(help="Seconds after which the device takes an unconfirmed change back.")]
PushId = Annotated[str, typer.Argument(help="The push's id.", metavar="PUSH")]


@app.command()
def plan(
    ctx: typer.Context,
    device: Device,
    change: Change = None,
    setting: Set = None,
    lines: Lines = None,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show what would change on a device. Reads it, changes nothing."""
    with state_of(ctx).client() as client:
        found = client.plan_push({"device": device, **_wanted(change, setting, lines, version)})
    if as_json:
        show_json(found)
    else:
        show_plan(found)


@app.command()
def apply(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    change: Change = None,
    setting: Set = None,
    lines: Lines = None,
    version: Version = None,
    override: Override = None,
    guard: Guard = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same push.")] = None,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Change a device: it is armed to take the change back by itself, changed, looked at, and only then confirmed.

    Shows the plan and asks first. Exit code 14 when the change was not confirmed.
    """
    body = {"device": device, **_wanted(change, setting, lines, version)}
    _push(ctx, body, override or [], guard, key=key, yes=yes, wait=wait, as_json=as_json)


def restore(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    version: Annotated[int, typer.Option(help="The stored version; default: the current one.", min=0)] = 0,
    override: Override = None,
    guard: Guard = None,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Bring a stored version back onto a device, by the same way as any change."""
    body = {"device": device, "version": version}
    _push(ctx, body, override or [], guard, key=None, yes=yes, wait=wait, as_json=as_json)


def _push(  # noqa: PLR0913 - what the commands were given
    ctx: typer.Context,
    body: dict[str, Any],
    overrides: list[Lockout],
    guard: int | None,
    *,
    key: str | None,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    with state_of(ctx).client() as client:
        found = client.plan_push(body)
        if not as_json:
            show_plan(found)
        if found.empty:
            if as_json:
                show_json(found)
            return
        check_lockouts(found, overrides)
        confirmed(f"Change {found.device}?", yes=yes)
        asked = {**body, "basis": found.basis, "overrides": overrides}
        if guard is not None:
            asked["guard_seconds"] = guard
        made = client.push(asked, key=key)
        follow_to_end(client, made, wait=wait, as_json=as_json)


def check_lockouts(plan: PlanView, overrides: list[Lockout]) -> None:
    """Raises ``InputError`` for a predicted lock-out that nobody accepted."""
    if open_ones := [one for one in plan.lockouts if one.kind not in overrides]:
        names = " ".join(f"--override {one.kind}" for one in open_ones)
        raise InputError(f"this would lock us out; if it is meant, say {names}")


def follow_to_end(client: Client, made: PushView, *, wait: bool, as_json: bool) -> None:
    """Tell of a push that was started, and with ``wait`` of its end. Raises ``JobFailed`` when it was not confirmed."""
    if not wait:
        _started(made, as_json=as_json)
        return
    try:
        ended = _follow(client, made, quiet=as_json)
    except KeyboardInterrupt:
        err(f"push {made.id} goes on: cpe-manager push status {made.id}")
        raise
    if as_json:
        show_json(ended)
    if ended.phase is not Phase.CONFIRMED:
        raise JobFailed(f"{ended.device}: {ended.phase}" + (f": {ended.reason}" if ended.reason else ""))
    if not as_json:
        out(f"{ended.device}: confirmed")


def _started(made: PushView, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        out(f"push {made.id} started: cpe-manager push status {made.id}")


def _follow(client: Client, made: PushView, *, quiet: bool) -> PushDetailView:
    told = 0
    while True:
        seen = client.push_status(made.id)
        steps = [step for step in seen.journal if step.result is not None]
        for step in steps[told:] if not quiet else ():
            err(
                f"{step.at.astimezone():%H:%M:%S}  {step.step:9} {step.result}"
                + (f": {tame(step.reason)}" if step.reason else "")
            )
        told = len(steps)
        if seen.ended_at is not None:
            return seen
        time.sleep(_LOOK_AGAIN)  # noqa: TID251 - the command line waits; it has no event loop


@app.command()
def status(ctx: typer.Context, push: PushId, as_json: Json = False) -> None:
    """Show a push and its journal."""
    with state_of(ctx).client() as client:
        found = client.push_status(push)
    if as_json:
        show_json(found)
        return
    fields(
        [
            ("push", found.id), ("device", found.device), ("what", found.summary), ("phase", found.phase),
            ("reason", found.reason), ("asked for by", found.requested_by), ("created", when(found.created_at)),
            ("ended", when(found.ended_at) if found.ended_at else None), ("given up by", found.withdrawn_by),
        ]
    )  # fmt: skip
    rows = [(step.at, step.step, step.result or "begun", step.reason, step.deadline) for step in found.journal]
    table(("at", "step", "result", "reason", "device reverts at"), rows, none="nothing was done yet")


@app.command("list")
def listing(
    ctx: typer.Context,
    device: Annotated[str | None, typer.Option(help="Only pushes of this device.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List pushes, newest first."""
    with state_of(ctx).client() as client:
        found = list(client.pushes(limit=limit, device=device, open=open_only or None))
    if as_json:
        show_json_items(found)
        return
    rows = [(one.id, one.device, one.summary, one.phase, one.created_at, one.reason) for one in found]
    table(("push", "device", "what", "phase", "created", "reason"), rows, none="no pushes yet")


@app.command()
def cancel(ctx: typer.Context, push: PushId, as_json: Json = False) -> None:
    """Give a push up. What it did to the device is taken back."""
    with state_of(ctx).client() as client:
        found = client.withdraw_push(push)
    if as_json:
        show_json(found)
    elif found.phase in END:
        out(f"{found.device}: {found.phase}")
    else:
        out(f"{found.device}: being given up; cpe-manager push status {found.id}")


def _wanted(change: Path | None, settings: list[str] | None, lines: Path | None, version: int | None) -> dict[str, Any]:
    """What the options say is wanted. Raises ``InputError``."""
    wanted: dict[str, Any] = {}
    if change is not None or settings:
        wanted["change"] = put(data_of(change) if change is not None else {}, pairs(settings or [], "--set"))
    if lines is not None:
        wanted["lines"] = [line for line in text_of(lines).splitlines() if line.strip()]
    if version is not None:
        wanted["version"] = version
    if len(wanted) != 1:
        raise InputError("say what is wanted: --change FILE or --set NAME=VALUE, --lines FILE, or --version N")
    return wanted


def show_plan(plan: PlanView) -> None:
    if plan.empty:
        err(f"{plan.device}: nothing to change")
        return
    for part in plan.neutral:
        out(f"{part.part}: {brief(part.before)} -> {brief(part.after)}")
    if plan.neutral:
        out()
    if plan.native.startswith("--- "):
        coloured_diff(plan.native)
    else:
        out(tame(plan.native).removesuffix("\n"))
    for one in plan.lockouts:
        err(f"would lock us out ({one.kind}): {one.reason}")
    for warning in plan.warnings:
        err(f"note: {warning}")


def brief(value: Any) -> str:
    return "not configured" if value is None else tame(json.dumps(value, ensure_ascii=False))
