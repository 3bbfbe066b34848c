"""``cpe-manager push`` and ``restore``: look at a change of a device, make it, follow it, give it up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Device, Json, Limit, Wait, Yes, confirmed, pairs
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.push_text import noted, refuse, show_change, show_plan, show_push, waits
from cpe_manager.cli.reading import data_of, put, text_of
from cpe_manager.cli.render import err, out, show_json, show_json_items, table, tame
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.push.commit_path import END, Phase
from cpe_manager.domain.push.lockout import Lockout

if TYPE_CHECKING:
    from cpe_manager.api.schemas.pushes import PushDetailView, PushView
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
Reboot = Annotated[bool, typer.Option("--reboot", help="Restart the device; what was not saved is lost.")]
ManagedAt = Annotated[
    str | None,
    typer.Option("--managed-at", metavar="ADDRESS", help="Where the device is managed after the change, if elsewhere."),
]
Override = Annotated[list[Lockout] | None, typer.Option(help="Accept this predicted lock-out; repeatable.")]
Guard = Annotated[int | None, typer.Option(help="Seconds after which the device takes an unconfirmed change back.")]
Probes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        metavar="PROBE",
        help="What has to hold afterwards, or it is taken back: tcp:HOST:PORT from here, ping:ADDRESS from the device, "
        "config:PART=VALUE; repeatable.",
    ),
]
Accept = Annotated[list[str] | None, typer.Option("--accept", metavar="CHECK", help="Accept this finding; repeatable.")]
Basis = Annotated[str | None, typer.Option(help="Only if the device still runs what this plan was made for.")]
Now = Annotated[bool, typer.Option("--now", help="Outside of windows and in freezes, too.")]
Urgent = Annotated[bool, typer.Option("--urgent", help="Before all that queues, at any time, held by no limit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")]
PushId = Annotated[str, typer.Argument(help="The push's id.", metavar="PUSH")]


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    change: Change = None,
    setting: Set = None,
    lines: Lines = None,
    version: Version = None,
    reboot: Reboot = False,
    managed_at: ManagedAt = None,
    probe: Probes = None,
    as_json: Json = False,
) -> None:
    """Show what would change on a device, in words of no vendor and in its own. Reads it, changes nothing."""
    wanted = _wanted(change, setting, lines, version, reboot=reboot) | _moved(managed_at)
    with state_of(ctx).client() as client:
        found = client.plan_push({"device": device, **wanted, "probes": probe or []})
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
    reboot: Reboot = False,
    managed_at: ManagedAt = None,
    override: Override = None,
    accept: Accept = None,
    probe: Probes = None,
    guard: Guard = None,
    basis: Basis = None,
    now: Now = False,
    urgent: Urgent = False,
    dry_run: DryRun = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same push.")] = None,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Change a device: it is armed to take the change back by itself, changed, looked at, and only then confirmed.

    Shows the plan and asks first. Exit code 14 when the change was not confirmed.
    """
    wanted = _wanted(change, setting, lines, version, reboot=reboot) | _moved(managed_at)
    body = {"device": device, **wanted, "probes": probe or []}
    how = _how(override, accept, guard, now=now, urgent=urgent) | ({} if basis is None else {"basis": basis})
    _push(ctx, body, how, key=key, yes=yes, wait=wait, as_json=as_json, dry_run=dry_run)


