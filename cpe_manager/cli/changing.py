"""``cpe-manager devices set``: a change of one device, by the rules of an import of one line."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.importing import show_import
from cpe_manager.cli.options import Device, Json, LegacyCrypto, Transport, insecure_ways, pairs
from cpe_manager.cli.render import show_json
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import LifeState


def change(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    device: Device,
    address: Annotated[str | None, typer.Option(help="IPv4, IPv6 or host name.")] = None,
    port: Annotated[str | None, typer.Option(help="SSH port.")] = None,
    family: Annotated[str | None, typer.Option(help="Device family.")] = None,
    group: Annotated[str | None, typer.Option(help="Group that settings are inherited from; it has to exist.")] = None,
    credential: Annotated[str | None, typer.Option(help="Name of the log-in.")] = None,
    access_node: Annotated[str | None, typer.Option(help="Where the access line ends.")] = None,
    model: Annotated[str | None, typer.Option(help="Model.")] = None,
    transport: Transport = None,
    legacy_crypto: LegacyCrypto = None,
    setting: Annotated[
        list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="Such as max_attempts=3; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Change what is given of a device. An empty value takes away, so that the group's applies: --credential ''"""
    given = {
        "address": address, "port": port, "family": family, "group": group, "credential": credential,
        "access_node": access_node, "model": model,
    }  # fmt: skip
    row = {name: value for name, value in given.items() if value is not None}
    row |= insecure_ways(transport, legacy_crypto)
    row |= {f"settings.{name}": value for name, value in pairs(setting or [], "--setting").items()}
    if not row:
        raise InputError("say what to change, such as --address ADDRESS")
    with state_of(ctx).client() as client:
        found = client.device(device)
        if found.state is LifeState.DECOMMISSIONED:
            raise InputError(f"{found.name} is decommissioned")
        # The import takes an address for granted, and a device without a state for one that is in service.
        row = {"name": found.name, "address": found.address, "state": found.state, **row}
        body = {
            "files": [{"name": "devices set", "text": _csv(row)}],
            "format": "csv", "dry_run": dry_run, "make_groups": False, "backup": False,
        }  # fmt: skip
        report = client.import_files(body)
    if as_json:
        show_json(report)
    else:
        show_import(report, backup=False)


def _csv(row: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(row.keys())
    writer.writerow(row.values())
    return text.getvalue()
