"""How a Linux box measures a transfer over one interface; no driver by itself.

Where the kernel has a default route over the interface, however floating, curl binds its socket to the interface
(SO_BINDTODEVICE) and the kernel takes that route. Where it has none, since FRR hands the kernel the best route alone,
curl binds to the interface's address, and the box's policy rule for that address leads the way. In both cases the
interface's own counter has to have counted what was transferred, or nothing was measured. The fixed line goes on
carrying everything else, and nothing is changed on the box.
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
_NO_CURL: Final = 127
_WAY: Final = (
    'set -- $(ip -4 -o address show dev "$p" scope global); a=${4%%/*}; b=$p; '
    '[ -n "$(ip -4 route show default dev "$p")" ] || b=${a:-$p}'
)
_TOLD: Final = re.compile(r"^curl (\d{3}) (\d+(?:\.\d+)?) (\d+)$", re.MULTILINE)
_ENDED: Final = re.compile(r"^cpe-manager (\d+) (-?\d+)\s*\Z", re.MULTILINE)


def command(test: Transfer) -> str:
    """The command line. ``-q``: no .curlrc of the box changes what is measured."""
    way, place = ("upload", 9) if test.upload else ("download", 1)
    told = f"-w '\\ncurl %{{http_code}} %{{speed_{way}}} %{{size_{way}}}\\n'"
    curl = f'curl -q -sS -o /dev/null --interface "$b" --max-time {test.seconds:g} {told}'
    sent = f"head -c {MOST_BYTES} /dev/zero | {curl} -T - {quote(test.url)}"
    # Bytes received are the first figure of an interface in /proc/net/dev, bytes sent the ninth (proc_net(5)).
    counter = f'c() {{ set -- $(sed -n "s/^ *$p: *//p" /proc/net/dev); echo "${place}"; }}'
    return (
        f'p={quote(test.port)}; {_WAY}; {counter}; n=$(c); [ -n "$n" ] || {{ echo "no interface $p" >&2; exit 1; }}; '
        f"{sent if test.upload else f'{curl} {quote(test.url)}'}; s=$?; "
        f'echo "cpe-manager $s $(( $(c) - n ))"'
    )


async def linux_transfer(shell: Shell, test: Transfer) -> float:
    """Megabits per second over the interface; see ``ports.coverage.Transferring``."""
    result = await shell.execute(command(test))
    ended, told = _ENDED.search(result.stdout), _TOLD.search(result.stdout)
    if ended is None:
        raise CommandRefused(_last_line(result.stderr) or f"the box has no interface {test.port}")
    exit_status, counted = int(ended[1]), int(ended[2])
    if exit_status == _NO_CURL:
        raise CommandRefused("the box has no curl to measure with")
    status, size = (int(told[1]), int(told[3])) if told else (0, 0)
    passed = exit_status == 0 and 200 <= status < 300
    # Broken off: a download has its answer by then, an upload has none yet.
    cut = exit_status == _BROKEN_OFF and (test.upload or 200 <= status < 300)
    if told is None or not (passed or cut) or not size:
        why = f"the server answered {status}" if exit_status == 0 else f"curl ended with status {exit_status}"
        raise CommandRefused(_last_line(result.stderr) or why)
    if counted < size // 2:  # of an upload that was broken off, the last part still waits to be sent
        raise CommandRefused(f"{size} bytes were transferred, but {test.port} counted {counted} of them")
    return float(told[2]) * 8 / 1e6


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
