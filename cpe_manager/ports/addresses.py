"""Which device of the fleet holds which public address. Every method is one transaction; all raise ``StoreError``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from cpe_manager.domain.push.checks import Held


@dataclass(frozen=True, slots=True)
class Unread:
    """A device whose current version has not been looked at for addresses yet."""

    device_id: str
    backup_id: str
    family: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a version holds."""

    device_id: str
    backup_id: str
    held: Sequence[Held]


@dataclass(frozen=True, slots=True)
class Holder:
    """Another active device that holds a part of what was asked for."""

    device: str
    network: IPv4Network | IPv6Network
    managed: bool = False
    """It is managed at that address; whether its configuration says so is not known."""


class AddressStore(Protocol):
    async def unread(self, limit: int) -> Sequence[Unread]: ...

    async def save(self, read: Sequence[Read]) -> None:
        """What these devices held before is forgotten."""
        ...

    async def holders(self, device_id: str, wanted: Sequence[Held]) -> Sequence[Holder]:
        """Active devices other than ``device_id`` that hold any of it, by their current versions or by the address at
        which they are managed."""
        ...
