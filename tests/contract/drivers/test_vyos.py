"""What the VyOS driver believes, how it reads what people wrote by hand, and what becomes of refusals."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText, InputError
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
    StaticRoute,
    Timer,
    Wan,
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports
from cpe_manager.ports.driver import Script
from cpe_manager.ports.shell import ExecResult
from drivers.vyos import DRIVER
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import sessions_for, shown, target_of
from tests.contract.drivers.rich_configs import other, plain, rich
from tests.contract.drivers.roster import DriverCase
from tests.fakes.shell import ScriptedShell

TEXT = "set interfaces loopback lo\nset system host-name 'r1'\nset system time-zone 'UTC'\n"
UNSPEAKABLE = "'\"\\."


def digest_of(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"


def printed(text: str = TEXT, *, name: str = "r1", status: int = 0, of: str | None = None) -> ExecResult:
    return ExecResult(f"{text}{digest_of(text if of is None else of)}{name}\ncpe-manager {status}\n", "", 0)


def box_with(text: str, **options: str) -> Device:
    device = Device(DeviceSpec("SITE-1", "vyos", options=options))
    lines = sorted(line for line in text.split("\n") if line)
    device.state.running = device.state.startup = "".join(f"{line}\n" for line in lines)
    device.change("set system option performance latency")
    return device


def bring(device: Device, wanted: CpeConfig) -> tuple[str, ...]:
    script = DRIVER.render(shown(device), wanted)
    device.change("\n".join(script.commands))
    found = DRIVER.parse(shown(device))
    assert found == wanted, differences(found, wanted)
    assert not DRIVER.render(shown(device), wanted)
    return script.commands


async def test_a_listing_is_accepted_with_the_boxs_own_checksum_and_name() -> None:
    for name in ("r1", "r1.isp.example"):
        capture = await DRIVER.fetch(ScriptedShell(commands={"*": [printed(name=name)]}))
        assert (capture.text, capture.hostname, capture.counted) == (TEXT, "r1", True)


async def test_a_commit_between_the_two_listings_is_answered_by_asking_again() -> None:
    shell = ScriptedShell(commands={"*": [printed(of=TEXT + "x"), printed()]})
    assert (await DRIVER.fetch(shell)).hostname == "r1"


@pytest.mark.parametrize(
    "result",
    [
        printed(of=TEXT + "x"),
        ExecResult(TEXT, "", 0),
        ExecResult(f"{TEXT}{digest_of(TEXT)}r1\n", "", 0),
        ExecResult(f"{TEXT}{digest_of(TEXT)}r1\ncpe-manager 0\n", "", None),
        ExecResult("", "", 0),
        printed("\n"),
        printed(TEXT.replace("UTC", "U\x01TC")),
        printed(TEXT.replace("set system host-name 'r1'\n", "")),
        ExecResult(f"{TEXT}{digest_of(TEXT)}r1\ncpe-manager 0\nkernel: oops\n", "", 0),
    ],
)
async def test_a_listing_without_its_evidence_is_refused(result: ExecResult) -> None:
    with pytest.raises(FetchIncomplete):
        await DRIVER.fetch(ScriptedShell(commands={"*": [result]}))


async def test_a_listing_of_another_box_is_foreign() -> None:
    with pytest.raises(ForeignText, match="of r1, not of r2"):
        await DRIVER.fetch(ScriptedShell(commands={"*": [printed(name="r2")]}))


async def test_a_box_that_is_no_vyos_is_reported_with_its_words() -> None:
    result = ExecResult("cpe-manager 127\n", "bash: /opt/vyatta/bin/vyatta-op-cmd-wrapper: No such file\n", 0)
    with pytest.raises(CommandRefused, match="No such file"):
        await DRIVER.fetch(ScriptedShell(commands={"*": [result]}))
    with pytest.raises(FetchIncomplete, match="no release"):
        await DRIVER.facts(ScriptedShell(commands={"*": [ExecResult("", "", 127)]}))


async def test_facts_are_read_from_the_box() -> None:
    async with Fleet([DeviceSpec("SITE-1", "vyos", seed=4)]) as fleet:
        device = fleet.devices[0]
        async with sessions_for(fleet.devices).open(target_of(device, DriverCase("vyos"))) as opened:
            facts = await DRIVER.facts(opened.shell)
    assert (facts.hostname, facts.os_release, facts.model) == ("SITE-1", "1.4.0", "CPE-4")
    assert facts.serial.startswith("SIM")
    assert facts.uptime is not None
    assert abs(facts.uptime - device.state.uptime) < 60


BARE = """
set interfaces ethernet eth0 address 'dhcp'
set interfaces ethernet eth0 hw-id '02:00:00:00:00:01'
set interfaces ethernet eth1 address '192.168.5.1/24'
set interfaces ethernet eth1 hw-id '02:00:00:00:00:02'
set interfaces loopback lo
set nat source rule 10 outbound-interface name 'eth0'
set nat source rule 10 source address '192.168.5.0/24'
set nat source rule 10 translation address 'masquerade'
set service dns forwarding allow-from '192.168.5.0/24'
set service dns forwarding listen-address '192.168.5.1'
set service ssh
set system host-name 'gw1'
"""


def test_a_box_without_filter_dhcp_wifi_or_descriptions_is_read_and_written() -> None:
    device = box_with(BARE)
    first = DRIVER.parse(shown(device))
    assert first == CpeConfig(
        hostname="gw1", wan=Wan("dhcp"), lan=Lan(IPv4Interface("192.168.5.1/24")), firewall=Firewall("accept")
    )
    features = DRIVER.spec.features
    for wanted in (rich(features, UNSPEAKABLE), other(features, UNSPEAKABLE), plain(features, ""), first):
        bring(device, wanted)
    text = shown(device)
    assert "set service dns forwarding listen-address '192.168.5.1'\n" in text
    assert "set service dns forwarding allow-from '192.168.5.0/24'\n" in text
    assert "set nat source rule 10 outbound-interface name 'eth0'\n" in text


def test_a_filter_that_is_made_lets_answers_opened_ports_and_the_operator_in() -> None:
    device = box_with(BARE)
    mapping = PortMapping("tcp", Ports.one(80), IPv4Address("192.168.5.9"), 80)
    first = DRIVER.parse(shown(device))
    bring(device, CpeConfig("gw1", first.wan, first.lan, port_mappings=(mapping,), firewall=Firewall("drop")))
    text = shown(device)
    for line in (
        "set firewall ipv4 name WAN-IN default-action 'drop'",
        "set firewall ipv4 name WAN-IN rule 9000 connection-status nat 'destination'",
        "set firewall ipv4 name WAN-IN rule 10 state 'established'",
        "set firewall ipv4 forward filter rule 100 inbound-interface name 'eth0'",
        "set firewall ipv4 input filter rule 20 destination port '22'",
        "set firewall ipv4 input filter rule 100 jump-target 'WAN-IN'",
    ):
        assert f"{line}\n" in text


BY_HAND = """
set firewall group interface-group OUT interface 'eth0.10'
set firewall ipv4 forward filter default-action 'drop'
set firewall ipv4 forward filter rule 5 action 'accept'
set firewall ipv4 forward filter rule 5 state 'established'
set firewall ipv4 forward filter rule 20 action 'accept'
set firewall ipv4 forward filter rule 20 destination port '443'
set firewall ipv4 forward filter rule 20 inbound-interface name 'eth0.10'
set firewall ipv4 forward filter rule 20 protocol 'tcp'
set firewall ipv4 forward filter rule 30 action 'accept'
set firewall ipv4 forward filter rule 30 inbound-interface name 'eth1'
set firewall ipv4 forward filter rule 40 action 'drop'
set firewall ipv4 forward filter rule 40 inbound-interface name 'eth0.10'
set firewall ipv4 forward filter rule 40 source address '80.1.1.1-80.1.1.9'
set firewall ipv4 input filter default-action 'drop'
set firewall ipv4 input filter rule 10 action 'accept'
set firewall ipv4 input filter rule 10 destination port '22'
set firewall ipv4 input filter rule 10 protocol 'tcp'
set firewall ipv4 input filter rule 10 source address '10.9.0.0/16'
set interfaces ethernet eth0 vif 10 address '80.1.2.6/29'
set interfaces ethernet eth0 vif 10 description 'Internet (fibre)'
set interfaces ethernet eth1 address '192.168.5.1/24'
set interfaces ethernet eth1 address '91.3.4.9/29'
set interfaces wireless wlan0 channel '36'
set interfaces wireless wlan0 country-code 'be'
set interfaces wireless wlan0 mode 'ac'
set interfaces wireless wlan0 physical-device 'phy0'
set interfaces wireless wlan0 security wpa mode 'wpa3'
set interfaces wireless wlan0 security wpa passphrase 'sae passphrase'
set interfaces wireless wlan0 ssid 'shop'
set interfaces wireless wlan0 type 'access-point'
set interfaces wwan wwan0 apn 'm2m.example'
set nat destination rule 10 destination port '8000-8010'
set nat destination rule 10 inbound-interface group 'OUT'
set nat destination rule 10 protocol 'tcp_udp'
set nat destination rule 10 translation address '192.168.5.9'
set nat destination rule 20 destination port '25,465'
set nat destination rule 20 inbound-interface name 'eth0.10'
set nat destination rule 20 protocol 'tcp'
set nat destination rule 20 translation address '192.168.5.8'
set nat destination rule 30 destination port '25'
set nat destination rule 30 inbound-interface name 'eth0.10'
set nat destination rule 30 protocol 'tcp'
set nat destination rule 30 translation address '192.168.5.7'
set protocols static route 0.0.0.0/0 interface wwan0 distance '250'
set protocols static route 0.0.0.0/0 next-hop 80.1.2.1
set protocols static route 10.20.0.0/16 next-hop 192.168.5.2 distance '5'
set protocols static route 10.30.0.0/16 blackhole
set protocols static route 10.40.0.0/16 next-hop 192.168.5.3 disable
set service dhcp-server shared-network-name LAN subnet 192.168.5.0/24 default-router '192.168.5.1'
set service dhcp-server shared-network-name LAN subnet 192.168.5.0/24 range 0 start '192.168.5.1'
set service dhcp-server shared-network-name LAN subnet 192.168.5.0/24 range 0 stop '192.168.5.99'
set service dhcp-server shared-network-name LAN subnet 192.168.5.0/24 static-mapping nas ip-address '192.168.5.9'
set service dhcp-server shared-network-name LAN subnet 192.168.5.0/24 static-mapping nas mac-address '02:00:00:00:0A:0B'
set service snmp community both network '10.1.0.0/16'
set service snmp community both network '10.2.0.0/16'
set service snmp community one client '10.9.0.7'
set service snmp community world network '0.0.0.0/0'
set service snmp community world network '::/0'
set service ssh port '22'
set system conntrack timeout custom ipv4 rule 7 destination port '5060'
set system conntrack timeout custom ipv4 rule 7 protocol udp unreplied '30'
set system conntrack timeout custom ipv4 rule 8 destination port '5061'
set system conntrack timeout custom ipv4 rule 8 protocol udp replied '90'
set system conntrack timeout udp stream '300'
set system host-name 'gw1'
set system name-server '9.9.9.9'
set system name-server 'eth0'
"""


def by_hand() -> CpeConfig:
    nine, eight = IPv4Address("192.168.5.9"), IPv4Address("192.168.5.8")
    span = Ports(8000, 8010)
    return CpeConfig(
        hostname="gw1",
        wan=Wan("static", IPv4Interface("80.1.2.6/29"), IPv4Address("80.1.2.1"), ip_pack=IPv4Network("91.3.4.8/29")),
        lan=Lan(IPv4Interface("192.168.5.1/24")),
        dhcp=DhcpServer(
            IPv4Address("192.168.5.2"),
            IPv4Address("192.168.5.99"),
            86_400,
            "",
            (Reservation("02:00:00:00:0a:0b", nine),),
        ),
        wifi=(Wifi("5", "shop", WifiSecurity.WPA3, "sae passphrase", 36),),
        port_mappings=(
            PortMapping("tcp", span, nine, 8000),
            PortMapping("udp", span, nine, 8000),
            PortMapping("tcp", Ports.one(25), eight, 25),
            PortMapping("tcp", Ports.one(465), eight, 465),
        ),
        firewall=Firewall(
            "drop",
            (AccessRule("accept", "tcp", ports=Ports.one(443)),),
            (Timer("udp", 300), Timer("udp", 90, 5061)),
        ),
        routes=(StaticRoute(IPv4Network("10.20.0.0/16"), IPv4Address("192.168.5.2"), 5),),
        mobile=Mobile("m2m.example"),
        snmp=Snmp((SnmpCommunity("one", source=IPv4Network("10.9.0.7/32")), SnmpCommunity("world"))),
        management=Management((IPv4Network("10.9.0.0/16"),)),
        dns=(IPv4Address("9.9.9.9"),),
    )


def test_what_people_write_by_hand_is_read_as_far_as_the_model_goes() -> None:
    found = DRIVER.parse(BY_HAND)
    assert found == by_hand(), differences(found, by_hand())
    assert not DRIVER.render(BY_HAND, found)


def test_what_the_model_does_not_know_stays_when_the_rest_is_changed() -> None:
    device = box_with(BY_HAND)
    before = shown(device)
    wifi = (Wifi("5", "shop 2", WifiSecurity.WPA3, "another passphrase", 36),)
    features = DRIVER.spec.features
    made = rich(features, UNSPEAKABLE)
    bring(device, CpeConfig(**{name: getattr(made, name) for name in made.__slots__} | {"wifi": wifi}))
    kept = (
        "set firewall ipv4 forward filter rule 30 inbound-interface name 'eth1'",
        "set firewall ipv4 forward filter rule 40 source address '80.1.1.1-80.1.1.9'",
        "set protocols static route 10.30.0.0/16 blackhole",
        "set protocols static route 10.40.0.0/16 next-hop 192.168.5.3 disable",
        "set service snmp community both network '10.2.0.0/16'",
        "set system conntrack timeout custom ipv4 rule 7 protocol udp unreplied '30'",
        "set system name-server 'eth0'",
    )
    after = shown(device)
    assert [line for line in kept if f"{line}\n" not in before] == []
    assert [line for line in kept if f"{line}\n" not in after] == []
    # What names the WAN names the new one.
    assert "set firewall group interface-group OUT interface 'pppoe0'\n" in after
    assert "eth0.10" in after
    assert "inbound-interface name 'eth0.10'" not in after
    bring(device, by_hand())


def test_a_range_that_is_moved_gets_a_rule_for_each_port_and_is_read_as_one() -> None:
    """To another range the box's NAT takes any port of it: only single ports go where they are meant to go."""
    device = box_with(BARE)
    found = DRIVER.parse(shown(device))
    inside = IPv4Address("192.168.5.9")
    moved = PortMapping("tcp", Ports(6000, 6002), inside, 7000, IPv4Network("80.5.0.0/16"))
    same = PortMapping("udp", Ports(6000, 6002), inside, 6000)
    single = (PortMapping("udp", Ports.one(80), inside, 80), PortMapping("udp", Ports.one(81), inside, 81))
    bring(
        device,
        CpeConfig("gw1", found.wan, found.lan, port_mappings=(moved, same, *single), firewall=Firewall("accept")),
    )
    text = shown(device)
    for number, port in ((10, 7000), (11, 7001), (12, 7002)):
        assert f"set nat destination rule {number} destination port '{port - 1000}'\n" in text
        assert f"set nat destination rule {number} translation port '{port}'\n" in text
    assert text.count("destination port '6000-6002'") == 1
    bring(device, CpeConfig("gw1", found.wan, found.lan, port_mappings=single, firewall=Firewall("accept")))
    assert "7001" not in shown(device)


