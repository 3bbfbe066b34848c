"""A closer look at a device that runs something new: who changed it, and whether it would come up with that.

Asked in the session that read the configuration, of devices that have changed alone: a night in which nothing changed
costs nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from backups.vault import Examined, Vault
from cpe_manager.domain.backup.drift import LONGEST_NAME, LastChange
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.ports.driver import Driver
from cpe_manager.ports.driver_reading import Starting, Witnessing
from cpe_manager.ports.shell import Shell

log = structlog.get_logger()

T = TypeVar("T")
SECONDS: Final = 20.0
"""What a box gets for each of the two questions, after its configuration is here."""


@dataclass(frozen=True, slots=True)
class Seen:
    """``startup``: what it would come up with; None when it cannot tell. ``saved`` is None then, too."""

    startup: Examined | None = field(default=None, repr=False)
    saved: bool | None = None
    change: LastChange | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """``secrets`` are the device's log-in passwords; ``redactor`` is that of the logs."""

    driver: Driver
    vault: Vault
    secrets: Sequence[str] = field(repr=False)
    redactor: Redactor

    async def closer(self, shell: Shell, running: str, examined: Examined) -> Seen:
        """``running`` is the text as it was fetched, ``examined`` what the vault made of it. Raises nothing: what the
        box does not tell is not known."""
        change, startup = None, None
        if isinstance(self.driver, Witnessing):
            change = self._plain(await self._asked(self.driver.changes_by(shell, running), "who changed it"))
        if isinstance(self.driver, Starting):
            text = await self._asked(self.driver.startup(shell, running), "its startup configuration")
            startup = None if text is None else self.vault.examine(text, self.driver.spec, self.secrets)
        saved = None if startup is None else startup.fingerprint == examined.fingerprint
        return Seen(startup, saved, change)

    async def _asked(self, question: Awaitable[T], what: str) -> T | None:
        try:
            async with asyncio.timeout(SECONDS):
                return await question
        except Exception as error:  # noqa: BLE001 - whatever a driver stumbles over here, the backup goes on
            log.info("drift.not_told", what=what, error=type(error).__name__, reason=self.redactor.text(str(error)))
            return None

    def _plain(self, told: LastChange | None) -> LastChange | None:
        """One line of printable characters each, whatever the box sends, and no secret of its log-in."""
        if told is None or not (by := self._line(told.by)):
            return None
        return LastChange(by, self._line(told.when), told.source)

    def _line(self, text: str) -> str:
        words = "".join(char if char.isprintable() else " " for char in self.redactor.text(text)).split()
        return " ".join(words)[:LONGEST_NAME]
