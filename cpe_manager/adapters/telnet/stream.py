"""One Telnet connection as bytes: telnetlib3 negotiates, we read and write what is left."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final, Protocol, cast

from telnetlib3.client import TelnetClient, open_connection
from telnetlib3.stream_reader import TelnetReader
from telnetlib3.stream_writer import TelnetWriter

from cpe_manager.domain.errors import ConnectFailed, DeviceError, SessionDropped

# Wide, and of no height: lines do not wrap, and a pager that goes by the terminal's height stays away.
_COLUMNS: Final = 511
_READ: Final = 65536
# Most devices are done with their options at once; one that answers none must not hold up the log-in.
_NEGOTIATION: Final = 1.0


class Listener(Protocol):
    """Who is told of what comes: the log-in dialogue first, the terminal then."""

    def received(self, data: bytes) -> None: ...

    def lost(self, error: Exception | None) -> None: ...


class Stream:
    """Open one with ``connect``; ``listen`` gives what has come so far, and from then on everything."""

    def __init__(self, reader: TelnetReader, writer: TelnetWriter, place: str) -> None:
        self._reader, self._writer, self.place = reader, writer, place
        self._listener: Listener | None = None
        self._held = b""
        self._carriage_return = False
        self._ended = False
        self._error: Exception | None = None
        self._pump = asyncio.create_task(self._read(), name=f"telnet {place}")

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        held, self._held = self._held, b""
        if held:
            listener.received(held)
        if self._ended:
            listener.lost(self._error)

    def write(self, data: bytes) -> None:
        """Send bytes as they are, but for what Telnet needs: telnetlib3 doubles IAC. Nothing after the end."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def line(self, text: str) -> None:
        """Send a line and Enter.

        Enter is CR LF on the wire (RFC 854). Where binary transmission was agreed on (RFC 856) nothing is made of that
        on the other side, and it would be Enter twice.
        """
        self.write(text.encode() + (b"\r" if self._writer.outbinary else b"\r\n"))

    def cut(self) -> None:
        """End it at once."""
        # A cast and no isinstance: uvloop's transports are none of asyncio's classes.
        transport = cast("asyncio.Transport | None", self._writer.transport)
        if transport is not None:
            transport.abort()
        self._pump.cancel()

    async def close(self, within: float) -> None:
        """Close, wait for the end for at most ``within`` seconds, then cut."""
        self._writer.close()
        try:
            async with asyncio.timeout(within):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            pass
        finally:
            self.cut()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._pump])

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_READ):
                self._give(self._plain(data))
        except (OSError, EOFError, ValueError) as error:
            self._error = SessionDropped(f"{self.place}: {error}")
        self._ended = True
        if self._listener is not None:
            self._listener.lost(self._error)

    def _give(self, data: bytes) -> None:
        if self._listener is None:
            self._held += data
        elif data:
            self._listener.received(data)

    def _plain(self, data: bytes) -> bytes:
        """CR NUL is how the network's terminal spells a bare CR (RFC 854); it may come in two pieces."""
        if self._carriage_return and data.startswith(b"\0"):
            data = data[1:]
        self._carriage_return = data.endswith(b"\r")
        return data.replace(b"\r\0", b"\r")


async def connect(host: str, port: int) -> Stream:
    """Connect and negotiate. Raises ``ConnectFailed``; the caller has the deadline."""
    place = f"{host}:{port}"
    made: list[TelnetClient] = []

    def client(**options: object) -> TelnetClient:
        made.append(TelnetClient(**options))  # type: ignore[arg-type]
        return made[-1]

    try:
        reader, writer = await open_connection(
            host,
            port,
            client_factory=client,
            encoding=False,
            term="vt100",
            cols=_COLUMNS,
            rows=0,
            # Nothing of this machine's user: no name, no locale, no display.
            send_environ=("TERM",),
            compression=False,
            connect_maxwait=_NEGOTIATION,
        )
    except (OSError, EOFError, UnicodeError) as error:
        raise _failed(error, place) from error
    except BaseException:
        # Cancellation included: whoever gives up on a connection must not leave its socket behind.
        _abort(made)
        raise
    return Stream(reader, writer, place)


def _failed(error: Exception, place: str) -> DeviceError:
    reason = "the name is not known" if isinstance(error, socket.gaierror) else str(error) or type(error).__name__
    return ConnectFailed(f"{place}: {reason.splitlines()[0]}")


def _abort(made: list[TelnetClient]) -> None:
    for client in made:
        transport = client._transport
        if transport is not None:
            transport.abort()
