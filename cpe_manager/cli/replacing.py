"""``cpe-manager devices replace`` and ``devices replacement``: other hardware on a position, and its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.journals import begun, followed
from cpe_manager.cli.options import Json, Limit, Wait, Yes, confirmed, pairs
from cpe_manager.cli.progress import JobFailed
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, tame, when
from cpe_manager.domain.replacement.replacements import Ask, Stage

if TYPE_CHECKING:
    from cpe_manager.api.schemas.replacements import ReplacementDetailView, ReplacementView, RestorePlanView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Where = Annotated[str, typer.Argument(help="A device, or a site with one device.", metavar="SITE|DEVICE")]
Which = Annotated[str, typer.Argument(help="The replacement's id.", metavar="REPLACEMENT")]
Names = Annotated[
    list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="An interface's name on the new box; repeatable.")
]
Consent = Annotated[
    str | None,
    typer.Option(help="The customer agrees to factory settings should the restore fail: who, when, how."),
]
HostKeyOption = Annotated[
    str | None, typer.Option("--host-key", help="Fingerprint of its host key (SHA256:...), read on the box itself.")
]


def replace(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    where: Where,
    serial: Annotated[str, typer.Option(help="Serial number of the new hardware.")],
    model: Annotated[str | None, typer.Option(help="Model of the new hardware, when it differs.")] = None,
    address: Annotated[str | None, typer.Option(help="Its address, when it differs.")] = None,
    port: Annotated[int | None, typer.Option(help="Its SSH port, when it differs.", min=1, max=65535)] = None,
    family: Annotated[str | None, typer.Option(help="Its family, when it differs.")] = None,
    bootstrap_credential: Annotated[
        str | None, typer.Option(help="Name of the log-in that the new box answers to, when it is not the device's.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="The version to restore; default: the latest good one.", min=1)
    ] = None,
    host_key: HostKeyOption = None,
    name_map: Names = None,
    factory_consent: Consent = None,
    on_demand: Annotated[
        str | None, typer.Option(help="Who ordered the restore, when and how, where the subscription has none.")
    ] = None,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Only note the swap: nothing is restored, the next key is trusted.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same again gives the same replacement.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Swap the hardware of a position: the configuration comes back onto the new unit.

    Its host key, and whatever would be lost, is shown and has to be accepted. Exit code 14 when it was not closed.
    """
    if record_only:
        _record(ctx, where, {"serial": serial, "model": model, "address": address}, as_json=as_json)
        return
    given: dict[str, Any] = {
        "device": where, "serial": serial, "model": model, "address": address, "port": port, "family": family,
        "bootstrap_credential": bootstrap_credential, "version": version, "host_key": host_key,
        "factory_consent": factory_consent, "on_demand": on_demand,
    }  # fmt: skip
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    body["names"] = pairs(name_map or [], "--map")
    with state_of(ctx).client() as client:
        made = client.order_replacement(body, key=key)
        _and_then(client, made, wait=wait, as_json=as_json)


def _record(ctx: typer.Context, device: str, body: dict[str, str | None], *, as_json: bool) -> None:
    with state_of(ctx).client() as client:
        found = client.device_verb(device, "replace", {key: value for key, value in body.items() if value})
    if as_json:
        show_json(found)
    else:
        out(f"{found.name}: hardware {found.serial} in service; its history goes on, a backup follows")


def _and_then(client: Client, made: ReplacementView, *, wait: bool, as_json: bool) -> None:
    """Follow it to where a person is asked, or to its end."""
    show = f"cpe-manager devices replacement show {made.id}"
    if not wait:
        begun(made, f"replacement {made.id} under way: {show}", as_json=as_json)
        return
    seen = followed(
        lambda: client.replacement(made.id), lambda one: one.ended_at is not None or bool(one.asks),
        f"replacement {made.id} goes on: {show}", as_json=as_json,
    )  # fmt: skip
    if seen.ended_at is None:
        if not as_json:
            _show_asks(seen)
        if Ask.RETRY in seen.asks:
            raise JobFailed(f"{seen.device}: {seen.note}")
    elif seen.stage is not Stage.CLOSED:
        raise JobFailed(f"{seen.device}: {seen.stage}" + (f": {seen.reason}" if seen.reason else ""))
    elif not as_json:
        out(f"{seen.device}: hardware {seen.serial} in service, its configuration is back")


