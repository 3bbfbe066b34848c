"""The dialogue with a Linux router about going back, over exec channels; no driver by itself.

The script and the judging of answers are in ``cpe_manager.kit.linux.guard``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from cpe_manager.domain.errors import CommandRefused, DeviceError, DeviceTimeout, FetchIncomplete, SessionDropped
from cpe_manager.kit.linux import file_bundle
from cpe_manager.kit.linux import guard as linux_guard
from cpe_manager.kit.linux.box import FRR
from cpe_manager.ports.coverage import Transfer
from cpe_manager.ports.driver import Capture, Guard, Script
from cpe_manager.ports.shell import Shell
from drivers._line_probe import linux_ping
from drivers._resolve import linux_resolve
from drivers._transfer import linux_transfer


@dataclass(frozen=True, slots=True)
class Unarmed:
    """A box that can be armed: all that it runs, its managed files, and whether systemd starts things on it."""

    text: str = field(repr=False)
    files: tuple[str, ...]
    systemd: bool


class LinuxGuard(ABC):
    """``ports.driver.Guarded``, ``Replacing``, ``Moving`` and ``Restarting`` for a box that is managed as root."""

    @abstractmethod
    async def fetch(self, shell: Shell) -> Capture: ...

    @abstractmethod
    def links(self, text: str) -> linux_guard.Links:
        """What is up in a text of the whole box."""

    async def ping(self, shell: Shell, target: str) -> bool:
        return await linux_ping(shell, target)

    async def transfer(self, shell: Shell, test: Transfer) -> float:
        return await linux_transfer(shell, test)

    async def resolve(self, shell: Shell, name: str) -> tuple[str, ...]:
        return await linux_resolve(shell, name)

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """As one script of the box's own. That a command of it fails shows when the box is read."""
        del guard  # it was armed before
        if not script:
            return
        for line in linux_guard.apart(script.commands):
            await ask(shell, line, "sending the change")
        await ask(shell, linux_guard.WORK_OFF, "having the change made")

    async def reboot(self, shell: Shell) -> None:
        """A moment later, so that the order is answered."""
        await ask(shell, linux_guard.REBOOT, "`reboot`")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """A script on flash that puts back the files and what FRR runs now, run by a timer and by the next boot."""
        box = await self._unarmed(shell)
        try:
            await self._keep(shell, box.files, linux_guard.made(guard.token), f"{linux_guard.MADE}.*")
            links = self.links(box.text)
            for line in linux_guard.arming(guard.token, guard.seconds, box.systemd, box.files, links):
                await ask(shell, line, "laying down the way back")
        except (CommandRefused, FetchIncomplete):
            await shell.execute(f"rm -rf {linux_guard.made(guard.token)}; {linux_guard.disarm(guard.token)}")
            raise

    async def armed(self, shell: Shell) -> str | None:
        return linux_guard.token_of(await ask(shell, linux_guard.ARMED, "looking for a way back"))

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) not in (None, guard.token):
            raise CommandRefused("the way back that is laid down there is another's")
        await ask(shell, linux_guard.disarm(guard.token), "taking up the way back")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) != guard.token:
            raise CommandRefused("no way back of this name is laid down there")
        try:
            await ask(shell, linux_guard.GO_BACK, "going back")
        except (SessionDropped, DeviceTimeout):
            return  # it has been told, and goes on without us

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """Everything is sent and counted before the first file takes its place."""
        del guard  # it was armed before
        if why := self.unrestorable(text):
            raise CommandRefused(why)
        present = await self._whole(shell)
        parts = file_bundle.sections(linux_guard.with_own_logins(text, present))
        frr = parts[FRR]
        files = {path: body for path, body in parts.items() if path.startswith("/")}
        names = (await ask(shell, linux_guard.LIST, "`ls`")).splitlines()[1:]
        printed = ""
        try:
            for line in linux_guard.bringing(frr, files, names, self.links(text)):
                printed = await ask(shell, line, "sending the configuration")
            if not linux_guard.brought(printed, frr, files):
                raise FetchIncomplete("the configuration did not arrive whole")
        except (CommandRefused, FetchIncomplete):
            await shell.execute(f"rm -rf {linux_guard.INCOMING}")
            raise
        try:
            await ask(shell, linux_guard.GO_ON, "putting the configuration in its place")
        except DeviceError as error:
            error.device_state = "changed" if isinstance(error, CommandRefused) else "unknown"
            raise

    def unrestorable(self, text: str) -> str:
        """``ports.driver.Choosing``: what an account without a root shell was given is FRR's part alone."""
        if text.startswith(f"{FRR}\n"):
            return ""
        return "the stored text is not of a whole box: the files of the daemons are not in it"

    async def _unarmed(self, shell: Shell) -> Unarmed:
        """Raises ``CommandRefused`` for a box with an open promise, and for one that could make none."""
        text = await self._whole(shell)
        if await self.armed(shell) is not None:
            raise CommandRefused("a way back is laid down there already")
        starter = (await ask(shell, linux_guard.INIT, "looking for systemd or cron")).strip()
        if not starter:
            raise CommandRefused("neither systemd nor cron would go back after a restart")
        files = tuple(path for path in file_bundle.sections(text) if path.startswith("/"))
        return Unarmed(text, files, starter == "systemd")

    async def _keep(self, shell: Shell, files: Sequence[str], folder: str, before: str) -> None:
        """Copies of the files and of what FRR runs, in a folder of the box; whole, or ``FetchIncomplete``."""
        kept = await ask(shell, linux_guard.keeping(files, folder, before), "keeping the configuration")
        if not linux_guard.kept_whole(kept, files):
            raise FetchIncomplete("the configuration that the box would go back to was not kept whole")

    async def _whole(self, shell: Shell) -> str:
        text = (await self.fetch(shell)).text
        if not text.startswith(f"{FRR}\n"):
            raise CommandRefused("the account has no root shell: the box cannot be told to go back")
        return text


async def ask(shell: Shell, line: str, what: str) -> str:
    """Run a line that ends with a mark; what it printed before. Raises a ``DeviceError``."""
    result = await shell.execute(line)
    return linux_guard.answer(result.stdout, result.stderr, what)
