"""``cpe-manager rollout``: change many devices, wave by wave, and follow, halt and report it."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Limit, Wait, Yes, confirmed, pairs
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.reading import data_of, put, table_of, text_of
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, tame, when
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.rollout.rollouts import OVER, DeviceEnd, RolloutState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.rollouts import RolloutDetailView, RolloutPlanView, RolloutView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_LOOK_AGAIN: Final = 2.0
"""Seconds between looks at a roll-out that is followed."""
_MOST_SHOWN: Final = 3
"""Devices of a plan that are shown whole."""


class Renders(StrEnum):
    LINES = "lines"
    CHANGE = "change"


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    CSV = "csv"


Name = Annotated[str, typer.Argument(help="What the roll-out is called.", metavar="NAME")]
Devices = Annotated[list[str] | None, typer.Option("--device", "-d", help="A device; repeatable.")]
Group = Annotated[str | None, typer.Option(help="All of this group and the groups below it.")]
Family = Annotated[str | None, typer.Option(help="All of this family.")]
Site = Annotated[str | None, typer.Option(help="All of this site.")]
Node = Annotated[str | None, typer.Option("--access-node", help="All behind this access node.")]
All = Annotated[bool, typer.Option("--all", help="All active devices.")]
Template = Annotated[Path | None, typer.Option(help="File with a Jinja2 template; - is standard input.")]
Kind = Annotated[Renders, typer.Option("--renders", help="What the template renders to.")]
Change = Annotated[Path | None, typer.Option(help="File (JSON or TOML) with a change of the neutral model.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value of the change; repeatable.")
]
Vars = Annotated[Path | None, typer.Option("--vars", help="File (JSON or TOML) with the template's vars.")]
Var = Annotated[list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="One of the vars; repeatable.")]
Table = Annotated[
    Path | None,
    typer.Option("--table", help="File (CSV or JSON) with the template's row for each device; also says which ones."),
]
Secret = Annotated[list[str] | None, typer.Option(help="A variable or column that is never shown; repeatable.")]
Canary = Annotated[int, typer.Option(help="Devices tried first; if one fails, all ends.", min=0)]
Waves = Annotated[list[str] | None, typer.Option("--wave", help="Size of a wave, as 25 or 10%; repeatable, in order.")]
WaveSize = Annotated[str | None, typer.Option(help="Size of the waves after those; default: one wave.")]
Soak = Annotated[int, typer.Option(help="Seconds of pause after each wave.", min=0)]
Budget = Annotated[str, typer.Option(help="Devices that may go wrong, as 5 or 2%; with one more it stops.")]
InFlight = Annotated[int, typer.Option(help="Pushes in flight at once.", min=1)]
PerNode = Annotated[int, typer.Option(help="Pushes in flight behind one access node; 0: no limit.", min=0)]
Override = Annotated[list[Lockout] | None, typer.Option(help="Accept this predicted lock-out; repeatable.")]
Guard = Annotated[int | None, typer.Option(help="Seconds after which a device takes an unconfirmed change back.")]
RolloutId = Annotated[str, typer.Argument(help="The roll-out's id.", metavar="ROLLOUT")]


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Name = "plan",
    device: Devices = None,
    group: Group = None,
    family: Family = None,
    site: Site = None,
    access_node: Node = None,
    all_devices: All = False,
    template: Template = None,
    renders: Kind = Renders.LINES,
    change: Change = None,
    setting: Set = None,
    variables: Vars = None,
    variable: Var = None,
    rows: Table = None,
    secret: Secret = None,
    canary: Canary = 1,
    wave: Waves = None,
    wave_size: WaveSize = None,
    soak: Soak = 0,
    budget: Budget = "0",
    in_flight: InFlight = 32,
    per_node: PerNode = 4,
    full: Annotated[bool, typer.Option("--full", help="Show what every device would get.")] = False,
    as_json: Json = False,
) -> None:
    """Show what each device would get, and in which wave. Asks no device, changes nothing."""
    body = {
        "name": name,
        "select": _selection(device, group, family, site, access_node, all_devices=all_devices),
        **_content(template, renders, change, setting),
        **_variables(variables, variable, rows, secret),
        **_pace(canary, wave, wave_size, soak, budget),
        "max_in_flight": in_flight,
        "per_access_node": per_node,
    }
    with state_of(ctx).client() as client:
        found = client.plan_rollout(body)
    if as_json:
        show_json(found)
    else:
        _show_plan(found, full=full)


@app.command()
def start(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Name,
    device: Devices = None,
    group: Group = None,
    family: Family = None,
    site: Site = None,
    access_node: Node = None,
    all_devices: All = False,
    template: Template = None,
    renders: Kind = Renders.LINES,
    change: Change = None,
    setting: Set = None,
    variables: Vars = None,
    variable: Var = None,
    rows: Table = None,
    secret: Secret = None,
    canary: Canary = 1,
    wave: Waves = None,
    wave_size: WaveSize = None,
    soak: Soak = 0,
    budget: Budget = "0",
    in_flight: InFlight = 32,
    per_node: PerNode = 4,
    override: Override = None,
    guard: Guard = None,
    hold: Annotated[bool, typer.Option("--hold", help="Only write it down; rollout resume begins it.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same roll-out.")] = None,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Change many devices: canaries first, then wave by wave, each device by a push of its own.

    Shows the plan and asks first. Exit code 14 when it was stopped, or a device did not take the change.
    """
    body = {
        "name": name,
        "select": _selection(device, group, family, site, access_node, all_devices=all_devices),
        **_content(template, renders, change, setting),
        **_variables(variables, variable, rows, secret),
        **_pace(canary, wave, wave_size, soak, budget),
        "max_in_flight": in_flight,
        "per_access_node": per_node,
        "overrides": override or [],
        "hold": hold,
        **({"guard_seconds": guard} if guard is not None else {}),
    }
    with state_of(ctx).client() as client:
        if not yes:
            found = client.plan_rollout(body)
            _show_plan(found, full=False, to_people=as_json)
            confirmed(f"Change {len(found.devices)} devices?", yes=yes)
        made = client.start_rollout(body, key=key)
        if hold or not wait:
            _started(made, as_json=as_json)
            return
        ended = _follow(client, made.id, quiet=as_json)
    _finish(ended, as_json=as_json)


