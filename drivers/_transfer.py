"""How a Linux box measures a transfer over one interface; no driver by itself.

curl binds its socket to the interface (SO_BINDTODEVICE), so that the kernel takes that interface's own default route,
however floating, and the fixed line goes on carrying everything else.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import Final

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.ports.coverage import Transfer
from cpe_manager.ports.shell import Shell

MOST_BYTES: Final = 25_000_000
"""Sent at most: volume over mobile is dear."""
_BROKEN_OFF: Final = 28
"""curl's status when its time was up: what has passed until then was measured."""
_SAID: Final = re.compile(r"cpe-manager (\d{3}) (\d+(?:\.\d+)?) (\d+)\s*\Z")
_NO_CURL: Final = 127


def command(test: Transfer) -> str:
    """The command line. ``-q``: no .curlrc of the box changes what is measured."""
    way = "upload" if test.upload else "download"
    told = f"-w '\\ncpe-manager %{{http_code}} %{{speed_{way}}} %{{size_{way}}}\\n'"
    curl = f"curl -q -sS -o /dev/null --interface {quote(test.port)} --max-time {test.seconds:g} {told}"
    if test.upload:
        return f"head -c {MOST_BYTES} /dev/zero | {curl} -T - {quote(test.url)}"
    return f"{curl} {quote(test.url)}"


async def linux_transfer(shell: Shell, test: Transfer) -> float:
    """Megabits per second over the interface; see ``ports.coverage.Transferring``."""
    result = await shell.execute(command(test))
    if result.exit_status == _NO_CURL:
        raise CommandRefused("the box has no curl to measure with")
    said = _SAID.search(result.stdout)
    status = int(said[1]) if said else 0
    passed = result.exit_status == 0 and 200 <= status < 300
    # Broken off: a download has its answer by then, an upload has none yet.
    cut = result.exit_status == _BROKEN_OFF and (test.upload or 200 <= status < 300)
    if said is None or not (passed or cut) or int(said[3]) == 0:
        raise CommandRefused(_why(result.stderr, result.exit_status, status))
    return float(said[2]) * 8 / 1e6


def _why(stderr: str, exit_status: int | None, status: int) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if lines:
        return lines[-1][:200]
    return f"the server answered {status}" if exit_status == 0 else f"curl ended with status {exit_status}"
