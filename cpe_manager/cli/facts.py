"""``cpe-manager devices facts``: what a device says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Device, Json
from cpe_manager.cli.render import fields, show_json, span, when

if TYPE_CHECKING:
    from cpe_manager.api.schemas.facts import FactsView


def facts(
    ctx: typer.Context,
    device: Device,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the device now; takes seconds.")] = False,
    way: Annotated[
        Literal["both", "session", "snmp"] | None, typer.Option(help="How to ask; implies --refresh. Default: both.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show model, serial number, release and uptime, as the device told them. A backup asks once a week."""
    with state_of(ctx).client() as client:
        found = client.refresh_facts(device, way or "both") if refresh or way else client.facts(device)
    if as_json:
        show_json(found)
    else:
        _describe(found)


def _describe(found: FactsView) -> None:
    uptime = None if found.uptime_seconds is None else f"{span(found.uptime_seconds)}, since {when(found.booted_at)}"
    fields(
        [
            ("hostname", found.hostname), ("model", found.model), ("serial", found.serial),
            ("os release", found.os_release), ("uptime", uptime), ("told", f"{when(found.at)} ({found.source})"),
        ]
    )  # fmt: skip
