"""``cpe-manager devices``: the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli import changing, detecting, facts, replacing
from cpe_manager.cli.connection import state_of
from cpe_manager.cli.detecting import detected
from cpe_manager.cli.drifting import standing_words
from cpe_manager.cli.options import Device, Json, LegacyCrypto, Transport, Yes, confirmed, insecure_ways, pairs
from cpe_manager.cli.render import fields, out, proof, show_json, show_json_items, span, table, when
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LifeState

if TYPE_CHECKING:
    from cpe_manager.api.schemas.devices import DeviceView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Settings = Annotated[list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="May be repeated.")]


@app.command("list")
def listing(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    group: Annotated[str | None, typer.Option(help="Of this group and the groups below it.")] = None,
    family: Annotated[str | None, typer.Option(help="Of this device family.")] = None,
    state: Annotated[LifeState | None, typer.Option(help="In this state; decommissioned ones only on demand.")] = None,
    site: Annotated[str | None, typer.Option(help="On this site.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Whose last good backup is too old.")] = False,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Part of name, site or address.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List devices with the age of their last backup."""
    where = {"group": group, "family": family, "state": state, "site": site, "q": search, "overdue": overdue or None}
    with state_of(ctx).client() as client:
        found = list(client.devices(limit=limit, **where))
    if as_json:
        show_json_items(found)
        return
    columns = ("name", "site", "address", "family", "group", "state", "last backup", "restorable", "remark")
    table(
        columns,
        [
            (d.name, d.site, d.address, d.family, d.group, d.state, _age(d), _proof(d), _remark(d))
            for d in found
        ],
        none="no devices" if any(where.values()) else "no devices yet: cpe-manager devices import FILE",
    )  # fmt: skip


def _age(device: DeviceView) -> str:
    return f"{span(device.age_seconds)} ago" if device.age_seconds is not None else "never"


def _proof(device: DeviceView) -> str | None:
    return proof(device.restorable) if device.current_backup_id else None


def _remark(device: DeviceView) -> str:
    words = [f"insecure: {', '.join(device.insecure)}"] if device.insecure else []
    words += ["overdue"] if device.overdue_since else []
    if any(key.state == "offered" for key in device.host_keys):
        words.append("host key changed")
    elif device.failures:
        words.append(f"failed {device.failures}x: {device.last_error_code}")
    return ", ".join(words)


@app.command()
def show(ctx: typer.Context, device: Device, as_json: Json = False) -> None:
    """Show all that is known of a device."""
    with state_of(ctx).client() as client:
        found = client.device(device)
    if as_json:
        show_json(found)
    else:
        _describe(found)


def _describe(d: DeviceView) -> None:
    force = d.in_force
    told = d.facts
    family, port, credential = (force.family, force.port, force.credential) if force else (None, None, None)
    fields(
        [
            ("name", d.name), ("site", d.site), ("state", d.state), ("address", d.address),
            ("port", d.port or _inherited(port)), ("family", d.family or _inherited(family)), ("group", d.group),
            ("credential", d.credential or _inherited(credential)), ("line", d.line), ("access node", d.access_node),
            ("insecure", _why_insecure(d)),
            ("serial", d.serial or (told and told.serial)), ("model", d.model or (told and told.model)),
            ("os release", told and told.os_release), ("installed", when(d.installed_at)),
            ("last backup", when(d.last_success_at)), ("restorable", _proof(d)),
            ("last attempt", when(d.last_attempt_at)),
            ("last error", f"{d.last_error_code}: {d.last_error}" if d.last_error_code else None),
            ("failures", d.failures or None), ("overdue since", when(d.overdue_since) if d.overdue_since else None),
            ("drift", d.drift and standing_words(d.drift)),
            *((f"setting {name}", value) for name, value in sorted(d.settings.items())),
            *((f"host key {key.state}", f"{key.algorithm} {key.fingerprint}") for key in d.host_keys),
        ]
    )  # fmt: skip
    if any(key.state == "offered" for key in d.host_keys):
        out(
            f"\nThe device shows another host key than the pinned one, and is not backed up until you decide. Compare "
            f"the offered fingerprint with the device's own; if it is right: cpe-manager devices accept-key {d.name}"
        )


_WHY = {
    "telnet": "telnet: log-in and configuration travel in the clear, and nothing proves whose box it is",
    "legacy_crypto": "legacy_crypto: SHA-1, CBC and DSA are accepted, and can be broken by whoever is on the way",
}


def _why_insecure(device: DeviceView) -> str | None:
    return "; ".join(_WHY.get(why, why) for why in device.insecure) or None


def _inherited(value: object) -> str:
    return f"{value} (inherited)" if value else "not set"


