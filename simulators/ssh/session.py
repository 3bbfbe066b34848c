"""One SSH channel on a virtual CPE: a terminal session or one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncssh

from simulators.personas.base import Filing, Reply
from simulators.ssh.output import Ending, Output, plan
from simulators.ssh.scp import Scp
from simulators.ssh.terminal import Habits, Hooks, Terminal
from simulators.ssh.wire import Wire

if TYPE_CHECKING:
    from simulators.device import Device


class CpeSession(asyncssh.SSHServerSession[bytes]):
    """Callbacks rather than streams: a fleet in one process serves hundreds of these a second."""

    def __init__(self, device: Device, connection: asyncssh.SSHServerConnection) -> None:
        self._device = device
        self._connection = connection
        self._command: str | None = None
        self._has_pty = False
        self._terminal: Terminal | None = None
        self._stdin = bytearray()
        self._scp: Scp | None = None
        self._wants_stdin = False
        self._place = str(connection.get_extra_info("sockname", ("",))[0])

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._wire = Wire(chan, self._device.faults, self._device.rng)
        self._device.stats.session_opened()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._wire.stop()
        if self._terminal is not None:
            self._terminal.hang_up()
        self._device.stats.session_closed()

    def pty_requested(self, _type: str, _size: tuple[int, int, int, int], _modes: object) -> bool:
        self._has_pty = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        device = self._device
        if self._deaf:
            return
        if self._command is not None and self._command.startswith("scp ") and isinstance(device.persona, Filing):
            device.stats.commands.append(self._command)
            self._scp = Scp(self._command, device.persona, device.state, self._channel)
            self._scp.start()
            return
        if self._command is not None:
            self._wants_stdin = device.persona.reads_stdin(self._command)
            if not self._wants_stdin:
                self._execute(self._command)
            return
        habits = Habits.draw(device.persona.traits, device.faults, self._has_pty)
        hooks = Hooks(
            self._plan,
            self._finish,
            lambda: device.persona.hostname(device.state),
            lambda command: device.typed(self._connection, command),
            lambda command, strike: strike.instead(command, device.persona),
        )
        self._terminal = Terminal(device.persona.dialogue(device.state), habits, self._wire, hooks)
        self._terminal.start()

    @property
    def _deaf(self) -> bool:
        """The box is restarting, or what comes does not arrive: the reset of the connection is on its way."""
        return self._device.is_away

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        if self._deaf:
            return
        if self._terminal is not None:
            self._terminal.receive(data)
        elif self._scp is not None:
            self._scp.receive(data)
        elif self._wants_stdin:
            self._stdin += data

    def eof_received(self) -> bool:
        if self._terminal is not None:
            self._terminal.end_of_input()
        elif self._scp is not None:
            self._scp.end_of_input()
        elif self._wants_stdin and self._command is not None:
            self._wants_stdin = False
            self._execute(self._command)
        return True

    def break_received(self, _msec: int) -> bool:
        return True

    def signal_received(self, _signal: str) -> None:
        self._finish(Output("", ending=Ending.CLOSE, status=-1))

    def _plan(self, command: str, reply: Reply) -> Output:
        self._device.stats.commands.append(command)
        self._device.look()
        if not self._device.carries_at(self._place):
            # What the command did is done; its answer does not come through any more.
            return Output("", ending=Ending.DROP)
        return plan(reply, self._device.faults, self._device.origin(command))

    def _execute(self, command: str) -> None:
        strike = self._device.typed(self._connection, command)
        if strike is None:
            self._send(self._done(command))
        elif strike.stalls and not strike.fault.done:
            self._wire.send([strike.wait], lambda: self._send(self._done(command)))
        elif (instead := strike.instead(command, self._device.persona)) is not None:
            self._send(instead)
        else:
            output = strike.behind(self._done(command))
            self._wire.send([strike.wait], lambda: self._send(output))

    def _done(self, command: str) -> Output:
        device = self._device
        reply = device.persona.execute(device.state, command, self._stdin.decode("utf-8", "replace"))
        return self._plan(command, reply)

    def _send(self, output: Output) -> None:
        self._wire.write_error(self._encode(output.error))
        data, rest_at = self._encode(output.text), len(self._encode(output.text[: output.rest_at]))
        pieces: list[bytes | float] = [data[:rest_at], output.rest, data[rest_at:]] if rest_at else [data]
        self._wire.send(pieces, lambda: self._finish(output))

    def _finish(self, output: Output) -> None:
        """End the channel the way the output says."""
        if output.ending is Ending.HANG or self._channel.is_closing():
            return
        if output.ending is Ending.DROP:
            self._device.reset_connection(self._connection)
        elif output.ending is Ending.RESTART:
            self._device.restart(output.down)
        elif output.ending is Ending.CUT:
            self._device.cut(output.down or 0.0)
        elif output.status < 0:
            self._channel.write_eof()
            self._channel.close()
        else:
            self._channel.exit(output.status)

    def _encode(self, text: str) -> bytes:
        newline = self._device.persona.traits.exec_newline
        return text.replace("\n", newline).encode("utf-8", "surrogateescape")
