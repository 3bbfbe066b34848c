"""What the IOS driver reads out of routers that somebody else has configured, and how little of them it touches."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

import pytest

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, InputError
from cpe_manager.domain.model.cpe_config import (
    AccessRule,
    CpeConfig,
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
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports
from cpe_manager.kit.ios.box import type7_plain
from cpe_manager.ports.driver import Script
from drivers.cisco_ios import DRIVER
from tests.contract.drivers.rich_configs import rich
from tests.fakes.shell import ScriptedShell, ScriptedTerminal

SMALL = """!
version 15.2
service password-encryption
!
hostname shop_7.example
!
enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0
!
ip dhcp excluded-address 10.0.0.1 10.0.0.9
ip dhcp excluded-address 10.0.0.50
ip dhcp excluded-address 10.0.0.200 10.0.0.255
!
ip dhcp pool INSIDE
 import all
 network 10.0.0.0 255.255.255.0
 default-router 10.0.0.1
 dns-server 195.238.2.21
 lease infinite
!
ip dhcp pool till
 host 10.0.0.30 255.255.255.0
 client-identifier 0102.005e.0000.0a
!
ip dhcp pool printer
 host 10.0.0.31 255.255.255.0
 hardware-address 0200.5e00.000b ieee802
!
ip dhcp pool elsewhere
 host 172.16.0.9 255.255.255.0
 hardware-address 0200.5e00.000c
!
ip name-server 195.238.2.21 195.238.2.22
!
dot11 ssid Shop net
   authentication open
   authentication key-management wpa version 2
   guest-mode
   wpa-psk ascii 7 095B470F10451C1712
!
interface FastEthernet4
 ip address dhcp client-id FastEthernet4
 ip access-group 101 in
 ip nat outside
 duplex auto
!
interface Dot11Radio0
 encryption mode ciphers aes-ccm tkip
 ssid Shop net
 channel 2462
!
interface Vlan1
 ip address 10.0.0.1 255.255.255.0
 ip nat inside
!
ip nat inside source list 1 interface FastEthernet4 overload
ip nat inside source static tcp 10.0.0.20 443 interface FastEthernet4 443
ip nat inside source static tcp 10.0.0.20 22 81.2.3.4 2222 extendable
ip route 10.50.0.0 255.255.0.0 10.0.0.2 5 name BRANCH
ip route 10.51.0.0 255.255.0.0 Null0
!
access-list 1 permit 10.0.0.0 0.0.0.255
access-list 23 permit 10.100.7.0 0.0.0.255
access-list 23 permit 10.100.9.9
access-list 101 permit udp any eq bootps any eq bootpc
access-list 101 permit tcp any any established
access-list 101 permit tcp any any eq www
access-list 101 permit tcp 80.5.0.0 0.0.255.255 host 81.2.3.4 range 8000 8010
access-list 101 deny   ip any any log
snmp-server community watcher RO 23
snmp-server community open RO
snmp-server location Kerkstraat 12, Hasselt
!
banner motd ^C
interface FastEthernet9
 ip nat inside
^C
!
line con 0
line vty 0 4
 access-class 23 in
 transport input telnet ssh
!
end
"""
LARGE = """!
version 17.3
service timestamps log datetime msec
platform qfp utilization monitor load 80
!
hostname edge-1
!
ipv6 unicast-routing
!
controller Cellular 0/2/0
 profile id 2 apn m2m.example authentication chap username sim1 password 0 w0rd slot 0
!
interface GigabitEthernet0/0/0
 description WAN to exchange
 ip address 80.1.2.6 255.255.255.248
 ip nat outside
 ip access-group OUTSIDE in
 negotiation auto
!
interface GigabitEthernet0/1/0
!
interface Cellular0/2/0
 ip address negotiated
!
interface Vlan1
 ip address 91.3.4.9 255.255.255.248 secondary
 ip address 192.168.1.1 255.255.255.0
 ip nat inside
 ipv6 address 2A02:A03F:12:3400::1/64
!
ip route 0.0.0.0 0.0.0.0 80.1.2.1
ip route 0.0.0.0 0.0.0.0 Cellular0/2/0 250
ip nat inside source list NAT interface GigabitEthernet0/0/0 overload
ip nat translation port-timeout udp 5060 120
ip nat translation tcp-timeout 3600
!
ip access-list extended NAT
 10 permit ip 192.168.1.0 0.0.0.255 any
ip access-list extended OUTSIDE
 10 permit gre any any
 20 deny   ip host 80.6.7.8 any
 30 permit ip any any
!
ipv6 route 2A02:A03F:12:3480::/57 2A02:A03F:12:3400::10
!
line vty 0 4
 transport input ssh
