"""A real router whose mobile connection is preferred in one exchange: how it looks afterwards, and how it goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_mobile import Barred, Ports
from cpe_manager.ports.driver import Guard, Script
from cpe_manager.ports.shell import Shell
from drivers.frr_linux import FrrLinux
from tests.contract.drivers.test_linux_between import Between
from tests.lab.cpe import RealCpe
from tests.lab.product import credential, sessions, target
from tests.lab.test_linux_guard import left_behind

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

DRIVER = FrrLinux()
GUARD = Guard("5f0c2a71", 600)
LINES = ("interface wwan0", "ip address 100.64.5.2/30", "exit", "ip route 0.0.0.0/0 100.64.5.1 wwan0 200")
INTERNET = "198.51.100.7"


@pytest.fixture
def box(cpe: RealCpe) -> RealCpe:
    """The CPE with a second way to the internet: an Ethernet that is its modem's."""
    for step in (
        "ip link add wwan0 type veth peer name mob netns inet; ip link set wwan0 up",
        "ip netns exec inet sh -c 'ip link set mob up; ip address add 100.64.5.1/30 dev mob'",
        f"ip netns exec inet sh -c 'ip address add 80.1.2.1/29 dev line; ip address add {INTERNET}/32 dev lo'",
        "echo APN=lab.example >/etc/qmi-network.conf",
        "vtysh -c 'configure terminal' " + " ".join(f"-c '{line}'" for line in LINES) + " -c end -c 'write memory'",
    ):
        cpe.run("sh", "-c", step)
    return cpe


@asynccontextmanager
async def session(box: RealCpe) -> AsyncIterator[Shell]:
    there = target(box, options={"vtysh": "linux"}, command_timeout=40.0)
    async with sessions(credential(box, "key")).open(there) as opened:
        yield opened.shell


def script(text: str, preferred: bool = True) -> tuple[Script, CpeConfig]:
    found = DRIVER.parse(text)
    assert found.mobile is not None
    wanted = replace(found, mobile=replace(found.mobile, preferred=preferred))
    return DRIVER.render(text, wanted), wanted


async def text_of(box: RealCpe) -> str:
    async with session(box) as shell:
        return (await DRIVER.fetch(shell)).text


async def leads(box: RealCpe, dev: str) -> None:
    """FRR's daemons tell each other, and then the kernel, in their own time."""
    async with asyncio.timeout(10):
        while f" dev {dev} " not in box.run("ip", "-4", "route", "show", "default"):
            await asyncio.sleep(0.02)


async def test_a_switch_there_and_back_is_confirmed_and_leaves_nothing_behind(box: RealCpe) -> None:
    before = await text_of(box)
    async with session(box) as shell:
        for preferred, dev, carrier in ((True, "wwan0", Carrier.MOBILE), (False, "eth0", Carrier.FIXED)):
            text = (await DRIVER.fetch(shell)).text
            change, wanted = script(text, preferred)
            prepared = await DRIVER.prepare(shell, change, GUARD)
            assert (await DRIVER.fetch(shell)).text == text
            assert await DRIVER.armed(shell) is None
            await DRIVER.strike(shell, prepared, GUARD)
            await leads(box, dev)
            assert await DRIVER.carrying(shell, text) is carrier
            assert await DRIVER.armed(shell) == GUARD.token
            assert await DRIVER.ping(shell, INTERNET)
            await DRIVER.confirm(shell, GUARD)
            await DRIVER.save(shell)
            assert DRIVER.parse((await DRIVER.fetch(shell)).text) == wanted
    assert left_behind(box) == ""
    assert await text_of(box) == before


@pytest.mark.parametrize("way", ["told", "power cut"])
async def test_an_unconfirmed_switch_is_taken_back(box: RealCpe, way: str) -> None:
    async with session(box) as shell:
        before = (await DRIVER.fetch(shell)).text
        prepared = await DRIVER.prepare(shell, script(before)[0], GUARD)
        await DRIVER.strike(shell, prepared, GUARD)
        await leads(box, "wwan0")
        if way == "told":
            await DRIVER.revert(shell, GUARD)
        else:
            box.restart()
    assert await text_of(box) == before
    await leads(box, "eth0")
    assert left_behind(box) == ""


