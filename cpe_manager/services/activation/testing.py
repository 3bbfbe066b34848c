"""Runs the tests of an activation, one after the other, over one session to the box and from outside (§4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address
from typing import Final

import structlog

from cpe_manager.domain.activation.activation_flow import Result, Step
from cpe_manager.domain.activation.activations import TestResult, TestRound
from cpe_manager.domain.errors import CommandRefused, Conflict, CpeManagerError, InputError, NotFound, StoreError
from cpe_manager.domain.subscription.entitlement import speed_of
from cpe_manager.services.activation.backup_tests import BackupCarries, CoverageEnough, StandsBy
from cpe_manager.services.activation.bench import Bench, SiteTest, unproven
from cpe_manager.services.activation.line_tests import (
    Addressing,
    Dns,
    InsideSettings,
    Sync,
    Throughput,
    WifiAsOrdered,
)
from cpe_manager.services.activation.parts import ActivationStores, Door, House, Trip, wanted_subscription
from cpe_manager.services.activation.port_tests import Nat, Ports
from cpe_manager.services.backup.attempt import LONGEST_ERROR
from cpe_manager.services.failover.lines import Lines

log = structlog.get_logger()

OVER_THE_SESSION: Final[Sequence[SiteTest]] = (
    Sync(), Addressing(), InsideSettings(), WifiAsOrdered(), Ports(), Nat(), Dns(), Throughput(), StandsBy(),
)  # fmt: skip
AFTERWARDS: Final[Sequence[SiteTest]] = (CoverageEnough(), BackupCarries())
"""With the session closed: it would not outlive a switch."""
MOST_ROUNDS: Final = 20
"""Rounds that are kept."""


class Testing:
    __test__ = False

    def __init__(self, stores: ActivationStores, house: House, lines: Lines) -> None:
        self._stores, self._house, self._lines = stores, house, lines
        self._door = Door(stores.inventory, house.outside)

    async def run(self, trip: Trip, number: int) -> TestRound:
        """All of them, whatever one says. Raises ``NotYet`` and ``DeviceError`` when no session comes about."""
        one = trip.activation
        catalogue = await self._stores.catalogues.version(one.catalogue_version)
        speed = speed_of(catalogue, wanted_subscription(one, trip.order, None))
        port, fixed = await self._set_up(one.device)
        async with self._door.open(one.device_id) as box:
            await trip.begin()
            bench = Bench(
                one, trip.order, box, speed, self._house.terms, self._house.prober, self._lines,
                self._house.outside.clock, number, begun_at(trip), port, fixed,
            )  # fmt: skip
            for test in OVER_THE_SESSION:
                bench.found.append(await self._one(test, bench))
        for test in AFTERWARDS:
            bench.found.append(await self._one(test, bench))
        made = TestRound(number + 1, self._house.outside.clock.now(), tuple(bench.found))
        trip.progress = replace(trip.progress, rounds=(*trip.progress.rounds, made)[-MOST_ROUNDS:])
        return made

    async def _one(self, test: SiteTest, bench: Bench) -> TestResult:
        try:
            return await test.run(bench)
        except StoreError:
            raise
        except TimeoutError:
            return unproven(test, "the box did not come to an end with it")
        except (CommandRefused, InputError, Conflict, NotFound) as error:
            return unproven(test, self._words(error))
        except CpeManagerError:
            raise  # the session, or the way to the box: all of it is tested once more, later
        except Exception as error:  # one test's defect must not leave the others without a word
            log.exception("activation.test_defect", test=test.name, site=bench.activation.site)
            return unproven(test, f"internal error ({type(error).__name__}); the log has the details")

    def _words(self, error: Exception) -> str:
        return self._house.outside.redactor.text(" ".join(str(error).split()))[:LONGEST_ERROR]

    async def _set_up(self, device: str) -> tuple[str, IPv4Address | None]:
        """What the line's set-up says: the port to the fixed line, and the fixed address where it is a single one."""
        try:
            setup = (await self._lines.line(device)).line.setup
        except NotFound:
            return "", None
        fixed = setup.fixed_ipv4
        return setup.fixed_port, fixed.network_address if fixed is not None and fixed.prefixlen == 32 else None


def begun_at(trip: Trip) -> datetime:
    """Since when the round under way is worked on: a process before this one may have begun it."""
    begun = trip.journal[-1].at
    for entry in reversed(trip.journal):
        if entry.step is not Step.TEST or entry.result not in (None, Result.WAITS):
            break
        begun = entry.at
    return begun


def summary_of(made: TestRound) -> str:
    """Which tests failed and why, in one line; empty: none."""
    return "; ".join(f"{one.title}: {one.reason}" for one in made.failed)
