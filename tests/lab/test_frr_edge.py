"""A real FRR edge: what only a real one shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest

from cpe_manager.adapters.platform.frr_edge import FrrOptions
from cpe_manager.adapters.platform.vtysh import Static
from cpe_manager.domain.errors import CommandRefused, DeviceError, HostKeyChanged
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.platform import EdgeSession, Routed
from tests.contract.platform.stages import edge_platform
from tests.lab.box import missing
from tests.lab.edge import FIXED_ADDRESS, LINE, PROGRAMS, RealEdge

pytestmark = pytest.mark.lab
ADDRESS = str(FIXED_ADDRESS[0])
NEIGHBOUR = "10.1.0.2"


@pytest.fixture
def edge() -> Iterator[RealEdge]:
    if reason := missing(PROGRAMS):
        pytest.skip(f"no lab: {reason}")
    with RealEdge("gent-e1", "/bin/bash") as running:
        yield running


async def until(edge_sessions: EdgeSession, platform: object, seconds: float = 20.0) -> None:
    """Wait for the neighbour to be in a state."""
    end = time.monotonic() + seconds
    told = None
    while time.monotonic() < end:
        told = await platform.sessions()  # type: ignore[attr-defined]
        if told.get(NEIGHBOUR) == edge_sessions:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{told} after {seconds} s")


async def test_the_address_answers_over_either_way(edge: RealEdge) -> None:
    platform = edge_platform(edge, FrrOptions(source="10.2.0.1"))
    assert await platform.reachable(LINE) is True
    await platform.carry(LINE, Carrier.MOBILE)
    edge.run("ip", "link", "set", "fix0", "down")
    edge.cpe("ip", "route", "replace", "default", "via", "10.2.0.1")
    assert await platform.reachable(LINE) is True
    edge.cpe("ip", "address", "delete", f"{FIXED_ADDRESS}", "dev", "lo")
    assert await platform.reachable(LINE) is False
    await platform.close()


async def test_sessions_are_told_as_they_are_and_bgp_gives_the_line_back(edge: RealEdge) -> None:
    platform = edge_platform(edge)
    assert await platform.sessions() == {}
    edge.speak_bgp()
    await until(EdgeSession(bfd=True, bgp=True), platform)
    line = replace(LINE, ipv6=None)
    assert await platform.carried(line) is Carrier.FIXED
    await platform.carry(line, Carrier.MOBILE)
    assert edge.kernel_route(ADDRESS) == "mob0"
    # A silent loss: the link stays up, packets go nowhere.
    edge.cpe("ip", "link", "set", "fix1", "down")
    await until(EdgeSession(bfd=False, bgp=False), platform)
    with pytest.raises(CommandRefused, match=r"no route to .* over the fixed line"):
        await platform.carry(line, Carrier.FIXED)
    assert edge.kernel_route(ADDRESS) == "mob0"
    edge.cpe("ip", "link", "set", "fix1", "up")
    await until(EdgeSession(bfd=True, bgp=True), platform)
    # The session is there before the neighbour has told its routes.
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            await platform.carry(line, Carrier.FIXED)
        except CommandRefused:
            await asyncio.sleep(0.2)
            continue
        break
    assert edge.kernel_route(ADDRESS) == "fix0"
    await platform.close()


async def test_a_next_hop_that_is_not_reached_changes_nothing_and_leaves_nothing(edge: RealEdge) -> None:
    platform = edge_platform(edge)
    before = edge.running_config()
    with pytest.raises(CommandRefused, match=r"10\.77\.0\.2.* reached from it") as refusal:
        await platform.carry(replace(LINE, mobile_gateway="10.77.0.2, fd77::2"), Carrier.MOBILE)
    assert refusal.value.device_state == "untouched"
    assert edge.running_config() == before
    await platform.close()


async def test_a_bad_line_does_not_keep_the_others_from_moving(edge: RealEdge) -> None:
    """vtysh stops reading at a command that it does not know, and says nothing of those behind it."""
    platform = edge_platform(edge)
    bad = Routed("bad", "Gent", IPv4Network("203.0.113.77/32"), None, "10.1.0.2", "fe80::1%mob0, 10.2.0.2%no/such?if")
    good = [replace(LINE, line_id=f"line-{n}", ipv4=IPv4Network(f"203.0.113.{n}/32"), ipv6=None) for n in (11, 12, 13)]
    edge.set_config(*(f"ip route {line.ipv4} 10.1.0.2 10" for line in good))
    with pytest.raises(DeviceError):
        await platform.carry(bad, Carrier.MOBILE)
    strange = replace(bad, mobile_gateway="10.77.0.9")
    answers = await asyncio.gather(
        *(platform.carry(line, Carrier.MOBILE) for line in (good[0], strange, *good[1:])), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(None), CommandRefused, type(None), type(None)]
    assert {edge.kernel_route(str(line.ipv4).split("/")[0]) for line in good} == {"mob0"}
    await platform.close()


async def test_a_gateway_that_was_changed_meanwhile_leaves_no_second_way(edge: RealEdge) -> None:
    platform = edge_platform(edge, FrrOptions(Static(tag=4242)))
    await platform.carry(LINE, Carrier.MOBILE)
    moved = replace(LINE, mobile_gateway="10.2.0.3, fd02::3")
    await platform.carry(moved, Carrier.MOBILE)
    assert "10.2.0.2" not in edge.running_config()
    await platform.carry(moved, Carrier.FIXED)
    assert "4242" not in edge.running_config()
    assert edge.kernel_route(ADDRESS) == "fix0"
    await platform.close()


async def test_five_hundred_lines_move_in_a_few_calls(edge: RealEdge) -> None:
    platform = edge_platform(edge, FrrOptions(deadline=60.0), command_timeout=60.0)
    lines = [
        Routed(
            f"line-{n}",
            "Gent",
            IPv4Network(f"10.50.{n // 250}.{n % 250}/32"),
            IPv6Network(f"2001:db8:{n + 0x100:x}::/56"),
            "10.1.0.2, fd01::2",
            "10.2.0.2, fd02::2",
        )
        for n in range(500)
    ]
    fixed = "\n".join(f"ip route {line.ipv4} 10.1.0.2 10\nipv6 route {line.ipv6} fd01::2 10" for line in lines)
    edge.run("vtysh", "-c", f"configure terminal\nXFRR_start_configuration\n{fixed}\nXFRR_end_configuration")
    for over, link in ((Carrier.MOBILE, "mob0"), (Carrier.FIXED, "fix0")):
        await asyncio.gather(*(platform.carry(line, over) for line in lines))
        assert set(await asyncio.gather(*(platform.carried(line) for line in lines))) == {over}
        assert {edge.kernel_route(f"10.50.1.{n}") for n in (0, 100, 249)} == {link}
    await platform.close()


async def test_a_session_that_drops_is_opened_again_and_the_order_is_carried_out(edge: RealEdge) -> None:
    platform = edge_platform(edge)
    await platform.carry(LINE, Carrier.MOBILE)
    edge.run("sh", "-c", "kill $(pgrep -of '^sshd: [a]dmin')")
    await platform.carry(LINE, Carrier.FIXED)
    assert edge.kernel_route(ADDRESS) == "fix0"
    await platform.close()


async def test_a_session_is_renewed_before_it_ends_without_a_gap(edge: RealEdge) -> None:
    platform = edge_platform(edge, session_timeout=1.5)
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        assert await platform.carried(LINE) is Carrier.FIXED
        await asyncio.sleep(0.05)
    assert edge.run("cat", "/var/log/sshd.log").count("Accepted publickey") >= 3
    await platform.close()


async def test_the_pinned_key_is_asked_for_by_key_or_by_fingerprint(edge: RealEdge) -> None:
    shown = edge.run(
        "sh", "-c", "ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | ssh-keygen -lf - | cut -d' ' -f2"
    ).strip()
    platform = edge_platform(edge, pinned_keys=(shown,))
    await platform.warm()
    await platform.close()
    other = edge_platform(edge, pinned_keys=(f"{shown[:-3]}AAA",))
    with pytest.raises(HostKeyChanged):
        await other.warm()
    await other.close()


async def test_changes_are_saved_only_where_that_is_set(edge: RealEdge) -> None:
    def startup() -> str:
        return edge.run("cat", "/etc/frr/frr.conf")

    platform = edge_platform(edge)
    await platform.carry(LINE, Carrier.MOBILE)
    assert "10.2.0.2" not in startup()
    await platform.close()
    # Who writes it has to be allowed to.
    edge.run("chown", "-R", edge.user, "/etc/frr")
    saving = edge_platform(edge, FrrOptions(save=True))
    await saving.carry(LINE, Carrier.MOBILE)
    assert "10.2.0.2" in startup()
    await saving.carry(LINE, Carrier.FIXED)
    assert "10.2.0.2" not in startup()
    await saving.close()
