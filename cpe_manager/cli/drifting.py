"""``cpe-manager drift``: which devices are out of step, in what, and how to bring them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Device, Json, Wait, Yes, confirmed
from cpe_manager.cli.push_text import brief, refuse, show_plan
from cpe_manager.cli.pushing import Guard, Override, follow_to_end
from cpe_manager.cli.render import coloured_diff, err, fields, out, show_json, show_json_items, table, tame, when
from cpe_manager.domain.backup.drift import Verdict
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.drift import ComparedView, DriftDetailView, LastChangeView, StandingView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_WORDS = {
    Verdict.IN_STEP: "in step",
    Verdict.CHANGED: "changed",
    Verdict.UNSAVED: "unsaved",
    Verdict.CHANGED_UNSAVED: "changed, unsaved",
}


@app.command("list")
def listing(
    ctx: typer.Context,
    verdict: Annotated[list[Verdict] | None, typer.Option(help="Only with this verdict; repeatable.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Devices in step as well.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List devices that run something other than what was confirmed, or than what they would come up with."""
    with state_of(ctx).client() as client:
        verdicts = [str(one) for one in verdict or []] or None
        found = list(client.drifts(limit=limit, verdict=verdicts, all=everything or None))
    if as_json:
        show_json_items(found)
        return
    columns = ("device", "site", "family", "verdict", "since", "confirmed", "running", "last changed by")
    rows = [
        (
            one.device,
            one.site,
            one.family,
            _WORDS[one.standing.verdict],
            one.standing.changed_since or one.standing.unsaved_since,
            one.confirmed,
            one.running,
            _change(one.standing.last_change),
        )
        for one in found
    ]
    table(columns, rows, none="every device is in step")


@app.command()
def show(
    ctx: typer.Context,
    device: Device,
    live: Annotated[
        bool, typer.Option("--live", help="Read the device now, and what it would come up with after a restart.")
    ] = False,
    context: Annotated[int, typer.Option(min=0, help="Lines of context in differences.")] = 3,
    as_json: Json = False,
) -> None:
    """Show in what a device differs from what was confirmed, in the neutral model and in its own language."""
    with state_of(ctx).client() as client:
        found = client.drift(device, live=live, context=context)
    if as_json:
        show_json(found)
        return
    _describe(found)


@app.command()
def adopt(
    ctx: typer.Context,
    device: Device,
    basis: Annotated[
        str | None, typer.Option(help="Fingerprint of what was looked at (drift show); default: look first.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make what a device ran at its last backup the confirmed version. Shows it and asks first."""
    with state_of(ctx).client() as client:
        if basis is None:
            found = client.drift(device)
            if not as_json:
                _describe(found)
            if found.changed is None:
                raise InputError(f"{found.drift.device} runs what is confirmed; there is nothing to adopt")
            confirmed(f"Is what {found.drift.device} runs what is wanted?", yes=yes)
            device, basis = found.drift.device_id, found.basis
        done = client.adopt_drift(device, basis)
    if as_json:
        show_json(done)
    else:
        out(f"{done.device}: version {done.confirmed} is confirmed")


@app.command()
def remediate(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    override: Override = None,
    guard: Guard = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same push.")] = None,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Bring the confirmed version back onto a device by the same way as any change, or have it save what it runs.

    Saving is what is done where nothing else is missing.

    Shows the plan and asks first. Exit code 14 when it was not confirmed.
    """
    with state_of(ctx).client() as client:
        found = client.drift(device, live=True)
        name = found.drift.device
        if found.verdict is Verdict.IN_STEP:
            if as_json:
                show_json(found)
            else:
                err(f"{name}: in step, nothing to do")
            return
        if found.changed is not None:
            plan = client.plan_push({"device": found.drift.device_id, "version": found.drift.confirmed})
            if not as_json:
                show_plan(plan)
            refuse(plan, override or [], [])
        elif not as_json:
            _describe(found)
        confirmed(f"{'Bring back' if found.changed else 'Save'} what is confirmed on {name}?", yes=yes)
        body: dict[str, Any] = {"basis": found.basis, "overrides": override or []}
        if guard is not None:
            body["guard_seconds"] = guard
        made = client.remediate_drift(found.drift.device_id, body, key=key)
        follow_to_end(client, made, wait=wait, as_json=as_json)


def _describe(found: DriftDetailView) -> None:
    one, standing = found.drift, found.drift.standing
    startup = "not asked" if found.tells_startup and not found.live else "the device cannot tell"
    if found.tells_startup and (found.live or standing.startup_at):
        startup = f"as of {when(standing.startup_at)}"
    fields(
        [
            ("device", one.device), ("verdict", _WORDS[found.verdict]), ("looked at", "now" if found.live else None),
            ("confirmed", f"version {one.confirmed}, {standing.how}, by {standing.confirmed_by}"),
            ("running", None if found.live else f"version {one.running}"),
            ("changed since", when(standing.changed_since) if standing.changed_since else None),
            ("last changed by", _change(found.last_change)),
            ("unsaved since", when(standing.unsaved_since) if standing.unsaved_since else None),
            ("startup", startup), ("basis", found.basis),
        ]
    )  # fmt: skip
    _differences("runs something other than what was confirmed", found.changed)
    _differences("would come up with something other than what it runs", found.unsaved)


def _differences(heading: str, found: ComparedView | None) -> None:
    if found is None:
        return
    out(f"\n{heading}:")
    for part in found.neutral or []:
        out(f"{part.part}: {brief(part.before)} -> {brief(part.after)}")
    out()
    coloured_diff(found.native)


def _change(change: LastChangeView | None) -> str | None:
    if change is None:
        return None
    return tame(f"{change.by}, {change.when}" if change.when else change.by)


def standing_words(standing: StandingView) -> str:
    """How a device stands, in one line."""
    since = standing.changed_since or standing.unsaved_since
    words = _WORDS[standing.verdict] + (f" since {when(since)}" if since else "")
    by = _change(standing.last_change)
    return f"{words}; last changed by {by}" if by else words
