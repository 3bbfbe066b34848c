"""The driver on a real CPE of Debian's parts, managed as root: what it reads, what it writes, and what comes of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from netmiko import ConnectHandler
from scrapli.driver import AsyncGenericDriver

from cpe_manager.domain.errors import CommandRefused
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
    DhcpServer,
    Firewall,
    Lan,
    Management,
    PortMapping,
    Reservation,
    Snmp,
    SnmpCommunity,
    Timer,
    Wan,
)
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.kit.linux import file_bundle
from cpe_manager.ports.driver import Capture, Script
from drivers.frr_linux import SPEC, FrrLinux
from tests.contract.drivers.cpe_configs import cpe_configs
from tests.contract.drivers.rich_configs import other, plain, rich
from tests.lab.box import missing
from tests.lab.cpe import PROGRAMS, RealCpe
from tests.lab.product import credential, sessions, target

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

DRIVER = FrrLinux()
NONSENSE = "frobnicate-4711"
# The lab's kernel has no PPP: there the fixed line is an address, and no modem is dialled.
WITHOUT_PPP = SPEC.features - {Feature.WAN_PPPOE, Feature.WAN_PPPOE_ADDRESS, Feature.MOBILE}
OFFICE = CpeConfig(
    hostname="hasselt-r2",
    wan=Wan("static", IPv4Interface("80.9.2.2/30"), IPv4Address("80.9.2.1")),
    lan=Lan(IPv4Interface("192.168.77.1/24")),
    dhcp=DhcpServer(
        IPv4Address("192.168.77.100"),
        IPv4Address("192.168.77.199"),
        5400,
        "office.example",
        (Reservation("02:00:5e:00:00:0a", IPv4Address("192.168.77.20")),),
    ),
    port_mappings=(
        PortMapping("tcp", Ports.one(80), IPv4Address("192.168.77.20"), 8080),
        PortMapping("tcp", Ports(7000, 7002), IPv4Address("192.168.77.20"), 9000),
        PortMapping("tcp", Ports.one(3389), IPv4Address("192.168.77.20"), 8080, IPv4Network("80.5.0.0/16")),
    ),
    firewall=Firewall(
        "drop",
        (AccessRule("reject", "tcp", None, None, Ports.one(9002)),),
        (Timer("tcp", 3600), Timer("udp", 120, 5060)),
    ),
    snmp=Snmp((SnmpCommunity("watch-me"),), "Kerkstraat 12, Hasselt"),
    management=Management((IPv4Network("80.5.0.0/16"),)),
    dns=(IPv4Address("9.9.9.9"),),
)


async def fetch(box: RealCpe, **changes: Any) -> Capture:
    async with sessions(credential(box, "password")).open(_target(box, **changes)) as session:
        return await DRIVER.fetch(session.shell)


def _target(box: RealCpe, **changes: Any) -> Any:
    return target(box, **{"options": {"vtysh": "linux"}, "command_timeout": 20.0, **changes})


async def apply(box: RealCpe, script: Script) -> None:
    async with sessions(credential(box, "key")).open(_target(box)) as session:
        await DRIVER.apply(session.shell, script)


async def save(box: RealCpe) -> None:
    async with sessions(credential(box, "key")).open(_target(box)) as session:
        await DRIVER.save(session.shell)


async def bring(box: RealCpe, wanted: CpeConfig) -> None:
    await apply(box, DRIVER.render((await fetch(box)).text, wanted))
    after = (await fetch(box)).text
    found = DRIVER.parse(after)
    assert found == wanted, differences(found, wanted)
    assert not DRIVER.render(after, wanted)


async def test_the_whole_box_is_read_with_every_file_as_it_is(cpe: RealCpe) -> None:
    capture = await fetch(cpe)
    assert (capture.hostname, capture.counted) == (cpe.name, True)
    frr, *files = file_bundle.sections(capture.text).items()
    parts = dict(files)
    shown = cpe.running_config()
    assert parts.pop("# vtysh: show running-config") == shown[shown.index("!") :]
    assert frr == ("", "")
    assert {"/etc/nftables.conf", "/etc/dnsmasq.d/office.conf", "/etc/hostapd/wlan1.conf"} <= parts.keys()
    for path, text in parts.items():
        assert text == cpe.read(path).rstrip("\n") + "\n", path


@pytest.mark.parametrize("options", [{}, {"vtysh": "auto"}])
async def test_nobody_has_to_tell_that_the_account_is_root_s(cpe: RealCpe, options: dict[str, str]) -> None:
    assert (await fetch(cpe, options=options)).text == (await fetch(cpe)).text


async def test_the_box_says_its_name_its_release_and_how_long_it_is_up(cpe: RealCpe) -> None:
    async with sessions(credential(cpe, "key")).open(_target(cpe)) as session:
        facts = await DRIVER.facts(session.shell)
    assert facts.hostname == cpe.name
    assert facts.os_release in cpe.run("vtysh", "-c", "show version")
    assert facts.uptime == pytest.approx(float(cpe.read("/proc/uptime").split()[0]), abs=30)


async def test_what_was_rendered_is_there_once_it_was_applied(cpe: RealCpe) -> None:
    first = DRIVER.parse((await fetch(cpe)).text)
    assert first.lan == Lan(IPv4Interface("192.168.40.1/24"))
    for maker in (rich, other, plain, rich):
        await bring(cpe, maker(WITHOUT_PPP, ""))
    await bring(cpe, first)
    kept = (await fetch(cpe)).text.splitlines()
    for line in ("table ip voice {", "cache-size=1000", "sysServices 76", "country_code=BE", "master agentx"):
        assert line in kept
    assert "ip prefix-list OFFICE seq 5 permit 192.168.0.0/16 le 24" in kept


async def test_the_daemons_run_with_what_was_applied(cpe: RealCpe) -> None:
    await bring(cpe, rich(WITHOUT_PPP, ""))
    addresses = cpe.run("ip", "-br", "address")
    for address in ("192.168.77.1/24", "91.3.4.9/29", "2a02:a03f:12:3400::1/64", "80.9.2.2/30"):
        assert address in addresses
    running = cpe.running_config()
    for line in (
        "ip route 0.0.0.0/0 80.9.2.1",
        "ip route 10.206.1.0/24 192.168.77.3 20",
        "ipv6 route 2a02:a03f:12:3480::/57 2a02:a03f:12:3400::10",
        " no ipv6 nd suppress-ra",
    ):
        assert f"{line}\n" in running
    assert "no ipv6 forwarding" not in running
    rules = cpe.run("nft", "list", "table", "inet", "cpe")
    for rule in (
        "tcp dport 3389 dnat ip to 192.168.77.20",
        "ip saddr 80.5.0.0/16 tcp dport 80-443 accept",
        "reject with icmpx admin-prohibited",
        "policy = { established : 3600 }",
        "ip saddr != 91.3.4.8/29 masquerade",
    ):
        assert rule in rules
    assert "table ip voice" in cpe.run("nft", "list", "ruleset")
    assert cpe.run("hostname").strip() == "HASSELT-07"


async def test_an_empty_script_changes_nothing(cpe: RealCpe) -> None:
    before = await fetch(cpe)
    await apply(cpe, Script())
    assert await fetch(cpe) == before


async def test_a_refused_command_is_told_and_leaves_the_box_untouched_while_nothing_is_in_its_place(
    cpe: RealCpe,
) -> None:
    before = (await fetch(cpe)).text
    commands = DRIVER.render(before, rich(WITHOUT_PPP, "")).commands
    for place in (0, len(commands) // 2):
        with pytest.raises(CommandRefused, match=NONSENSE) as caught:
            await apply(cpe, Script((*commands[:place], NONSENSE, *commands[place:])))
        assert caught.value.device_state == "untouched"
        assert (await fetch(cpe)).text == before
    assert cpe.run("find", "/etc", "-name", ".cpe-new*") == ""
    await bring(cpe, other(WITHOUT_PPP, ""))


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("jump inbound", "jump nowhere", "nft -c -f"),
        ("dhcp-range=", "dhcp-rage=", "dnsmasq --test -C"),
        ("ip route 10.205.0.0/16", "ip rout 10.205.0.0/99", "vtysh -C -f"),
    ],
)
async def test_a_file_that_a_daemon_does_not_take_never_gets_to_its_place(
    cpe: RealCpe, good: str, bad: str, told: str
) -> None:
    before, rules = (await fetch(cpe)).text, cpe.run("nft", "list", "ruleset")
    commands = DRIVER.render(before, rich(WITHOUT_PPP, "")).commands
    assert any(good in command for command in commands)
    with pytest.raises(CommandRefused, match=re.escape(told)) as caught:
        await apply(cpe, Script(tuple(command.replace(good, bad) for command in commands)))
    assert caught.value.device_state == "untouched"
    assert (await fetch(cpe)).text == before
    assert cpe.run("nft", "list", "ruleset") == rules


async def test_a_route_that_frr_refuses_when_the_files_are_in_their_places_is_told_as_a_change(cpe: RealCpe) -> None:
    commands = DRIVER.render((await fetch(cpe)).text, rich(WITHOUT_PPP, "")).commands
    # FRR knows this line; that there is no such route, staticd finds out alone.
    known, unknown = "'no ip route 0.0.0.0/0 80.1.2.1'", "'no ip route 9.9.9.9/32 80.1.2.1'"
    script = [command.replace(known, unknown) for command in commands]
    assert script != list(commands)
    with pytest.raises(CommandRefused, match=r"vtysh -f .*Refusing to remove") as caught:
        await apply(cpe, Script(tuple(script)))
    assert caught.value.device_state == "changed"


async def test_what_a_refusal_left_untold_is_told_with_the_next_script(cpe: RealCpe) -> None:
    commands = DRIVER.render((await fetch(cpe)).text, OFFICE).commands
    told = next(place for place, command in enumerate(commands) if command.startswith("nft -f "))
    with pytest.raises(CommandRefused, match=NONSENSE) as caught:
        await apply(cpe, Script((*commands[:told], NONSENSE, *commands[told:])))
    assert caught.value.device_state == "changed"
    assert cpe.try_run("nft", "list", "table", "inet", "cpe")[0] != 0
    await bring(cpe, OFFICE)
    assert "dnat ip to 192.168.77.20:8080" in cpe.run("nft", "list", "table", "inet", "cpe")
    assert cpe.dhcp()["ip"] == "192.168.77.20"
    assert cpe.run("find", "/run", "-name", "cpe-manager*") == ""


async def test_what_was_saved_survives_a_restart(cpe: RealCpe) -> None:
    wanted = rich(WITHOUT_PPP, "")
    await bring(cpe, wanted)
    await save(cpe)
    cpe.restart()
    after = (await fetch(cpe)).text
    assert DRIVER.parse(after) == wanted
    assert "dnat ip to 192.168.77.20" in cpe.run("nft", "list", "table", "inet", "cpe")


async def test_without_saving_the_files_are_kept_and_frr_is_back_where_it_was(cpe: RealCpe) -> None:
    first, wanted = DRIVER.parse((await fetch(cpe)).text), rich(WITHOUT_PPP, "")
    await bring(cpe, wanted)
    cpe.restart()
    found = DRIVER.parse((await fetch(cpe)).text)
    assert (found.hostname, found.firewall, found.dns) == (wanted.hostname, wanted.firewall, wanted.dns)
    assert (found.lan, found.routes) == (first.lan, first.routes)
    await bring(cpe, wanted)


async def test_a_customer_s_host_gets_the_address_that_is_reserved_for_it(cpe: RealCpe) -> None:
    await bring(cpe, OFFICE)
    lease = cpe.dhcp()
    assert lease == {
        "ip": "192.168.77.20",
        "mask": "24",
        "router": "192.168.77.1",
        "lease": "5400",
        "dns": "192.168.77.1",
        "domain": "office.example",
    }
    cpe.host("ip", "link", "set", "lan0", "address", "02:00:5e:00:00:77")
    assert 100 <= int(cpe.dhcp()["ip"].split(".")[-1]) <= 199


async def test_a_line_with_dhcp_is_asked_for_an_address_and_is_left_alone_again(cpe: RealCpe) -> None:
    wanted = plain(WITHOUT_PPP, "")
    assert wanted.wan == Wan("dhcp")
    await bring(cpe, wanted)
    for _ in range(100):
        if "80.9.2.2/30" in cpe.run("ip", "-br", "address", "show", "eth0"):
            break
        await asyncio.sleep(0.1)
    assert "default via 80.9.2.1 dev eth0" in cpe.run("ip", "route")
    assert "80.9.2.2" not in cpe.running_config()
    await bring(cpe, replace(wanted, wan=Wan("static", IPv4Interface("80.7.7.6/29"), IPv4Address("80.7.7.1"))))
    assert cpe.run("ip", "-br", "-4", "address", "show", "eth0").split()[2:] == ["80.7.7.6/29"]
    assert "default" in cpe.run("ip", "route")
    assert cpe.try_run("pgrep", "dhclient")[0] == 1


@pytest.fixture
async def online(cpe: RealCpe) -> RealCpe:
    """A CPE with a host behind it that serves TCP, seen from two places of the internet."""
    await bring(cpe, OFFICE)
    cpe.dhcp()
    for command in (
        ("ip", "address", "add", "80.5.0.9/32", "dev", "lo"),
        ("ip", "address", "add", "80.6.0.9/32", "dev", "lo"),
        ("ip", "route", "add", "192.168.77.0/24", "via", "80.9.2.2"),
    ):
        cpe.inet(*command)
    for port in (8080, 9000, 9001, 9002):
        cpe.serve("host", port)
    cpe.serve("inet", 8443)
    return cpe


async def test_opened_ports_lead_inside_and_nothing_else_comes_in(online: RealCpe) -> None:
    strangers, friends = "80.6.0.9", "80.5.0.9"
    assert online.gets("inet", "80.9.2.2", 80, source=strangers) == strangers
    assert online.gets("inet", "80.9.2.2", 7001, source=strangers) == strangers
    # The access list comes before the opened port, and says so to who asks.
    assert online.gets("inet", "80.9.2.2", 7002, source=strangers) == "refused"
    assert online.gets("inet", "80.9.2.2", 3389, source=friends) == friends
    assert online.gets("inet", "80.9.2.2", 3389, source=strangers) == ""
    assert online.gets("inet", "80.9.2.2", 8080, source=strangers) == ""
    assert online.gets("inet", "192.168.77.20", 8080, source=strangers) == ""
    assert online.gets("inet", "192.168.77.20", 8080, source=friends) == ""


async def test_who_is_inside_gets_out_behind_the_address_of_the_line(online: RealCpe) -> None:
    assert online.gets("host", "80.9.2.1", 8443) == "80.9.2.2"


async def test_the_operator_alone_reaches_the_box_from_the_internet(online: RealCpe) -> None:
    assert online.gets("inet", "80.9.2.2", 22, source="80.5.0.9").startswith("SSH-2.0-OpenSSH")
    assert online.gets("inet", "80.9.2.2", 22, source="80.6.0.9") == ""
    await bring(online, replace(OFFICE, management=Management()))
    assert online.gets("inet", "80.9.2.2", 22, source="80.6.0.9").startswith("SSH-2.0-OpenSSH")


async def test_a_firewall_that_was_opened_is_open(online: RealCpe) -> None:
    await bring(online, replace(OFFICE, firewall=Firewall("accept")))
    assert online.gets("inet", "192.168.77.20", 9002, source="80.6.0.9") == "80.6.0.9"


async def test_snmp_answers_to_the_community_that_is_wanted_and_to_no_other(cpe: RealCpe) -> None:
    await bring(cpe, OFFICE)
    ask = ("snmpget", "-m", "", "-v2c", "-t", "1", "-r", "1", "-Oqv", "-c")
    place = ("127.0.0.1", "1.3.6.1.2.1.1.6.0")
    assert cpe.try_run(*ask, "watch-me", *place) == (0, '"Kerkstraat 12, Hasselt"\n')
    assert cpe.try_run(*ask, "first-word", *place)[0] != 0


async def test_files_of_what_this_kernel_cannot_do_are_what_their_daemons_read(cpe: RealCpe) -> None:
    """No radio and no PPP here: their files are read by the real programs, and that dialling fails is told."""
    wanted = rich(SPEC.features, "")
    script = DRIVER.render((await fetch(cpe)).text, wanted)
    with pytest.raises(CommandRefused, match="poff wan") as caught:
        await apply(cpe, script)
    assert caught.value.device_state == "changed"
    found = DRIVER.parse((await fetch(cpe)).text)
    assert found == wanted, differences(found, wanted)
    for peer in ("wan", "mobile"):
        # Without what needs the kernel or a modem: all other options are read before the device is asked for.
        cpe.run("sh", "-c", f"grep -v -e plugin -e ^nic- -e ^/dev/ /etc/ppp/peers/{peer} >/etc/ppp/peers/tried")
        assert "no device specified" in cpe.try_run("pppd", "call", "tried", "dryrun")[1]
    cpe.run("sh", "-c", "echo nonsense >>/etc/ppp/peers/tried")
    assert "unrecognized option 'nonsense'" in cpe.try_run("pppd", "call", "tried", "dryrun")[1]
    for radio in ("wlan0", "wlan1"):
        cpe.run("sed", "-i", "s/^driver=.*/driver=none/", f"/etc/hostapd/{radio}.conf")
        status, said = cpe.try_run("timeout", "2", "hostapd", "-d", f"/etc/hostapd/{radio}.conf")
        assert status != 0
        assert "errors found in configuration file" not in said
        assert "Line " not in said


@pytest.fixture(scope="module")
def lasting_cpe() -> Iterator[RealCpe]:
    if reason := missing(PROGRAMS):
        pytest.skip(f"no lab: {reason}")
    with RealCpe("mons-r1", "/bin/bash") as running:
        yield running


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_real_box_keeps_the_law_of_the_model(lasting_cpe: RealCpe, data: st.DataObject) -> None:
    asyncio.run(bring(lasting_cpe, data.draw(cpe_configs(WITHOUT_PPP))))


async def test_netmiko_and_we_see_the_same_box(cpe: RealCpe) -> None:
    await bring(cpe, OFFICE)

    def with_netmiko() -> tuple[str, str]:
        with ConnectHandler(
            device_type="linux", host=cpe.address, username="root", password=cpe.password, ssh_strict=False
        ) as connection:
            return connection.find_prompt(), connection.send_command("nft list table inet cpe")

    prompt, rules = await asyncio.to_thread(with_netmiko)
    assert prompt.startswith("root@hasselt-r2:")
    assert "tcp dport 80 dnat ip to 192.168.77.20:8080" in rules


async def test_scrapli_reads_it_as_any_shell(cpe: RealCpe) -> None:
    async with AsyncGenericDriver(
        host=cpe.address,
        auth_username="root",
        auth_password=cpe.password,
        auth_strict_key=False,
        transport="asyncssh",
        comms_prompt_pattern=r"^root@[\w.-]+:~# ?$",
    ) as connection:
        shown = await connection.send_command("vtysh -c 'show running-config'")
    assert "interface br-lan" in shown.result
    assert shown.result.rstrip().endswith("end")
