"""A restart as a push: the device is told, waited for, and read. There is nothing to go back from, so nothing is armed.

That a device has restarted is believed when it has been up for less long than before, or when it was away and has not
been up for longer than it takes since it was told. The configuration that it comes up with is known beforehand where
the family tells (``ports.driver_reading.Starting``); anything else that it runs then is no success.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from cpe_manager.domain.errors import Conflict, ConnectFailed, DeviceError, DeviceTimeout, PromptLost, SessionDropped
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.push.commit_path import Entry, Note, Step, begun, noted
from cpe_manager.domain.push.pushes import Order, PushKind
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Driver, Restarting
from cpe_manager.ports.driver_reading import Starting
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Shell

LOOK_AGAIN: Final = 2.0
"""Seconds between looks at a device that is restarting."""
COARSE: Final = 60
"""Seconds by which a device may round its time down: some count minutes."""
COMES_UP_WITH: Final = "comes-up-with"
"""The note of the plan with the fingerprint of what the device had saved."""

Open = Callable[[], AbstractAsyncContextManager[OpenedSession]]


def require_restarting(driver: Driver) -> None:
    """Raises ``Conflict`` for a family that is not restarted from here."""
    if not isinstance(driver, Restarting):
        raise Conflict(f"a {driver.spec.family} device cannot be told to restart")


async def comes_up_with(driver: Any, shell: Shell, running: str, order: Order) -> str | None:
    """The whole text that a device would come up with, of which a restart is ordered; None where it does not tell."""
    if order.kind is not PushKind.REBOOT or not isinstance(driver, Starting):
        return None
    return await driver.startup(shell, running)


def has_restarted(before: int | None, now: int | None, since: float, *, away: bool) -> bool:
    """Whether a device has restarted. ``before`` and ``now``: seconds that it had been up when it was told, and has
    been by now; ``since``: seconds since it was told; ``away``: it could not be reached meanwhile."""
    if now is None:
        return away
    if before is not None and now < before:
        return True
    return away and now <= since + COARSE


@dataclass(frozen=True, slots=True)
class Patience:
    """``told_at``: when the order began to be given, by the journal: to a device that has been up for less long since
    then nobody gives it again. ``seconds``: how long it may take to come back."""

    told_at: datetime
    again: bool
    seconds: int

    @classmethod
    def of(cls, journal: Sequence[Entry], seconds: int) -> Patience:
        first = begun(journal, Step.APPLY)
        assert first is not None
        times = sum(entry.step is Step.APPLY and entry.result is None for entry in journal)
        return cls(first.at, times > 1, seconds)


class Restart:
    """Has a device restart, and waits until it is back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def apply(self, driver: Driver, session: Open, patience: Patience) -> Note:
        """Tell it and wait. Raises ``Refused`` when it is not back in time, and what telling it raises."""
        told, before = False, None
        try:
            async with session() as opened:
                before = (await driver.facts(opened.shell)).uptime
                if patience.again and before is not None and before <= self._since(patience.told_at):
                    return Note("restarted", True, f"up for {before} seconds, told by whoever was here before")
                told = True
                await cast("Restarting", driver).reboot(opened.shell)
        except (SessionDropped, DeviceTimeout, PromptLost):
            if not told and not patience.again:
                raise  # it was not told anything yet
        except ConnectFailed:
            if not patience.again:
                raise
        elapsed = self._since(patience.told_at) if patience.again and not told else 0.0
        return await self._back(driver, session, before, (elapsed, patience.seconds))

    def _since(self, then: datetime) -> float:
        return (self._clock.now() - then).total_seconds()

    async def _back(self, driver: Driver, session: Open, before: int | None, times: tuple[float, int]) -> Note:
        """``times``: seconds since it was told, and those that it may still take."""
        elapsed, seconds = times
        start, away, last = self._clock.monotonic(), elapsed > 0, "it does not go away"
        while (since := self._clock.monotonic() - start) < seconds:
            await self._clock.sleep(LOOK_AGAIN)
            try:
                async with session() as opened:
                    up = (await driver.facts(opened.shell)).uptime
            except DeviceError as error:
                away, last = True, str(error)
                continue
            if has_restarted(before, up, elapsed + since + LOOK_AGAIN, away=away):
                told = "" if up is None else f"up for {up} seconds"
                return Note("restarted", True, told)
            last = f"it has been up for {up} seconds"
        raise Refused(f"the device did not come back within {seconds} seconds of its restart: {last}", Check.NOT_BACK)

    async def stands(self, journal: Sequence[Entry], read: Callable[[], Awaitable[str]], before: str) -> None:
        """After a restart that went wrong: the device has to be reached, and run what it ran or what it had saved.
        Raises ``Conflict``, with the reason for an alarm."""
        expected = noted(journal, COMES_UP_WITH)
        try:
            found = await read()
        except DeviceError as error:
            raise Conflict(f"the device has not come back after its restart: {error}") from error
        if found not in (before, "" if expected is None else expected.reason):
            raise Conflict("the device came up with another configuration than it had saved")