@app.command("list")
def listing(
    ctx: typer.Context,
    state: Annotated[RolloutState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List roll-outs, newest first."""
    with state_of(ctx).client() as client:
        found = list(client.rollouts(limit=limit, state=state))
    if as_json:
        show_json_items(found)
        return
    rows = [(one.id, one.name, one.state, _how_far(one), one.created_at, one.reason) for one in found]
    table(("roll-out", "name", "state", "devices", "created", "reason"), rows, none="no roll-outs yet")


@app.command()
def show(ctx: typer.Context, rollout: RolloutId, as_json: Json = False) -> None:
    """Show a roll-out, wave by wave, with the devices that did not take the change."""
    with state_of(ctx).client() as client:
        found = client.rollout(rollout)
        failed = [] if as_json else list(client.rollout_devices(rollout, outcome=DeviceEnd.FAILED.value, limit=50))
    if as_json:
        show_json(found)
        return
    _show(found)
    if failed:
        rows = [(one.device, one.phase, one.reason, one.push_id) for one in failed]
        table(("device", "phase", "reason", "push"), rows, title="did not take the change")


@app.command()
def watch(ctx: typer.Context, rollout: RolloutId, as_json: Json = False) -> None:
    """Follow a roll-out to its end. Exit code as of start."""
    with state_of(ctx).client() as client:
        ended = _follow(client, rollout, quiet=as_json)
    _finish(ended, as_json=as_json)


@app.command()
def report(
    ctx: typer.Context,
    rollout: RolloutId,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TEXT,
    as_json: Json = False,
) -> None:
    """Every device of a roll-out with what became of it."""
    with state_of(ctx).client() as client:
        if form is Form.CSV and not as_json:
            out(client.rollout_csv(rollout).removesuffix("\n"))
            return
        found = client.rollout_report(rollout)
    if as_json or form is Form.JSON:
        show_json(found)
        return
    _show(found)
    rows = [(one.device, one.wave, one.outcome, one.phase, one.ended_at, one.reason) for one in found.devices]
    table(("device", "wave", "outcome", "phase", "ended", "reason"), rows, title="devices")


@app.command()
def pause(ctx: typer.Context, rollout: RolloutId, as_json: Json = False) -> None:
    """Start nothing more for now. What is in flight ends by itself."""
    _verb(ctx, rollout, "pause", as_json=as_json)


@app.command()
def resume(ctx: typer.Context, rollout: RolloutId, as_json: Json = False) -> None:
    """Go on with a paused roll-out, or begin one that was held."""
    _verb(ctx, rollout, "resume", as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context,
    rollout: RolloutId,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Take back what is in flight and not confirmed yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """End a roll-out for good. What is confirmed stays."""
    _verb(ctx, rollout, "cancel", {"give_up": give_up}, as_json=as_json)


def _verb(ctx: typer.Context, rollout: str, verb: str, body: dict[str, Any] | None = None, *, as_json: bool) -> None:
    with state_of(ctx).client() as client:
        found = client.rollout_verb(rollout, verb, body)
    if as_json:
        show_json(found)
    else:
        out(f"{found.name}: {found.state}, {_how_far(found)}")


def _selection(
    device: list[str] | None,
    group: str | None,
    family: str | None,
    site: str | None,
    access_node: str | None,
    *,
    all_devices: bool,
) -> dict[str, Any]:
    given = {"names": device or None, "group": group, "family": family, "site": site, "access_node": access_node}
    return {**{name: value for name, value in given.items() if value is not None}, "all": all_devices}


def _content(
    template: Path | None, renders: Renders, change: Path | None, settings: list[str] | None
) -> dict[str, Any]:
    if (template is None) == (change is None and not settings):
        raise InputError("say what is rolled out: --template FILE, or --change FILE or --set NAME=VALUE")
    if template is not None:
        return {"template": {"text": text_of(template), "kind": renders.value}}
    return {"change": put({} if change is None else data_of(change), pairs(settings or [], "--set"))}


def _variables(
    variables: Path | None, variable: list[str] | None, rows: Path | None, secret: list[str] | None
) -> dict[str, Any]:
    return {
        "vars": put({} if variables is None else data_of(variables), pairs(variable or [], "--var")),
        "table": {} if rows is None else table_of(rows),
        "secrets": secret or [],
    }


def _pace(canary: int, waves: list[str] | None, wave_size: str | None, soak: int, budget: str) -> dict[str, Any]:
    sizes = {} if wave_size is None else {"wave_size": wave_size}
    return {"canary": canary, "waves": waves or [], **sizes, "soak_seconds": soak, "budget": budget}


def _show_plan(found: RolloutPlanView, *, full: bool, to_people: bool = False) -> None:
    say = err if to_people else out
    waves = found.strategy.waves
    for one in found.devices if full else found.devices[:_MOST_SHOWN]:
        say(f"--- {one.device} ({one.family}, {_wave_name(one.wave)})")
        say(tame(one.order).removesuffix("\n"))
    if not full and len(found.devices) > _MOST_SHOWN:
        say(f"--- and {len(found.devices) - _MOST_SHOWN} more devices (rollout plan --full shows them)")
    sizes = ", ".join(f"{_wave_name(number)}: {size}" for number, size in enumerate(waves) if size)
    say(f"{len(found.devices)} devices; {sizes}; {found.strategy.budget} may go wrong")
    for warning in found.warnings:
        err(f"note: {warning}")


def _wave_name(number: int) -> str:
    return f"wave {number}" if number else "canary"


def _started(made: RolloutView, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        word = "written down" if made.state is RolloutState.PLANNED else "started"
        out(f"roll-out {made.id} {word}: cpe-manager rollout show {made.id}")


def _follow(client: Client, rollout_id: str, *, quiet: bool) -> RolloutDetailView:
    """Until it is over and its last push has ended; a paused one is waited for."""
    told = ""
    try:
        while True:
            seen = client.rollout(rollout_id)
            if seen.state in OVER and not seen.counts[DeviceEnd.IN_FLIGHT]:
                return seen
            line = f"{seen.name}: {seen.state}, {_how_far(seen)}"
            if line != told and not quiet:
                err(line)
            told = line
            time.sleep(_LOOK_AGAIN)  # noqa: TID251 - the command line waits; it has no event loop
    except KeyboardInterrupt:
        err(f"the roll-out goes on: cpe-manager rollout watch {rollout_id}")
        raise


def _finish(ended: RolloutDetailView, *, as_json: bool) -> None:
    if as_json:
        show_json(ended)
    failed = ended.counts[DeviceEnd.FAILED]
    if ended.state is not RolloutState.DONE or failed:
        raise JobFailed(
            f"{ended.name}: {ended.state}, {_how_far(ended)}" + (f": {tame(ended.reason)}" if ended.reason else "")
        )
    if not as_json:
        out(f"{ended.name}: done, {_how_far(ended)}")


def _how_far(one: RolloutView) -> str:
    """``120 of 1000 confirmed, 2 failed, 30 in flight``."""
    words = [f"{one.counts[DeviceEnd.CONFIRMED]} of {one.total} confirmed"]
    shown = (DeviceEnd.UNCHANGED, DeviceEnd.FAILED, DeviceEnd.SKIPPED, DeviceEnd.IN_FLIGHT)
    words += [f"{one.counts[end]} {end.replace('_', ' ')}" for end in shown if one.counts[end]]
    return ", ".join(words)


def _show(found: RolloutDetailView) -> None:
    fields(
        [
            ("roll-out", found.id), ("name", found.name), ("what", found.summary), ("state", found.state),
            ("reason", found.reason), ("devices", _how_far(found)), ("may go wrong", found.strategy.budget),
            ("asked for by", found.requested_by), ("created", when(found.created_at)),
            ("ended", when(found.ended_at) if found.ended_at else None),
        ]
    )  # fmt: skip
    rows = [
        (_wave_name(wave.wave), wave.devices, *(wave.counts[end] for end in DeviceEnd))
        for wave in found.waves
        if wave.devices
    ]
    table(("wave", "devices", *(end.replace("_", " ") for end in DeviceEnd)), rows)
