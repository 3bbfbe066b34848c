"""Default routes of texts that somebody else wrote: what their numbers mean, and how little is changed (§3.8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.ports.driver import FullDriver
from drivers import cisco_ios, routeros, vyos
from simulators.device import Device
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown

_TO = "ip route 0.0.0.0 0.0.0.0"
_BEHIND = f"{_TO} Cellular0 250"
VOICE = (Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10_000, 20_000)))
_IOS = """!
version 15.7
!
hostname R1
!
controller Cellular 0
 profile id 1 apn m2m.example authentication none
!
interface Cellular0
 ip address negotiated
 ip nat outside
!
interface GigabitEthernet0
 {wan}
 ip nat outside
!
interface Vlan1
 ip address 192.168.1.1 255.255.255.0
 ip nat inside
!
{routes}
line vty 0 4
 transport input ssh
!
end
"""
_FIXED = "ip address 80.1.2.6 255.255.255.248"
_OVER_PPP = """ no ip address
 pppoe-client dial-pool-number 1
!
interface Dialer1
 ip address negotiated
 ip nat outside
 encapsulation ppp
 dialer pool 1
 ppp chap hostname me@isp.example
 ppp chap password 0 secret
 ppp ipcp route default""".lstrip()


def ios(routes: str, wan: str = _FIXED) -> str:
    return _IOS.format(wan=wan, routes=routes)


def switched(driver: FullDriver, text: str, *, preferred: bool) -> tuple[str, ...]:
    before = driver.parse(text)
    assert before.mobile is not None
    return driver.render(text, replace(before, mobile=replace(before.mobile, preferred=preferred))).commands


def taken(family: str, text: str, commands: tuple[str, ...]) -> str:
    """The text once a box that ran it has taken the commands."""
    device = Device(DeviceSpec("R1", family, seed=1))
    body = text if family != "cisco_ios" else text.partition("!\n")[2].rpartition("end\n")[0]
    device.state.replace_running(body, "test")
    device.change("\n".join(commands))
    return shown(device)


def preferred(driver: FullDriver, text: str) -> bool:
    mobile = driver.parse(text).mobile
    assert mobile is not None
    return mobile.preferred


@pytest.mark.parametrize(
    ("wan", "routes", "first"),
    [
        (_FIXED, "ip route 0.0.0.0 0.0.0.0 80.1.2.1\nip route 0.0.0.0 0.0.0.0 Cellular0 250", False),
        (_FIXED, "ip route 0.0.0.0 0.0.0.0 80.1.2.1 200 track 7\nip route 0.0.0.0 0.0.0.0 Cellular0 100", True),
        (_FIXED, "ip route 0.0.0.0 0.0.0.0 80.1.2.1 name fixed track 7\nip route 0.0.0.0 0.0.0.0 Cellular0 2", False),
        (_FIXED, "ip route 0.0.0.0 0.0.0.0 80.1.2.1\nip route 0.0.0.0 0.0.0.0 Cellular0", False),
        # What DHCP gives is 254 away, unless the interface says another number.
        ("ip address dhcp", "ip route 0.0.0.0 0.0.0.0 Cellular0 250", True),
        (
            "ip address dhcp\n ip dhcp client default-router distance 20",
            "ip route 0.0.0.0 0.0.0.0 Cellular0 250",
            False,
        ),
        ("ip address dhcp", "ip route 0.0.0.0 0.0.0.0 dhcp\nip route 0.0.0.0 0.0.0.0 Cellular0 250", False),
        (_OVER_PPP, "ip route 0.0.0.0 0.0.0.0 Cellular0 250", False),
        # Halves go before every default route, both together.
        (_OVER_PPP, "ip route 0.0.0.0 128.0.0.0 Cellular0\nip route 0.0.0.0 0.0.0.0 Cellular0 250", False),
        (
            _OVER_PPP,
            f"ip route 0.0.0.0 128.0.0.0 Cellular0\nip route 128.0.0.0 128.0.0.0 Cellular0\n{_BEHIND}",
            True,
        ),
        # A default route that BGP brings is not in the text.
        (_FIXED, "router bgp 65001\n neighbor 80.1.2.1 remote-as 65000\nip route 0.0.0.0 0.0.0.0 Cellular0 250", False),
        # One into the LAN, or into nothing, is none of the fixed line's.
        (
            _FIXED,
            f"{_TO} 80.1.2.1 240\n{_TO} 192.168.1.9\n{_TO} Null0\n{_TO} Cellular0 230",
            True,
        ),
    ],
)
def test_ios_numbers_mean_what_they_say(wan: str, routes: str, first: bool) -> None:
    text = ios(routes, wan)
    assert preferred(cisco_ios.DRIVER, text) is first
    assert not cisco_ios.DRIVER.render(text, cisco_ios.DRIVER.parse(text))
    assert not switched(cisco_ios.DRIVER, text, preferred=first)
    there = taken("cisco_ios", text, switched(cisco_ios.DRIVER, text, preferred=not first))
    assert preferred(cisco_ios.DRIVER, there) is not first
    back = taken("cisco_ios", there, switched(cisco_ios.DRIVER, there, preferred=first))
    assert preferred(cisco_ios.DRIVER, back) is first


@pytest.mark.parametrize(
    ("routes", "there"),
    [
        # The fixed line's routes step back by as much as the mobile one is away, and keep all that they carry.
        (
            "ip route 0.0.0.0 0.0.0.0 80.1.2.1 name fixed track 7 tag 9\nip route 0.0.0.0 0.0.0.0 Cellular0 250",
            ("no ip route 0.0.0.0 0.0.0.0 80.1.2.1 name fixed track 7 tag 9",
             "ip route 0.0.0.0 0.0.0.0 80.1.2.1 251 name fixed track 7 tag 9"),
        ),
        (
            f"{_TO} GigabitEthernet0 80.1.2.1 3 track 7\n{_TO} 80.1.2.1 5\n{_TO} Cellular0 200",
            ("no ip route 0.0.0.0 0.0.0.0 GigabitEthernet0 80.1.2.1 3 track 7",
             "ip route 0.0.0.0 0.0.0.0 GigabitEthernet0 80.1.2.1 203 track 7",
             "no ip route 0.0.0.0 0.0.0.0 80.1.2.1 5", "ip route 0.0.0.0 0.0.0.0 80.1.2.1 205"),
        ),
        # Where there is no room behind, the mobile route comes to the front.
        (
            "ip route 0.0.0.0 0.0.0.0 80.1.2.1 10 track 7\nip route 0.0.0.0 0.0.0.0 Cellular0 250",
            ("no ip route 0.0.0.0 0.0.0.0 Cellular0 250", "ip route 0.0.0.0 0.0.0.0 Cellular0"),
        ),
    ],
)  # fmt: skip
def test_ios_keeps_names_tracks_and_what_distances_there_were(routes: str, there: tuple[str, ...]) -> None:
    text = ios(routes)
    commands = switched(cisco_ios.DRIVER, text, preferred=True)
    assert commands == there
    over = taken("cisco_ios", text, commands)
    back = taken("cisco_ios", over, switched(cisco_ios.DRIVER, over, preferred=False))
    assert set(routes.splitlines()) <= set(back.splitlines())


def test_ios_goes_before_a_route_that_nothing_moves_with_two_halves() -> None:
    text = ios("ip route 0.0.0.0 0.0.0.0 Cellular0 250", _OVER_PPP)
    there = switched(cisco_ios.DRIVER, text, preferred=True)
    assert there == ("ip route 0.0.0.0 128.0.0.0 Cellular0", "ip route 128.0.0.0 128.0.0.0 Cellular0")
    over = taken("cisco_ios", text, there)
    assert switched(cisco_ios.DRIVER, over, preferred=False) == tuple(f"no {line}" for line in there)


def test_ios_keeps_what_a_list_on_the_modem_holds_besides() -> None:
    guard = (
        "ip access-list extended OUT\n permit udp host 192.168.1.4 host 198.18.0.5 eq ntp\n"
        " deny udp any any range 5060 5062\n deny udp any any eq 5061 log\n permit ip any any reflect SEEN\n"
        " deny udp any any range 10000 20000\n"
    )
    text = ios(f"ip route 0.0.0.0 0.0.0.0 80.1.2.1\nip route 0.0.0.0 0.0.0.0 Cellular0 250\n{guard}")
    text = text.replace("interface Cellular0\n", "interface Cellular0\n ip access-group OUT out\n")
    found = cisco_ios.DRIVER.parse(text)
    assert found.mobile is not None
    # Behind an entry that lets everything pass nothing stays off.
    assert found.mobile.barred == (Barred("udp", Ports(5060, 5062)),)
    commands = cisco_ios.DRIVER.render(text, replace(found, mobile=replace(found.mobile, barred=VOICE))).commands
    assert commands == (
        "ip access-list extended MOBILE-OUT",
        "deny udp any any range 5060 5061",
        "deny udp any any range 10000 20000",
        "permit udp host 192.168.1.4 host 198.18.0.5 eq ntp",
        "permit ip any any reflect SEEN",
        "exit",
        "interface Cellular0",
        "ip access-group MOBILE-OUT out",
        "exit",
        "no ip access-list extended OUT",
    )


_VYOS = """set interfaces ethernet eth0 address '{address}'
set interfaces ethernet eth0 description 'WAN'
set interfaces ethernet eth1 address '192.168.1.1/24'
set interfaces ethernet eth1 description 'LAN'
set interfaces wwan wwan0 apn 'm2m.example'
{more}
set system host-name 'R1'
"""
_GIVEN = "set interfaces wwan wwan0 address 'dhcp'\nset interfaces wwan wwan0 dhcp-options default-route-distance '{}'"
_ROUTE = "set protocols static route 0.0.0.0/0"


def vyos_text(address: str, *more: str) -> str:
    return _VYOS.format(address=address, more="\n".join(more))


@pytest.mark.parametrize(
    ("address", "more", "first", "commands"),
    [
        (
            "80.1.2.6/29",
            (_GIVEN.format(240), f"{_ROUTE} next-hop 80.1.2.1"),
            False,
            (f"{_ROUTE} next-hop 80.1.2.1 distance '241'",),
        ),
        (
            "80.1.2.6/29",
            (_GIVEN.format(230), f"{_ROUTE} next-hop 80.1.2.1 distance '4'"),
            False,
            (f"{_ROUTE} next-hop 80.1.2.1 distance '234'",),
        ),
        # What DHCP gives is 210 away, and is not asked for anew.
        ("dhcp", (_GIVEN.format(240),), False, (f"{_ROUTE} interface wwan0 distance '1'",)),
        ("dhcp", (_GIVEN.format(200),), True, ("set interfaces wwan wwan0 dhcp-options default-route-distance '240'",)),
        ("dhcp", (f"{_ROUTE} interface wwan0",), True, (f"{_ROUTE} interface wwan0 distance '240'",)),
        (
            "80.1.2.6/29",
            (f"{_ROUTE} interface wwan0 distance '250'", f"{_ROUTE} next-hop 80.1.2.1"),
            False,
            (f"{_ROUTE} next-hop 80.1.2.1 distance '251'",),
        ),
        (
            "80.1.2.6/29",
            (_GIVEN.format(240), f"{_ROUTE} next-hop 80.1.2.1 disable", f"{_ROUTE} next-hop 192.168.1.9"),
            False,
            (f"{_ROUTE} interface wwan0 distance '1'",),
        ),
    ],
)
def test_vyos_numbers_mean_what_they_say(
    address: str, more: tuple[str, ...], first: bool, commands: tuple[str, ...]
) -> None:
    text = vyos_text(address, *more)
    assert preferred(vyos.DRIVER, text) is first
    assert not vyos.DRIVER.render(text, vyos.DRIVER.parse(text))
    assert switched(vyos.DRIVER, text, preferred=not first) == commands
    over = taken("vyos", text, commands)
    assert preferred(vyos.DRIVER, over) is not first
    back = taken("vyos", over, switched(vyos.DRIVER, over, preferred=first))
    assert preferred(vyos.DRIVER, back) is first
    if not first:
        assert sorted(back.splitlines()) == sorted(text.splitlines())


def test_vyos_has_no_distance_for_a_gateway_that_dhcp_names() -> None:
    text = vyos_text("dhcp", _GIVEN.format(240), f"{_ROUTE} dhcp-interface 'eth0'")
    with pytest.raises(InputError, match="dhcp-interface"):
        switched(vyos.DRIVER, text, preferred=True)


def test_vyos_bars_before_what_lets_running_sessions_pass_and_says_so_when_there_is_no_room() -> None:
    rule = "set firewall ipv4 forward filter rule"
    passing = (f"{rule} {{0}} action 'accept'", f"{rule} {{0}} state 'established'")
    ahead = (f"{rule} 1 action 'drop'", f"{rule} 1 source address '198.51.100.9'")
    text = vyos_text("dhcp", _GIVEN.format(240), *ahead, *(line.format(3) for line in passing))
    found = vyos.DRIVER.parse(text)
    assert found.mobile is not None
    one = replace(found, mobile=replace(found.mobile, barred=VOICE))
    assert vyos.DRIVER.render(text, one).commands == (
        f"{rule} 2 action 'drop'",
        f"{rule} 2 description 'stays off the mobile connection'",
        f"{rule} 2 destination port '5060-5061,10000-20000'",
        f"{rule} 2 outbound-interface name 'wwan0'",
        f"{rule} 2 protocol 'udp'",
    )
    both = replace(found, mobile=replace(found.mobile, barred=(*VOICE, Barred("tcp", Ports.one(5061)))))
    with pytest.raises(InputError, match=r"no rule number is left .* before rule 3"):
        vyos.DRIVER.render(text, both)
    behind = text + f"{rule} 9 action 'drop'\n{rule} 9 outbound-interface name 'wwan0'\n{rule} 9 protocol 'udp'\n"
    behind += f"{rule} 9 destination port '5060'\n"
    assert vyos.DRIVER.parse(behind).mobile == found.mobile


_ROUTEROS = """# 2026-11-28 by RouterOS 7.15.3
/interface bridge add name=bridge
/interface lte apn add apn=m2m.example default-route-distance={far} name=mobile
/interface lte set [ find default-name=lte1 ] apn-profiles=mobile
/interface bridge port add bridge=bridge interface=ether2
/ip address add address=192.168.1.1/24 interface=bridge network=192.168.1.0
{more}
/system identity set name=R1
"""
_DHCP = "/ip dhcp-client add {}interface=ether1"
_STATIC = (
    "/ip address add address=80.1.2.6/29 interface=ether1 network=80.1.2.0\n"
    "/ip route add {}dst-address=0.0.0.0/0 gateway=80.1.2.1"
)


def routeros_text(far: int, *more: str) -> str:
    return _ROUTEROS.format(far=far, more="\n".join(more))


@pytest.mark.parametrize(
    ("far", "more", "first", "commands"),
    [
        (
            200,
            (_DHCP.format(""),),
            False,
            ('/ip dhcp-client set [find interface="ether1"] default-route-distance=201',),
        ),
        (
            2,
            (_DHCP.format("default-route-distance=1 "),),
            False,
            ('/ip dhcp-client set [find interface="ether1"] default-route-distance=3',),
        ),
        (
            200,
            (_STATIC.format("check-gateway=ping distance=5 "),),
            False,
            ('/ip route set [find dst-address="0.0.0.0/0" and gateway="80.1.2.1" and !dynamic] distance=205',),
        ),
        (
            2,
            (_STATIC.format("distance=10 "),),
            True,
            ('/ip route set [find dst-address="0.0.0.0/0" and gateway="80.1.2.1" and !dynamic] distance=8',
             '/interface lte apn set [find name="mobile"] default-route-distance=200'),
        ),
        (
            200,
            (_STATIC.format(""), "/ip route add distance=100 dst-address=0.0.0.0/0 gateway=lte1"),
            False,
            ('/ip route set [find dst-address="0.0.0.0/0" and gateway="80.1.2.1" and !dynamic] distance=101',),
        ),
    ],
)  # fmt: skip
def test_routeros_numbers_mean_what_they_say(
    far: int, more: tuple[str, ...], first: bool, commands: tuple[str, ...]
) -> None:
    text = routeros_text(far, *more)
    assert preferred(routeros.DRIVER, text) is first
    assert not routeros.DRIVER.render(text, routeros.DRIVER.parse(text))
    assert switched(routeros.DRIVER, text, preferred=not first) == commands
    over = taken("routeros", text, commands)
    assert preferred(routeros.DRIVER, over) is not first
    back = taken("routeros", over, switched(routeros.DRIVER, over, preferred=first))
    assert preferred(routeros.DRIVER, back) is first


def test_routeros_bars_at_the_head_and_keeps_what_is_barred_off_the_fast_track() -> None:
    rules = (
        "/ip firewall filter add action=fasttrack-connection chain=forward connection-state=established,related",
        "/ip firewall filter add action=accept chain=forward connection-state=established,related",
        "/ip firewall filter add action=drop chain=forward dst-port=6000 out-interface=lte1 protocol=udp",
    )
    text = routeros_text(200, _DHCP.format(""), *rules)
    found = routeros.DRIVER.parse(text)
    # Behind the rule that lets running sessions pass a call would come along.
    assert found.mobile == Mobile("m2m.example")
    barred = replace(found, mobile=replace(found.mobile, barred=VOICE))
    over = taken("routeros", text, routeros.DRIVER.render(text, barred).commands)
    filters = [line.partition(" add ")[2] for line in over.splitlines() if line.startswith("/ip firewall filter add")]
    common = "chain=forward comment=cpe-barred"
    assert filters[:4] == [
        f"action=drop {common} dst-port=5060-5061,10000-20000 out-interface=lte1 protocol=udp",
        f"action=accept {common} connection-state=established,related dst-port=5060-5061,10000-20000 protocol=udp",
        f"action=accept {common} connection-state=established,related protocol=udp src-port=5060-5061,10000-20000",
        rules[0].partition(" add ")[2],
    ]
    assert routeros.DRIVER.parse(over).firewall == found.firewall
    back = taken("routeros", over, routeros.DRIVER.render(over, found).commands)
    assert [line for line in back.splitlines() if line in rules] == list(rules)
    assert "cpe-barred" not in back


def test_routeros_writes_as_many_rules_as_its_ports_need() -> None:
    text = routeros_text(200, _DHCP.format(""))
    found = routeros.DRIVER.parse(text)
    assert found.mobile is not None
    many = tuple(Barred("tcp", Ports(1000 * n, 1000 * n + 9)) for n in range(1, 10))
    commands = routeros.DRIVER.render(text, replace(found, mobile=replace(found.mobile, barred=many))).commands
    assert [command.partition("dst-port=")[2].partition(" ")[0].count("-") for command in commands] == [7, 2]
