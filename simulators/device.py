"""A running virtual CPE: spec, state, faults, and what a test may ask it or do to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import asyncssh

from simulators.faults.active import ActiveFaults
from simulators.faults.kinds import AtCommand, CutAtCommand, Fault, PromptInConfig, Refuse
from simulators.faults.mangle import Origin
from simulators.faults.struck import Counter, Strike
from simulators.personas.base import Booting, Persona, Reached
from simulators.personas.registry import persona_for
from simulators.reach.view import Surroundings, View
from simulators.snmp.agent import Agent
from simulators.snmp.line import LossKind
from simulators.spec import DeviceSpec
from simulators.ssh.hostkeys import host_key, public_line
from simulators.ssh.server import options_for, reset
from simulators.state import DeviceState, new_state, utc_now
from simulators.telnet.connection import TelnetConnection

_COMMANDS_KEPT = 2000
# Between the last byte and a reset: a reset that overtakes data would take it back from the reader's socket.
_RESET_DELAY = 0.03
_COMES_UP = 0.05
_LOCALHOST = IPv4Address("127.0.0.1")


@dataclass(slots=True)
class Stats:
    """Counters since the start. connections counts accepted TCP connections, refused ones included; sessions are SSH
    channels after login; auth_completed counts logins by password or key."""

    connections: int = 0
    open_connections: int = 0
    auth_completed: int = 0
    passwords_accepted: int = 0
    passwords_refused: int = 0
    sessions: int = 0
    open_sessions: int = 0
    max_open_sessions: int = 0
    commands: deque[str] = field(default_factory=lambda: deque(maxlen=_COMMANDS_KEPT))

    def session_opened(self) -> None:
        self.sessions += 1
        self.open_sessions += 1
        self.max_open_sessions = max(self.max_open_sessions, self.open_sessions)

    def session_closed(self) -> None:
        self.open_sessions -= 1

    def logged_in(self, accepted: bool) -> None:
        if accepted:
            self.passwords_accepted += 1
        else:
            self.passwords_refused += 1


class Device:
    """One box. It has an address and a port once its fleet has started.

    Everything here belongs to the fleet's event loop; from another thread or process go through the control socket.
    """

    def __init__(self, spec: DeviceSpec, down_time: float = 0.5) -> None:
        self.spec = spec
        self.persona: Persona = persona_for(spec.family)
        self.faults = ActiveFaults()
        self.stats = Stats()
        self.typing = Counter()
        self.rng = spec.rng("wire")
        self.address = spec.address
        self.port = spec.port
        self._key_generation = 0
        self.mute: set[asyncio.Transport] = set()
        self.on_port_change: Callable[[Device], None] | None = None
        self._down_time = down_time
        self._down_until = 0.0
        self._cut_until = 0.0
        self._ahead = timedelta()
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self.telnet: set[TelnetConnection] = set()
        self.telnet_port = 0
        """Where the box answers Telnet; 0 when it does not."""
        self._state: DeviceState | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._changes = 0
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self.surroundings: Surroundings | None = None
        """Where the box stands, if its own configuration is to be able to cut it off; None: it is always reached."""
        self.roams = False
        """It is found at the addresses of its configuration, and nowhere else."""
        self._places: tuple[str, ...] = (spec.address,)
        self.snmp = Agent(lambda: self.state, self.persona, lambda: self.is_away)
        """Open only in a fleet that was started with SNMP; its line is there in any case."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def state(self) -> DeviceState:
        """Made when first asked for: a fleet of a thousand starts without writing a thousand configurations."""
        if self._state is None:
            self._state = new_state(self.spec, self.persona.factory_config(self.spec), self._clock)
            self._state.alarm_changed = self._wind
        return self._state

    @property
    def host_key_public(self) -> str:
        """The true host key, as `ssh-ed25519 AAAA...`."""
        return public_line(host_key(self.spec, self._key_generation))

    @property
    def is_away(self) -> bool:
        """Restarting, or behind a path that is cut."""
        return asyncio.get_running_loop().time() < max(self._down_until, self._cut_until)

    @property
    def answers(self) -> bool:
        """Whether the configuration in effect lets a new SSH connection of the manager's in."""
        return self.answers_at("")

    def answers_at(self, place: str) -> bool:
        """The same for one that comes in at an address of the box; empty: at the one that it is managed by."""
        at = self._seen_at(place)
        view = self._view(at)
        return view is None or at is None or view.answers(at)

    def carries_at(self, place: str) -> bool:
        """Whether connections that stand still get their packets through."""
        at = self._seen_at(place)
        view = self._view(at)
        return view is None or at is None or view.carries(at)

    def _seen_at(self, place: str) -> Surroundings | None:
        """Where the box stands, for whoever comes in at an address. The line's far end has the first address of each
        network that it leads to."""
        at = self.surroundings
        if at is None or not self.roams or not place:
            return at
        there = IPv4Address(place)
        networks = [own.network for own in self._own() if own.ip == there]
        gateway = networks[0].network_address + 1 if networks else at.gateway
        return dataclasses.replace(at, address=there, gateway=gateway)

    def _view(self, at: Surroundings | None) -> View | None:
        if at is None or not isinstance(self.persona, Reached):
            return None
        view = self.persona.view(self.state, at)
        view.line_up, view.line_carries = self.state.line_up, self.state.line_carries
        return view

    def _own(self) -> list[IPv4Interface]:
        """What of the box's own addresses this machine can give it, but for that of its loopback interface."""
        view = self._view(self.surroundings)
        own = [] if view is None else view.own()
        return [one for one in own if one.ip.is_loopback and one.ip != _LOCALHOST]

    @property
    def places(self) -> tuple[str, ...]:
        """The addresses at which it listens."""
        return self._places

    def roam(self, manager: str) -> None:
        """From now on the box is found where its own configuration says, within 127/8, and nowhere else. `manager`: who
        manages it, as its filters see him. Raises ValueError when it could not be reached at its present address."""
        here = IPv4Address(self.address)
        self.surroundings, self.roams = Surroundings(IPv4Address(manager), here, here), True
        if not self.answers_at(self.address):
            self.surroundings, self.roams = None, False
            raise ValueError(f"its configuration does not let it be managed at {self.address}")
        self.look()

    def look(self) -> None:
        """A roaming box is where its configuration has it now: what it is no longer at hears nothing any more."""
        if not self.roams:
            return
        places = tuple(str(one.ip) for one in self._own())
        if places == self._places:
            return
        gone, self._places = set(self._places) - set(places), places
        for connection in tuple(self._connections):
            if connection.get_extra_info("sockname")[0] in gone:
                self.reset_connection(connection)
        if places and self.address not in places:
            self.address = places[0]
        self._signal_port()

    @property
    def port_wanted(self) -> bool:
        """False while the `refuse` fault wants the port closed."""
        fault = self.faults.peek(Refuse)
        return fault is None or fault.how != "refused"

    def options(self) -> asyncssh.SSHServerConnectionOptions:
        """The SSH options with the present host key, made at the first connection."""
        if self._options is None:
            self._options = options_for(self, host_key(self.spec, self._key_generation))
        return self._options

    def rotate_host_key(self) -> str:
        """Take a new host key for connections from now on, and return its public half."""
        self._key_generation += 1
        self._options = None
        return self.host_key_public

    def set_fault(self, fault: Fault) -> None:
        """Make something go wrong from now on; sessions that are open keep their session faults."""
        self.faults.set(fault)
        if isinstance(fault, AtCommand):
            self.typing.set(fault)
        if isinstance(fault, PromptInConfig):
            line = self.persona.config_prompt(self.state)
            self.state.running = self.persona.plant(self.state.running, line)
        self._signal_port()

    def clear_faults(self, name: str | None = None) -> None:
        """Heal one fault or all of them. A prompt planted in the configuration stays there, as text that is its own.

        A port that a fault had closed is open again some milliseconds later: `Fleet.settled()` waits for that.
        """
        self.faults.clear(name)
        self.typing.release(name)
        if name in (None, CutAtCommand.name):
            self._cut_until = 0.0
        self._signal_port()

    def running_text(self) -> str:
        """The ground truth: what the box itself would show for its running configuration now, LF line ends."""
        return self.persona.running_text(self.state)

    def standing(self) -> dict[str, Any]:
        """The ground truth about all that a push may leave behind: what runs, what would run after a restart at this
        moment, and the names of what the box is going to do by itself, and of files that it keeps."""
        return {
            "running": self.running_text(),
            "after_restart": self.persona.running_text(self._restarted()),
            "alarms": sorted(self.state.alarms),
            "files": sorted(self.state.flash),
        }

    def _restarted(self) -> DeviceState:
        """A copy of the state, restarted."""
        state = self.state
        copy = dataclasses.replace(
            state, scratch=dict(state.scratch), flash=dict(state.flash), files=dict(state.files), alarms={},
            alarm_changed=lambda: None,
        )  # fmt: skip
        copy.restart()
        if isinstance(self.persona, Booting):
            self.persona.booted(copy)
        return copy

    def typed(self, key: object, command: str) -> Strike | None:
        """A command has arrived on a connection; what strikes it."""
        return self.typing.typed(key, command, self.spec.family, self.faults)

    def cut(self, seconds: float = 0.0) -> None:
        """Cut the path to the box, which goes on: connections are lost, none is made for so many seconds; 0: until the
        faults are cleared."""
        self._cut_until = asyncio.get_running_loop().time() + seconds if seconds else math.inf
        self._lose_connections()

    def advance(self, seconds: float) -> None:
        """Put the box's clock forward: what is due by then happens now."""
        self._ahead += timedelta(seconds=seconds)
        self.tick()

    def _clock(self) -> datetime:
        return utc_now() + self._ahead

    def change(self, text: str | None = None, by: str = "") -> str:
        """Change the running configuration behind the manager's back and return the lines that did it.

        Without text: a harmless change, another one each time. by: who does it, where the family notes that. Raises
        ValueError for lines that the family refuses.
        """
        if text is None:
            self._changes += 1
            text = self.persona.sample_change(self.spec, self._changes)
        self.state.operator = by
        try:
            self.persona.change(self.state, text)
        finally:
            self.state.operator = ""
        self.look()
        return text

    def save(self) -> None:
        """Make what runs survive a restart, as somebody at the box would."""
        self.state.save()

    def login_forms(self) -> tuple[str, ...]:
        """All spellings of the device's own passwords in its generated configuration (none may be in a backup)."""
        return self.persona.login_forms(self.spec)

    def restart(self, down: float | None = None) -> None:
        """Lose all sessions and what was not saved, and be away for `down` seconds."""
        loop, away = asyncio.get_running_loop(), self._down_time if down is None else down
        self._down_until = loop.time() + away
        self.state.restart()
        if isinstance(self.persona, Booting):
            self.persona.booted(self.state)
        self._lose_connections()
        self.look()
        if self.snmp.sinks:
            loop.call_later(away + _COMES_UP, self.snmp.started)

    def _lose_connections(self) -> None:
        for connection in tuple(self._connections):
            self.reset_connection(connection)
        for telnet in tuple(self.telnet):
            telnet.reset_soon()

    def tick(self) -> None:
        """Let the box do what its clock says is due. The event loop calls this in time; whoever moves the box's clock
        calls it himself."""
        while (alarm := self.state.take_due()) is not None:
            alarm.act(self.state)
            if alarm.restart:
                self.restart()
        self._wind()
        self.look()

    def lose_line(self, kind: LossKind = "carrier") -> None:
        """Lose the fixed access line: by a link that goes down, or silently, with everything still shown as up."""
        self.state.line_up, self.state.line_silent = kind == "silent", kind == "silent"
        self.snmp.lose_line(kind)

    def restore_line(self) -> None:
        """Bring the fixed access line back."""
        self.state.line_up, self.state.line_silent = True, False
        self.snmp.restore_line()

    def lose_mobile(self) -> None:
        """Lose the mobile network."""
        self.state.mobile_up = False

    def restore_mobile(self) -> None:
        """Bring the mobile network back."""
        self.state.mobile_up = True

    def origin(self, command: str) -> Origin:
        return Origin(self.persona, self.state, command)

    def connection_opened(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.add(connection)
        self.stats.open_connections += 1

    def connection_closed(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.discard(connection)
        self.stats.open_connections -= 1

    def reset_connection(self, connection: asyncssh.SSHServerConnection) -> None:
        """Cut a connection with a TCP reset, just after what has been written."""
        asyncio.get_running_loop().call_later(_RESET_DELAY, reset, connection)

    def hang_up(self) -> None:
        """Drop all connections at once; for the end of the fleet."""
        if self._alarm is not None:
            self._alarm.cancel()
        for connection in tuple(self._connections):
            connection.abort()
        for telnet in tuple(self.telnet):
            telnet.abort()
        for transport in tuple(self.mute):
            transport.abort()

    def _wind(self) -> None:
        """Have `tick` called when the next alarm is due; a box outside an event loop has nobody to call it."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        seconds = self.state.next_alarm()
        if seconds is not None:
            with contextlib.suppress(RuntimeError):
                self._alarm = asyncio.get_running_loop().call_later(seconds, self.tick)

    def _signal_port(self) -> None:
        if self.on_port_change is not None:
            self.on_port_change(self)
