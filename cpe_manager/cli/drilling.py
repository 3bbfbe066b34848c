"""``cpe-manager drill``: are the backups proven to restore?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Limit, Wait
from cpe_manager.cli.progress import settle
from cpe_manager.cli.render import err, out, show_json, show_json_items, table, when
from cpe_manager.domain.backup.drills import Verdict
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.drills import DrillReportView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def run(
    ctx: typer.Context,
    devices: Annotated[list[str] | None, typer.Argument(help="Device names.", metavar="[DEVICE...]")] = None,
    family: Annotated[str | None, typer.Option(help="A sample of this family alone.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="So many; default: as many as in a night.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same one again starts nothing new.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Restore backups onto fresh virtual boxes now, and compare. Exit code 14 when one was not brought back."""
    if devices and (family or sample):
        raise InputError("name devices, or give --family and --sample, not both")
    body: dict[str, Any] = {"devices": devices or None, "family": family, "sample": sample}
    with state_of(ctx).client() as client:
        settle(client, client.run_drill(body, key=key), wait=wait, as_json=as_json)


@app.command("list")
def listing(
    ctx: typer.Context,
    device: Annotated[str | None, typer.Option(help="Of this device.")] = None,
    family: Annotated[str | None, typer.Option(help="Of this device family.")] = None,
    verdict: Annotated[Verdict | None, typer.Option(help="That ended so.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List what drills gave, newest first; of each version the latest."""
    with state_of(ctx).client() as client:
        found = list(client.drills(limit=limit, device=device, family=family, verdict=verdict))
    if as_json:
        show_json_items(found)
        return
    columns = ("device", "version", "family", "verdict", "when", "seconds", "reason")
    rows = [(d.device, d.number, d.family, d.verdict, d.at, f"{d.seconds:.1f}", d.reason) for d in found]
    table(columns, rows, none="no such drill" if device or family or verdict else "no drills yet")


@app.command()
def report(ctx: typer.Context, as_json: Json = False) -> None:
    """Show which share of the fleet is proven to restore, by family, and what was not brought back."""
    with state_of(ctx).client() as client:
        found = client.drill_report()
    if as_json:
        show_json(found)
    else:
        _describe(found)


def _describe(found: DrillReportView) -> None:
    if found.share is None:
        out("no device has a backup that can be drilled")
    else:
        verdict = "below the target of" if found.share < found.target else "target"
        out(f"{found.proven} of {found.countable} devices have a backup that is proven to restore: "
            f"{found.share:.0%}, {verdict} {found.target:.0%}")  # fmt: skip
    columns = (
        "family",
        "devices",
        "proven",
        "differs",
        "failed",
        "never drilled",
        "not possible",
        "share",
        "oldest proof",
    )
    rows = [
        (
            one.family,
            one.devices,
            one.proven,
            one.differs,
            one.failed,
            one.unproven if one.possible else None,
            one.not_possible if one.possible else one.devices,
            "-" if one.share is None else f"{one.share:.0%}",
            when(one.oldest_proof) if one.oldest_proof else None,
        )
        for one in found.families
    ]
    if rows:
        table(columns, rows)
    if found.failures:
        table(
            ("device", "version", "verdict", "when", "reason"),
            [(one.device, one.number, one.verdict, one.at, one.reason) for one in found.failures],
            title="not brought back",
        )
    if found.sample == 0:
        err("no nightly drills: drill_sample is 0")
    if found.hindrance:
        err(found.hindrance)
