"""``cpe-manager``: the root command, and how every failure becomes one line and the documented exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cpe_manager.cli import (
    accounts,
    activating,
    auditing,
    backup,
    changes,
    devices,
    drifting,
    drilling,
    families,
    follow,
    groups,
    hooking,
    jobs,
    keys,
    lining,
    local,
    login,
    mailing,
    pushing,
    rollouts,
    schedules,
    selling,
    subscribing,
    switching,
    tokens,
)
from cpe_manager.cli.connection import State
from cpe_manager.cli.render import tame
from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.outcomes import EXIT_CODE, exit_code

PROGRAM = "cpe-manager"
BEFORE_THE_COMMAND = ("--url", "--token", "--data-dir", "--debug", "--version")


class Root(TyperGroup):
    """Turns what goes wrong into one line on standard error; with ``--debug`` the traceback is left alone."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        del prog_name, standalone_mode
        given = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(given, PROGRAM, complete_var, False, windows_expand_args, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader went away, as head does. What is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_CODE["internal"])
        except Exception as error:
            if "--debug" in given and not isinstance(error, typer.TyperException | typer.Abort):
                raise
            sys.exit(_told(error))
        sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> int:
    """Say it on standard error; the exit code."""
    if isinstance(error, ImportErrors) and len(error.problems) > 1:
        for problem in error.problems:
            typer.echo(tame(str(problem)), err=True)
        _line(f"{len(error.problems)} things are wrong with the input; nothing was changed")
    elif isinstance(error, CpeManagerError):
        _line(str(error))
    elif isinstance(error, typer.TyperException):
        return _usage(error)
    elif isinstance(error, typer.Abort):
        _line("aborted")
    elif isinstance(error, OSError):
        about = f"{error.filename}: " if error.filename else ""
        _line(f"{about}{error.strerror or error} (--debug shows where)")
    else:
        # The edge of the process: nobody is left to hand it to, and --debug shows it whole.
        _line(f"internal error: {type(error).__name__}: {error} (--debug shows where)")
    return exit_code(error.code) if isinstance(error, CpeManagerError) else EXIT_CODE["internal"]


def _usage(error: typer.TyperException) -> int:
    text = error.format_message().strip()
    command = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    if "\n" in text:  # a group without a command shows its help
        typer.echo(text, err=True)
    elif (option := getattr(error, "option_name", None)) in BEFORE_THE_COMMAND:
        _line(f"{option} stands before the command: {PROGRAM} {option} ... {command.partition(' ')[2]}")
    elif text:
        _line(f"{text.rstrip('.')} (see {command} --help)")
    return EXIT_CODE["usage"]


def _line(text: str) -> None:
    typer.echo(f"{PROGRAM}: {tame(' '.join(text.split()))}", err=True)


app = typer.Typer(
    cls=Root,
    name=PROGRAM,
    help="Back up, change and restore a fleet of business CPEs: nothing is lost, nobody is locked out.",
    epilog="A new installation: cpe-manager init; cpe-manager serve; then in another shell cpe-manager devices import "
    "FILE; cpe-manager devices list.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help="Where the daemon answers.", envvar="CPE_MANAGER_URL")] = None,
    token: Annotated[
        str | None,
        typer.Option(help="API token; better given by the environment.", envvar="CPE_MANAGER_TOKEN", show_envvar=True),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Read client.toml of this data directory.", envvar="CPE_MANAGER_DATA_DIR"),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del debug, version
    ctx.obj = State(url, token, data_dir)


local.attach(app)
app.add_typer(devices.app, name="devices", help="The inventory: import, look, change, suspend, replace.")
app.add_typer(groups.app, name="group", help="What devices inherit: family, log-in, port, settings.")
app.add_typer(backup.app, name="backup", help="Run backups; look at versions; decide on quarantined ones.")
app.add_typer(drilling.app, name="drill", help="Are the backups proven to restore?")
app.add_typer(schedules.app, name="schedule", help="When backups run by themselves.")
app.add_typer(jobs.app, name="jobs", help="Anything long: runs, verifications, exports, key rotations.")
app.add_typer(pushing.app, name="push", help="Change a device so that nothing and nobody is locked out.")
app.command()(pushing.restore)
app.add_typer(rollouts.app, name="rollout", help="Change many devices, wave by wave, within an error budget.")
app.add_typer(drifting.app, name="drift", help="What runs, against what was confirmed and what a restart would bring.")
app.add_typer(lining.app, name="lines", help="Lines: what is known of them, how they stand.")
app.add_typer(switching.app, name="failover", help="Traffic to mobile and back: look, ask, hold, test, check coverage.")
app.add_typer(switching.incidents, name="incidents", help="Incidents of lines and access nodes.")
app.add_typer(selling.app, name="catalogue", help="What is sold and what may be changed: show, check, versions.")
app.add_typer(changes.app, name="changes", help="Change requests: ask, look, approve, follow.")
app.add_typer(subscribing.app, name="subscriptions", help="What sites have, and what that entitles to.")
app.add_typer(activating.app, name="activations", help="Sites that come into service: order, follow, answer, report.")
app.command()(families.families)
follow.attach(app)
app.add_typer(accounts.app, name="account", help="People and programs, and what they may do.")
app.add_typer(tokens.app, name="token", help="API tokens.")
login.attach(app)
app.add_typer(hooking.app, name="webhooks", help="Other servers that are told of events.")
app.add_typer(mailing.app, name="mail", help="What customers and the operator are told by e-mail.")
app.add_typer(auditing.app, name="audit", help="Who did what; and whether that log is whole.")
app.add_typer(keys.app, name="key", help="The keys that seal the originals.")


def main() -> None:
    app()
