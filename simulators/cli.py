"""The command `cpe-sim`: run virtual CPEs, and steer running ones."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from simulators import cli_control
from simulators.box import refuse_family, serve_box
from simulators.faults.kinds import Fault, fault_types, make_fault
from simulators.fleet import Fleet
from simulators.inventory import FleetPlan, specs_for, usual_user
from simulators.lab import cli as cli_lab
from simulators.personas.registry import all_personas
from simulators.runner import Outputs, Snmp, serve
from simulators.snmp.access import OPTIONS
from simulators.snmp.line import Sink
from simulators.spec import DeviceSpec, Secrets

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Virtual CPEs: boxes that answer SSH as real ones do."
)
app.add_typer(cli_control.app, name="ctl")
app.add_typer(cli_lab.app, name="lab")

Beyond = Annotated[
    bool,
    typer.Option(
        "--beyond-loopback",
        help="Let the base be outside 127.0.0.0/8. Whoever reaches the boxes then can work out their passwords.",
    ),
]
Seed = Annotated[int, typer.Option(help="Decides every name, address and secret.")]
Size = Annotated[int, typer.Option(help="Lower bound of a configuration's size in bytes; 0: the family's natural one.")]
Setting = Annotated[list[str] | None, typer.Option("--option", help="FAMILY.NAME=VALUE, see `cpe-sim personas`.")]
Keys = Annotated[Path | None, typer.Option(help="File of OpenSSH public keys that may log in too.")]
SnmpPort = Annotated[int | None, typer.Option(help="UDP port of the SNMP agents; 0: each has one of its own.")]
BootSeconds = Annotated[float, typer.Option(min=0.0, help="How long a restart keeps a box away.")]
TelnetPort = Annotated[int | None, typer.Option(help="Answer Telnet too, at this TCP port; 0: each box has its own.")]
TrapSink = Annotated[str, typer.Option(help="HOST:PORT that gets the traps; +inform for informs, +v3 for SNMPv3.")]
Control = Annotated[str, typer.Option(help="Path of the control socket, or none.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; without arguments those of the process.

    A ValueError or OSError from below is the caller's mistake: one line, exit code 2.
    """
    try:
        app(arguments)
    except (ValueError, OSError) as error:
        Console(stderr=True).print(f"cpe-sim: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from error


@app.command()
def fleet(  # noqa: PLR0913, PLR0917  (a command's options are its parameters)
    count: Annotated[int, typer.Option(min=1, help="How many boxes.")] = 30,
    mix: Annotated[str, typer.Option(help="Families, in turns, separated by commas.")] = "cisco_ios,openwrt,frr_linux",
    seed: Seed = 0,
    base: Annotated[str, typer.Option(help="First address; with a fixed port each box has its own.")] = "127.1.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="SSH port; 0: each box gets one of its own.")] = 2200,
    beyond_loopback: Beyond = False,
    config_bytes: Size = 0,
    option: Setting = None,
    authorized_keys: Keys = None,
    inventory: Annotated[Path | None, typer.Option(help="Write the inventory CSV here.")] = None,
    credentials: Annotated[Path | None, typer.Option(help="Write the logins (TOML, mode 0600) here.")] = None,
    control: Control = "none",
    ready_file: Annotated[Path | None, typer.Option(help="Appears when all boxes answer.")] = None,
    snmp_port: SnmpPort = None,
    trap_sink: TrapSink = "",
    telnet_port: TelnetPort = None,
    boot_seconds: BootSeconds = 0.5,
) -> None:
    """Run many boxes until SIGTERM or SIGINT."""
    families = tuple(item.strip() for item in mix.split(",") if item.strip())
    plan = FleetPlan(count, families, seed, base, port, config_bytes, beyond_loopback)
    specs = [_completed(spec, option or [], authorized_keys) for spec in specs_for(plan)]
    outputs = Outputs(inventory, credentials, _socket_path(control), ready_file)
    _run(specs, outputs, _snmp(snmp_port, trap_sink), telnet_port, boot_seconds)


@app.command()
def one(  # noqa: PLR0913, PLR0917  (a command's options are its parameters)
    family: Annotated[str, typer.Option(help="See `cpe-sim personas`.")] = "cisco_ios",
    name: Annotated[str, typer.Option(help="The box's hostname.")] = "cpe-0001",
    address: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 0,
    username: Annotated[str, typer.Option()] = "backup",
    password: Annotated[str, typer.Option(help="Derived from the seed if not given.")] = "",
    enable_password: Annotated[str, typer.Option(help="Derived from the seed if not given.")] = "",
    seed: Seed = 0,
    config_bytes: Size = 0,
    option: Setting = None,
    authorized_keys: Keys = None,
    control: Control = "none",
    snmp_port: SnmpPort = None,
    trap_sink: TrapSink = "",
    telnet_port: TelnetPort = None,
    boot_seconds: BootSeconds = 0.5,
) -> None:
    """Run a single box until SIGTERM or SIGINT."""
    given = Secrets(login=password, enable=enable_password)
    spec = DeviceSpec(name, family, seed, username, given, config_bytes, address, port)
    outputs = Outputs(control=_socket_path(control))
    _run(
        [_completed(spec, option or [], authorized_keys)],
        outputs,
        _snmp(snmp_port, trap_sink),
        telnet_port,
        boot_seconds,
    )


@app.command()
def box(
    family: Annotated[str, typer.Option(help="See `cpe-sim personas`.")] = "cisco_ios",
    seed: Annotated[
        int | None, typer.Option(help="Decides name, addresses and secrets; default: another each time.")
    ] = None,
    username: Annotated[str, typer.Option(help="Default: the family's usual one.")] = "",
    option: Setting = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME[:PARAMETER=VALUE,...]", help="See `cpe-sim faults`.")
    ] = None,
) -> None:
    """Run a fresh box for a program: one JSON line tells of it, and it ends when standard input does."""
    if family not in all_personas():
        refuse_family(family)
        raise SystemExit(2)
    number = secrets.randbelow(2**32) if seed is None else seed
    user = username or usual_user(family)
    spec = DeviceSpec(f"fresh-{number:08x}", family, number, user)
    given = [_fault(text) for text in fault or []]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_box(_completed(spec, option or [], None), given))


