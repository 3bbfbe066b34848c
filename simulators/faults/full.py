"""What a box says when there is no room where it keeps its files, and to which commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulators.personas.base import Reply

_SHELL_SAID: Final = "write error: No space left on device\n"
# Files below /tmp, /run and /var/run are in memory on all of these.
_SHELL: Final = re.compile(
    r">\s*/(?:etc|var/lib)/|^uci .*commit|\b(?:cp|mv) .*/etc/|write memory|mkdir -p /(?:etc|var/lib)/"
)

_WRITES: Final[Mapping[str, tuple[re.Pattern[str], Reply]]] = MappingProxyType(
    {
        "cisco_ios": (
            re.compile(r"^copy running-config |^write\b"),
            Reply("%Error opening nvram:/startup-config (No space left on device)\n", status=1),
        ),
        "openwrt": (_SHELL, Reply(error=f"ash: {_SHELL_SAID}", status=1)),
        "teltonika": (_SHELL, Reply(error=f"ash: {_SHELL_SAID}", status=1)),
        "frr_linux": (_SHELL, Reply(error=f"bash: {_SHELL_SAID}", status=1)),
        "routeros": (
            re.compile(r"^/system backup save|^/export file="),
            Reply("failure: not enough space\n", status=1),
        ),
        "vyos": (
            re.compile(r"^save\b"),
            Reply("[Errno 28] No space left on device: '/config/config.boot'\n", status=1),
        ),
    }
)


def refusal(family: str, command: str) -> Reply | None:
    """The answer to a command that would write; None to one that does not, and for a family that is not known here."""
    known = _WRITES.get(family)
    return known[1] if known is not None and known[0].search(command) else None
