"""What is looked at over a new session once a change is in effect: the line, and the probes that were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.push.checks import Check, Refused
from cpe_manager.domain.push.commit_path import Entry, Note, noted
from cpe_manager.domain.push.probes import LineState, Probe
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Carrying, Probing
from cpe_manager.ports.reach import Reach
from cpe_manager.ports.shell import Shell

log = structlog.get_logger()

ASKING_SECONDS: Final = 15.0
"""What a device gets to say how its line is, and for an echo."""
TCP_SECONDS: Final = 5.0
COMES_BACK_SECONDS: Final = 45.0
"""How long a line that was up may take to come up again: a PPPoE session is built anew, a route is learned."""
LINE, ROUTE, CARRIER = "line", "default-route", "carrier"


async def line_notes(driver: Any, shell: Shell, text: str) -> tuple[Note, ...]:
    """How the line is, as notes; that nobody could tell fails nothing. ``text``: what the device runs."""
    if not isinstance(driver, Probing):
        return ()
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            state = await driver.line(shell, text)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a box answers here, the push does not depend on it
        log.info("push.line_not_told", error=type(error).__name__)
        return (Note(LINE, None, "the device did not say how its line is"),)
    return notes_of(state)


def notes_of(state: LineState) -> tuple[Note, ...]:
    return Note(LINE, state.up, str(state)), Note(ROUTE, state.default_route, "")


@dataclass(frozen=True, slots=True)
class Lost:
    """What the line had before the change and has no more."""

    check: Check
    reason: str


@dataclass(frozen=True, slots=True)
class Meant:
    """What a change means: the model before, and after; None where nobody can know (lines)."""

    before: CpeConfig
    after: CpeConfig | None

    @property
    def moves_to_mobile(self) -> bool:
        """The default route goes over the mobile connection from now on: that the fixed line is dead is why."""
        return _preferred(self.after) and not _preferred(self.before)


def _preferred(config: CpeConfig | None) -> bool:
    return config is not None and config.mobile is not None and config.mobile.preferred


def lost(journal: Sequence[Entry], now: Sequence[Note], meant: Meant) -> Lost | None:
    """Only what was there before can be lost, and not what the change itself does away with. Of a change that moves
    the default route to mobile the fixed line is not asked at all, but whether the route has moved."""
    if meant.moves_to_mobile:
        carrier = next((note for note in now if note.what == CARRIER), None)
        return Lost(Check.DEFAULT_ROUTE, carrier.reason) if carrier is not None and carrier.ok is False else None
    if meant.after is not None and meant.after.wan is None:
        return None
    for what, check in ((LINE, Check.LINE), (ROUTE, Check.DEFAULT_ROUTE)):
        before = noted(journal, what)
        after = next((note for note in now if note.what == what), None)
        if before is not None and before.ok and after is not None and after.ok is False:
            told = next((note.reason for note in now if note.what == LINE), "")
            was = noted(journal, LINE)
            return Lost(check, f"{told}; before the change: {was.reason if was else ''}")
    return None


async def carrier_notes(driver: Any, shell: Shell, text: str) -> tuple[Note, ...]:
    """Over what the box's own default route goes, as a note: good when it is mobile. Nothing where nobody can tell."""
    if not isinstance(driver, Carrying):
        return ()
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            carrier = await driver.carrying(shell, text)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - as above: what a box answers here may be anything
        log.info("push.carrier_not_told", error=type(error).__name__)
        return (Note(CARRIER, None, "the device did not say what its default route goes over"),)
    if carrier is None:
        return (Note(CARRIER, None, "the device does not say what its default route goes over"),)
    return (Note(CARRIER, carrier is Carrier.MOBILE, f"the device's default route goes over {carrier.value}"),)


class Prober:
    """Runs the probes of a push."""

    def __init__(self, reach: Reach | None, clock: Clock) -> None:
        self._reach, self._clock = reach, clock

    async def line(
        self, journal: Sequence[Entry], first: Sequence[Note], meant: Meant,
        ask: Callable[[], Awaitable[Sequence[Note]]],
    ) -> Sequence[Note]:  # fmt: skip
        """The last word on the line, asked again (``ask``) while it is down that was up. Raises ``Refused``."""
        found, until = first, self._clock.monotonic() + COMES_BACK_SECONDS
        while (gone := lost(journal, found, meant)) is not None:
            if self._clock.monotonic() >= until:
                raise Refused(gone.reason, gone.check)
            await self._clock.sleep(3.0)
            found = await ask()
        return found

    async def run(self, probes: Sequence[Probe], shell: Shell, driver: Any, after: CpeConfig) -> tuple[Note, ...]:
        """A note for each probe. ``shell``: a session to the device; ``after``: what it runs now."""
        return tuple([await self._one(probe, shell, driver, after) for probe in probes])

    async def _one(self, probe: Probe, shell: Shell, driver: Any, after: CpeConfig) -> Note:
        if probe.kind == "config":
            reason = probe.told_by(after)
        elif probe.kind == "ping":
            reason = await self._ping(probe.target, shell, driver)
        elif self._reach is None:
            reason = "nothing can be tried from here"
        else:
            reason = await self._reach.tcp(probe.target, probe.port, TCP_SECONDS)
        return Note(str(probe), not reason, reason)

    @staticmethod
    async def _ping(target: str, shell: Shell, driver: Any) -> str:
        if not isinstance(driver, Probing):
            return f"a {driver.spec.family} device cannot be asked to"
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                answered = await driver.ping(shell, target)
        except TimeoutError:
            return "the device did not come to an end with it"
        except CpeManagerError as error:
            return str(error)
        return "" if answered else "no echo came back"


def failed(notes: Sequence[Note]) -> Refused | None:
    """The refusal that failed probes amount to."""
    bad = [note for note in notes if note.ok is False]
    told = "; ".join(f"{note.what}: {note.reason}" for note in bad)
    return Refused(f"a probe failed: {told}", Check.PROBE) if bad else None
