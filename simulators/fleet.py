"""Many virtual CPEs in one process: one listener each, one event loop, one set of SSH options.

async with Fleet([DeviceSpec("r1", "cisco_ios")]) as fleet:
    device = fleet.device("r1")
    ...connect to device.address, device.port...
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import resource
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from simulators.device import Device
from simulators.snmp.line import Sink
from simulators.spec import DeviceSpec
from simulators.ssh.server import answer
from simulators.telnet.connection import answer as answer_telnet

_BACKLOG = 128
_STOP_SECONDS = 2.0
_REOPEN_SECONDS = 5.0
# Descriptors besides one listener per box: open sessions, event loop, control socket.
_SPARE_DESCRIPTORS = 4096


class Fleet:
    """Starts and stops boxes together. `down_time`: how long, in seconds, a restart keeps a box away.

    `snmp` opens a UDP port for each box at its address, `device.snmp.port`: `snmp_port` if given, which wants an
    address for each box, else one of its own. `sinks` get every box's traps. `telnet` opens a Telnet port for each box,
    `device.telnet_port`: `telnet_port` if given, which wants an address for each box, else one of its own.
    """

    def __init__(
        self,
        specs: Iterable[DeviceSpec],
        down_time: float = 0.5,
        *,
        snmp: bool = False,
        snmp_port: int = 0,
        sinks: tuple[Sink, ...] = (),
        telnet: bool = False,
        telnet_port: int = 0,
    ) -> None:
        self._telnet, self._telnet_port = telnet, telnet_port
        self._telnet_servers: list[asyncio.Server] = []
        self._snmp = snmp
        self._snmp_port = snmp_port
        self._sinks = sinks
        self._devices = {spec.name: Device(spec, down_time) for spec in specs}
        self._servers: dict[tuple[str, str], asyncio.Server] = {}
        """By box and address."""
        self._opening: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(self._devices.values())

    def device(self, name: str) -> Device:
        """The box with that name. Raises KeyError if there is none."""
        return self._devices[name]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open all listeners. Raises OSError if an address cannot be bound; then none stays open."""
        raise_descriptor_limit((1 + self._snmp + self._telnet) * len(self._devices) + _SPARE_DESCRIPTORS)
        try:
            for device in self._devices.values():
                await self._serve(device, device.address, self._bind(device, device.address))
                device.on_port_change = self._follow_port
                if self._telnet:
                    await self._serve_telnet(device)
                if self._snmp:
                    device.snmp.sinks = self._sinks
                    await device.snmp.start(device.address, self._snmp_port)
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close listeners and connections."""
        opening = tuple(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for device in self._devices.values():
            device.on_port_change = None
            device.hang_up()
            await device.snmp.stop()
        closing = (*self._servers.values(), *self._telnet_servers)
        self._servers.clear()
        self._telnet_servers.clear()
        for server in closing:
            server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.gather(*(server.wait_closed() for server in closing))
        # One more turn of the loop lets aborted transports call connection_lost.
        await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until all ports that are to be open again are. Raises what kept one closed."""
        await asyncio.gather(*self._opening.values())

    def _bind(self, device: Device, place: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((place, device.port))
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
        device.port = sock.getsockname()[1]
        return sock

    async def _serve(self, device: Device, place: str, sock: socket.socket) -> None:
        factory = functools.partial(answer, device, place)
        try:
            server = await asyncio.get_running_loop().create_server(factory, sock=sock, backlog=_BACKLOG)
        except (OSError, asyncio.CancelledError):
            sock.close()
            raise
        self._servers[device.name, place] = server

    async def _serve_telnet(self, device: Device) -> None:
        factory = functools.partial(answer_telnet, device)
        server = await asyncio.get_running_loop().create_server(
            factory, device.address, self._telnet_port, backlog=_BACKLOG
        )
        device.telnet_port = server.sockets[0].getsockname()[1]
        self._telnet_servers.append(server)

    def _follow_port(self, device: Device) -> None:
        """Close or open a box's ports as its faults and its addresses want it."""
        wanted = set(device.places) if device.port_wanted else set()
        for name, place in list(self._servers):
            if name == device.name and place not in wanted:
                self._servers.pop((name, place)).close()
        for place in wanted:
            key = device.name, place
            if key in self._servers or key in self._opening:
                continue
            work = self._reopen(device, place, self._try_bind(device, place))
            task = asyncio.get_running_loop().create_task(work, name=f"cpe-sim-open-{device.name}")
            self._opening[key] = task
            task.add_done_callback(lambda _, key=key: self._opening.pop(key))  # type: ignore[misc]
        if self._snmp and device.snmp.open_at not in ("", device.address):
            self._move_agent(device)

    def _move_agent(self, device: Device) -> None:
        key = device.name, "snmp"
        if key not in self._opening:
            work = device.snmp.move(device.address)
            task = asyncio.get_running_loop().create_task(work, name=f"cpe-sim-snmp-{device.name}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key))

    async def _reopen(self, device: Device, place: str, sock: socket.socket | None) -> None:
        """Listen again. On asyncio's own loop the socket is there already; uvloop takes a moment to let go of it."""
        async with asyncio.timeout(_REOPEN_SECONDS):
            while sock is None:
                await asyncio.sleep(0.005)
                sock = self._try_bind(device, place)
        await self._serve(device, place, sock)
        # The fault may have come back in the meantime, or the box have moved on.
        self._follow_port(device)

    def _try_bind(self, device: Device, place: str) -> socket.socket | None:
        try:
            return self._bind(device, place)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return None


def raise_descriptor_limit(wanted: int) -> None:
    """Raise the soft limit of open files towards `wanted`, as far as the hard limit lets it.

    Raises OSError when even the hard limit leaves no room for the listeners."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if ceiling <= wanted - _SPARE_DESCRIPTORS:
        raise OSError(f"{wanted - _SPARE_DESCRIPTORS} boxes need more open files than the hard limit of {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))