!
end
"""


def render(text: str, **changes: object) -> list[str]:
    return list(DRIVER.render(text, replace(DRIVER.parse(text), **changes)).commands)  # type: ignore[arg-type]


def test_a_small_router_of_somebody_elses_is_understood() -> None:
    assert DRIVER.parse(SMALL) == CpeConfig(
        hostname="shop-7-example",
        wan=Wan("dhcp"),
        lan=Lan(IPv4Interface("10.0.0.1/24")),
        dhcp=DRIVER.parse(SMALL).dhcp,
        wifi=(Wifi("2.4", "Shop net", WifiSecurity.WPA2, "wifi key", 11),),
        port_mappings=(PortMapping("tcp", Ports.one(443), IPv4Address("10.0.0.20"), 443),),
        firewall=Firewall(
            "drop",
            (
                AccessRule("accept", "tcp", None, None, Ports.one(80)),
                AccessRule("accept", "tcp", IPv4Network("80.5.0.0/16"), IPv4Network("81.2.3.4/32"), Ports(8000, 8010)),
            ),
        ),
        routes=(StaticRoute(IPv4Network("10.50.0.0/16"), IPv4Address("10.0.0.2"), 5),),
        # Who may ask `watcher` is more than one network: that is no community of the model.
        snmp=Snmp((SnmpCommunity("open"),), "Kerkstraat 12, Hasselt"),
        management=Management((IPv4Network("10.100.7.0/24"), IPv4Network("10.100.9.9/32")), True, True),
        dns=(IPv4Address("195.238.2.21"), IPv4Address("195.238.2.22")),
    )


def test_its_dhcp_is_what_is_left_of_the_network_and_both_ways_of_naming_a_client() -> None:
    dhcp = DRIVER.parse(SMALL).dhcp
    assert dhcp is not None
    assert (str(dhcp.first), str(dhcp.last)) == ("10.0.0.10", "10.0.0.199")
    assert dhcp.lease_seconds == 31_536_000, "a lease without end is the longest that there is"
    assert dhcp.reservations == (
        Reservation("02:00:5e:00:00:0a", IPv4Address("10.0.0.30")),
        Reservation("02:00:5e:00:00:0b", IPv4Address("10.0.0.31")),
    )


def test_a_large_router_with_numbered_entries_a_block_and_a_modem_is_understood() -> None:
    found = DRIVER.parse(LARGE)
    assert found.wan == Wan(
        "static",
        IPv4Interface("80.1.2.6/29"),
        IPv4Address("80.1.2.1"),
        "",
        "",
        IPv6Network("2a02:a03f:12:3400::/56"),
        IPv6Address("2a02:a03f:12:3400::10"),
        IPv4Network("91.3.4.8/29"),
    )
    assert found.lan == Lan(IPv4Interface("192.168.1.1/24"))
    assert found.mobile == Mobile("m2m.example", True, "sim1", "w0rd")
    rule = AccessRule("drop", "ip", IPv4Network("80.6.7.8/32"))
    assert found.firewall == Firewall("accept", (rule,), (Timer("tcp", 3600), Timer("udp", 120, 5060)))


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_what_is_so_already_needs_no_command(text: str) -> None:
    assert not DRIVER.render(text, DRIVER.parse(text))


def test_one_more_name_touches_one_line() -> None:
    assert render(SMALL, hostname="shop-8") == ["hostname shop-8"]
    assert render(LARGE, dns=(IPv4Address("9.9.9.9"),))[:1] == ["ip name-server 9.9.9.9"]


def test_a_changed_filter_is_written_beside_the_old_one_and_takes_its_place_with_one_command() -> None:
    accept = AccessRule("accept", "tcp", None, None, Ports.one(25))
    commands = render(LARGE, firewall=Firewall("drop", (accept,), DRIVER.parse(LARGE).firewall.timers))
    place = commands.index("ip access-group INTERNET-IN in")
    assert commands[place - 1].startswith("interface ")
    written = commands[: commands.index("exit")]
    assert written[0] == "ip access-list extended INTERNET-IN"
    assert "permit gre any any" in written, "what nobody understood stays"
    assert written.index("evaluate INTERNET-SESSIONS") < written.index("permit tcp any any eq 25")
    assert "permit ip any any" not in written
    assert commands.index("no ip access-list extended OUTSIDE") > place, "the old list goes when nothing uses it"


def test_a_line_that_is_inspected_remembers_by_itself_and_stays_open_to_the_operator() -> None:
    box = LARGE.replace(" ip access-group OUTSIDE in", " ip access-group OUTSIDE in\n ip inspect CBAC out")
    commands = render(box, firewall=Firewall("drop"))
    assert "permit tcp any any eq 22" in _operator(commands)
    assert not [line for line in commands if "evaluate" in line or "established" in line or "reflect" in line]


def test_a_rule_whose_hits_are_logged_is_logged_wherever_it_is_written() -> None:
    box = LARGE.replace(" 20 deny   ip host 80.6.7.8 any", " 20 deny   ip host 80.6.7.8 any log")
    rules = (*DRIVER.parse(box).firewall.rules, AccessRule("drop", "udp"))
    written = render(box, firewall=Firewall("accept", rules))
    assert "deny ip host 80.6.7.8 any log" in written
    assert "deny udp any any" in written


def test_a_port_that_opens_in_a_filter_of_ours_is_one_translation_and_one_entry() -> None:
    ours = (
        "ip access-list extended INTERNET-IN\n remark operator access\n remark firewall rules\n"
        " remark opened ports\n permit tcp any any eq 443\nip access-list extended INTERNET-OUT\n"
        " permit ip any any reflect INTERNET-SESSIONS\n"
    )
    groups = " ip access-group INTERNET-IN in\n ip access-group INTERNET-OUT out"
    box = SMALL.replace(" ip access-group 101 in", groups).replace(
        "access-list 1 permit", f"{ours}access-list 1 permit"
    )
    # The operator's part is what a change of management writes there; here it is there already.
    open_to_all = box.replace(" access-class 23 in\n", "").replace("input telnet ssh", "input ssh")
    entries = _operator(render(box, management=Management()))
    head = " remark operator access\n"
    text = open_to_all.replace(head, head + "".join(f" {line}\n" for line in entries))
    first = DRIVER.parse(text).port_mappings
    more = (*first, PortMapping("tcp", Ports.one(8080), IPv4Address("10.0.0.9"), 80))
    assert render(text, port_mappings=more) == [
        "ip nat inside source static tcp 10.0.0.9 80 interface FastEthernet4 8080",
        "ip access-list extended INTERNET-IN",
        "permit tcp any any eq 8080",
        "exit",
    ]
    assert render(text, port_mappings=()) == [
        "no ip nat inside source static tcp 10.0.0.20 443 interface FastEthernet4 443",
        "ip access-list extended INTERNET-IN",
        "no permit tcp any any eq 443",
        "exit",
    ]


def _operator(commands: list[str]) -> list[str]:
    return commands[commands.index("remark operator access") + 1 : commands.index("remark firewall rules")]


def test_a_new_key_is_written_in_clear_and_is_the_boxs_to_hide() -> None:
    wifi = replace(DRIVER.parse(SMALL).wifi[0], key="another word")
    assert render(SMALL, wifi=(wifi,)) == ["dot11 ssid Shop net", "wpa-psk ascii 0 another word", "exit"]


def test_a_line_that_moves_to_another_interface_takes_its_translation_along() -> None:
    commands = render(LARGE, wan=Wan("pppoe", None, None, "fb1@isp.example", "pw"))
    assert "no ip nat inside source list NAT interface GigabitEthernet0/0/0 overload" in commands
    assert "ip nat inside source list NAT interface Dialer1 overload" in commands
    assert "no ip route 0.0.0.0 0.0.0.0 80.1.2.1" in commands
    assert "ip route 0.0.0.0 0.0.0.0 Dialer1" in commands
    assert "pppoe-client dial-pool-number 1" in commands
    assert "ip access-group OUTSIDE in" in commands[commands.index("interface Dialer1") :]


@pytest.mark.parametrize(
    ("text", "changes", "why"),
    [
        (LARGE, {"wifi": (Wifi("2.4", "x", WifiSecurity.OPEN),)}, "no radio for 2.4 GHz"),
        (SMALL, {"mobile": Mobile("apn.example")}, "no mobile interface"),
        (SMALL, {"wifi": (Wifi("2.4", "a+b", WifiSecurity.OPEN),)}, "takes no SSID"),
        (SMALL, {"wifi": (Wifi("2.4", "#a", WifiSecurity.OPEN),)}, "takes no SSID"),
        (SMALL, {"wan": Wan("pppoe", None, None, "u", "what?")}, "question mark"),
        (SMALL, {"snmp": Snmp((), "", "", (IPv4Address("10.0.0.9"),))}, "needs a community"),
        (SMALL, {"firewall": Firewall("drop", (), (Timer("tcp", 86_400),))}, "own tcp timer"),
        (SMALL, {"firewall": Firewall("drop", (AccessRule("accept"), AccessRule("accept")))}, "occurs twice"),
        (SMALL, {"firewall": Firewall("reject")}, "firewall.reject"),
    ],
)
def test_what_a_router_cannot_do_is_refused_before_any_command(text: str, changes: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        render(text, **changes)


def test_two_networks_of_one_name_have_one_key() -> None:
    box = SMALL.replace("interface Vlan1", "interface Dot11Radio1\n shutdown\n!\ninterface Vlan1")
    one = Wifi("2.4", "twin", WifiSecurity.WPA2, "first word", 1)
    assert render(box, wifi=(one, replace(one, band="5", channel=36)))
    with pytest.raises(InputError, match="one security and key"):
        render(box, wifi=(one, replace(one, band="5", channel=36, key="other word")))


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [("0822455D0A16", "cisco"), ("02050D480809", "cisco"), ("08", ""), ("0822455D0A1", ""), ("xx", "")],
)
def test_type_7_is_no_secret_to_anybody(spelled: str, plain: str) -> None:
    assert type7_plain(spelled) == plain


def damaged(text: str, rng: random.Random) -> str:
    """A configuration with lines lost, cut short, doubled, shuffled within and moved in or out of their block."""
    lines = text.split("\n")
    for _ in range(rng.randrange(1, 12)):
        place = rng.randrange(len(lines))
        words = lines[place].split(" ")
        match rng.randrange(5):
            case 0:
                lines[place] = ""
            case 1:
                lines[place] = " ".join(words[: rng.randrange(1, 8)])
            case 2:
                lines.insert(place, rng.choice(lines))
            case 3:
                rng.shuffle(words)
                lines[place] = " ".join(words)
            case _:
                lines[place] = rng.choice(
                    (" " + lines[place], lines[place].lstrip(" "), lines[place].replace("1", "9"))
                )
    return "\n".join(lines)


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_reading_is_total_and_what_was_read_needs_no_change(text: str) -> None:
    rng = random.Random(len(text))
    for _ in range(150):
        broken = damaged(text, rng)
        assert not DRIVER.render(broken, DRIVER.parse(broken)), broken
        with contextlib.suppress(InputError):
            DRIVER.render(broken, rich(DRIVER.spec.features, '?+]/"!#;'))


READY = {"terminal length 0": "", "configure terminal": "Enter configuration commands", "end": ""}


async def test_a_refusal_names_the_command_and_hides_its_secret() -> None:
    class Refusing(ScriptedTerminal):
        async def run(self, command: str, **_: object) -> str:
            if command.startswith("ppp"):
                raise CommandRefused(f'{command!r}: % Ambiguous command:  "{command}"')
            return await super().run(command)

    terminal = Refusing("r1", {**READY, "interface Dialer1": ""})
    script = Script(("interface Dialer1", "ppp chap password 0 s3cr3t!"))
    with pytest.raises(CommandRefused) as caught:
        await DRIVER.apply(ScriptedShell(terminal), script)
    assert "ppp chap password" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.device_state == "changed"
    assert terminal.commands[-1] == "end"


async def test_a_session_that_is_lost_leaves_an_unknown_state_and_no_secret_in_its_error() -> None:
    class Losing(ScriptedTerminal):
        async def run(self, command: str, **_: object) -> str:
            if command.startswith("snmp"):
                raise FetchIncomplete(f"the reply to {command!r} was cut")
            return await super().run(command)

    with pytest.raises(FetchIncomplete) as caught:
        await DRIVER.apply(ScriptedShell(Losing("r1", READY)), Script(("snmp-server community s3cr3t RO",)))
    assert caught.value.device_state == "unknown"
    assert "s3cr3t" not in str(caught.value)


async def test_saving_is_believed_when_the_router_says_so() -> None:
    save = "copy running-config startup-config"
    said = "Destination filename [startup-config]? \nBuilding configuration...\n[OK]\n"
    await DRIVER.save(ScriptedShell(ScriptedTerminal("r1", {**READY, save: said})))
    with pytest.raises(FetchIncomplete, match="saved"):
        await DRIVER.save(ScriptedShell(ScriptedTerminal("r1", {**READY, save: "startup-config file open failed"})))


VERSION_XE = """Cisco IOS XE Software, Version 16.09.04
Cisco IOS Software [Fuji], ISR Software (X86_64_LINUX_IOSD-UNIVERSALK9-M), Version 16.9.4, RELEASE SOFTWARE (fc2)
edge-1 uptime is 1 year, 2 weeks, 1 day, 4 hours, 5 minutes
Uptime for this control processor is 1 year, 2 weeks, 1 day, 4 hours, 7 minutes
cisco ISR4331/K9 (1RU) processor with 1795979K/6147K bytes of memory.
Processor board ID FDO21520TGH
"""


async def test_facts_of_ios_xe() -> None:
    terminal = ScriptedTerminal("edge-1", {"terminal length 0": "", "show version": VERSION_XE})
    facts = await DRIVER.facts(ScriptedShell(terminal))
    assert (facts.hostname, facts.model, facts.serial) == ("edge-1", "ISR4331/K9", "FDO21520TGH")
    assert facts.os_release == "16.09.04"
    assert facts.uptime == 365 * 86_400 + 15 * 86_400 + 4 * 3600 + 5 * 60