def test_ports_that_all_go_to_one_port_are_left_to_the_text() -> None:
    rule = "set nat destination rule 10"
    text = BARE + (
        f"{rule} destination port '8000-8010'\n{rule} protocol 'tcp'\n{rule} translation address '192.168.5.9'\n"
        f"{rule} translation port '80'\n"
    )
    assert DRIVER.parse(text).port_mappings == ()


def test_zones_are_read_and_written_like_chains() -> None:
    text = BARE + (
        "set firewall ipv4 name WAN-LAN default-action 'reject'\n"
        "set firewall ipv4 name WAN-LAN rule 10 action 'accept'\n"
        "set firewall ipv4 name WAN-LAN rule 10 protocol 'icmp'\n"
        "set firewall zone LAN from WAN firewall name 'WAN-LAN'\n"
        "set firewall zone LAN interface 'eth1'\n"
        "set firewall zone WAN interface 'eth0'\n"
    )
    device = box_with(text)
    found = DRIVER.parse(shown(device))
    assert found.firewall == Firewall("reject", (AccessRule("accept", "icmp"),))
    commands = bring(
        device, CpeConfig(**{name: getattr(found, name) for name in found.__slots__} | {"firewall": Firewall("drop")})
    )
    assert commands == (
        "delete firewall ipv4 name WAN-LAN rule",
        "set firewall ipv4 name WAN-LAN default-action 'drop'",
    )


