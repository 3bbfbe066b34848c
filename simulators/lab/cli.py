"""`cpe-sim lab`: start a lab in network namespaces, cut its lines, and measure what a customer notices."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from simulators.lab import compose, outputs
from simulators.lab.control import Control, Direction, Side, Switch
from simulators.lab.measure import Measuring
from simulators.lab.netns import NetnsLab, Running
from simulators.lab.places import LabError
from simulators.lab.plan import LabPlan, LanAddress, Routing

app = typer.Typer(no_args_is_help=True, help="Real routers in network namespaces, whose lines can be cut (root).")
cut = typer.Typer(no_args_is_help=True, help="Take a fixed line away.")
app.add_typer(cut, name="cut")

Name = Annotated[str, typer.Option("--name", help="Which lab; several run side by side.")]
Number = Annotated[int, typer.Argument(metavar="N", help="The customer's number, from 1.")]
_ROOT: Final = Path("/run/cpe-lab")
_USUAL: Final = "lab"


def _folder(name: str) -> Path:
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no name for a lab")
    return _ROOT / name


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """A lab that does not do what it is told is an error of one line, as the caller's mistakes are."""
    try:
        yield
    except LabError as error:
        raise ValueError(str(error)) from error


def _control(name: str) -> Control:
    running = Running.load(_folder(name))
    return Control(running.plan, running)


