"""What one process knows of a push on its way, and what is taken care of around the steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from backups.vault import Examined
from cpe_manager.domain.errors import CommandRefused, CpeManagerError, InputError
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.push.commit_path import Entry, Note
from cpe_manager.domain.push.pushes import Order, Push, PushKind
from cpe_manager.ports.driver import Guard
from cpe_manager.ports.reach import Reach
from cpe_manager.ports.shell import Shell, Target
from cpe_manager.ports.stores import Claimed
from cpe_manager.services.push.push_admission import Admission
from cpe_manager.services.push.push_checks import Checks
from cpe_manager.services.push.push_plan import Plan, PushDriver


@dataclass(slots=True)
class Trip:
    """One process's way through a push. Only what the journal and the stores say outlives it."""

    claimed: Claimed
    push: Push
    order: Order
    journal: list[Entry]
    groups: Mapping[str, Group]
    held: ExitStack
    plan: Plan | None = None
    before: Examined | None = None
    after: Examined | None = None
    line: tuple[Note, ...] = ()
    """How the line was when the device was read last."""
    notes: list[Note] = field(default_factory=list)
    """What the step at hand has looked at."""
    manager: str = ""
    at: str = ""
    """The address at which the device answered last."""
    withdrawn: bool = False
    """Somebody gave the push up, as far as the last write told."""
    ready: tuple[Target, PushDriver, tuple[str, ...]] | None = field(default=None, repr=False)

    @property
    def restarts(self) -> bool:
        return self.order.kind is PushKind.REBOOT

    @property
    def guard(self) -> Guard:
        return Guard(self.push.token, self.push.guard_seconds)


@dataclass(frozen=True, slots=True)
class Care:
    """What is taken care of around the steps: when a push may begin, what is checked, what can be tried from here."""

    admission: Admission = field(default_factory=Admission)
    checks: Checks = field(default_factory=Checks)
    reach: Reach | None = None


def cause_of(error: CpeManagerError) -> str:
    """Why a step failed, for programs: which check, or the code of the error."""
    if isinstance(error, Refused):
        return error.cause
    return Check.MODEL if isinstance(error, InputError) else error.code


async def take_up(driver: PushDriver, shell: Shell, guard: Guard) -> None:
    """Leave nothing of a promise on a device that has gone back: what is still open would strike later, what lies
    about holds secrets."""
    promise = await driver.armed(shell)
    if promise == guard.token:
        await driver.confirm(shell, guard)
    elif promise is None:
        with suppress(CommandRefused):  # there is nothing left to be confirmed, and some families say so
            await driver.confirm(shell, guard)