def test_rules_without_room_between_their_neighbours_are_moved_together() -> None:
    text = BARE + "".join(
        f"set firewall ipv4 {line}\n"
        for line in (
            "forward filter rule 1 action 'jump'",
            "forward filter rule 1 inbound-interface name 'eth0'",
            "forward filter rule 1 jump-target 'IN'",
            "name IN rule 1 action 'accept'",
            "name IN rule 1 state 'established'",
            "name IN rule 19 action 'accept'",
            "name IN rule 19 protocol 'icmp'",
            "name IN rule 20 action 'accept'",
            "name IN rule 20 connection-status nat 'destination'",
        )
    )
    device = box_with(text)
    found = DRIVER.parse(shown(device))
    rules = (AccessRule("accept", "icmp"), *(AccessRule("drop", "tcp", ports=Ports.one(n)) for n in range(1, 10)))
    bring(device, CpeConfig("gw1", found.wan, found.lan, firewall=Firewall("drop", rules)))
    assert "set firewall ipv4 name IN rule 20 connection-status nat 'destination'\n" in shown(device)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"wifi": (Wifi("5", "it's", WifiSecurity.OPEN),)}, "cannot be written in a set line"),
        ({"wifi": (Wifi("2.4", "shop", WifiSecurity.WPA3, "passphrase"),)}, "wifi.wpa3"),
        ({"snmp": Snmp((SnmpCommunity("with.dot"),))}, "community"),
        ({"snmp": Snmp(trap_hosts=(IPv4Address("10.0.0.9"),))}, "community"),
        ({"hostname": "x"}, "host name"),
        ({"firewall": Firewall("reject")}, "reject"),
        ({"management": Management(telnet=True)}, "telnet"),
    ],
)
def test_what_vyos_cannot_say_is_refused_before_any_command_and_without_the_secret(
    changed: dict[str, object], why: str
) -> None:
    found = DRIVER.parse(BY_HAND)
    wanted = CpeConfig(**{name: getattr(found, name) for name in found.__slots__} | changed)
    with pytest.raises(InputError, match=why):
        DRIVER.render(BY_HAND, wanted)


