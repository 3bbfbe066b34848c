"""netmiko's platforms, and its classes with our client in them."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any, Final

from netmiko import BaseConnection
from netmiko.exceptions import ReadException
from netmiko.linux.linux_ssh import LinuxSSH
from netmiko.ssh_dispatcher import CLASS_MAPPER

from cpe_manager.adapters.netmiko.client import PinnedClient
from cpe_manager.domain.errors import AuthFailed
from cpe_manager.ports.shell import Credential

# Other transports of the same platforms, and what is no platform: it would log in several times, or know no prompt.
_OTHERS: Final = re.compile(r".*_(?:ssh|telnet|serial)|autodetect|terminal_server|generic_termserver|generic")
_TAIL: Final = 200


def platform_names() -> tuple[str, ...]:
    """The device types that are reached over SSH, sorted."""
    return tuple(sorted(name for name in CLASS_MAPPER if not _OTHERS.fullmatch(name)))


class Pinned(BaseConnection):
    """What our classes have before netmiko's own. ``ours`` and ``secrets_left`` are set before it connects."""

    ours: PinnedClient
    secrets_left: dict[str, int]
    tail: str = ""

    def _build_ssh_client(self) -> PinnedClient:
        return self.ours

    def write_channel(self, out_data: str) -> None:
        """Some platforms ask for the log-in in the shell, and netmiko's answers to that go on for as long as asked."""
        text = out_data.strip()
        if text in self.secrets_left:
            self.secrets_left[text] -= 1
            if self.secrets_left[text] < 0:
                raise AuthFailed("a password was asked for again: it was refused")
        super().write_channel(out_data)

    def read_channel(self) -> str:
        """netmiko waits for its whole time-out on a channel that is closed: there is just nothing to read."""
        data = super().read_channel()
        if not data and (self.remote_conn is None or getattr(self.remote_conn, "closed", False)):
            raise ReadException("the device closed its shell")
        self.tail = (self.tail + data)[-_TAIL:]
        return data

    def forget(self) -> None:
        """netmiko leaves a filter with the passwords in its logger when a connection does not come about."""
        logging.getLogger("netmiko").removeFilter(self._secrets_filter)


@cache
def class_of(device_type: str) -> type[Pinned]:
    """netmiko's class for a platform, with ours before it. Raises KeyError."""
    theirs: Any = CLASS_MAPPER[device_type]
    made: type[Pinned] = type(f"Pinned{theirs.__name__}", (Pinned, theirs), {})
    return made


def is_unix(kind: type[BaseConnection]) -> bool:
    return issubclass(kind, LinuxSSH)


def overrides(kind: type[BaseConnection], method: str) -> bool:
    """Whether a platform has its own way of doing something that netmiko's base class refuses."""
    return getattr(kind, method) is not getattr(BaseConnection, method)


def budget(credential: Credential) -> dict[str, int]:
    """How often each secret may be typed into the shell: once for each thing that it is."""
    left: dict[str, int] = {}
    for secret in credential.secrets():
        left[secret] = left.get(secret, 0) + 1
    return left
