"""`cpe-sim ctl`: steer a running fleet through its control socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from simulators.control import ControlClient, ControlError

app = typer.Typer(no_args_is_help=True, help="Steer a running fleet.")

Name = Annotated[str, typer.Argument(help="The box's name.")]


@app.callback()
def connect(context: typer.Context, control: Annotated[Path, typer.Option(help="The fleet's control socket.")]) -> None:
    """Open the socket for the command that follows."""
    context.obj = context.with_resource(ControlClient(control))


def _ask(context: typer.Context, op: str, **request: object) -> object:
    client: ControlClient = context.obj
    try:
        return client.call(op, **request)
    except ControlError as error:
        raise typer.BadParameter(str(error)) from error


@app.command("list")
def list_boxes(context: typer.Context) -> None:
    """Show all boxes and their faults."""
    client: ControlClient = context.obj
    table = Table("name", "family", "address", "port", "faults")
    for box in client.devices():
        table.add_row(box["name"], box["family"], box["address"], str(box["port"]), ", ".join(box["faults"]))
    Console().print(table)


@app.command()
def fault(
    context: typer.Context,
    name: Name,
    kind: Annotated[str, typer.Argument(metavar="FAULT", help="See `cpe-sim faults`.")],
    parameters: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
) -> None:
    """Give a box a fault."""
    pairs = dict(item.partition("=")[::2] for item in parameters or [])
    _ask(context, "fault", name=name, fault=kind, parameters=pairs)


@app.command()
def clear(
    context: typer.Context, name: Name, kind: Annotated[str | None, typer.Argument(metavar="[FAULT]")] = None
) -> None:
    """Heal a box of one fault or of all."""
    _ask(context, "clear", name=name, fault=kind)


@app.command()
def change(
    context: typer.Context,
    name: Name,
    text: Annotated[str | None, typer.Option(help="Configuration lines in the family's language.")] = None,
) -> None:
    """Change a box's configuration behind the manager's back; prints the lines."""
    lines = text.replace("\\n", "\n") if text is not None else None
    typer.echo(_ask(context, "change", name=name, text=lines))


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """Print a box's true running configuration."""
    typer.echo(_ask(context, "show", name=name), nl=False)


@app.command()
def rotate(context: typer.Context, name: Name) -> None:
    """Give a box a new host key; prints it."""
    typer.echo(_ask(context, "rotate", name=name))


@app.command()
def restart(context: typer.Context, name: Name, down: Annotated[float | None, typer.Option()] = None) -> None:
    """Restart a box; it is away for `--down` seconds."""
    _ask(context, "restart", name=name, down=down)


@app.command()
def cut(context: typer.Context, name: Name, seconds: Annotated[float, typer.Option()] = 0.0) -> None:
    """Cut the path to a box for `--seconds`; 0: until its faults are cleared."""
    _ask(context, "cut", name=name, seconds=seconds)


@app.command()
def advance(context: typer.Context, name: Name, seconds: float) -> None:
    """Put a box's clock forward: what it would do by itself until then, it does now."""
    _ask(context, "advance", name=name, seconds=seconds)


@app.command()
def roam(
    context: typer.Context,
    name: Name,
    manager: Annotated[str, typer.Option(help="Who manages it, as its own filters see him.")] = "127.0.0.1",
) -> None:
    """From now on a box is found where its own configuration says, within 127/8; prints where that is."""
    client: ControlClient = context.obj
    typer.echo(" ".join(client.roam(name, manager)))


@app.command("lose-line")
def lose_line(
    context: typer.Context,
    name: Name,
    kind: Annotated[
        str, typer.Option(help="carrier: the link goes down, with a trap; silent: nothing shows.")
    ] = "carrier",
) -> None:
    """Lose a box's fixed line."""
    _ask(context, "lose_line", name=name, kind=kind)


@app.command("restore-line")
def restore_line(context: typer.Context, name: Name) -> None:
    """Bring a box's fixed line back."""
    _ask(context, "restore_line", name=name)


@app.command("lose-mobile")
def lose_mobile(context: typer.Context, name: Name) -> None:
    """Lose a box's mobile network."""
    _ask(context, "lose_mobile", name=name)


@app.command("restore-mobile")
def restore_mobile(context: typer.Context, name: Name) -> None:
    """Bring a box's mobile network back."""
    _ask(context, "restore_mobile", name=name)


@app.command()
def stats(context: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show what the boxes have counted."""
    client: ControlClient = context.obj
    counted = client.stats()
    if as_json:
        typer.echo(json.dumps(counted, indent=2))
        return
    columns = ("connections", "auth_completed", "passwords_refused", "sessions", "open_sessions", "max_open_sessions")
    table = Table("name", *columns)
    for name, counters in counted["devices"].items():
        table.add_row(name, *(str(counters[column]) for column in columns))
    Console().print(table)
