"""How a Linux box resolves a name by the name server that its customer asks, its own dnsmasq; no driver by itself."""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.model.requirements import is_domain
from cpe_manager.ports.shell import Shell

_TOOLS: Final = ("nslookup", "busybox nslookup")
"""BusyBox has it as its own command on OpenWrt, and below its own name on Debian."""
_NOT_FOUND: Final = 127
_ADDRESS: Final = re.compile(r"^Address(?: \d+)?:\s*(\d+\.\d+\.\d+\.\d+)(?:\s|$)", re.MULTILINE)


async def linux_resolve(shell: Shell, name: str) -> tuple[str, ...]:
    """IPv4 addresses of a name; see ``ports.driver_reading.Resolving``."""
    if not is_domain(name):
        raise CommandRefused(f"{name!r} is no domain name")
    for tool in _TOOLS:
        result = await shell.execute(f"{tool} {name} 127.0.0.1")
        if result.exit_status == _NOT_FOUND or "applet not found" in result.stderr:
            continue
        # The first lines tell of the server that was asked; what was found stands behind the name.
        found = result.stdout.partition("\nName:")[2]
        return tuple(dict.fromkeys(_ADDRESS.findall(found)))
    raise CommandRefused("the box has no nslookup to ask with")
