"""Tests of the line and of what the box has: synchronisation, addressing, settings, wifi, DNS, throughput."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from cpe_manager.domain.activation.activation_flow import Step
from cpe_manager.domain.activation.activations import TestResult
from cpe_manager.domain.errors import CommandRefused
from cpe_manager.ports.coverage import Transfer, Transferring
from cpe_manager.ports.driver_reading import Resolving
from cpe_manager.services.activation.bench import Bench, failed, not_ordered, passed, unproven

_PAUSE: Final = 3.0
_TRIES: Final = 2
"""Transfers of a direction whose first is too slow: one of them may have met something else on the line."""


@dataclass(frozen=True, slots=True)
class Sync:
    """The line is up and leads somewhere, as the box says."""

    name: ClassVar[str] = "sync"
    title: ClassVar[str] = "Line in synchronisation"
    section: ClassVar[str] = "§4.2"

    async def run(self, bench: Bench) -> TestResult:
        until = bench.clock.monotonic() + bench.terms.comes_up_seconds
        while True:
            line = await bench.ask_line()
            if line is None or line.up is None:
                return unproven(self, f"a {bench.box.driver.spec.family} box does not say how its line is")
            well = line.up and line.default_route is not False
            if well or bench.clock.monotonic() >= until:
                break
            await bench.clock.sleep(_PAUSE)
        goal = "up, with a default route"
        if well:
            return passed(self, str(line), goal, up=True)
        if not line.up:
            # Nothing that is pushed brings a line up: it is for whoever stands at it.
            return failed(self, "the line is down", measured=str(line), goal=goal, up=False)
        redo = (Step.ADDRESS,) if bench.order.wan is not None else ()
        return failed(self, "there is no way to the internet", measured=str(line), goal=goal, redo=redo, up=True)


@dataclass(frozen=True, slots=True)
class Addressing:
    """The box has the addresses that were ordered, in its configuration and on its line (§3.3)."""

    name: ClassVar[str] = "addressing"
    title: ClassVar[str] = "Addresses as ordered"
    section: ClassVar[str] = "§3.3"

    async def run(self, bench: Bench) -> TestResult:
        wan, line = bench.order.wan, bench.line or await bench.ask_line()
        has = None if line is None else line.address
        measured = "" if has is None else str(has)
        if wan is None or wan.address is None:
            if has is None:
                return unproven(self, "the box does not say which address its line has", goal="an address")
            wrong = bench.lacks(Step.ADDRESS) if wan is not None and bench.activation.router else ()
            if wrong:
                return failed(self, "not as loaded into the router", measured=measured, redo=(Step.ADDRESS,))
            return passed(self, measured, "an address", address=str(has.ip))
        goal = ", ".join(str(one) for one in (wan.address, wan.ipv6_prefix, wan.ip_pack) if one is not None)
        if not bench.activation.router:
            if has is not None and has.ip == wan.address.ip:
                return passed(self, measured, goal, address=str(has.ip))
            return unproven(self, "the router is the customer's: its addresses are set by him (§3.2)", measured, goal)
        if bench.lacks(Step.ADDRESS):
            reason = "the router is not configured with them"
            return failed(self, reason, measured=measured, goal=goal, redo=(Step.ADDRESS,))
        if has is None:
            return unproven(self, "configured; the box does not say which address its line has", measured, goal)
        if has.ip != wan.address.ip:
            reason = f"the line has {has.ip}"
            return failed(self, reason, measured=measured, goal=goal, redo=(Step.ADDRESS,), address=str(has.ip))
        return passed(self, measured, goal, address=str(has.ip))


@dataclass(frozen=True, slots=True)
class InsideSettings:
    """LAN, DHCP and firewall are as ordered; name servers, ports and the backup have tests of their own."""

    name: ClassVar[str] = "settings"
    title: ClassVar[str] = "LAN, DHCP and firewall as ordered"
    section: ClassVar[str] = "§4.2"
    parts: ClassVar[tuple[str, ...]] = ("lan", "dhcp", "firewall")

    async def run(self, bench: Bench) -> TestResult:
        wanted = [part for part in self.parts if getattr(bench.order, part) is not None]
        if not wanted or not bench.activation.router:
            return not_ordered(self)
        wrong = [part for part in bench.lacks(Step.CONFIGURE) if part in self.parts]
        goal = ", ".join(wanted)
        if wrong:
            return failed(self, f"not as ordered: {', '.join(wrong)}", goal=goal, redo=(Step.CONFIGURE,))
        return passed(self, "as ordered", goal)


@dataclass(frozen=True, slots=True)
class WifiAsOrdered:
    name: ClassVar[str] = "wifi"
    title: ClassVar[str] = "Wifi on or off, as ordered"
    section: ClassVar[str] = "§4.2"

    async def run(self, bench: Bench) -> TestResult:
        choice, now = bench.order.wifi, bench.box.config
        if choice is None or not bench.activation.router:
            return not_ordered(self)
        goal = "on" if choice.on else "off"
        on = [] if now is None else [f"{one.ssid} ({one.band} GHz)" for one in now.wifi if one.enabled]
        measured = f"on: {', '.join(on)}" if on else "off"
        if bench.lacks(Step.WIFI):
            return failed(self, "not as ordered", measured=measured, goal=goal, redo=(Step.WIFI,))
        return passed(self, measured, goal, on=bool(on))


@dataclass(frozen=True, slots=True)
class Dns:
    """The box asks the right name servers, and gets an answer (§3.9)."""

    name: ClassVar[str] = "dns"
    title: ClassVar[str] = "Names are resolved"
    section: ClassVar[str] = "§3.9"

    async def run(self, bench: Bench) -> TestResult:
        redo = (Step.CONFIGURE,) if bench.order.dns and bench.activation.router else ()
        servers = ", ".join(str(one) for one in bench.order.dns)
        if redo and "dns" in bench.lacks(Step.CONFIGURE):
            return failed(self, "the name servers are not those that were ordered", goal=servers, redo=redo)
        name, driver = _name(bench), bench.box.driver
        if not name:
            return unproven(self, "no name is set that could be resolved", goal=servers)
        if not isinstance(driver, Resolving):
            return unproven(self, f"a {driver.spec.family} box cannot be asked to resolve a name", goal=servers)
        try:
            found = await driver.resolve(bench.box.shell, name)
        except CommandRefused as error:
            return unproven(self, str(error), goal=name)
        if not found:
            return failed(self, f"the box gets no answer for {name}", measured="no answer", goal=name, redo=redo)
        return passed(self, ", ".join(found), name, addresses=list(found))


def _name(bench: Bench) -> str:
    if bench.terms.dns_name:
        return bench.terms.dns_name
    host = urlsplit(bench.terms.transfers.download_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host
    return ""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What goes over the fixed line, against the formula's speeds (§3.1.2)."""

    name: ClassVar[str] = "throughput"
    title: ClassVar[str] = "Throughput"
    section: ClassVar[str] = "§3.1.2"

    async def run(self, bench: Bench) -> TestResult:
        speed, share, test = bench.speed, bench.terms.speed_share, bench.terms.transfers
        if speed is None:
            return unproven(self, "the catalogue has no speed of this formula")
        goals = {"down": speed.down * share, "up": speed.up * share}
        goal = f"{goals['down']:g}/{goals['up']:g} Mbps ({share:.0%} of {speed.down}/{speed.up})"
        driver, port = bench.box.driver, bench.fixed_port
        if not isinstance(driver, Transferring):
            return unproven(self, f"a {driver.spec.family} box cannot measure a transfer from here", goal=goal)
        if not test.download_url and not test.upload_url:
            return unproven(self, "nothing is set that could be measured against", goal=goal)
        if not port:
            return unproven(self, "which interface the fixed line is on is not known", goal=goal)
        found: dict[str, float] = {}
        for way, url in (("down", test.download_url), ("up", test.upload_url)):
            for _ in range(_TRIES if url else 0):
                try:
                    mbps = await driver.transfer(
                        bench.box.shell, Transfer(url, port, upload=way == "up", seconds=test.seconds)
                    )
                except CommandRefused as error:
                    return unproven(self, f"{way}: {error}", _told(found), goal, **_values(found))
                found[way] = max(mbps, found.get(way, 0.0))
                if found[way] >= goals[way]:
                    break
        slow = [
            f"{way} {mbps:.1f} Mbps, {goals[way]:g} is the goal" for way, mbps in found.items() if mbps < goals[way]
        ]
        if slow:
            # A line that is too slow is for whoever manages the line; no push makes it faster.
            return failed(self, "; ".join(slow), measured=_told(found), goal=goal, **_values(found))
        missing = [way for way in goals if way not in found]
        reason = f"{' and '.join(missing)} not measured: no address is set" if missing else ""
        return passed(self, _told(found), goal, reason, **_values(found))


def _told(found: dict[str, float]) -> str:
    return ", ".join(f"{way} {mbps:.1f} Mbps" for way, mbps in found.items())


def _values(found: dict[str, float]) -> dict[str, Any]:
    return {f"{way}_mbps": round(mbps, 3) for way, mbps in found.items()}
