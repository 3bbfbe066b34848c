"""The dialogue with a Linux router about a change in one round trip, over exec channels; no driver by itself.

The shell lines and the judging of answers are in ``cpe_manager.kit.linux.swift``.
"""

from __future__ import annotations

import hashlib

from cpe_manager.domain.errors import CommandRefused, DeviceTimeout, FetchIncomplete, SessionDropped
from cpe_manager.kit.linux import default_routes, swift
from cpe_manager.kit.linux import guard as linux_guard
from cpe_manager.kit.linux.box import Box
from cpe_manager.ports.driver import Guard, Script
from cpe_manager.ports.shell import Shell
from drivers._linux_guard import LinuxGuard, ask

_SYSTEMD, _DIRECTLY = "s", "d"


class LinuxSwift(LinuxGuard):
    """``ports.driver.Swift`` for a box that is managed as root. What was prepared is named by a word whose first letter
    tells who starts things on the box, and the second one how FRR is spoken to."""

    async def prepare(self, shell: Shell, script: Script, guard: Guard) -> str:
        lines = swift.frr_alone(script.commands)
        if lines is None:
            raise CommandRefused("the change touches more than FRR: it takes the ordinary path")
        box = await self._unarmed(shell)
        back = default_routes.back(lines, Box.read(box.text).top)
        made = "\n".join((guard.token, *lines, box.text))
        digest = hashlib.sha256(made.encode()).hexdigest()[:16]
        try:
            await self._keep(shell, box.files, swift.store(digest), f"{linux_guard.STORE}.* {linux_guard.READY}.*")
            for line in swift.preparing(digest, lines, back, box.files, self.links(box.text)):
                await ask(shell, line, "preparing the change")
            directly = (await ask(shell, swift.directly(digest), "asking FRR's daemons")).strip() == "yes"
            name = f"{_SYSTEMD if box.systemd else 'c'}{_DIRECTLY if directly else 'v'}{digest}"
            await ask(shell, swift.finishing(name), "preparing the change")
        except (CommandRefused, FetchIncomplete):
            await shell.execute(f"rm -rf {swift.store(digest)} {swift.ready(digest)}")
            raise
        return name

    async def strike(self, shell: Shell, prepared: str, guard: Guard) -> None:
        systemd, directly = prepared[:1] == _SYSTEMD, prepared[1:2] == _DIRECTLY
        line = swift.striking(prepared, guard.token, guard.seconds, systemd=systemd, directly=directly)
        try:
            result = await shell.execute(line)
        except (SessionDropped, DeviceTimeout) as error:
            error.device_state = "unknown"
            raise
        found = swift.struck(result.stdout)
        if found is None:
            lost = FetchIncomplete("the strike: the end mark is missing")
            lost.device_state = "unknown"
            raise lost
        if found.stage == "applied" and not found.said:
            return
        reason = (found.said or result.stderr.strip()).partition("\n")[0][:200] or "no reason given"
        if found.stage in ("applied", "armed"):
            refused = CommandRefused(f"FRR did not take the prepared lines: {reason}")
            refused.device_state = "changed"
            raise refused
        if found.stage == "checked":
            await shell.execute(linux_guard.disarm(guard.token))
            raise _untouched(f"the way back could not be laid down: {reason}")
        if await self.armed(shell) == guard.token:
            refused = CommandRefused("it was struck before")
            refused.device_state = "changed"
            raise refused
        raise _untouched("the box is not as it was when the change was prepared")


def _untouched(reason: str) -> CommandRefused:
    error = CommandRefused(reason)
    error.device_state = "untouched"
    return error
