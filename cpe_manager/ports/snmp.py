"""Asking devices by SNMP, setting, and hearing their traps (RFC 3416; v2c by community, v3 by user with authPriv).

Object identifiers are dotted numbers without a leading dot. SNMP is for what SSH is too slow or too heavy for: figures,
line state, and news that a device sends by itself. Configuration never travels over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, runtime_checkable

from cpe_manager.domain.errors import DeviceError

AUTH_PROTOCOLS: Final = ("MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
PRIV_PROTOCOLS: Final = ("DES", "AES", "AES-192", "AES-256")
SHORTEST_PASSWORD: Final = 8
"""RFC 3414 §11.2."""

Value = int | float | str | bytes | None
"""Integers, counters and ticks as int, OCTET STRING as bytes, object identifiers and IP addresses as dotted text."""
SetType = Literal["integer", "string", "oid", "gauge", "ticks"]


@dataclass(frozen=True, slots=True)
class SnmpAccess:
    """How a device lets itself be asked: v3 where there is a user (always authenticated and private), else v2c."""

    community: str = field(default="", repr=False)
    user: str = ""
    auth_password: str = field(default="", repr=False)
    auth_protocol: str = "SHA"
    priv_password: str = field(default="", repr=False)
    priv_protocol: str = "AES"

    def secrets(self) -> tuple[str, ...]:
        """For the redactor of logs and messages."""
        return tuple(text for text in (self.community, self.auth_password, self.priv_password) if text)


@dataclass(frozen=True, slots=True)
class SnmpTarget:
    """One device's agent. ``timeout``: seconds for one try; ``retries``: tries after the first."""

    name: str
    host: str
    access: SnmpAccess
    port: int = 161
    timeout: float = 2.0
    retries: int = 2


class SnmpReader(Protocol):
    """Raises ``DeviceTimeout`` (a wrong community looks the same), ``AuthFailed`` (v3: user or keys refused),
    ``ConnectFailed``, ``ProtocolError``."""

    async def get(self, target: SnmpTarget, names: Sequence[str]) -> Mapping[str, Value]:
        """What the device has of ``names``; what it has not is absent."""
        ...

    async def walk(self, target: SnmpTarget, root: str, *, most: int = 2000) -> Mapping[str, Value]:
        """Everything below ``root``, in order. ``ProtocolError`` when it is more than ``most`` or goes in a circle."""
        ...


Told = Callable[[Mapping[str, Value] | DeviceError], None]
"""Called once, from the event loop, with what a device has or why nothing came of the question. Must not wait."""


@runtime_checkable
class SnmpAsking(Protocol):
    """A reader that needs no task for each question."""

    def ask(self, target: SnmpTarget, names: tuple[str, ...], told: Told) -> bool:
        """As ``SnmpReader.get``, told to ``told``, never before this returns. False where that cannot be had at this
        moment: then ``get`` does it. Raises ``ConnectFailed``; ``told`` is not called then."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """One object to be set."""

    name: str
    kind: SetType
    value: int | str | bytes


class SnmpWriter(Protocol):
    async def set(self, target: SnmpTarget, wanted: Sequence[Assignment]) -> None:
        """All of them or none, as RFC 3416 §4.2.5 has it.

        Raises ``CommandRefused`` with RFC 3416's status and the object, ``AuthFailed``, and ``DeviceTimeout``, after
        which nobody knows whether it was done (``device_state == "unknown"``).
        """
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """A device of the inventory that may send traps from an address."""

    device_id: str
    name: str
    access: SnmpAccess


@dataclass(frozen=True, slots=True)
class Datagram:
    """One as it came. ``host``: the address it came from."""

    data: bytes = field(repr=False)
    host: str
    port: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """A trap or inform whose sender is proven by community or keys.

    ``kind``: snmpTrapOID. ``uptime``: seconds since the agent started. ``number`` with ``sender`` names a repeated
    inform. ``receipt``: what acknowledges an inform; empty for a trap. ``engine``: of a v3 trap, the sender's.
    """

    sender: Sender
    kind: str
    values: Mapping[str, Value]
    at: datetime
    host: str
    port: int
    uptime: float = 0.0
    number: int = 0
    receipt: bytes = field(default=b"", repr=False)
    engine: bytes = b""

    @property
    def inform(self) -> bool:
        return bool(self.receipt)


DropReason = Literal[
    "unknown_source", "overflow", "malformed", "version", "community", "user", "authentication", "decryption",
    "replayed", "not_a_notification", "ambiguous",
]  # fmt: skip


class TrapRefused(Exception):
    """A datagram that is not taken. ``reason`` None: it was no notification but a question that has been answered."""

    def __init__(self, reason: DropReason | None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Hint:
    """What a datagram says of its sender, unproven: the v3 engine that vouches for it, or its sysName.0 (v2c)."""

    engine: bytes = b""
    name: str = ""


class TrapIntake(Protocol):
    """The port that traps come in at. It takes them off the wire at once and keeps them, up to a bound."""

    @property
    def overflowed(self) -> int:
        """Datagrams that were dropped since the start because too many waited."""
        ...

    def lost_in_kernel(self) -> int:
        """Datagrams that were lost since it was opened because the socket's buffer was full."""
        ...

    @property
    def port(self) -> int:
        """0 until it is open."""
        ...

    async def start(self) -> None:
        """Raises ``AddressInUse``."""
        ...

    async def stop(self) -> None: ...

    async def take(self, most: int) -> Sequence[Datagram]:
        """Those that wait, in the order they came; waits for the first."""
        ...

    def hint(self, datagram: Datagram) -> Hint:
        """Empty for what says nothing, malformed ones too."""
        ...

    def read(self, datagram: Datagram, senders: Sequence[Sender]) -> Notification:
        """Raises ``TrapRefused`` unless exactly one of ``senders`` can have sent it."""
        ...

    def acknowledge(self, notification: Notification) -> None:
        """Tell the sender of an inform that it need not repeat it."""
        ...