async def test_a_secret_in_a_refused_line_is_not_in_the_error() -> None:
    async with Fleet([DeviceSpec("SITE-1", "vyos")]) as fleet:
        device = fleet.devices[0]
        async with sessions_for(fleet.devices).open(target_of(device, DriverCase("vyos"))) as opened:
            script = Script(("set interfaces wireless wlan0 security wpa passphrase 'short'",))
            with pytest.raises(CommandRefused, match="wlan0 security wpa passphrase") as caught:
                await DRIVER.apply(opened.shell, script)
    assert "short" not in str(caught.value)
    assert caught.value.device_state == "untouched"


async def test_what_a_commit_refuses_is_told_with_the_boxs_reason_and_what_became_of_the_box() -> None:
    async with Fleet([DeviceSpec("SITE-1", "vyos")]) as fleet:
        device = fleet.devices[0]
        sessions, target = sessions_for(fleet.devices), target_of(device, DriverCase("vyos"))
        for more, state in (((), "untouched"), (("set system time-zone 'UTC'",), "changed")):
            async with sessions.open(target) as opened:
                with pytest.raises(CommandRefused, match="No APN configured") as caught:
                    await DRIVER.apply(opened.shell, Script(("delete interfaces wwan wwan0 apn", *more)))
            assert caught.value.device_state == state


async def test_a_line_that_is_there_already_is_no_refusal() -> None:
    async with Fleet([DeviceSpec("SITE-1", "vyos")]) as fleet:
        device = fleet.devices[0]
        async with sessions_for(fleet.devices).open(target_of(device, DriverCase("vyos"))) as opened:
            await DRIVER.apply(opened.shell, Script(("set system host-name 'SITE-1'", "set system time-zone 'UTC'")))
    assert "set system time-zone 'UTC'\n" in device.running_text()


async def test_a_host_name_with_dots_does_not_confuse_the_prompts() -> None:
    async with Fleet([DeviceSpec("edge.b-2", "vyos")]) as fleet:
        device = fleet.devices[0]
        async with sessions_for(fleet.devices).open(target_of(device, DriverCase("vyos"))) as opened:
            await DRIVER.apply(opened.shell, Script(("set system host-name 'edge.b-3'",)))
        async with sessions_for(fleet.devices).open(target_of(device, DriverCase("vyos"))) as opened:
            await DRIVER.save(opened.shell)
    assert "set system host-name 'edge.b-3'\n" in device.state.startup