@app.command()
def up(  # noqa: PLR0913, PLR0917  (a command's options are its parameters)
    cpes: Annotated[int, typer.Option(min=1, max=250, help="How many customers.")] = 2,
    routing: Annotated[Routing, typer.Option(help="bgp: box and edge move by themselves.")] = "static",
    bfd: Annotated[bool, typer.Option(help="Box and edge watch the fixed line, 100 ms x 3.")] = True,
    lan: Annotated[LanAddress, typer.Option(help="How a customer's host gets its address.")] = "static",
    mobile_rate: Annotated[int, typer.Option(min=1, help="Mbit/s down over mobile.")] = 20,
    detach: Annotated[bool, typer.Option(help="Return when it runs; `cpe-sim lab down` ends it.")] = False,
    settle: Annotated[bool, typer.Option(help="Wait until routing has come to rest.")] = True,
    name: Name = _USUAL,
) -> None:
    """Start a lab and run it until Ctrl-C."""
    plan = LabPlan(cpes, routing, bfd, lan, mobile_rate)
    folder = _folder(name)
    with contextlib.suppress(LabError):
        Running.load(folder)
        raise ValueError(f"a lab named {name!r} runs already; `cpe-sim lab down --name {name}` ends it")
    if detach:
        _detached(folder)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = NetnsLab(plan, folder)
    try:
        with _plainly(), contextlib.suppress(KeyboardInterrupt), lab as running:
            key = running.run("edge", "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
            outputs.write(folder, plan, " ".join(key))
            settled = running.settle() if settle else 0.0
            typer.echo(_greeting(running, lab.started_in, settled, name))
            sys.stdout.flush()
            signal.pause()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _detached(folder: Path) -> None:
    words = [word for word in sys.argv[1:] if word != "--detach"]
    read, write = os.pipe()
    with open(read, encoding="utf-8", closefd=True) as told:  # noqa: PTH123  (a pipe has no path)
        child = subprocess.Popen(
            [sys.executable, "-c", "from simulators.cli import main; main()", *words],
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            start_new_session=True,
        )
        os.close(write)
        for line in told:
            typer.echo(line.rstrip())
            if line.startswith("Ctrl-C"):
                return
    raise ValueError(f"the lab in {folder} ended with status {child.wait()}")


def _greeting(running: Running, started: float, settled: float, name: str) -> str:
    folder, cpes = running.folder, list(running.plan.all_cpes())
    option = "" if name == _USUAL else f" --name {name}"
    rows = [
        f"{cpe.name:8} managed at {cpe.management}, line {cpe.line_address}, mobile {cpe.mobile_address}, "
        f"fixed address {cpe.fixed.network_address}"
        for cpe in cpes[:10]
    ]
    if len(cpes) > 10:
        rows.append(f"... to {cpes[-1].name}")
    return "\n".join(
        (
            f"lab {name}: {len(running.plan.nodes)} nodes in {started:.1f} s, routing settled {settled:.1f} s later",
            *rows,
            f"files      {folder}/: {', '.join(outputs.FILES)}, key",
            f"go inside  cpe-sim lab exec{option} manager -- bash",
            f"a box      cpe-sim lab exec{option} manager -- ssh -i {folder}/key root@{cpes[0].management}",
            f"cut        cpe-sim lab cut silent{option} 1;  cpe-sim lab restore{option} 1",
            f"measure    cpe-sim lab measure{option} 1 --cut carrier",
            "Ctrl-C ends it.",
        )
    )


@app.command()
def down(name: Name = _USUAL) -> None:
    """End a lab that runs elsewhere."""
    with _plainly():
        running = Running.load(_folder(name))
    os.kill(running.owner, signal.SIGTERM)
    end = time.monotonic() + 30
    while Path(f"/proc/{running.owner}").exists():
        if time.monotonic() > end:
            raise ValueError(f"the lab's process {running.owner} has not ended")
        select.select([], [], [], 0.05)


@app.command()
def status(
    name: Name = _USUAL,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Where each customer's traffic goes, and what the edge sees of the line."""
    with _plainly():
        running = Running.load(_folder(name))
        rows = [_row(running, cpe.number) for cpe in running.plan.all_cpes()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        ways = f"out over {row['out'] or 'nothing'}, in over {row['in'] or 'nothing'}"
        carrier = f"carrier eth0 {row['eth0']}, wwan0 {row['wwan0']}"
        typer.echo(f"{row['cpe']:8} {ways:36} {carrier}")


def _row(running: Running, number: int) -> dict[str, Any]:
    cpe = running.plan.cpe(number)
    links = json.loads(running.run(cpe.name, "ip", "-j", "link", "show"))
    carrier = {link["ifname"]: "yes" if "LOWER_UP" in link["flags"] else "no" for link in links}
    ways = json.loads(running.run(cpe.name, "ip", "-j", "-4", "route", "show", "default"))
    inward = json.loads(running.run("edge", "ip", "-j", "-4", "route", "show", str(cpe.fixed.network_address)))
    return {
        "cpe": cpe.name,
        "out": {"eth0": "fixed", "wwan0": "mobile"}.get(ways[0]["dev"], "") if ways else "",
        "in": {f"line{number}": "fixed", "apn0": "mobile"}.get(inward[0]["dev"], "") if inward else "",
        "eth0": carrier.get("eth0", "no"),
        "wwan0": carrier.get("wwan0", "no"),
    }


@cut.command("carrier")
def cut_carrier(
    number: Number,
    side: Annotated[Side, typer.Option(help="Who sees it; edges behind an access node mostly do not.")] = "both",
    name: Name = _USUAL,
) -> None:
    """The interface goes down."""
    with _plainly():
        _control(name).cut_carrier(number, side)


@cut.command("silent")
def cut_silent(
    number: Number,
    direction: Annotated[Direction, typer.Option(help="up: from the customer.")] = "both",
    name: Name = _USUAL,
) -> None:
    """The interface stays up, and packets go nowhere."""
    with _plainly():
        _control(name).cut_silent(number, direction)


@app.command()
def degrade(
    number: Number,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Share of packets that is lost.")],
    direction: Annotated[Direction, typer.Option(help="up: from the customer.")] = "both",
    name: Name = _USUAL,
) -> None:
    """Lose some of the packets of a fixed line."""
    with _plainly():
        _control(name).degrade(number, loss, direction)


@app.command()
def restore(number: Number, name: Name = _USUAL) -> None:
    """Bring a fixed line back."""
    with _plainly():
        _control(name).restore(number)


@app.command()
def mobile(what: Switch, number: Number, name: Name = _USUAL) -> None:
    """Take a modem off its network, or let it back."""
    with _plainly():
        _control(name).mobile(number, what)


@app.command()
def power(what: Switch, number: Number, name: Name = _USUAL) -> None:
    """Pull the plug of a CPE, or put it in again."""
    with _plainly():
        _control(name).power(number, what)


@app.command()
def node(what: Switch, name: Name = _USUAL) -> None:
    """The access node goes dark with all its fixed lines, or comes back."""
    with _plainly():
        _control(name).node(what)


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    place: Annotated[str, typer.Argument(metavar="NODE", help="edge, mobile, access, internet, manager, cpe1, lan1.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...")],
    name: Name = _USUAL,
) -> None:
    """Run a command inside a node; in `manager` with the machine's own files."""
    with _plainly():
        inside = Running.load(_folder(name)).within(place)
    os.execvp(inside[0], [*inside, *(command[1:] if command[0] == "--" else command)])


@app.command()
def inventory(
    what: Annotated[str, typer.Argument(help="inventory, credentials, lines or edge.")] = "inventory",
    name: Name = _USUAL,
) -> None:
    """Print what the manager is given of a running lab."""
    files = {Path(name).stem: name for name in outputs.FILES}
    if what not in files:
        raise ValueError(f"{what!r} is none of {', '.join(files)}")
    with _plainly():
        folder = Running.load(_folder(name)).folder
    typer.echo((folder / files[what]).read_text(), nl=False)


@app.command("compose")
def print_compose(
    cpes: Annotated[int, typer.Option(min=1, max=250, help="How many customers.")] = 2,
    routing: Annotated[Routing, typer.Option(help="bgp: box and edge move by themselves.")] = "static",
) -> None:
    """Print the lab as a compose file, for `docker compose` or `podman-compose`."""
    typer.echo(compose.text(LabPlan(cpes, routing)), nl=False)


@app.command()
def measure(
    number: Number,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 5.0,
    cut_as: Annotated[str, typer.Option("--cut", help="carrier or silent, after 0.3 s; empty: nothing.")] = "",
    restore_it: Annotated[bool, typer.Option("--restore", help="Bring the line back instead of cutting it.")] = False,
    voice: Annotated[bool, typer.Option(help="Send SIP and RTP too, and count what mobile carries of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    name: Name = _USUAL,
) -> None:
    """What a customer notices: a datagram each millisecond, a TCP stream, voice."""
    if cut_as not in ("", "carrier", "silent"):
        raise ValueError(f"--cut is carrier or silent, not {cut_as!r}")
    with _plainly():
        running = Running.load(_folder(name))
        control = Control(running.plan, running)
        kinds = ("udp", "tcp", "voice") if voice else ("udp", "tcp")
        with Measuring(running, running.plan, number, seconds, kinds, counted=control.counted) as measuring:
            if restore_it:
                measuring.do("restore", lambda: control.restore(number))
            elif cut_as == "carrier":
                measuring.do("carrier", lambda: control.cut_carrier(number))
            elif cut_as == "silent":
                measuring.do("silent", lambda: control.cut_silent(number))
        result = measuring.result()
    if as_json:
        typer.echo(result.as_json())
        return
    assert result.udp is not None
    assert result.tcp is not None
    udp, tcp = result.udp, result.tcp
    typer.echo(
        f"UDP   {udp.lost} of {udp.sent} lost ({udp.lost_up} of them on the way up), longest outage "
        f"{udp.outage * 1000:.0f} ms; the probe itself was at most {udp.late_most * 1000:.1f} ms late\n"
        f"TCP   longest stall {tcp.stall * 1000:.0f} ms, the session {'lives' if tcp.survived else 'is gone'}\n"
        f"seen  as {', '.join(udp.sources) or 'nobody'}"
    )
    if result.voice:
        told = result.voice
        typer.echo(f"voice {told.sent} sent, {told.over_fixed} over fixed, {told.over_mobile} over mobile")
