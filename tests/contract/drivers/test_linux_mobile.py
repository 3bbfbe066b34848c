"""A Linux router's mobile connection: which default route goes first, what stays off it, which way traffic takes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig, Firewall, Wan
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports
from cpe_manager.kit.linux.default_routes import CLIENT_METRIC, IPV4, IPV6, back, defaults
from cpe_manager.ports.driver import Carrying
from drivers.frr_linux import DRIVER
from simulators.device import Device
from simulators.dialects.linux_box import files_of
from simulators.fleet import Fleet
from simulators.state import DeviceState
from tests.contract.drivers.harness import sessions_for, shown, specs_of, target_of
from tests.contract.drivers.roster import DriverCase
from tests.contract.drivers.test_frr_linux_model import bring, linux_box, model

CASE = DriverCase("frr_linux", box={"mode": "linux"}, device={"vtysh": "linux"})
STATIC = Wan("static", IPv4Interface("80.1.2.6/29"), IPv4Address("80.1.2.1"))
VOICE = (Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10000, 20000)), Barred("tcp", Ports.one(5061)))
BARE = {"/etc/hostname": "SITE-1\n", "/etc/qmi-network.conf": "APN=lab.example\n"}
FRR = (
    "frr version 8.4.4\nhostname SITE-1\n!\nip route 0.0.0.0/0 80.1.2.1\nip route 0.0.0.0/0 100.64.5.1 wwan0 200\n"
    "ipv6 route ::/0 2001:db8:1::1\nipv6 route ::/0 2001:db8:2::1 200\n!\n"
    "interface eth0\n ip address 80.1.2.6/29\nexit\n!\n"
    "interface wwan0\n ip address 100.64.5.2/30\n ipv6 address 2001:db8:2::2/64\nexit\n!\n"
)


def ethernet_box(frr: str = FRR) -> Device:
    """A box whose modem is a network interface of its own."""
    device = linux_box(files=dict(BARE))
    device.state.replace_running(frr, "console")
    return device


def mobile_of(config: CpeConfig) -> Mobile:
    assert config.mobile is not None
    return config.mobile


def preferring(config: CpeConfig, preferred: bool = True) -> CpeConfig:
    return replace(config, mobile=replace(mobile_of(config), preferred=preferred))


def routes(state: DeviceState) -> list[str]:
    return [line for line in state.running.splitlines() if "route 0.0.0.0/0 " in line or "route ::/0 " in line]


def test_a_modem_with_an_interface_of_its_own_is_seen_and_moved_by_one_line_of_each_protocol() -> None:
    device = ethernet_box()
    found = model(device)
    assert found.wan == STATIC
    assert found.mobile == Mobile("lab.example")
    script = bring(device, preferring(found))
    assert len([line for line in script.commands if line.startswith("vtysh -f ")]) == 1
    assert "'ip route 0.0.0.0/0 80.1.2.1 210' 'ipv6 route ::/0 2001:db8:1::1 210'" in script.commands[0]
    assert not [line for line in script.commands if "service " in line or "nft" in line or "pon " in line]
    assert "ip route 0.0.0.0/0 80.1.2.1 210" in routes(device.state)
    bring(device, found)
    assert sorted(routes(device.state)) == sorted(line for line in FRR.splitlines() if " route " in line)


def test_a_route_learned_by_bgp_is_gone_before_by_a_distance_below_its_own() -> None:
    device = ethernet_box(f"{FRR}router bgp 65000\n neighbor 80.1.2.1 remote-as 65001\nexit\n!\n")
    found = model(device)
    assert not mobile_of(found).preferred
    bring(device, preferring(found))
    assert routes(device.state)[:2] == ["ip route 0.0.0.0/0 80.1.2.1 15", "ip route 0.0.0.0/0 100.64.5.1 wwan0 5"]
    bring(device, found)
    assert routes(device.state)[:2] == ["ip route 0.0.0.0/0 80.1.2.1", "ip route 0.0.0.0/0 100.64.5.1 wwan0 200"]


def test_a_route_of_a_dhcp_client_gets_a_metric_that_frr_can_go_before() -> None:
    device = ethernet_box()
    bring(device, replace(model(device), wan=Wan("dhcp")))
    interfaces = device.state.files["/etc/network/interfaces"]
    assert f"iface eth0 inet dhcp\n\tmetric {CLIENT_METRIC}\n" in interfaces
    script = bring(device, preferring(model(device)))
    assert device.state.files["/etc/network/interfaces"] == interfaces
    assert not [line for line in script.commands if "ifup" in line]
    assert "ip route 0.0.0.0/0 100.64.5.1 wwan0 5" in routes(device.state)


def test_several_routes_of_the_fixed_line_keep_their_order_and_those_that_lead_nowhere_their_place() -> None:
    more = "ip route 0.0.0.0/0 80.1.2.1\nip route 0.0.0.0/0 80.1.2.3 30\nip route 0.0.0.0/0 blackhole 254\n"
    device = ethernet_box(FRR.replace("ip route 0.0.0.0/0 80.1.2.1\n", more))
    before = routes(device.state)
    found = model(device)
    bring(device, preferring(found))
    assert routes(device.state)[:3] == [
        "ip route 0.0.0.0/0 80.1.2.1 210",
        "ip route 0.0.0.0/0 80.1.2.3 239",
        "ip route 0.0.0.0/0 blackhole 254",
    ]
    bring(device, found)
    assert routes(device.state) == before


def test_a_connection_that_was_off_gets_the_other_host_of_its_network_as_gateway() -> None:
    device = ethernet_box()
    off = replace(model(device), mobile=Mobile("lab.example", active=False))
    bring(device, off)
    assert not [line for line in routes(device.state) if "wwan0" in line]
    bring(device, replace(off, mobile=Mobile("lab.example")))
    assert "ip route 0.0.0.0/0 100.64.5.1 wwan0 200" in routes(device.state)


def test_its_access_point_and_log_in_stand_in_libqmi_s_profile_and_nowhere_else() -> None:
    device = ethernet_box()
    device.state.files["/etc/network/interfaces"] = "auto wwan0\niface wwan0 inet manual\n"
    script = bring(device, replace(model(device), mobile=Mobile("new.example", True, "sim", "it's$ecret")))
    text = device.state.files["/etc/qmi-network.conf"]
    assert text == "APN=new.example\nAPN_USER=sim\nAPN_PASS='it'\"'\"'s$ecret'\n"
    assert "/etc/ppp/chap-secrets" not in device.state.files
    assert "start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- wwan0" in script.commands
    assert [rule for rule in DRIVER.spec.secrets if rule.kind == "ppp" and rule.pattern.search(text)]


def test_a_peer_s_file_that_only_names_the_access_point_leads_over_the_interface_that_frr_routes_over() -> None:
    device = ethernet_box()
    del device.state.files["/etc/qmi-network.conf"]
    device.state.files["/etc/ppp/peers/mobile"] = 'connect "/usr/sbin/chat -v -f x -T business.example"\nunit 1\n'
    assert mobile_of(model(device)) == Mobile("business.example")
    bring(device, preferring(model(device)))


def test_voice_is_kept_off_by_chains_of_their_own_and_other_people_s_rules_are_left_alone() -> None:
    device = ethernet_box()
    bring(device, replace(model(device), mobile=Mobile("lab.example", barred=VOICE)))
    table = device.state.files["/etc/nftables.d/cpe.nft"]
    for hook in ("forward", "output"):
        assert f"type filter hook {hook} priority filter - 10; policy accept;" in table
    assert table.count('\t\toifname "wwan0" udp dport 5060-5061 drop\n') == 2
    assert "masquerade" not in table
    assert "chain input" not in table
    bring(device, replace(model(device), firewall=Firewall("drop")))
    assert "masquerade" in device.state.files["/etc/nftables.d/cpe.nft"]
    assert mobile_of(model(device)).barred == tuple(sorted(VOICE))
    bring(device, replace(model(device), mobile=None))
    assert 'oifname "wwan0" udp' not in device.state.files["/etc/nftables.d/cpe.nft"]


def test_a_switch_leaves_a_table_alone_that_somebody_has_written_his_own_way() -> None:
    device = linux_box()
    path = "/etc/nftables.d/cpe.nft"
    device.state.files[path] = (
        files_of(device.state)[path].replace(', "ppp0"', "").replace('"eth0", ', '"eth0", "eth9", ')
    )
    script = bring(device, preferring(model(device)))
    assert not [command for command in script.commands if "nft" in command]


def test_a_switch_of_the_workshop_s_box_goes_there_and_back() -> None:
    device = linux_box()
    found = model(device)
    bring(device, preferring(replace(found, mobile=replace(mobile_of(found), barred=VOICE))))
    bring(device, preferring(model(device), preferred=False))
    assert mobile_of(model(device)).barred == tuple(sorted(VOICE))


async def test_the_box_says_which_way_its_traffic_takes() -> None:
    assert isinstance(DRIVER, Carrying)
    async with Fleet(specs_of(CASE, ["SITE-1"])) as fleet:
        device = fleet.devices[0]

        async def carrying() -> Carrier | None:
            async with sessions_for([device]).open(target_of(device, CASE)) as opened:
                assert isinstance(DRIVER, Carrying)
                return await DRIVER.carrying(opened.shell, shown(device))

        async def pings() -> bool:
            async with sessions_for([device]).open(target_of(device, CASE)) as opened:
                return await DRIVER.ping(opened.shell, "198.51.100.7")

        assert await carrying() is Carrier.FIXED
        device.lose_line("silent")
        assert await carrying() is Carrier.FIXED
        assert not await pings()
        bring(device, preferring(model(device)))
        assert await carrying() is Carrier.MOBILE
        assert await pings()
        device.state.mobile_up = False
        device.restore_line()
        # What cannot be used gives way by itself.
        assert await carrying() is Carrier.FIXED
        device.state.line_up = False
        assert await carrying() is None


@pytest.mark.parametrize(
    ("line", "gateway", "interface", "distance", "with_nine"),
    [
        ("ip route 0.0.0.0/0 80.1.2.1", "80.1.2.1", "", 1, "ip route 0.0.0.0/0 80.1.2.1 9"),
        ("ip route 0.0.0.0/0 80.1.2.1 250", "80.1.2.1", "", 250, "ip route 0.0.0.0/0 80.1.2.1 9"),
        (
            "ip route 0.0.0.0/0 80.1.2.1 eth0 tag 7 20",
            "80.1.2.1",
            "eth0",
            20,
            "ip route 0.0.0.0/0 80.1.2.1 eth0 tag 7 9",
        ),
        ("ip route 0.0.0.0/0 80.1.2.1 tag 7", "80.1.2.1", "", 1, "ip route 0.0.0.0/0 80.1.2.1 tag 7 9"),
        ("ip route 0.0.0.0/0 ppp1 200", "None", "ppp1", 200, "ip route 0.0.0.0/0 ppp1 9"),
        ("ipv6 route ::/0 fe80::1 wwan0 200", "fe80::1", "wwan0", 200, "ipv6 route ::/0 fe80::1 wwan0 9"),
    ],
)
def test_a_static_default_route_is_read_in_all_of_its_forms(
    line: str, gateway: str, interface: str, distance: int, with_nine: str
) -> None:
    (found,) = defaults([line], IPV6 if line.startswith("ipv6") else IPV4)
    assert (str(found.gateway), found.interface, found.distance) == (gateway, interface, distance)
    assert found.at(9) == with_nine
    assert found.at(distance) == line


def test_static_routes_are_undone_by_what_stood_there() -> None:
    top = ["ip route 0.0.0.0/0 80.1.2.1", "ip route 10.0.0.0/8 80.1.2.3 9"]
    lines = ["no ip route 10.0.0.0/8 80.1.2.3 9", "ip route 0.0.0.0/0 80.1.2.1 210", "ip route 10.1.0.0/16 80.1.2.3"]
    assert back(lines, top) == ["no ip route 10.1.0.0/16 80.1.2.3", top[0], top[1]]
    assert back(["interface eth0"], top) is None
