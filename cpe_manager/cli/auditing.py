"""``cpe-manager audit``: who did what, and whether the log of it is whole."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import default_data_dir, state_of
from cpe_manager.cli.hooking import since_of
from cpe_manager.cli.options import Json, Limit
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, span, table, tame
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.audit import AuditWatchView, VerificationView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_SEEN: Final = re.compile("([1-9][0-9]{0,17}):([0-9a-f]{64})")

Actor = Annotated[str | None, typer.Option(help="Name or id of who did it.")]
Action = Annotated[str | None, typer.Option(help="change.approved, change.*, or an operation: removeWebhook.")]
Target = Annotated[str | None, typer.Option(help="What it was done to: device:gent-r1.")]
Site = Annotated[str | None, typer.Option(help="The site that it concerns.")]
Outcome = Annotated[str | None, typer.Option(metavar="done|denied|failed", help="How it ended.")]
Since = Annotated[str | None, typer.Option(help="2026-11-28T22:00:00Z, or 30m, 6h, 2d ago.")]


@app.command("list")
def listing(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    actor: Actor = None,
    action: Action = None,
    target: Target = None,
    site: Site = None,
    result: Outcome = None,
    since: Since = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List entries, newest first."""
    from cpe_manager.api.schemas.audit import AuditEntryView

    where: dict[str, Any] = {"actor": actor, "action": action, "target": target, "site": site, "result": result}
    where["since"] = since_of(since).isoformat() if since is not None else None
    with state_of(ctx).client() as client:
        found = list(client.pages("/audit", AuditEntryView, limit=limit, **where))
    if as_json:
        show_json_items(found)
        return
    rows = [(one.number, one.at, one.actor or one.source, one.action, one.target, one.result) for one in found]
    table(("number", "at", "who", "action", "target", "result"), rows, none="no such entry")


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="The entry's number.", min=1)],
    as_json: Json = False,
) -> None:
    """Show one entry whole."""
    from cpe_manager.api.schemas.audit import AuditEntryView

    with state_of(ctx).client() as client:
        found = client.get(f"/audit/{number}", AuditEntryView)
    if as_json:
        show_json(found)
        return
    fields(
        (
            ("number", found.number),
            ("at", found.at),
            ("who", found.actor),
            ("account", found.actor_id),
            ("from", found.source),
            ("action", found.action),
            ("target", found.target),
            ("site", found.site),
            ("result", found.result),
            ("request", found.request_id),
            ("data", json.dumps(found.data, ensure_ascii=False)),
            ("previous", found.previous),
            ("digest", found.digest),
        )
    )


@app.command()
def verify(
    ctx: typer.Context,
    seen: Annotated[
        str | None, typer.Option(metavar="NUMBER:DIGEST", help="An end of the log that was noted down elsewhere.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the database of the data directory; no daemon has to run.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="An export, looked at with the keys of the data directory.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at the whole log. Exit code 1 and the first wrong entry when anything was edited, taken out or cut off."""
    known = _seen(seen)
    if offline and file is not None:
        raise InputError("--offline or --file: one of them")
    found = _export(ctx, file) if file is not None else _offline(ctx, known) if offline else _online(ctx, known)
    if as_json:
        show_json(found)
    elif found.fault is None:
        out(f"{max(0, found.last - found.first + 1)} entries, all whole")
        if found.head is not None:
            out(f"it ends with {found.head.number}:{found.head.digest}")
    else:
        out(tame(f"entry {found.fault.number} is wrong ({found.fault.what}): {found.fault.detail}"))
    if found.watched is not None and not as_json:
        out(f"looked at by the daemon itself: {watched_in_words(found.watched)}")
    if not found.ok:
        raise typer.Exit(1)


def _online(ctx: typer.Context, seen: tuple[int, str] | None) -> VerificationView:
    from cpe_manager.api.schemas.audit import VerificationView

    more = {"seen_number": seen[0], "seen_digest": seen[1]} if seen is not None else {}
    first: int | None = 1
    with state_of(ctx).client() as client:
        while first is not None:
            query: dict[str, Any] = {"from": first, **more}
            found = client.get("/audit/verification", VerificationView, **query)
            first = found.next
    return found.model_copy(update={"first": 1})


def _offline(ctx: typer.Context, seen: tuple[int, str] | None) -> VerificationView:
    import asyncio

    from cpe_manager import bootstrap, settings
    from cpe_manager.api.schemas.audit import VerificationView
    from cpe_manager.domain.access.audit import Seen

    chosen = (state_of(ctx).data_dir or default_data_dir()).absolute()
    known = (Seen(*seen),) if seen is not None else ()
    return VerificationView.of(asyncio.run(bootstrap.verify_audit(settings.load(chosen), known)))


def _export(ctx: typer.Context, file: Path) -> VerificationView:
    from cpe_manager import bootstrap, settings
    from cpe_manager.api.schemas.audit import VerificationView

    chosen = (state_of(ctx).data_dir or default_data_dir()).absolute()
    return VerificationView.of(bootstrap.verify_audit_export(settings.load(chosen), file))


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A new file; without one: standard output.")] = None,
    since: Since = None,
) -> None:
    """Write entries as JSON lines, oldest first, with their digests: for an archive, or for another system."""
    from cpe_manager.api.schemas.audit import AuditEntryView

    at = since_of(since).isoformat() if since is not None else None
    if file is not None and file.exists():
        raise InputError("exists already; choose another name", file=str(file))
    count = 0
    with state_of(ctx).client() as client:
        found = client.pages("/audit", AuditEntryView, order="oldest", since=at)
        if file is None:
            for one in found:
                out(one.model_dump_json())
            return
        with file.open("x", encoding="utf-8") as written:
            file.chmod(0o600)
            for one in found:
                written.write(one.model_dump_json() + "\n")
                count += 1
    err(f"{file} written ({count} entries)")


def watched_in_words(one: AuditWatchView) -> str:
    """``whole up to entry 4711 12 min ago, all of it looked at 3 d ago``."""
    what = f"whole up to entry {one.verified_to}"
    if one.fault is not None:
        what = tame(f"entry {one.fault.number} was wrong ({one.fault.what})")
    now = datetime.now(UTC)
    whole = "not yet" if one.whole_at is None else f"{span((now - one.whole_at).total_seconds())} ago"
    return f"{what} {span((now - one.verified_at).total_seconds())} ago, all of it looked at {whole}"


def _seen(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _SEEN.fullmatch(text.strip())
    if found is None:
        raise InputError("--seen: write NUMBER:DIGEST, as a verification says it at its end")
    return int(found[1]), found[2]
