"""What is made of a port that nobody met from outside: closed, or open to a host that does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, cast

import pytest

from cpe_manager.domain.activation.activations import ActivationOrder, Verdict
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, PortMapping, Wan
from cpe_manager.domain.model.cpe_mobile import Ports as PortRange
from cpe_manager.ports.activations import PortSeen, Seen
from cpe_manager.services.activation.parts import Terms
from cpe_manager.services.activation.port_tests import Ports

FIXED = IPv4Address("203.0.113.2")
WEB = PortMapping("tcp", PortRange.one(443), IPv4Address("192.168.1.10"), 443)


@dataclass
class Prober:
    port: Seen
    control: Seen

    async def tcp(self, host: str, port: int, seconds: float) -> PortSeen:
        assert (host, seconds) == ("203.0.113.2", Terms().port_seconds)
        return PortSeen(self.port if port == 443 else self.control)


@dataclass
class Router:
    """``True``: the operator configures it."""

    router: bool = True


@dataclass
class Seat:
    """As much of a bench as the test sits at."""

    prober: Prober
    lives: bool | None
    activation: Router
    order: ActivationOrder
    box: Any
    terms: Terms
    outside: IPv4Address | None

    def lacks(self, _step: object) -> tuple[str, ...]:
        return ()

    async def echoes(self, target: str) -> bool | None:
        assert target == "192.168.1.10"
        return self.lives


@dataclass
class Box:
    config: CpeConfig


def seat(port: Seen, control: Seen, lives: bool | None, *mappings: PortMapping) -> Any:
    opened = mappings or (WEB,)
    config = CpeConfig("r1", Wan("dhcp"), Lan(IPv4Interface("192.168.1.1/24")), port_mappings=opened)
    order = ActivationOrder("pro", LineKind.COPPER, ports=opened)
    return cast("Any", Seat(Prober(port, control), lives, Router(), order, Box(config), Terms(), FIXED))


@pytest.mark.parametrize(
    ("port", "control", "lives", "found", "verdict"),
    [
        ("open", "silent", True, "open", Verdict.PASSED),
        ("silent", "silent", True, "closed", Verdict.FAILED),
        ("silent", "silent", None, "closed", Verdict.FAILED),
        ("silent", "silent", False, "host-down", Verdict.UNPROVEN),
        ("unreachable", "silent", False, "host-down", Verdict.UNPROVEN),
        ("unreachable", "silent", True, "closed", Verdict.FAILED),
        ("refused", "silent", True, "nobody-listens", Verdict.UNPROVEN),
        ("refused", "refused", True, "closed", Verdict.FAILED),
        ("refused", "refused", None, "nobody-listens", Verdict.UNPROVEN),
        ("refused", "refused", False, "host-down", Verdict.UNPROVEN),
    ],
)
async def test_what_a_port_is_found_to_be(
    port: Seen, control: Seen, lives: bool | None, found: str, verdict: Verdict
) -> None:
    result = await Ports().run(seat(port, control, lives))
    assert (result.values["ports"][0]["found"], result.verdict) == (found, verdict)


async def test_what_cannot_be_tried_from_outside_is_judged_by_the_configuration() -> None:
    voice = PortMapping("udp", PortRange.one(5060), IPv4Address("192.168.1.10"), 5060)
    result = await Ports().run(seat("open", "silent", True, WEB, voice))
    assert result.verdict is Verdict.PASSED
    assert "only TCP can be tried" in result.reason
    alone = await Ports().run(seat("open", "silent", True, voice))
    assert alone.verdict is Verdict.UNPROVEN
