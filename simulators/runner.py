"""Runs a fleet in the foreground until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.control_server import ControlServer
from simulators.fleet import Fleet
from simulators.inventory import write_credentials, write_inventory
from simulators.snmp.line import Sink
from simulators.spec import DeviceSpec


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files that a running fleet leaves for others. None: not written; for control: no socket."""

    inventory: Path | None = None
    credentials: Path | None = None
    control: Path | None = None
    ready: Path | None = None


@dataclass(frozen=True, slots=True)
class Snmp:
    """How the boxes answer SNMP. port 0: each box has one of its own."""

    port: int = 0
    sinks: tuple[Sink, ...] = ()


async def serve(
    specs: Sequence[DeviceSpec],
    outputs: Outputs,
    announce: Callable[[Fleet], None],
    snmp: Snmp | None = None,
    telnet_port: int | None = None,
    boot_seconds: float = 0.5,
) -> None:
    """Start the boxes, write the files, call `announce`, and serve until SIGTERM or SIGINT.

    `telnet_port` None: no Telnet; 0: each box has a port of its own. `boot_seconds`: how long a restart takes.
    The ready file appears last and holds the process id; it and the control socket are gone after the stop.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(_fleet(specs, snmp, telnet_port, boot_seconds))
        if outputs.control is not None:
            await stack.enter_async_context(ControlServer(fleet, outputs.control))
        if outputs.credentials is not None:
            write_credentials(outputs.credentials, specs, snmp=snmp is not None)
        if outputs.inventory is not None:
            write_inventory(outputs.inventory, fleet.devices)
        if outputs.ready is not None:
            stack.callback(outputs.ready.unlink, missing_ok=True)
            outputs.ready.write_text(f"{os.getpid()}\n", encoding="utf-8")
        announce(fleet)
        await stop.wait()


def _fleet(specs: Sequence[DeviceSpec], snmp: Snmp | None, telnet_port: int | None, boot_seconds: float) -> Fleet:
    asked = snmp or Snmp()
    return Fleet(
        specs,
        boot_seconds,
        snmp=snmp is not None,
        snmp_port=asked.port,
        sinks=asked.sinks,
        telnet=telnet_port is not None,
        telnet_port=telnet_port or 0,
    )