async def test_a_router_that_somebody_else_has_changed_meanwhile_is_left_untouched(box: RealCpe) -> None:
    async with session(box) as shell:
        prepared = await DRIVER.prepare(shell, script((await DRIVER.fetch(shell)).text)[0], GUARD)
        box.set_config("ip route 10.99.0.0/16 blackhole")
        with pytest.raises(CommandRefused, match="not as it was") as refused:
            await DRIVER.strike(shell, prepared, GUARD)
        assert refused.value.device_state == "untouched"
        await leads(box, "eth0")
        assert await DRIVER.armed(shell) is None


async def test_a_router_that_is_armed_while_it_is_prepared_goes_back(box: RealCpe) -> None:
    """The real shell's half of ``tests/contract/drivers/test_linux_between.py``, which has every moment."""
    async with session(box) as shell, session(box) as other:
        before = (await DRIVER.fetch(shell)).text
        between = Between(shell, 6, lambda: DRIVER.arm(other, GUARD))
        with pytest.raises(CommandRefused, match="meanwhile"):
            await DRIVER.prepare(between, script(before)[0], replace(GUARD, token="0badcafe"))  # type: ignore[arg-type]
        assert between.acted
        assert await DRIVER.armed(other) == GUARD.token
        box.run("sh", "-c", "echo cache-size=2000 >/etc/dnsmasq.d/more.conf")
        await DRIVER.revert(other, GUARD)
        assert (await DRIVER.fetch(other)).text == before
    assert left_behind(box) == ""


async def test_no_packet_is_without_a_way_while_the_switch_is_made(box: RealCpe) -> None:
    """Both ways lead to the same host here, so that every request that left is answered."""
    async with session(box) as shell:
        for preferred in (True, False):
            change, _ = script((await DRIVER.fetch(shell)).text, preferred)
            prepared = await DRIVER.prepare(shell, change, GUARD)
            watch = f"ping -q -i 0.002 -c 1500 -W 1 {INTERNET} >/run/pinged 2>&1"
            box.run("sh", "-c", f"setsid sh -c '{watch}' </dev/null >/dev/null 2>&1 &")
            await DRIVER.strike(shell, prepared, GUARD)
            await DRIVER.confirm(shell, GUARD)
            box.run("sh", "-c", "for i in $(seq 100); do grep -q received /run/pinged && exit; sleep 0.1; done; exit 1")
            assert " 0% packet loss" in box.read("/run/pinged"), box.read("/run/pinged")


async def test_a_call_that_is_under_way_does_not_go_over_mobile(box: RealCpe) -> None:
    """One flow, known to the box from the fixed line: it is what a drop behind `ct state established` would let by."""
    counters = (
        "table ip seen {\n chain input {\n  type filter hook input priority 0;\n"
        + "".join(f'  iifname "{dev}" udp dport {port} counter\n' for dev in ("line", "mob") for port in (5060, 5999))
        + " }\n}\n"
    )
    box.run("sh", "-c", f"printf '%s' '{counters}' >/run/seen.nft; ip netns exec inet nft -f /run/seen.nft")
    box.run("sh", "-c", "ip netns exec host ip address add 192.168.40.7/24 dev lan0")
    box.run("sh", "-c", "ip netns exec host ip route add default via 192.168.40.1")

    def call() -> None:
        code = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', {0})); "
        for port in (5060, 5999):
            said = code.format(40000 + port) + f"s.sendto(b'x', ('{INTERNET}', {port}))"
            box.host("/usr/bin/python3", "-c", said)

    def seen() -> list[int]:
        rows = box.inet("nft", "list", "table", "ip", "seen").splitlines()
        return [int(row.split(" packets ")[1].split()[0]) for row in rows if " packets " in row]

    async with session(box) as shell:
        text = (await DRIVER.fetch(shell)).text
        found = DRIVER.parse(text)
        assert found.mobile is not None
        barred = replace(found.mobile, barred=(Barred("udp", Ports(5060, 5061)),))
        await DRIVER.apply(shell, DRIVER.render(text, replace(found, mobile=barred)))
        call()
        assert seen() == [1, 1, 0, 0]
        change, wanted = script((await DRIVER.fetch(shell)).text)
        prepared = await DRIVER.prepare(shell, change, GUARD)
        await DRIVER.strike(shell, prepared, GUARD)
        await leads(box, "wwan0")
        call()
        assert seen() == [1, 1, 0, 1]
        assert DRIVER.parse((await DRIVER.fetch(shell)).text) == wanted
