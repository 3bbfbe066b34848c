"""The dialogue with a Linux router about a change in one round trip, over exec channels; no driver by itself.

The shell lines and the judging of answers are in ``cpe_manager.kit.linux.swift``.
"""

from __future__ import annotations

import hashlib

from cpe_manager.domain.errors import CommandRefused, DeviceTimeout, FetchIncomplete, SessionDropped
from cpe_manager.kit.linux import default_routes, file_bundle, swift
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
        text = await self._whole(shell)
        if await self.armed(shell) is not None:
            raise CommandRefused("a way back is laid down there already")
        starter = (await ask(shell, linux_guard.INIT, "looking for systemd or cron")).strip()
        if not starter:
            raise CommandRefused("neither systemd nor cron would go back after a restart")
        files = [path for path in file_bundle.sections(text) if path.startswith("/")]
        back = default_routes.back(lines, Box.read(text).top)
        made = "\n".join((guard.token, *lines, text))
        digest = hashlib.sha256(made.encode()).hexdigest()[:16]
        try:
            kept = await ask(shell, linux_guard.keeping(files, linux_guard.STORE), "keeping the configuration")
            if not linux_guard.kept_whole(kept, files):
                raise FetchIncomplete("the configuration that the box would go back to was not kept whole")
            for line in swift.preparing(lines, back, files, self.links(text)):
                await ask(shell, line, "preparing the change")
            directly = (await ask(shell, swift.DIRECTLY, "asking FRR's daemons")).strip() == "yes"
            name = f"{_SYSTEMD if starter == 'systemd' else 'c'}{_DIRECTLY if directly else 'v'}{digest}"
            await ask(shell, swift.finishing(name), "preparing the change")
        except (CommandRefused, FetchIncomplete):
            await shell.execute(f"rm -rf {linux_guard.STORE} {linux_guard.READY}")
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
            await shell.execute(linux_guard.DISARM)
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