@app.command("list")
def listing(
    ctx: typer.Context,
    device: Annotated[str | None, typer.Option(help="Only those of this device's position.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List replacements, newest first."""
    with state_of(ctx).client() as client:
        found = list(client.replacements(limit=limit, device=device, open=open_only or None))
    if as_json:
        show_json_items(found)
        return
    rows = [
        (one.id, one.device, one.serial, one.stage, " ".join(one.asks), one.created_at, one.reason or one.note)
        for one in found
    ]
    heads = ("replacement", "device", "serial", "stage", "asks", "created", "note")
    table(heads, rows, none="no replacements yet")


@app.command()
def show(ctx: typer.Context, replacement: Which, as_json: Json = False) -> None:
    """Show a replacement: what is asked, what would be lost, what was done."""
    with state_of(ctx).client() as client:
        found = client.replacement(replacement)
    if as_json:
        show_json(found)
        return
    facts = found.report.get("facts", {})
    fields(
        [
            ("replacement", found.id), ("device", found.device), ("site", found.site), ("serial", found.serial),
            ("address", found.address), ("family", found.family), ("stage", found.stage), ("note", found.note),
            ("host key", found.host_key), ("accepted key", found.accepted_host_key), ("model", facts.get("model")),
            ("OS release", _release(facts)), ("push", found.push_id), ("consent", found.factory_consent),
            ("recorded by", found.consent_recorded_by), ("ordered by", found.requested_by),
            ("created", when(found.created_at)), ("ended", when(found.ended_at) if found.ended_at else None),
            ("reason", found.reason), ("called off by", found.cancelled_by),
        ]
    )  # fmt: skip
    if found.plan is not None:
        out()
        _show_plan(found.plan)
    rows = [(step.at, step.step, step.result or "begun", step.reason) for step in found.journal]
    out()
    table(("at", "step", "result", "reason"), rows, none="nothing was done yet")
    if tests := found.report.get("tests"):
        out()
        table(("test", "passed"), [(test["test"], "yes" if test["passed"] else "NO") for test in tests], none="")
    for tried in found.report.get("tried", ()):
        out(f"tried: {tame(tried)}")
    _show_asks(found)


@app.command()
def accept(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    replacement: Which,
    host_key: HostKeyOption = None,
    accept_losses: Annotated[
        str | None, typer.Option(metavar="FINGERPRINT", help="The plan's fingerprint: all that it lists is accepted.")
    ] = None,
    name_map: Names = None,
    factory_consent: Consent = None,
    retry: Annotated[bool, typer.Option("--retry", help="It may be tried again.")] = False,
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Answer what a replacement asks. Without options what is asked is shown, and you are asked about it."""
    with state_of(ctx).client() as client:
        found = client.replacement(replacement)
        given = {
            "host_key": host_key, "losses": accept_losses, "factory_consent": factory_consent,
            "names": pairs(name_map or [], "--map"), "retry": retry,
        }  # fmt: skip
        body: dict[str, Any] = {name: value for name, value in given.items() if value}
        if not body:
            body = _asked_about(found, yes=yes)
        _and_then(client, client.accept_replacement(found.id, body), wait=wait, as_json=as_json)


def _asked_about(found: ReplacementDetailView, *, yes: bool) -> dict[str, Any]:
    """The answer of a person who has seen what is asked. ``--yes`` accepts no key and no loss: name those."""
    _show_asks(found)
    if Ask.RETRY in found.asks:
        confirmed("Try again?", yes=yes)
        return {"retry": True}
    if Ask.KEY in found.asks and found.host_key:
        confirmed(f"Is {found.host_key} the key of the box with serial {found.serial}?", yes=False)
        return {"host_key": found.host_key}
    if Ask.PLAN in found.asks and found.plan:
        confirmed("Go on with all of that?", yes=False)
        return {"losses": found.plan.fingerprint}
    return {}


@app.command()
def cancel(ctx: typer.Context, replacement: Which, as_json: Json = False) -> None:
    """Call a replacement off. What a restore on its way has done is taken back."""
    with state_of(ctx).client() as client:
        found = client.cancel_replacement(replacement)
    if as_json:
        show_json(found)
    else:
        out(f"{found.device}: being called off; cpe-manager devices replacement show {found.id}")


def _show_asks(found: ReplacementDetailView) -> None:
    how = f"cpe-manager devices replacement accept {found.id}"
    if Ask.KEY in found.asks:
        err(f"asks: {tame(found.note)}")
        err(f"      {how} --host-key {found.host_key}")
    if Ask.PLAN in found.asks and found.plan is not None:
        _show_plan(found.plan)
        err(f"asks: {tame(found.note)}")
        err(f"      {how} --accept-losses {found.plan.fingerprint}")
    if Ask.RETRY in found.asks:
        err(f"asks: {tame(found.note)}")
        err(f"      {how} --retry")
    if Ask.CONSENT in found.asks:
        err(f'      {how} --factory-consent "who, when, how"')


def _show_plan(plan: RestorePlanView) -> None:
    ways = {
        "whole": f"version {plan.version} comes back whole",
        "model": f"what version {plan.version} means comes back, from {plan.from_family} onto {plan.to_family}",
        "nothing": f"the box is version {plan.version} already",
    }
    out(ways[plan.way])
    for old, new in plan.renamed.items():
        out(f"interface {tame(old)} becomes {tame(new)}")
    for name in plan.unmapped:
        out(f"interface {tame(name)} is not on the new box")
    for loss in plan.losses:
        out(f"lost: {tame(loss.part)}: {tame(loss.reason)}")
        for line in loss.lines:
            out(f"      {tame(line)}")
    for one in plan.lockouts:
        out(f"may lock us out ({one.kind}): {tame(one.reason)}")


def _release(facts: dict[str, Any]) -> str | None:
    if not facts:
        return None
    fleet = f"; the fleet runs {facts['fleet_release']}" if facts.get("fleet_release") else ""
    return f"{facts.get('os_release') or 'unknown'} ({facts.get('release')}{fleet})"