def _fault(text: str) -> Fault:
    """Raises ValueError."""
    name, _, rest = text.partition(":")
    return make_fault(name, dict(part.partition("=")[::2] for part in rest.split(",") if part))


@app.command()
def faults() -> None:
    """List the faults that a box can have."""
    table = Table("fault", "parameters", "strikes", "benign", "what happens")
    for kind in fault_types().values():
        summary = (kind.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")
        table.add_row(kind.name, _parameters(kind), kind.scope.value, "yes" if kind.benign else "no", summary)
    Console().print(table)


@app.command()
def personas() -> None:
    """List the families and their options."""
    table = Table("family", "what it is", "options (the first value is the default)")
    for persona in all_personas().values():
        options = "\n".join(f"{name}={meaning}" for name, meaning in _options_of(persona.family).items())
        table.add_row(persona.family, persona.summary, options)
    Console().print(table)


def _parameters(kind: type[Fault]) -> str:
    return "\n".join(f"{field.name}={field.default}" for field in dataclasses.fields(kind))


def _socket_path(control: str) -> Path | None:
    return None if control in ("", "none") else Path(control)


def _completed(spec: DeviceSpec, settings: list[str], keys: Path | None) -> DeviceSpec:
    """Add family options and public keys to a spec."""
    options: dict[str, str] = {}
    for setting in settings:
        target, separator, value = setting.partition("=")
        family, _, name = target.partition(".")
        if not separator or not name or family not in all_personas() or name not in _options_of(family):
            raise ValueError(f"not a family's option: {setting!r} (FAMILY.NAME=VALUE, see `cpe-sim personas`)")
        if family == spec.family:
            options[name] = value
    lines = keys.read_text(encoding="utf-8").splitlines() if keys else []
    authorized = tuple(line for line in lines if line.strip() and not line.startswith("#"))
    return dataclasses.replace(spec, options=options, authorized_keys=authorized)


def _announce(running: Fleet) -> None:
    families = Counter(device.spec.family for device in running.devices)
    first, last = running.devices[0], running.devices[-1]
    mix = ", ".join(f"{number} {family}" for family, number in sorted(families.items()))
    where = f"{first.address}:{first.port}"
    if len(running.devices) > 1:
        where += f" to {last.address}:{last.port}"
    else:
        where += f", login {first.spec.username} / {first.spec.secrets.login}"
    if first.telnet_port:
        where += f", Telnet at port {first.telnet_port}"
    typer.echo(f"cpe-sim: ready, {mix} at {where}")


def _snmp(port: int | None, sink: str) -> Snmp | None:
    """What the options say; None without SNMP. Raises ValueError for a sink that is not HOST:PORT."""
    if port is None:
        return None
    place, *marks = sink.split("+")
    host, _, number = place.rpartition(":")
    if sink and (not host or not number.isdecimal() or not set(marks) <= {"inform", "v3"}):
        raise ValueError(f"not a trap sink: {sink!r} (HOST:PORT, with +inform or +v3)")
    version = "3" if "v3" in marks else "2c"
    return Snmp(port, (Sink(host, int(number), version, "inform" in marks),) if sink else ())


def _run(
    specs: list[DeviceSpec], outputs: Outputs, snmp: Snmp | None, telnet_port: int | None, boot_seconds: float
) -> None:  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(specs, outputs, _announce, snmp, telnet_port, boot_seconds))


def _options_of(family: str) -> dict[str, str]:
    """The family's own, and those that every box has."""
    return {**all_personas()[family].options, **OPTIONS}
