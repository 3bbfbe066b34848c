"""``cpe-manager subscriptions``: what sites have, and what that entitles to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cpe_manager.cli import row_results
from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, pairs
from cpe_manager.cli.reading import rows_with_lines
from cpe_manager.cli.render import out, show_json, show_json_items, table
from cpe_manager.domain.errors import InputError, NotFound

if TYPE_CHECKING:
    from cpe_manager.api.schemas.subscriptions import EntitlementsView, SubscriptionView
    from cpe_manager.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Site = Annotated[str, typer.Argument(help="The site's name or id.", metavar="SITE")]
_SITE_COLUMNS: Final = ("site", "site_id")


@app.command("list")
def listing(
    ctx: typer.Context,
    formula: Annotated[str | None, typer.Option(help="Only those of this formula.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Show so many; default all.")] = None,
    as_json: Json = False,
) -> None:
    """List what sites have, by their names."""
    with state_of(ctx).client() as client:
        found = list(client.subscriptions(limit=limit, formula=formula))
    if as_json:
        show_json_items(found)
        return
    rows = [
        (one.site, one.customer, one.formula, one.technology, " ".join(one.options), one.activated_at) for one in found
    ]
    table(
        ("site", "customer", "formula", "technology", "options", "activated"),
        rows,
        none="no site has a subscription: cpe-manager subscriptions set SITE ...",
    )


@app.command()
def show(ctx: typer.Context, site: Site, as_json: Json = False) -> None:
    """Show a site's subscription and what it entitles to, with the section for whatever it does not."""
    with state_of(ctx).client() as client:
        found = client.entitlements(site)
    if as_json:
        show_json(found)
    else:
        _describe(found)


def _describe(found: EntitlementsView) -> None:
    one = found.subscription
    speed = "-" if found.speed is None else f"{found.speed.down}/{found.speed.up} Mbps"
    people = ", ".join(f"{who.name} <{who.email}>" for who in one.representatives)
    facts = [
        ("site", one.site), ("customer", one.customer),
        ("formula", f"{found.title or 'not in the catalogue any more'} ({one.formula}, {one.technology})"),
        ("options", " ".join(one.options)), ("speed", speed), ("activated", one.activated_at),
        ("representatives", people), ("language", one.language),
        ("checked against", f"version {one.catalogue_version} of the catalogue; in force: {found.catalogue_version}"),
        ("revision", one.revision),
    ]  # fmt: skip
    table(("what", "value"), facts)
    out()
    rows = [(each.operation, "yes" if each.allowed else "no", each.section, each.reason) for each in found.operations]
    table(("operation", "entitled", "section", "why not"), rows)


@app.command("set")
def set_up(
    ctx: typer.Context,
    site: Site,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            help="What it has, such as formula=pro-plus options=mobile-backup,ip-pack.", metavar="[NAME=VALUE]..."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write down what a site has, or change some of it; what is not named stays as it was.

    Names: customer, formula, technology (copper, fibre), options, activated_at, representatives ("An Peeters
    <an@customer.example>; ..."), language (en, nl, fr). An empty value takes one away.
    """
    given = pairs(values or [], "value")
    with state_of(ctx).client() as client:
        revision = _revision(client, site)
        made = client.import_subscriptions({"rows": [{"number": 1, "site": site, "values": given}]}).results[0]
        if made.result == "refused":
            raise InputError(made.reason)
        found = client.subscription(site)
    if as_json:
        show_json(found)
    else:
        out(f"{found.site}: {_told(found)}, {'new' if revision == 0 else made.result}")


def _revision(client: Client, site: str) -> int:
    try:
        return client.subscription(site).revision
    except NotFound:
        return 0


def _told(one: SubscriptionView) -> str:
    options = f" with {', '.join(one.options)}" if one.options else ""
    return f"{one.formula} on {one.technology}{options}"


@app.command("import")
def bring_in(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a head line, or JSON; - is standard input.", metavar="FILE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each row.")] = False,
    as_json: Json = False,
) -> None:
    """Write down many from a table: a column site, and one for each name that `subscriptions set` takes.

    What is wrong with one row stops no other; columns that are not there leave what is known. Exit code 3 when a row
    was refused.
    """
    rows = rows_with_lines(file, _SITE_COLUMNS, strict=False)
    with state_of(ctx).client() as client:
        found = row_results.bring_in(
            rows, "site", lambda part: client.import_subscriptions({"rows": part, "dry_run": dry_run}).results
        )
    row_results.tell(found, "site", file, dry_run=dry_run, as_json=as_json)
