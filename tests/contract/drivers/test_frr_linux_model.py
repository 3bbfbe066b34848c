"""What is special about a Linux box: many files, other people's words in them, daemons that have to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
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
    Wifi,
    WifiSecurity,
)
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports
from cpe_manager.ports.driver import Script
from drivers.frr_linux import DRIVER, SPEC
from simulators.device import Device
from simulators.dialects.linux_box import files_of, loaded
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown
from tests.contract.drivers.rich_configs import other, plain, rich

WITHOUT_RADIO = SPEC.features - {Feature.WIFI, Feature.WIFI_WPA3}


def linux_box(*, files: dict[str, str] | None = None) -> Device:
    device = Device(DeviceSpec("SITE-1", "frr_linux", seed=9, options={"mode": "linux"}))
    if files is not None:
        files_of(device.state).clear()
        device.state.files.update(files)
    return device


def bring(device: Device, wanted: CpeConfig) -> Script:
    script = DRIVER.render(shown(device), wanted)
    if script:
        device.change("\n".join(script.commands))
    assert DRIVER.parse(shown(device)) == wanted
    assert not DRIVER.render(shown(device), wanted)
    return script


def model(device: Device) -> CpeConfig:
    return DRIVER.parse(shown(device))


def with_file(path: str, change: Callable[[str], str]) -> Device:
    device = linux_box()
    device.state.files[path] = change(files_of(device.state)[path])
    return device


def test_every_daemon_runs_with_its_files_once_a_script_has_run() -> None:
    device = linux_box()
    for maker in (rich, other, plain, rich):
        bring(device, maker(SPEC.features, ""))
        for daemon in ("nftables", "dnsmasq", "hostapd", "snmpd"):
            ours = {path: device.state.files.get(path) for path in loaded(device.state, daemon)}
            # Its main file of nftables is read at the next start; what it includes was loaded by itself.
            assert ours == loaded(device.state, daemon), daemon
    dialled = {path: text for path, text in device.state.scratch.items() if path.startswith("/run/dialled/")}
    assert dialled["/run/dialled/wan"] == device.state.files["/etc/ppp/peers/wan"]
    assert dialled["/run/dialled/mobile"] == device.state.files["/etc/ppp/peers/mobile"]


def test_what_a_cut_session_left_untold_is_told_by_the_next_script_even_when_nothing_else_differs() -> None:
    device = linux_box()
    wanted = rich(SPEC.features, "")
    commands = DRIVER.render(shown(device), wanted).commands
    placed = next(place for place, command in enumerate(commands) if command.startswith("mv "))
    frr = next(place for place, command in enumerate(commands) if command.startswith("vtysh -f "))
    device.change("\n".join(commands[: frr + 1]))
    assert placed < frr
    assert model(device) == wanted
    assert loaded(device.state, "dnsmasq")["/etc/dnsmasq.conf"] != device.state.files["/etc/dnsmasq.conf"]
    again = DRIVER.render(shown(device), wanted)
    assert again.commands[-1].startswith("rm -f ")
    assert not [command for command in again.commands if command.startswith(("mv ", "vtysh "))]
    device.change("\n".join(again.commands))
    assert loaded(device.state, "dnsmasq")["/etc/dnsmasq.conf"] == device.state.files["/etc/dnsmasq.conf"]
    assert not DRIVER.render(shown(device), wanted)


def test_a_line_that_is_an_address_is_not_dialled() -> None:
    device = linux_box()
    bring(device, rich(SPEC.features, ""))
    bring(device, plain(SPEC.features, ""))
    assert not [path for path in device.state.scratch if path.startswith("/run/dialled/")]
    assert device.state.scratch["/run/network/eth0"] == "dhcp"
    bring(device, other(SPEC.features - {Feature.WAN_PPPOE, Feature.WAN_PPPOE_ADDRESS}, ""))
    assert device.state.scratch["/run/network/eth0"] == "manual"


def test_one_changed_item_touches_the_files_that_say_it_and_no_other() -> None:
    device = linux_box()
    found = model(device)
    for wanted, touched, told in (
        (replace(found, dns=(IPv4Address("9.9.9.9"),)), "/etc/dnsmasq.conf", "service dnsmasq restart"),
        (replace(found, snmp=Snmp(found.snmp.communities, "Gent")), "/etc/snmp/snmpd.conf", "service snmpd restart"),
        (replace(found, firewall=Firewall("accept")), "/etc/nftables.d/cpe.nft", "nft -f /etc/nftables.d/cpe.nft"),
        (replace(found, wifi=()), "/etc/hostapd/hostapd.conf", "service hostapd restart"),
    ):
        commands = DRIVER.render(shown(device), wanted).commands
        written = [command for command in commands if "mkdir" in command]
        assert any(f"{touched.rpartition('/')[0]}/.cpe-new." in command for command in written)
        assert len({command.split("mkdir -p ")[1].split(";")[0] for command in written}) == 1
        assert commands[-2] == told


def test_a_box_that_has_nothing_but_frr_and_a_name_gets_every_file_that_is_needed() -> None:
    device = linux_box(files={"/etc/hostname": "SITE-1\n"})
    assert model(device).firewall == Firewall("accept")
    for maker in (rich, other, plain, rich):
        bring(device, maker(WITHOUT_RADIO, ""))
    files = device.state.files
    assert "interface=br-lan\n" in files["/etc/dnsmasq.d/cpe.conf"]
    assert 'include "/etc/nftables.d/*.nft"\n' in files["/etc/nftables.conf"]
    assert files["/etc/ppp/chap-secrets"] == files["/etc/ppp/pap-secrets"]


def test_a_wifi_without_a_radio_is_refused() -> None:
    device = linux_box(files={"/etc/hostname": "SITE-1\n"})
    with pytest.raises(InputError, match=r"no radio for 2\.4 GHz"):
        DRIVER.render(shown(device), rich(SPEC.features, ""))


def test_a_new_name_alone_brings_no_firewall_to_a_box_that_has_other_people_s() -> None:
    device = linux_box(files={"/etc/hostname": "SITE-1\n", "/etc/hosts": "127.0.1.1 SITE-1.isp.example SITE-1\n"})
    bring(device, replace(model(device), hostname="SITE-2"))
    assert device.state.files == {"/etc/hostname": "SITE-2\n", "/etc/hosts": "127.0.1.1 SITE-2.isp.example SITE-2\n"}


def test_what_stands_in_an_frr_s_text_alone_is_read_and_never_written() -> None:
    text = shown(Device(DeviceSpec("SITE-1", "frr_linux", seed=9)))
    found = DRIVER.parse(text)
    assert found.hostname == "SITE-1"
    assert found.wan is not None
    assert found.wan.mode == "static"
    with pytest.raises(InputError, match=r"without root .* cannot carry: .*wan\.static"):
        DRIVER.render(text, found)


def test_an_ip_pack_needs_a_private_lan_beside_it() -> None:
    device = linux_box()
    wan = Wan("static", IPv4Interface("80.9.2.2/30"), IPv4Address("80.9.2.1"), ip_pack=IPv4Network("91.3.4.8/29"))
    wanted = CpeConfig(hostname="S1", wan=wan, lan=Lan(IPv4Interface("80.7.7.1/24")))
    with pytest.raises(InputError, match="IP pack needs a LAN with a private address"):
        DRIVER.render(shown(device), wanted)
    bring(device, replace(wanted, wan=replace(wan, ip_pack=None)))


def test_one_user_with_two_passwords_is_refused_and_with_one_is_written_once() -> None:
    device = linux_box()
    wanted = replace(plain(SPEC.features, ""), wan=Wan("pppoe", username="sim", password="one"))
    with pytest.raises(InputError, match="two passwords"):
        DRIVER.render(shown(device), replace(wanted, mobile=Mobile("isp.example", username="sim", password="two")))
    bring(device, replace(wanted, mobile=Mobile("isp.example", username="sim", password="one")))
    assert device.state.files["/etc/ppp/chap-secrets"].count('"sim" * "one" *\n') == 1


def test_the_ssh_server_is_left_off_by_debian_s_own_sign() -> None:
    device = linux_box()
    script = bring(device, replace(model(device), management=Management(ssh=False)))
    assert "service ssh stop" in script.commands
    assert device.state.files["/etc/ssh/sshd_not_to_be_run"] == ""
    assert "service ssh start" in bring(device, replace(model(device), management=Management())).commands
    assert "/etc/ssh/sshd_not_to_be_run" not in device.state.files


def test_the_operator_s_door_is_the_port_that_sshd_listens_on() -> None:
    device = with_file("/etc/ssh/sshd_config", lambda text: f"Port 2222\n{text}")
    bring(device, replace(model(device), management=Management((IPv4Network("10.9.0.0/16"),))))
    assert "ip saddr 10.9.0.0/16 tcp dport 2222 accept\n" in device.state.files["/etc/nftables.d/cpe.nft"]


def test_a_default_route_keeps_the_distance_that_somebody_gave_it() -> None:
    device = linux_box()
    bring(device, replace(model(device), hostname="SITE-2"))
    assert "ip route 0.0.0.0/0 ppp1 250\n" in shown(device)
    mobile = model(device).mobile
    assert mobile is not None
    bring(device, replace(model(device), mobile=replace(mobile, active=False)))
    assert "ppp1" not in shown(device).partition("# file:")[0]
    bring(device, replace(model(device), mobile=mobile))
    assert "ip route 0.0.0.0/0 ppp1 200\n" in shown(device)


@pytest.mark.parametrize(
    ("lines", "pool"),
    [
        ("dhcp-range=192.168.7.50,192.168.7.90,255.255.255.0,45m", ("192.168.7.50", "192.168.7.90", 2700)),
        ("dhcp-range=set:lan,192.168.7.50,192.168.7.90", ("192.168.7.50", "192.168.7.90", 3600)),
        ("dhcp-range=192.168.7.50,192.168.7.90,2d", ("192.168.7.50", "192.168.7.90", 172_800)),
        ("dhcp-range=192.168.7.0,192.168.7.255,infinite", ("192.168.7.2", "192.168.7.254", 31_536_000)),
        ("dhcp-range=192.168.7.50,192.168.7.90,100", ("192.168.7.50", "192.168.7.90", 120)),
        (
            "dhcp-range=10.1.1.1,10.1.1.9,1h\ndhcp-range=192.168.7.5,192.168.7.6,1h",
            ("192.168.7.5", "192.168.7.6", 3600),
        ),
        ("dhcp-range=192.168.7.50,static", None),
        ("dhcp-range=::1,constructor:br-lan,ra-names", None),
        ("# dhcp-range=192.168.7.50,192.168.7.90", None),
    ],
)
def test_pools_are_read_in_every_form_that_dnsmasq_takes(lines: str, pool: tuple[str, str, int] | None) -> None:
    device = linux_box(files={"/etc/hostname": "S1\n", "/etc/dnsmasq.d/a.conf": f"interface=br-lan\n{lines}\n"})
    body = device.state.running.split("interface br-lan\n")[1].split("exit")[0]
    own = next(line.split()[2] for line in body.splitlines() if line.startswith(" ip address"))
    device.state.running = device.state.running.replace(f" ip address {own}\n", " ip address 192.168.7.1/24\n")
    found = model(device).dhcp
    wanted = None if pool is None else DhcpServer(IPv4Address(pool[0]), IPv4Address(pool[1]), pool[2])
    assert found == wanted


def test_reservations_keep_their_names_and_the_words_of_others() -> None:
    hosts = (
        "dhcp-host=02:00:5E:00:00:0A,printer,192.168.7.20",
        "dhcp-host=set:known,02:00:5e:00:00:0b,192.168.7.21,12h",
        "dhcp-host=laptop,ignore",
        "dhcp-host=02:00:5e:00:00:0c,10.0.0.9",
    )
    lines = ("interface=br-lan", "dhcp-range=192.168.7.50,192.168.7.90,1h", *hosts)
    device = linux_box(files={"/etc/hostname": "S1\n", "/etc/dnsmasq.conf": "".join(f"{line}\n" for line in lines)})
    device.state.running = device.state.running.replace(
        next(line for line in device.state.running.splitlines() if line.startswith(" ip address 192.168.")),
        " ip address 192.168.7.1/24",
    )
    found = model(device)
    assert found.dhcp is not None
    printer = Reservation("02:00:5e:00:00:0a", IPv4Address("192.168.7.20"))
    assert found.dhcp.reservations == (printer, Reservation("02:00:5e:00:00:0b", IPv4Address("192.168.7.21")))
    bring(device, replace(found, dhcp=replace(found.dhcp, reservations=(printer,))))
    kept = device.state.files["/etc/dnsmasq.conf"].splitlines()
    assert [line for line in kept if line.startswith("dhcp-host")] == [hosts[0], *hosts[2:]]


def test_clients_that_are_told_their_router_are_told_the_new_one() -> None:
    device = linux_box()
    found = model(device)
    assert found.lan is not None
    bring(device, replace(found, lan=Lan(IPv4Interface("10.7.7.254/24")), dhcp=None))
    assert "dhcp-option=option:router,10.7.7.254\n" in device.state.files["/etc/dnsmasq.conf"]


def test_a_modem_of_debian_s_template_is_left_alone() -> None:
    template = 'user "myusername@realm"\nconnect "/usr/sbin/chat -v -f /etc/chatscripts/pap -T ********"\n/dev/modem\n'
    device = linux_box(files={"/etc/hostname": "S1\n", "/etc/ppp/peers/provider": template})
    bring(device, replace(model(device), mobile=Mobile("isp.example")))
    assert device.state.files["/etc/ppp/peers/provider"] == template
    assert "-T isp.example" in device.state.files["/etc/ppp/peers/mobile"]


@pytest.mark.parametrize("security", list(WifiSecurity))
def test_a_network_that_is_off_does_not_beacon_and_comes_back_as_it_was(security: WifiSecurity) -> None:
    device = linux_box()
    wifi = Wifi("5", "office", security, "" if security is WifiSecurity.OPEN else "a key = with #", 44, enabled=False)
    bring(device, replace(model(device), wifi=(wifi,)))
    text = device.state.files["/etc/hostapd/wlan1.conf"]
    assert "start_disabled=1\n" in text
    assert ("wpa_passphrase=a key = with #\n" in text) == (security is not WifiSecurity.OPEN)
    assert "ssid" not in device.state.files["/etc/hostapd/hostapd.conf"]
    bring(device, replace(model(device), wifi=(replace(wifi, enabled=True),)))
    assert "start_disabled" not in device.state.files["/etc/hostapd/wlan1.conf"]


LISTED = """\
table inet cpe {
	ct timeout udp_rest {
		protocol udp
		l3proto ip
		policy = { unreplied : 45, replied : 45 }
	}

	chain timers {
		type filter hook prerouting priority mangle; policy accept;
		meta nfproto ipv4 meta l4proto udp ct timeout set "udp_rest" return
	}

	chain input {
		type filter hook input priority filter; policy accept;
		iifname != { "eth0", "ppp0", "ppp1" } accept
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		jump management
		jump inbound
		reject with icmpx admin-prohibited
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		oifname { "eth0", "ppp0", "ppp1" } tcp flags syn tcp option maxseg size set rt mtu
		iifname != { "eth0", "ppp0", "ppp1" } accept
		ct state established,related accept
		jump inbound
		ct status dnat accept
		reject with icmpx admin-prohibited
	}

	chain management {
		ip saddr 10.100.7.0/24 tcp dport 22 accept
		tcp dport 22 drop
	}

	chain inbound {
		ip saddr 80.6.7.8 ip daddr 91.3.4.8/29 drop
		ip protocol icmp accept
		tcp dport 99 counter packets 0 bytes 0 accept
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname { "eth0", "ppp0", "ppp1" } ip saddr 80.5.0.0/16 tcp dport 6000-6002 dnat ip to 192.168.7.20
		iifname { "eth0", "ppp0", "ppp1" } tcp dport 7000-7001 dnat ip to 192.168.7.20:MAP
		iifname { "eth0", "ppp0", "ppp1" } tcp dport 7001 dnat ip to 192.168.7.21
	}
}
""".replace("MAP", "tcp dport map { 7000 : 8000, 7001 : 8001 }")


def test_a_table_is_read_as_nft_lists_it_and_of_two_mappings_the_first_counts() -> None:
    device = linux_box(files={"/etc/hostname": "S1\n", "/etc/nftables.d/cpe.nft": LISTED})
    found = model(device)
    inside = IPv4Address("192.168.7.20")
    assert found.port_mappings == (
        PortMapping("tcp", Ports(6000, 6002), inside, 6000, IPv4Network("80.5.0.0/16")),
        PortMapping("tcp", Ports(7000, 7001), inside, 8000),
    )
    assert found.firewall == Firewall(
        "reject",
        (
            AccessRule("drop", "ip", IPv4Network("80.6.7.8/32"), IPv4Network("91.3.4.8/29")),
            AccessRule("accept", "icmp"),
        ),
        (Timer("udp", 45),),
    )
    assert found.management.sources == (IPv4Network("10.100.7.0/24"),)
    assert not DRIVER.render(shown(device), found)


def test_communities_that_the_model_cannot_say_stay() -> None:
    device = with_file("/etc/snmp/snmpd.conf", lambda text: f"{text}rocommunity public default -V systemonly\n")
    traps = (IPv4Address("10.0.0.9"),)
    bring(device, replace(model(device), snmp=Snmp((SnmpCommunity("new-word"),), trap_hosts=traps)))
    text = device.state.files["/etc/snmp/snmpd.conf"]
    assert "rocommunity public default -V systemonly\n" in text
    assert "trap2sink 10.0.0.9 new-word\n" in text
    bring(device, replace(model(device), snmp=Snmp((SnmpCommunity("newer"),), trap_hosts=traps)))
    assert "trap2sink 10.0.0.9 newer\n" in device.state.files["/etc/snmp/snmpd.conf"]


@settings(max_examples=60, deadline=None, suppress_health_check=(HealthCheck.too_slow,))
@given(data=st.data())
def test_no_text_of_a_box_is_too_odd_to_be_read(data: st.DataObject) -> None:
    """Lines lost, doubled, swapped or cut anywhere: what is not understood is left to the text."""
    lines = shown(linux_box()).splitlines()
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(lines) - 1))
        other_place = data.draw(st.integers(0, len(lines) - 1))
        lines[place : place + 1] = data.draw(
            st.sampled_from([[], [lines[place]] * 2, [lines[other_place]], [lines[place][: len(lines[place]) // 2]]])
        )
        lines = lines or [""]
    DRIVER.parse("\n".join(lines) + "\n")


async def test_facts_of_the_whole_box_have_its_serial_number_and_its_uptime() -> None:
    from tests.contract.drivers.harness import facts, sessions_for, target_of
    from tests.contract.drivers.roster import DriverCase

    async with Fleet([DeviceSpec("SITE-1", "frr_linux", seed=9, options={"mode": "linux"})]) as fleet:
        device = fleet.devices[0]
        found = await facts(sessions_for(fleet.devices), target_of(device, DriverCase("frr_linux")))
        assert (found.hostname, found.os_release, found.model) == ("SITE-1", "8.4.4", "EX-4100")
        assert found.serial.startswith("SIM")
        assert found.uptime == pytest.approx(device.state.uptime, abs=60)
