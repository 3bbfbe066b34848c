"""``cpe-manager catalogue``: what is sold and what may be changed, in which version; and whether a file would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import default_data_dir, state_of
from cpe_manager.cli.options import DataDir, Json
from cpe_manager.cli.render import out, show_json, show_json_items, table
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors

if TYPE_CHECKING:
    from cpe_manager.api.schemas.catalogue import CatalogueView
    from cpe_manager.domain.fleet.import_rules import Problem

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(
    ctx: typer.Context,
    version: Annotated[int | None, typer.Option(min=1, help="As it was in this version; default: in force.")] = None,
    as_json: Json = False,
) -> None:
    """Show the formulas with their components and speeds, and the changes that are offered."""
    with state_of(ctx).client() as client:
        found = client.catalogue(version)
    if as_json:
        show_json(found)
        return
    sources = ", ".join(dict.fromkeys((found.service_source, found.changes_source)))
    out(f"version {found.number}, taken {found.taken_at.astimezone():%Y-%m-%d %H:%M}, from {sources}\n")
    _formulas(found)
    out()
    rows = [
        (one.type, one.version, one.title, one.section, " ".join(one.components), _kind(one.standard, one.enabled),
         "yes" if one.fee else "no")
        for one in found.entries
    ]  # fmt: skip
    table(("change", "version", "title", "section", "needs", "goes in", "fee"), rows)
    out()
    ports = "; ".join(f"{name} {' '.join(map(str, ports))}" for name, ports in found.port_presets.items())
    out(f"typical ports: {ports or '-'}")
    out(f"reserved ports: {' '.join(map(str, found.reserved_ports)) or '-'}")
    out(f"change window: {found.change_window or 'always'}; holidays of {found.holidays or 'nobody'}")
    out(f"changes are free for {found.free_days} days after activation")


def _kind(standard: bool, enabled: bool) -> str:
    if not enabled:
        return "not offered"
    return "at once" if standard else "in the window"


def _formulas(found: CatalogueView) -> None:
    formulas = found.formulas
    rows: list[tuple[Any, ...]] = []
    for kind in ("copper", "fibre"):
        sold = [next((one for name, one in formula.technologies.items() if name == kind), None) for formula in formulas]
        rows.append((f"speed on {kind}", "§3.1.2", *("-" if one is None else _speeds(one) for one in sold)))
    rows.append(("end users", "§3.5", *(one.end_users or "-" for one in formulas)))
    rows.append(("mailboxes", "§3.6", *(one.mailboxes or "-" for one in formulas)))
    counted = {"end-users", "mailboxes"}
    rows += [
        (one.id, one.section, *(formula.terms.get(one.id, "-") for formula in formulas))
        for one in found.components
        if one.id not in counted
    ]
    table(("component", "section", *(one.id for one in formulas)), rows)


def _speeds(one: Any) -> str:
    speeds = [one.speed, *one.boosts.values()]
    return " ".join(f"{speed.down}/{speed.up}" for speed in speeds)


@app.command()
def versions(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the versions, newest first: the first one is in force."""
    with state_of(ctx).client() as client:
        found = list(client.catalogue_versions(limit=limit))
    if as_json:
        show_json_items(found)
        return
    rows = [(one.number, one.taken_at, one.service_source, one.changes_source, one.digest[:12]) for one in found]
    table(("version", "taken", "services", "changes", "digest"), rows, none="no catalogue was taken yet")


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to check; default: those of the data directory.", metavar="[FILE]..."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say what is wrong with catalogue files, each with its line, before the daemon reads them. Works on this machine.

    Exit code 3 when something is.
    """
    from cpe_manager.adapters.catalogue_file import CHANGE_FILE, SERVICE_FILE

    folder = data_dir or default_data_dir()
    given = files or [path for name in (SERVICE_FILE, CHANGE_FILE) if (path := folder / name).exists()]
    if not given:
        out(f"no catalogue in {folder}: the ones that come with cpe-manager are in force")
        return
    wrong: list[Problem] = []
    for path in given:
        try:
            out(f"{path}: {_checked(path)}")
        except ImportErrors as error:
            wrong += error.problems
    if wrong:
        raise ImportErrors(wrong)


def _checked(path: Path) -> str:
    """What it is. Raises ``InputError``."""
    from cpe_manager.adapters.catalogue_reading import read_entries, read_service
    from cpe_manager.domain.changes.catalogue import CHANGE_TYPES

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", file=str(path)) from None
    if any(line.lstrip().startswith("[entries") for line in text.splitlines()):
        return f"a change catalogue with {len(read_entries(text, str(path), CHANGE_TYPES))} entries"
    found = read_service(text, str(path))
    return f"a service catalogue with {len(found.formulas)} formulas and {len(found.components)} components"
