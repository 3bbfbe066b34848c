"""What the tests of an activation look at, and what each of them is (§4.2: functional and performance tests)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any, ClassVar, Protocol

from cpe_manager.domain.activation.activation_config import lacking, patch_of
from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import Activation, ActivationOrder, TestResult, Verdict
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.subscription.catalogue import Speed
from cpe_manager.ports.activations import OutsideProber
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Probing, Wired
from cpe_manager.services.activation.parts import OpenBox, Terms
from cpe_manager.services.failover.lines import Lines

ASKING_SECONDS = 20.0
"""What a box gets to answer one question."""


@dataclass(slots=True)
class Bench:
    """One round's. ``found``: the results so far, as one test may be evidence for another. ``line``: as the box said
    last. ``number`` and ``begun``: the round, and since when it is worked on, whoever did so. ``port``: native name of
    the interface to the fixed line; empty: as the driver finds it. ``fixed``: the address that follows the traffic to
    mobile, where the line's set-up names one."""

    activation: Activation
    order: ActivationOrder
    box: OpenBox
    speed: Speed | None
    terms: Terms
    prober: OutsideProber
    lines: Lines
    clock: Clock
    number: int
    begun: datetime
    port: str = ""
    fixed: IPv4Address | None = None
    line: LineState | None = None
    found: list[TestResult] = field(default_factory=list)

    def lacks(self, step: Step) -> tuple[str, ...]:
        """Parts of the model that are not as a step makes them; raises ``InputError`` for what this box cannot have."""
        now = self.box.config
        if now is None:
            raise InputError(f"what a {self.box.driver.spec.family} box runs cannot be read")
        return lacking(patch_of(step, self.order, now, self.box.features, self.terms.barrier), now)

    async def ask_line(self) -> LineState | None:
        """How the internet side is now; None where the family does not say."""
        driver = self.box.driver
        if not isinstance(driver, Probing):
            return None
        async with asyncio.timeout(ASKING_SECONDS):
            self.line = await driver.line(self.box.shell, self.box.text)
        return self.line

    async def echoes(self, target: str) -> bool | None:
        """Whether an echo comes back to the box; None where it cannot be asked to."""
        driver = self.box.driver
        if not isinstance(driver, Probing):
            return None
        async with asyncio.timeout(ASKING_SECONDS):
            return await driver.ping(self.box.shell, target)

    @property
    def outside(self) -> IPv4Address | None:
        """The address at which the site is met from the internet: the fixed one, else what the line has."""
        if self.fixed is not None:
            return self.fixed
        if self.order.wan is not None and self.order.wan.address is not None:
            return self.order.wan.address.ip
        return None if self.line is None or self.line.address is None else self.line.address.ip

    @property
    def fixed_port(self) -> str:
        """Native name of the interface that the fixed line's traffic goes over; empty where nobody can tell."""
        if self.port or not isinstance(self.box.driver, Wired):
            return self.port
        return next(iter(self.box.driver.interfaces(self.box.text).roles.get(Role.WAN, ())), "")

    def verdict_of(self, name: str) -> Verdict | None:
        return next((one.verdict for one in self.found if one.name == name), None)


class SiteTest(Protocol):
    """One test. ``name`` is for programs, ``title`` for people; ``section`` of the service description."""

    name: ClassVar[str]
    title: ClassVar[str]
    section: ClassVar[str]

    async def run(self, bench: Bench) -> TestResult:
        """Raises ``InputError`` and ``CommandRefused`` for what cannot be judged, with the reason."""
        ...


def passed(test: SiteTest, measured: str, goal: str = "", reason: str = "", **values: Any) -> TestResult:
    return TestResult(test.name, test.title, test.section, Verdict.PASSED, measured, goal, reason, values=values)


def failed(
    test: SiteTest, reason: str, *, measured: str = "", goal: str = "", redo: Sequence[Step] = (), **values: Any
) -> TestResult:
    """``redo``: the steps whose push may mend it."""
    return TestResult(
        test.name, test.title, test.section, Verdict.FAILED, measured, goal, reason, tuple(redo), values
    )  # fmt: skip


def unproven(test: SiteTest, reason: str, measured: str = "", goal: str = "", **values: Any) -> TestResult:
    return TestResult(test.name, test.title, test.section, Verdict.UNPROVEN, measured, goal, reason, values=values)


def not_ordered(test: SiteTest, reason: str = "not ordered") -> TestResult:
    return TestResult(test.name, test.title, test.section, Verdict.NOT_ORDERED, reason=reason)
