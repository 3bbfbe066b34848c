"""What works on this machine itself: ``init``, ``serve``, ``worker``, ``archive``, ``unarchive``."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cpe_manager.cli.connection import (
    default_data_dir,
    leads_elsewhere,
    own_client_file,
    state_of,
    write_client_files,
)
from cpe_manager.cli.options import DataDir, Json
from cpe_manager.cli.render import out
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.settings import Settings

T = TypeVar("T")

Host = Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; default 8640, 0 picks one.")]
ReadyFile = Annotated[Path | None, typer.Option(help="Write the URL (or the worker's name) here once ready.")]
PassphraseFile = Annotated[Path | None, typer.Option(help="Read the passphrase from the first line of this file.")]


def attach(app: typer.Typer) -> None:
    for command in (init, serve, worker, archive, unarchive):
        app.command()(command)


def init(
    ctx: typer.Context,
    data_dir: DataDir = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a token for all scopes even if there are some: all were lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set up a data directory. Makes settings, sealing keys, database, nightly schedule, token; safe to repeat."""
    from cpe_manager import bootstrap

    settings = _settings(ctx, data_dir)
    made = _run(bootstrap.init(settings))
    token = made.token or (_run(_another_token(settings)) if new_token else None)
    written = [str(path) for path in made.created]
    if token is not None:
        written += [str(path) for path in write_client_files(settings.data_dir, made.url, token)]
    if as_json:
        shown = {"data_dir": str(made.data_dir), "url": made.url, "token": token, "created": written}
        out(json.dumps(shown, indent=2))
        return
    for path in written:
        out(f"made {path}")
    _advise(settings, token, first=made.token is not None)


async def _another_token(settings: Settings) -> str:
    """Whoever can read the key file may have one; a running daemon knows it at once."""
    from cpe_manager import bootstrap

    async with bootstrap.opened(settings) as parts:
        name = f"admin-{parts.clock.now():%Y%m%dT%H%M%S}"
        return (await parts.services.tokens.create(name, bootstrap.ALL_SCOPES, days=None, by="init")).text


def _advise(settings: Settings, token: str | None, *, first: bool) -> None:
    if token is None:
        out(f"{settings.data_dir} was set up already; nothing was replaced")
        return
    out(f"\n{'First' if first else 'New'} token, for all scopes; it is not shown again:")
    out(f"  {token}")
    if leads_elsewhere(settings.data_dir):
        out(f"\n{own_client_file()} leads to another daemon. To talk to this one:")
        out(f"  export CPE_MANAGER_DATA_DIR={shlex.quote(str(settings.data_dir))}")
    if not first:
        return
    out("\nNext:")
    out(f"  1. Copy {settings.keyring} to a safe place: without it no backup can be opened.")
    out(f"  2. Put device log-ins into {settings.credentials}.")
    place = "" if settings.data_dir == default_data_dir() else f" --data-dir {settings.data_dir}"
    out(f"  3. cpe-manager serve{place}")


def serve(
    ctx: typer.Context,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    ready_file: ReadyFile = None,
) -> None:
    """Run the daemon: API, schedules, backups, pushes. Logs go to standard error as JSON; SIGTERM stops it gently."""
    settings = _settings(ctx, data_dir, host=host, port=port, log_level=log_level)
    from cpe_manager import daemon

    _run(daemon.serve(settings, _Ready(ready_file)))


def worker(
    ctx: typer.Context,
    data_dir: DataDir = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    ready_file: ReadyFile = None,
) -> None:
    """Run a worker beside the daemon, to share its work. Needs PostgreSQL and the same keys and credentials."""
    settings = _settings(ctx, data_dir, log_level=log_level)
    from cpe_manager import daemon

    _run(daemon.work(settings, _Ready(ready_file)))


class _Ready:
    """Tells a person on a terminal, and whoever watches the file, which is never seen half written."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def __call__(self, where: str) -> None:
        if self._file is not None:
            fresh = self._file.with_name(self._file.name + ".new")
            fresh.write_text(f"{where}\n", encoding="utf-8")
            fresh.replace(self._file)
        if sys.stdout.isatty():
            out(f"ready: {where}")


def archive(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The archive to write; must not exist.")],
    data_dir: DataDir = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write everything into one encrypted file. Inventory, history and keys; the daemon may go on meanwhile."""
    from cpe_manager import bootstrap

    settings = _settings(ctx, data_dir)
    if file.exists():
        raise InputError("exists already; choose another name", file=str(file))
    report = _run(bootstrap.archive(settings, file, _passphrase(passphrase_file, confirm=True)))
    out(f"{file} written ({report.rows} rows and the keys); keep its passphrase elsewhere")


def unarchive(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The archive to read.")],
    data_dir: DataDir = None,
    passphrase_file: PassphraseFile = None,
    keys_only: Annotated[
        bool, typer.Option("--keys-only", help="Bring back only the keys, beside an existing database.")
    ] = False,
) -> None:
    """Restore an archive into a new data directory."""
    from cpe_manager import bootstrap

    settings = _settings(ctx, data_dir)
    if not file.exists():
        raise InputError("does not exist", file=str(file))
    passphrase = _passphrase(passphrase_file, confirm=False)
    report = _run(bootstrap.unarchive(settings, file, passphrase, keys_only=keys_only))
    what = "keys" if report.rows is None else f"keys and {report.rows} rows"
    out(f"{what} restored into {settings.data_dir}; device log-ins are not in an archive: {settings.credentials}")
    if not (settings.data_dir / "client.toml").exists():
        place = "" if settings.data_dir == default_data_dir() else f" --data-dir {settings.data_dir}"
        out(f"tokens go on working; a new one for this machine: cpe-manager init --new-token{place}")


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    """From the file, the environment, or the person at the terminal."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8").split("\n", 1)[0]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read it: {error}", file=str(file)) from error
    else:
        text = os.environ.get("CPE_MANAGER_ARCHIVE_PASSPHRASE", "")
        if not text and not sys.stdin.isatty():
            raise InputError("no passphrase: use --passphrase-file or CPE_MANAGER_ARCHIVE_PASSPHRASE")
        text = text or str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    if not text:
        raise InputError("the passphrase is empty", file=str(file) if file else None)
    return text


def _settings(ctx: typer.Context, data_dir: Path | None, **overrides: Any) -> Settings:
    from cpe_manager import settings

    chosen = data_dir or state_of(ctx).data_dir or default_data_dir()
    return settings.load(chosen.absolute(), **overrides)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