def restore(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    version: Annotated[int, typer.Option(help="The stored version; default: the current one.", min=0)] = 0,
    on_demand: Annotated[
        str | None, typer.Option(help="Who ordered it, when and how, where the subscription has no restore.")
    ] = None,
    override: Override = None,
    accept: Accept = None,
    probe: Probes = None,
    guard: Guard = None,
    now: Now = False,
    urgent: Urgent = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Bring a stored version back onto a device, by the same way as any change."""
    body = {"device": device, "version": version, "probes": probe or []}
    body |= {} if on_demand is None else {"on_demand": on_demand}
    how = _how(override, accept, guard, now=now, urgent=urgent)
    _push(ctx, body, how, key=None, yes=yes, wait=wait, as_json=as_json, dry_run=dry_run)


def _how(
    override: list[Lockout] | None, accept: list[str] | None, guard: int | None, *, now: bool, urgent: bool
) -> dict[str, Any]:
    """The options on how a change is made."""
    how: dict[str, Any] = {"overrides": override or [], "accepted": accept or [], "now": now, "urgent": urgent}
    return how if guard is None else {**how, "guard_seconds": guard}


def _push(  # noqa: PLR0913 - what the commands were given
    ctx: typer.Context,
    body: dict[str, Any],
    how: dict[str, Any],
    *,
    key: str | None,
    yes: bool,
    wait: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    with state_of(ctx).client() as client:
        found = client.plan_push(body)
        if not as_json:
            show_plan(found)
        if found.empty or dry_run:
            if as_json:
                show_json(found)
            return
        refuse(found, how["overrides"], how["accepted"])
        confirmed(f"{'Restart' if body.get('reboot') else 'Change'} {found.device}?", yes=yes)
        asked = {"basis": found.basis, **body, **how}
        made = client.push(asked, key=key)
        follow_to_end(client, made, wait=wait, as_json=as_json)


def follow_to_end(client: Client, made: PushView, *, wait: bool, as_json: bool) -> None:
    """Stay until it has ended, unless that was not wanted or it waits for its window. Raises ``JobFailed``."""
    if not wait or made.waiting is not None:
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
        more = f"\nthe new plan: cpe-manager push again {ended.id}" if ended.offer is not None else ""
        raise JobFailed(f"{ended.device}: {ended.phase}" + (f": {ended.reason}" if ended.reason else "") + more)
    if not as_json:
        out(f"{ended.device}: confirmed")


def _started(made: PushView, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
    elif made.waiting is not None:
        out(f"push {made.id} {waits(made.waiting)}: cpe-manager push status {made.id}")
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
            for note in step.notes:
                err(f"{'':10}{tame(note.what)}: {noted(note)}")
        told = len(steps)
        if seen.ended_at is not None:
            return seen
        time.sleep(_LOOK_AGAIN)  # noqa: TID251 - the command line waits; it has no event loop


@app.command()
def again(
    ctx: typer.Context,
    push: PushId,
    basis: Basis = None,
    now: Now = False,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Ask once more for a change that came to nothing. Shows the new plan where the device was changed meanwhile."""
    with state_of(ctx).client() as client:
        old = client.push_status(push)
        if old.offer is not None and not as_json:
            show_change(old.offer.neutral, old.offer.native)
        confirmed(f"Change {old.device}?", yes=yes)
        made = client.push_again(push, {"basis": basis, "now": now})
        follow_to_end(client, made, wait=wait, as_json=as_json)


@app.command()
def settle(
    ctx: typer.Context,
    push: PushId,
    runs: Annotated[str, typer.Option("--as", metavar="before|after", help="What the device was found to run.")],
    note: Annotated[str, typer.Option(help="What was seen and done; kept with the push.")],
    as_json: Json = False,
) -> None:
    """Say what the device of a stuck push runs. Its alarm is over, and it takes changes again."""
    with state_of(ctx).client() as client:
        found = client.settle_push(push, {"settled_as": runs, "note": note})
    if as_json:
        show_json(found)
    else:
        out(f"{found.device}: settled as {runs}")


@app.command()
def status(ctx: typer.Context, push: PushId, as_json: Json = False) -> None:
    """Show a push and its journal."""
    with state_of(ctx).client() as client:
        found = client.push_status(push)
    if as_json:
        show_json(found)
        return
    show_push(found)


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


def _moved(managed_at: str | None) -> dict[str, Any]:
    return {} if managed_at is None else {"managed_at": managed_at}


def _wanted(
    change: Path | None, settings: list[str] | None, lines: Path | None, version: int | None, *, reboot: bool
) -> dict[str, Any]:  # fmt: skip
    """What the options say is wanted. Raises ``InputError``."""
    wanted: dict[str, Any] = {}
    if change is not None or settings:
        wanted["change"] = put(data_of(change) if change is not None else {}, pairs(settings or [], "--set"))
    if lines is not None:
        wanted["lines"] = [line for line in text_of(lines).splitlines() if line.strip()]
    if version is not None:
        wanted["version"] = version
    if reboot:
        wanted["reboot"] = True
    if len(wanted) != 1:
        raise InputError(
            "say what is wanted: --change FILE or --set NAME=VALUE, --lines FILE, --version N, or --reboot"
        )
    return wanted
