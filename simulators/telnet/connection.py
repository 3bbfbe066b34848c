"""One Telnet connection to a virtual CPE: the log-in dialogue, then the same terminal that SSH has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from simulators.faults.kinds import AuthFailure, BannerHang, Refuse
from simulators.personas.base import Reply
from simulators.ssh.output import Ending, Output, plan
from simulators.ssh.server import linger_off
from simulators.ssh.terminal import Habits, Hooks, Terminal
from simulators.ssh.wire import Wire
from simulators.telnet.protocol import Options, escaped

if TYPE_CHECKING:
    from simulators.device import Device

_TRIES = 3
# Between the last byte and a reset, as for SSH.
_RESET_DELAY = 0.03


class TelnetConnection(asyncio.Protocol):
    """A way out (`simulators.ssh.wire.Way`) as well."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._deny = device.faults.take(AuthFailure) is not None
        self.options = Options(self._send)
        self._terminal: Terminal | None = None
        self._wire: Wire | None = None
        self._user: str | None = None
        self._line = bytearray()
        self._tries = 0
        self._after_return = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._device.telnet.add(self)
        self._device.stats.open_connections += 1
        self.options.start()
        self.write(self._text(self._device.persona.traits.telnet_greeting))
        self._ask()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._device.telnet.discard(self)
        self._device.stats.open_connections -= 1
        if self._wire is not None:
            self._wire.stop()
            self._device.stats.session_closed()

    def data_received(self, data: bytes) -> None:
        typed = self.options.feed(data)
        for index, byte in enumerate(typed):
            if self._terminal is None:
                self._key(byte)
                continue
            # The line end of the password may have its second half still to come.
            begin = index + (self._after_return and byte == 0x0A)
            self._after_return = False
            self._terminal.receive(typed[begin:])
            return

    def eof_received(self) -> bool:
        if self._terminal is not None:
            self._terminal.end_of_input()
        return False

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if data and not self.is_closing():
            self._transport.write(escaped(data))

    def write_stderr(self, data: bytes) -> None:
        self.write(data)

    def abort(self) -> None:
        self._transport.abort()

    def reset_soon(self) -> None:
        """Cut with a TCP reset, just after what has been written."""
        asyncio.get_running_loop().call_later(_RESET_DELAY, self._reset)

    def _reset(self) -> None:
        linger_off(self._transport.get_extra_info("socket"))
        self._transport.abort()

    def _send(self, data: bytes) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def _key(self, byte: int) -> None:
        """A key of the log-in: the name is echoed, the password is not."""
        follows, self._after_return = self._after_return, byte == 0x0D
        if follows and byte == 0x0A:
            return
        if byte in (0x0D, 0x0A):
            self.write(b"\r\n")
            line = self._line.decode("utf-8", "replace")
            self._line.clear()
            self._answered(line)
        elif byte in (0x7F, 0x08):
            if self._line:
                self._line.pop()
        elif byte >= 0x20:
            self._line.append(byte)
            if self._user is None:
                self.write(bytes((byte,)))

    def _answered(self, line: str) -> None:
        if self._user is None:
            self._user = line
            self._ask()
            return
        spec, stats = self._device.spec, self._device.stats
        separator = self._device.persona.traits.login_options
        name = self._user.partition(separator)[0] if separator else self._user
        accepted = not self._deny and (name, line) == (spec.username, spec.secrets.login)
        stats.logged_in(accepted)
        if accepted:
            stats.auth_completed += 1
            self._start()
            return
        self.write(self._text(self._device.persona.traits.telnet_refused))
        self._user, self._tries = None, self._tries + 1
        if self._tries >= _TRIES:
            self._transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        persona = self._device.persona
        host = persona.hostname(self._device.state)
        question = persona.traits.telnet_user.format(host=host) if self._user is None else "Password: "
        self.write(self._text(question))

    def _start(self) -> None:
        device = self._device
        device.stats.session_opened()
        self._wire = Wire(self, device.faults, device.rng)
        habits = Habits.draw(device.persona.traits, device.faults, True)
        hooks = Hooks(
            self._plan,
            self._finish,
            lambda: device.persona.hostname(device.state),
            lambda command: device.typed(self, command),
            lambda command, strike: strike.instead(command, device.persona),
        )
        self._terminal = Terminal(device.persona.dialogue(device.state), habits, self._wire, hooks)
        self._terminal.start()

    def _plan(self, command: str, reply: Reply) -> Output:
        self._device.stats.commands.append(command)
        return plan(reply, self._device.faults, self._device.origin(command))

    def _finish(self, output: Output) -> None:
        if output.ending is Ending.HANG or self.is_closing():
            return
        if output.ending is Ending.DROP:
            self.reset_soon()
        elif output.ending is Ending.RESTART:
            self._device.restart(output.down)
        elif output.ending is Ending.CUT:
            self._device.cut(output.down or 0.0)
        else:
            self._transport.close()

    @staticmethod
    def _text(text: str) -> bytes:
        return text.replace("\n", "\r\n").encode()


class _Slam(asyncio.Protocol):
    """Resets a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        linger_off(transport.get_extra_info("socket"))
        cast("asyncio.Transport", transport).abort()


class _Mute(asyncio.Protocol):
    """Takes a connection and never says a word."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._device.mute.add(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._device.mute.discard(self._transport)


def answer(device: Device) -> asyncio.Protocol:
    """The protocol for one new TCP connection."""
    device.stats.connections += 1
    if device.is_away or device.faults.take(Refuse):
        return _Slam()
    return _Mute(device) if device.faults.take(BannerHang) else TelnetConnection(device)