@app.command()
def add(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name for the device, unique in the fleet.")],
    address: Annotated[str, typer.Argument(help="IPv4, IPv6 or host name.")],
    site: Annotated[str | None, typer.Option(help="The customer's site; default the device's name.")] = None,
    family: Annotated[str | None, typer.Option(help="Default: the group's.")] = None,
    group: Annotated[str | None, typer.Option(help="Group that settings are inherited from.")] = None,
    credential: Annotated[str | None, typer.Option(help="Name of the log-in; default: the group's.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="SSH port; default: the group's, or 22.")] = None,
    serial: Annotated[str | None, typer.Option(help="Serial number.")] = None,
    model: Annotated[str | None, typer.Option(help="Model.")] = None,
    transport: Transport = None,
    legacy_crypto: LegacyCrypto = None,
    setting: Settings = None,
    detect: Annotated[
        bool, typer.Option("--detect", help="Log in once and find out family, model, serial number and host key.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add one device; its first backup follows right away."""
    given: dict[str, Any] = {
        "name": name, "address": address, "site": site, "family": family, "group": group, "credential": credential,
        "port": port, "serial": serial, "model": model,
        "settings": {**insecure_ways(transport, legacy_crypto), **pairs(setting or [], "--setting")},
    }  # fmt: skip
    if detect and family:
        raise InputError("give --family or --detect, not both")
    with state_of(ctx).client() as client:
        if detect:
            given = detected(client, given, quiet=as_json) | {key: value for key, value in given.items() if value}
        added = client.add_device({key: value for key, value in given.items() if value is not None})
    if as_json:
        show_json(added)
    else:
        out(f"{added.name} added on site {added.site}; its first backup follows")


app.command("set")(changing.change)
app.command("facts")(facts.facts)
app.command("detect")(detecting.detect)


@app.command()
def suspend(ctx: typer.Context, device: Device) -> None:
    """Take a device out of service for a while. No more visits; its history stays."""
    with state_of(ctx).client() as client:
        out(f"{client.device_verb(device, 'suspend').name} suspended")


@app.command()
def resume(ctx: typer.Context, device: Device) -> None:
    """Put a suspended device back into service."""
    with state_of(ctx).client() as client:
        out(f"{client.device_verb(device, 'resume').name} active again; a backup follows")


@app.command()
def remove(ctx: typer.Context, device: Device, yes: Yes = False) -> None:
    """Decommission a device for good. Its history stays readable, its name becomes free."""
    with state_of(ctx).client() as client:
        found = client.device(device)
        confirmed(f"Decommission {found.name} on site {found.site}?", yes=yes)
        client.remove_device(found.id)
    out(f"{found.name} decommissioned; its backups stay")


app.command("replace")(replacing.replace)
app.add_typer(replacing.app, name="replacement", help="Replacements of hardware under way: look, accept, call off.")


@app.command("accept-key")
def accept_key(
    ctx: typer.Context,
    device: Device,
    fingerprint: Annotated[str | None, typer.Option(help="Accept this one, where several were offered.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Forget all keys; the next contact's is trusted.")] = False,
    yes: Yes = False,
) -> None:
    """Accept the host key that a device shows now. Compare the fingerprint with the device's own first."""
    with state_of(ctx).client() as client:
        found = client.device(device)
        for key in found.host_keys:
            out(f"{key.state}: {key.algorithm} {key.fingerprint}")
        if forget:
            confirmed(f"Trust whatever key {found.name} shows next?", yes=yes)
        elif any(key.state == "offered" for key in found.host_keys):
            confirmed(f"Trust the offered key of {found.name} from now on?", yes=yes)
        client.device_verb(found.id, "accept-key", {"fingerprint": fingerprint, "forget": forget})
    out(f"{found.name}: {'keys forgotten' if forget else 'key accepted'}")


@app.command("import")
def import_files(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Inventory files; '-' is standard input.", metavar="FILE...")],
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the files; told from them by default.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Option of the format; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    suspend_missing: Annotated[
        bool, typer.Option("--suspend-missing", help="Suspend active devices that the files do not list.")
    ] = False,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="Limit --suspend-missing to this group; repeatable.")
    ] = None,
    make_groups: Annotated[
        bool, typer.Option("--make-groups/--no-make-groups", help="Make groups that do not exist, or refuse them.")
    ] = True,
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="Back up added devices right away.")] = True,
    as_json: Json = False,
) -> None:
    """Import inventory files of this or other programs. All of it, or nothing when anything is wrong."""
    from cpe_manager.cli.importing import read_files, show_import

    body = {
        "files": read_files(files),
        "format": format_name,
        "options": pairs(option or [], "--option"),
        "dry_run": dry_run,
        "suspend_missing": suspend_missing,
        "scope": scope,
        "make_groups": make_groups,
        "backup": backup,
    }
    with state_of(ctx).client() as client:
        report = client.import_files(body)
    if as_json:
        show_json(report)
    else:
        show_import(report, backup=backup)
