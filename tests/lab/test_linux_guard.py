"""A real router that was armed comes back by itself: from a lock-out, after a restart, and when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cpe_manager.domain.errors import CommandRefused, DeviceError
from cpe_manager.ports.driver import Guard, Script
from drivers.frr_linux import FrrLinux
from tests.lab.cpe import RealCpe
from tests.lab.product import credential, sessions, target

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

DRIVER = FrrLinux()
GUARD = Guard("5f0c2a71", 600)
TABLE = "/etc/nftables.d/cpe.nft"
CHAIN = r"table inet cpe {\n chain input {\n  type filter hook input priority 0; policy drop;\n }\n}\n"
LOCKED_OUT = Script((f"printf '{CHAIN}' >{TABLE}", f"nft -f {TABLE}"))
OTHER_NAMES = Script(
    (
        "printf 'dhcp-range=192.168.40.50,192.168.40.60,1h\\n' >/etc/dnsmasq.d/office.conf",
        "printf '# new\\n' >/etc/dnsmasq.d/more.conf",
        "service dnsmasq restart",
    )
)


def _target(cpe: RealCpe, **changes: Any) -> Any:
    return target(cpe, **{"options": {"vtysh": "linux"}, "command_timeout": 15.0, **changes})


async def fetched(cpe: RealCpe, **changes: Any) -> str:
    async with sessions(credential(cpe, "key")).open(_target(cpe, **changes)) as session:
        return (await DRIVER.fetch(session.shell)).text


async def arm(cpe: RealCpe, guard: Guard) -> None:
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        await DRIVER.arm(session.shell, guard)
        assert await DRIVER.armed(session.shell) == guard.token


async def apply(cpe: RealCpe, script: Script, **changes: Any) -> None:
    async with sessions(credential(cpe, "key")).open(_target(cpe, **changes)) as session:
        await DRIVER.apply(session.shell, script)


async def armed(cpe: RealCpe) -> str | None:
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        return await DRIVER.armed(session.shell)


def left_behind(cpe: RealCpe) -> str:
    return cpe.run("sh", "-c", "ls -d /var/lib/cpe-manager* /etc/cron.d/cpe* /run/cpe-manager* 2>/dev/null || true")


async def test_a_lock_out_by_the_firewall_ends_by_itself(cpe: RealCpe) -> None:
    before = await fetched(cpe)
    await arm(cpe, Guard("5f0c2a71", 8))
    assert cpe.run("stat", "-c", "%a %U", "/var/lib/cpe-manager").split() == ["700", "root"]
    # What the box says is still let out; what it is asked from then on does not get in.
    await apply(cpe, LOCKED_OUT)
    assert "policy drop" in cpe.run("nft", "list", "ruleset")
    with pytest.raises(DeviceError):
        await fetched(cpe, connect_timeout=2.0)
    async with asyncio.timeout(20):
        while left_behind(cpe):
            await asyncio.sleep(0.2)
    assert await fetched(cpe) == before
    assert "policy drop" not in cpe.run("nft", "list", "ruleset")
    assert await armed(cpe) is None


async def test_what_was_confirmed_stays_and_leaves_nothing_behind(cpe: RealCpe) -> None:
    await arm(cpe, Guard("5f0c2a71", 4))
    await apply(cpe, OTHER_NAMES)
    after = await fetched(cpe)
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        await DRIVER.confirm(session.shell, Guard("5f0c2a71", 4))
        await DRIVER.confirm(session.shell, Guard("5f0c2a71", 4))
    assert left_behind(cpe) == ""
    await asyncio.sleep(5)
    assert await fetched(cpe) == after


async def test_going_back_when_told_puts_files_and_daemons_back(cpe: RealCpe) -> None:
    before = await fetched(cpe)
    daemon = cpe.run("pgrep", "dnsmasq")
    await arm(cpe, GUARD)
    await apply(cpe, OTHER_NAMES)
    changed = cpe.run("pgrep", "dnsmasq")
    assert changed != daemon
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        with pytest.raises(CommandRefused):
            await DRIVER.arm(session.shell, Guard("0badcafe", 60))
        await DRIVER.revert(session.shell, GUARD)
    assert await fetched(cpe) == before
    assert cpe.run("pgrep", "dnsmasq") != changed
    assert left_behind(cpe) == ""


async def test_a_restart_is_a_way_back(cpe: RealCpe) -> None:
    before = await fetched(cpe)
    await arm(cpe, GUARD)
    await apply(cpe, OTHER_NAMES)
    assert await fetched(cpe) != before
    cpe.restart()
    assert await fetched(cpe) == before
    assert left_behind(cpe) == ""


async def test_a_stored_text_is_brought_back_whole(cpe: RealCpe) -> None:
    before = await fetched(cpe)
    await apply(cpe, OTHER_NAMES)
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        await DRIVER.replace(session.shell, before)
    assert await fetched(cpe) == before
    assert left_behind(cpe) == ""


async def test_frr_runs_again_what_it_ran_and_its_file_is_what_it_was(cpe: RealCpe) -> None:
    """Under watchfrr, as on a box that nobody watches; what ran was not all in the file."""
    cpe.watch_frr()
    cpe.run("vtysh", "-c", "configure terminal", "-c", "ip route 10.77.0.0/16 blackhole")
    before, file = await fetched(cpe), cpe.read("/etc/frr/frr.conf")
    assert "10.77.0.0/16" not in file
    await arm(cpe, GUARD)
    lines = ("no ip route 10.0.0.0/8 blackhole 254", "router bgp 65000", "neighbor 192.0.2.4 remote-as 65001")
    typed = " ".join(f"-c '{line}'" for line in ("configure terminal", *lines))
    await apply(cpe, Script((f"vtysh {typed}", "vtysh -c 'write memory'")))
    assert await fetched(cpe) != before
    async with sessions(credential(cpe, "key")).open(_target(cpe, command_timeout=40.0)) as session:
        await DRIVER.revert(session.shell, GUARD)
    assert await fetched(cpe) == before
    assert cpe.read("/etc/frr/frr.conf") == file
    assert left_behind(cpe) == ""


async def test_going_back_leaves_no_address_of_the_change_in_the_kernel(cpe: RealCpe) -> None:
    """FRR that is restarted leaves its addresses there, and would stand beside a stranger of the same network."""
    cpe.watch_frr()
    cpe.run("vtysh", "-c", "write memory")
    before = await fetched(cpe)
    seen = ("ip", "-brief", "address", "show", "dev", "eth0")
    addresses = cpe.run(*seen)
    await arm(cpe, GUARD)
    lines = ("interface eth0", "no ip address 80.1.2.6/29", "ip address 80.1.2.5/29", "ipv6 address 2001:db8::1/64")
    typed = " ".join(f"-c '{line}'" for line in ("configure terminal", *lines))
    await apply(cpe, Script((f"vtysh {typed}",)))
    assert "80.1.2.5/29" in cpe.run(*seen)
    async with sessions(credential(cpe, "key")).open(_target(cpe, command_timeout=40.0)) as session:
        await DRIVER.revert(session.shell, GUARD)
        assert (await DRIVER.fetch(session.shell)).text == before
        assert cpe.run(*seen) == addresses
        await DRIVER.apply(session.shell, Script((f"vtysh {typed}",)))
        await DRIVER.replace(session.shell, before)
    assert await fetched(cpe) == before
    assert cpe.run(*seen) == addresses
