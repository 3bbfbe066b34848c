"""Tests from outside: ports that are really open (§3.4), and the translation that leads them inside (§3.3).

A port is judged by what somebody on the internet sees. What is silent or refused is told apart by two more looks: does
the host inside answer the box itself, and what does a port say that nobody has opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, ClassVar, Final, Literal

from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import TestResult, Verdict
from cpe_manager.domain.errors import CpeManagerError, InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, PortMapping
from cpe_manager.ports.activations import PortSeen
from cpe_manager.services.activation.bench import Bench, failed, not_ordered, passed, unproven

MOST: Final = 24
"""Ports that are tried from outside, the first of each range; the rest is judged by the configuration."""
CONTROL: Final = (49_877, 51_239, 53_791)
"""Ports that nobody opens as a rule; the first that is not mapped shows what a closed one says."""
PORTS: Final = "ports"

Found = Literal["open", "closed", "host-down", "nobody-listens", "untried"]


@dataclass(frozen=True, slots=True)
class _One:
    mapping: PortMapping
    found: Found
    reason: str = ""

    def __str__(self) -> str:
        one = self.mapping
        return f"{one.protocol} {one.ports} to {one.inside}:{one.inside_port}"

    def to_data(self) -> dict[str, Any]:
        one = self.mapping
        return {
            "protocol": one.protocol, "ports": str(one.ports), "inside": str(one.inside),
            "inside_port": one.inside_port, "found": self.found, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ports:
    name: ClassVar[str] = PORTS
    title: ClassVar[str] = "Opened ports"
    section: ClassVar[str] = "§3.4"

    async def run(self, bench: Bench) -> TestResult:
        order, now = bench.order.ports, bench.box.config
        if not order or not bench.activation.router:
            return not_ordered(self)
        goal = f"{len(order)} open"
        if now is None or "port_mappings" in bench.lacks(Step.CONFIGURE):
            missing = [one for one in order if now is None or one not in now.port_mappings]
            told = ", ".join(f"{one.protocol} {one.ports}" for one in missing)
            return failed(self, f"not in the configuration: {told}", goal=goal, redo=(Step.CONFIGURE,))
        found = await self._tried(bench, order, now)
        values = {"ports": [one.to_data() for one in found]}
        counts = {kind: sum(one.found == kind for one in found) for kind in ("open", "closed")}
        measured = f"{counts['open']} of {len(found)} open"
        closed = [f"{one}: {one.reason}" for one in found if one.found == "closed"]
        if closed:
            return failed(self, "; ".join(closed), measured=measured, goal=goal, redo=(Step.CONFIGURE,), **values)
        others = [f"{one}: {one.reason}" for one in found if one.found != "open"]
        if others and not counts["open"]:
            return unproven(self, "; ".join(others), measured, goal, **values)
        return passed(self, measured, goal, "; ".join(others), **values)

    async def _tried(self, bench: Bench, order: tuple[PortMapping, ...], now: CpeConfig) -> list[_One]:
        address = bench.outside
        found: list[_One] = []
        control: PortSeen | None = None
        for number, mapping in enumerate(order):
            if (why := _untried(mapping, address, number)) or address is None:
                found.append(_One(mapping, "untried", why))
                continue
            seen = await bench.prober.tcp(str(address), mapping.ports.first, bench.terms.port_seconds)
            if seen.seen == "open":
                found.append(_One(mapping, "open"))
                continue
            if control is None:
                control = await self._control(bench, address, now)
            found.append(_One(mapping, *await self._why(bench, mapping, seen, control)))
        return found

    async def _control(self, bench: Bench, address: IPv4Address, now: CpeConfig) -> PortSeen:
        taken = [one.ports for one in now.port_mappings if one.protocol == "tcp"]
        free = next(port for port in (*CONTROL, *range(55_000, 65_000)) if not any(
            ports.first <= port <= ports.last for ports in taken
        ))  # fmt: skip
        return await bench.prober.tcp(str(address), free, bench.terms.port_seconds)

    async def _why(self, bench: Bench, mapping: PortMapping, seen: PortSeen, control: PortSeen) -> tuple[Found, str]:
        """Closed, or open to a host that does not answer."""
        told = f"from outside: {seen.reason or seen.seen}"
        try:
            lives = await bench.echoes(str(mapping.inside))
        except (CpeManagerError, TimeoutError):
            lives = None
        if lives is False:
            return "host-down", f"{told}; the host inside does not answer the router either: it is down or away"
        if seen.seen == "refused" and control.seen != "refused":
            return "nobody-listens", f"{told}, and a port that is closed is {control.seen}: nothing listens inside"
        if lives is None and seen.seen in ("refused", "unreachable"):
            return "nobody-listens", f"{told}; whether the host inside is up cannot be asked"
        answers = "the host inside answers the router" if lives else "whether the host inside is up cannot be asked"
        return "closed", f"{told}; {answers}"


def _untried(mapping: PortMapping, address: IPv4Address | None, number: int) -> str:
    """Why a mapping is not tried from outside; empty: it is."""
    if address is None:
        return "configured; the address of the line is not known, so nothing was tried from outside"
    if mapping.protocol != "tcp":
        return "configured; only TCP can be tried from outside"
    if mapping.source is not None:
        return f"configured; it is open to {mapping.source} alone"
    return f"configured; {MOST} ports were tried" if number >= MOST else ""


@dataclass(frozen=True, slots=True)
class Nat:
    """The private scheme inside is translated to the address outside. A port that was met from outside, behind a
    private address, is proof of it; the configuration alone is told as that."""

    name: ClassVar[str] = "nat"
    title: ClassVar[str] = "Address translation"
    section: ClassVar[str] = "§3.3"

    async def run(self, bench: Bench) -> TestResult:
        now = bench.box.config
        if not bench.activation.router:
            return not_ordered(self, "the router is the customer's (§3.2)")
        if now is None:
            raise InputError(f"what a {bench.box.driver.spec.family} box runs cannot be read")
        redo = (Step.CONFIGURE,) if bench.order.lan is not None else ()
        if now.lan is None or now.wan is None:
            lacks = "inside" if now.lan is None else "outside"
            return failed(self, f"the box has no address {lacks}", goal="inside and outside", redo=redo)
        inside = now.lan.address.network
        measured = f"{inside} behind {bench.outside or now.wan.mode}"
        if not inside.is_private:
            return unproven(self, "the LAN is not of a private scheme", measured, "a private scheme")
        if bench.verdict_of(PORTS) is Verdict.PASSED and self._proved(bench):
            return passed(self, measured, "translated", "a port was met from outside behind a private address")
        return passed(self, measured, "translated", "by the configuration alone: no opened port could be met")

    @staticmethod
    def _proved(bench: Bench) -> bool:
        ports = next((one.values.get("ports", ()) for one in bench.found if one.name == PORTS), ())
        return any(one["found"] == "open" for one in ports)
