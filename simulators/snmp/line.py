"""A box's access line and ports as time goes by: what is up, since when, and how much went over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from simulators.snmp.families import VDSL2, Persona
from simulators.state import Clock

LossKind = Literal["carrier", "silent"]
UP, DOWN = 1, 2


@dataclass(slots=True)
class PortState:
    """One interface. admin and oper are IF-MIB's numbers (1 up, 2 down). in_rate and out_rate: octets per second
    while traffic flows; the counters hold what went over until `since`, the clock's seconds."""

    admin: int = UP
    oper: int = UP
    flowing: bool = True
    changed: float = 0.0
    since: float = 0.0
    in_octets: float = 0.0
    out_octets: float = 0.0
    in_rate: float = 0.0
    out_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Sync:
    """Figures of a DSL line in sync: rates in bit/s, attenuation and margin in tenths of a dB."""

    down: int
    up: int
    attainable_down: int
    attainable_up: int
    attenuation_down: int
    attenuation_up: int
    margin_down: int
    margin_up: int


@dataclass(slots=True)
class Counted:
    """Errors of the DSL line since the start."""

    errored_seconds: int = 0
    losses_of_signal: int = 0
    crc_errors: int = 0


class Ports:
    """All interfaces of a box, the first VDSL2 port being the fixed line."""

    def __init__(self, persona: Persona, rng: Random, clock: Clock) -> None:
        self._clock = clock
        self.persona = persona
        self.states = [self._new(rng) for _ in persona.ports]
        self.line_index = next(i for i, port in enumerate(persona.ports) if port.kind == VDSL2)
        self.sync = _draw(rng)
        self.counted = Counted(rng.randrange(40), rng.randrange(3), rng.randrange(400))
        self.signal = -rng.randrange(61, 98)
        """Cellular signal, dBm."""
        self.registered = True
        """Whether the modem is registered in the mobile network."""

    def _new(self, rng: Random) -> PortState:
        return PortState(
            since=self.now(),
            in_octets=rng.randrange(10**9, 10**11),
            out_octets=rng.randrange(10**8, 10**10),
            in_rate=rng.randrange(20_000, 900_000),
            out_rate=rng.randrange(5_000, 90_000),
        )

    def now(self) -> float:
        return self._clock().timestamp()

    @property
    def line(self) -> PortState:
        return self.states[self.line_index]

    @property
    def in_sync(self) -> bool:
        return self.line.oper == UP

    def speed(self, index: int) -> int:
        """Present bit/s of a port."""
        port = self.persona.ports[index]
        if port.speed:
            return port.speed * 1_000_000
        return self.sync.down if self.in_sync else 0

    def octets(self, index: int) -> tuple[int, int]:
        """Octets in and out up to now."""
        state = self.states[index]
        self._count(state)
        return int(state.in_octets), int(state.out_octets)

    def lose(self, kind: LossKind) -> bool:
        """Lose the line; whether a link went down with it. A silent loss leaves everything up and carries nothing."""
        state = self.line
        self._count(state)
        state.flowing = False
        if kind == "silent" or state.oper == DOWN:
            return False
        self._settle(state, DOWN)
        self.counted.losses_of_signal += 1
        self.counted.errored_seconds += 2
        self.counted.crc_errors += 17
        return True

    def restore(self) -> bool:
        """Undo any loss; whether a link came up by it."""
        state = self.line
        self._count(state)
        state.flowing = True
        if state.oper == UP or state.admin == DOWN:
            return False
        self._settle(state, UP)
        return True

    def set_admin(self, index: int, status: int) -> bool:
        """Switch a port on or off; whether its link changed. Raises ValueError for another status than 1 and 2."""
        if status not in (UP, DOWN):
            raise ValueError(f"ifAdminStatus {status}")
        state = self.states[index]
        self._count(state)
        state.admin = status
        state.flowing = status == UP
        if state.oper == status:
            return False
        self._settle(state, status)
        return True

    def _settle(self, state: PortState, status: int) -> None:
        state.oper = status
        state.changed = self.now()

    def _count(self, state: PortState) -> None:
        now = self.now()
        if state.flowing and state.oper == UP:
            state.in_octets += state.in_rate * (now - state.since)
            state.out_octets += state.out_rate * (now - state.since)
        state.since = now


def _draw(rng: Random) -> Sync:
    down, up = rng.randrange(30_000, 100_000) * 1000, rng.randrange(5_000, 30_000) * 1000
    return Sync(
        down=down,
        up=up,
        attainable_down=down + rng.randrange(1_000, 20_000) * 1000,
        attainable_up=up + rng.randrange(500, 5_000) * 1000,
        attenuation_down=rng.randrange(60, 280),
        attenuation_up=rng.randrange(40, 200),
        margin_down=rng.randrange(60, 120),
        margin_up=rng.randrange(60, 140),
    )


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a box sends its traps. version is `2c` or `3`; an inform is repeated until it is acknowledged."""

    host: str
    port: int
    version: str = "2c"
    inform: bool = False
    retries: int = 5
    timeout: float = 1.0
    """Seconds to the first repetition; doubled each time."""
    community: str = field(default="", repr=False)
    """Empty: the box's own."""
