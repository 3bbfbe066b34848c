"""``cpe-manager backup``: runs, versions, differences, decisions."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cpe_manager.cli.connection import state_of, write_private
from cpe_manager.cli.options import Device, Json, Number, Wait
from cpe_manager.cli.progress import settle
from cpe_manager.cli.render import coloured_diff, err, out, proof, show_json, show_json_items, table, tame
from cpe_manager.domain.backup.backups import BackupState
from cpe_manager.domain.errors import InputError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def run(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Device names.", metavar="[DEVICE...]")] = None,
    group: Annotated[str | None, typer.Option(help="All of this group and the groups below it.")] = None,
    all_devices: Annotated[bool, typer.Option("--all", help="All active devices.")] = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Back up devices now. With --wait (the default) the exit code is 14 when a device failed."""
    body: dict[str, Any] = {"names": names or None, "group": group, "all": all_devices}
    if bool(names) + (group is not None) + all_devices != 1:
        raise InputError("say what to back up: device names, --group GROUP, or --all")
    with state_of(ctx).client() as client:
        settle(client, client.run_backup(body), wait=wait, as_json=as_json)


@app.command("list")
def listing(
    ctx: typer.Context,
    device: Device,
    state: Annotated[BackupState | None, typer.Option(help="Only versions in this state.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List a device's versions, newest first. Those of earlier hardware on its position too."""
    with state_of(ctx).client() as client:
        found = list(client.backups(device, limit=limit, state=state))
    if as_json:
        show_json_items(found)
        return
    columns = ("version", "state", "captured", "lines", "bytes", "restorable", "reason")
    rows = [(b.number, b.state, b.captured_at, b.lines, b.size, proof(b.restorable), b.reason) for b in found]
    table(columns, rows, none=f"{device} has no {'such version' if state else 'version yet'}")


@app.command()
def show(
    ctx: typer.Context,
    device: Device,
    version: Number = None,
    original: Annotated[
        bool,
        typer.Option(
            "--original",
            help="The restore-grade original, secrets included; needs the scope originals, leaves a trace.",
        ),
    ] = False,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="What it says, in the words of the vendor-neutral model, as JSON.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a version's configuration, secrets masked. Default: the current version."""
    if neutral and original:
        raise InputError("say either --original or --neutral")
    if neutral:
        with state_of(ctx).client() as client:
            show_json(client.backup_neutral(device, version).config)
        return
    with state_of(ctx).client() as client:
        found = client.backup_text(device, version, original=original)
    if as_json:
        show_json(found)
    else:
        text = tame(found.text) if sys.stdout.isatty() else found.text
        typer.echo(text, nl=not text.endswith("\n"))


@app.command("file")
def file_of_box(
    ctx: typer.Context,
    device: Device,
    version: Number = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Write it there, secrets included; needs the scope originals, leaves a trace."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The backup file that the box made itself (sysupgrade -b), beside a version. Default: the current version."""
    with state_of(ctx).client() as client:
        found = client.backup_file(device, version, content=save is not None)
    if save is not None:
        write_private(save, base64.b64decode(found.content or ""))
    if as_json:
        show_json(found.model_copy(update={"content": None}))
    else:
        rows = [(found.backup.number, found.name, found.size, found.sha256)]
        table(("version", "name", "bytes", "sha256"), rows, none="")


@app.command()
def diff(
    ctx: typer.Context,
    device: Device,
    older: Annotated[int | None, typer.Argument(min=1, metavar="[A]", help="Default: the good one before B.")] = None,
    newer: Annotated[int | None, typer.Argument(min=1, metavar="[B]", help="Default: the newest good one.")] = None,
    context: Annotated[int, typer.Option("--context", "-U", min=0, max=100, help="Unchanged lines around.")] = 3,
    as_json: Json = False,
) -> None:
    """Show what changed between two versions. Secrets are masked; a changed secret still shows as a change."""
    with state_of(ctx).client() as client:
        found = client.diff(device, older, newer, context=context)
    if as_json:
        show_json(found)
    elif found.text:
        coloured_diff(found.text)
    else:
        err(f"versions {found.older.number} and {found.newer.number} of {found.newer.device} do not differ")


@app.command()
def verify(ctx: typer.Context, wait: Wait = True, as_json: Json = False) -> None:
    """Open and re-hash every stored version."""
    with state_of(ctx).client() as client:
        settle(client, client.verify(), wait=wait, as_json=as_json)


@app.command()
def export(ctx: typer.Context, wait: Wait = True, as_json: Json = False) -> None:
    """Bring the git export up to date. Needs the setting git_export_dir; holds redacted current versions."""
    with state_of(ctx).client() as client:
        settle(client, client.export(), wait=wait, as_json=as_json)


@app.command()
def accept(ctx: typer.Context, device: Device, version: Number = None) -> None:
    """Take a quarantined version into the history. Default: the newest quarantined one."""
    _decide(ctx, device, version, accepted=True)


@app.command()
def refuse(ctx: typer.Context, device: Device, version: Number = None) -> None:
    """Refuse a quarantined version. Default: the newest quarantined one."""
    _decide(ctx, device, version, accepted=False)


def _decide(ctx: typer.Context, device: str, version: int | None, *, accepted: bool) -> None:
    with state_of(ctx).client() as client:
        decided = client.decide(device, version, accept=accepted)
    out(f"{decided.device} version {decided.number} {'accepted' if accepted else 'refused'}")
