"""A model says of numbers what a box does with them: the virtual one knows nothing of ours, and sends traffic."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.ports.driver import FullDriver
from drivers import cisco_ios, routeros, vyos
from simulators.device import Device
from simulators.dialects import ios_uplink, routeros_uplink, vyos_box, vyos_uplink
from simulators.dialects.routeros_box import Box
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown

a_few = settings(max_examples=20, deadline=None, suppress_health_check=(HealthCheck.too_slow,))
many = settings(max_examples=300, deadline=None, suppress_health_check=(HealthCheck.too_slow,))
distances = st.one_of(st.none(), st.integers(1, 254), st.sampled_from([1, 2, 209, 210, 211, 250, 254]))
DRIVERS: dict[str, FullDriver] = {
    "cisco_ios": cisco_ios.DRIVER, "routeros": routeros.DRIVER, "vyos": vyos.DRIVER,
}  # fmt: skip
every_family = pytest.mark.parametrize("family", DRIVERS)


@st.composite
def ios_texts(draw: st.DrawFn) -> str:
    """A router with a static default route, one that DHCP gives, or both, and one or two over the modem."""
    target = "ip route 0.0.0.0 0.0.0.0"
    wan = draw(st.sampled_from(["ip address 198.18.7.6 255.255.255.0", "ip address dhcp"]))
    if wan.endswith("dhcp") and (far := draw(distances)) is not None:
        wan += f"\n ip dhcp client default-router distance {far}"
    hops = ["GigabitEthernet0/0", "dhcp"] if "dhcp" in wan else ["198.18.7.1", "GigabitEthernet0/0 198.18.7.1"]
    lines = []
    # A default route that BGP brings is in no text: without DHCP one of the fixed line's is there.
    least = 0 if "dhcp" in wan else 1
    for hop in (*draw(st.lists(st.sampled_from(hops), min_size=least, max_size=2, unique=True)), "Cellular0/2/0"):
        far, rest = draw(distances), draw(st.sampled_from(["", " track 7", " name x", " tag 9"]))
        lines.append(f"{target} {hop}{'' if far is None else f' {far}'}{rest if hop != 'Cellular0/2/0' else ''}")
    if draw(st.booleans()):
        lines += ["ip route 0.0.0.0 128.0.0.0 Cellular0/2/0"]
        lines += ["ip route 128.0.0.0 128.0.0.0 Cellular0/2/0"] if draw(st.booleans()) else []
    routes = "\n".join(sorted(lines))
    return (
        "version 15.7\nhostname R1\n!\ncontroller Cellular 0/2/0\n"
        " profile id 1 apn m2m.example authentication none\n!\n"
        f"interface GigabitEthernet0/0\n {wan}\n ip nat outside\n!\ninterface Cellular0/2/0\n ip address negotiated\n"
        " ip nat outside\n!\ninterface Vlan1\n ip address 192.168.1.1 255.255.255.0\n ip nat inside\n!\n"
        f"{routes}\nline vty 0 4\n transport input ssh\n!\n"
    )


@st.composite
def vyos_texts(draw: st.DrawFn) -> str:
    def leaf(path: str, far: int | None) -> list[str]:
        return [path if far is None else f"{path} distance '{far}'"]

    wan = draw(st.sampled_from(["198.18.7.6/24", "dhcp"]))
    lines = ["interfaces ethernet eth0 description 'WAN'", f"interfaces ethernet eth0 address '{wan}'"]
    lines += ["interfaces ethernet eth1 address '192.168.1.1/24'", "interfaces wwan wwan0 apn 'm2m.example'"]
    route = "protocols static route 0.0.0.0/0"
    if wan == "dhcp":
        far = draw(distances)
        lines += [f"interfaces ethernet eth0 dhcp-options default-route-distance '{far}'"] if far else []
    else:
        lines += leaf(f"{route} next-hop 198.18.7.1", draw(distances))
    given, static = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    if given:
        far = draw(distances)
        lines += ["interfaces wwan wwan0 address 'dhcp'"]
        lines += [f"interfaces wwan wwan0 dhcp-options default-route-distance '{far}'"] if far else []
    if static:
        lines += leaf(f"{route} interface wwan0", draw(distances))
    return "".join(f"set {line}\n" for line in (*lines, "system host-name 'R1'"))


@st.composite
def routeros_texts(draw: st.DrawFn) -> str:
    def far(name: str) -> str:
        found = draw(distances)
        return "" if found is None else f"{name}={found} "

    apn = f"{far('default-route-distance')}{draw(st.sampled_from(['', 'add-default-route=no ']))}"
    lines = [
        f"/interface lte apn add {apn}apn=m2m.example name=mobile",
        "/interface lte set [ find default-name=lte1 ] apn-profiles=mobile",
        "/interface bridge add name=bridge",
        "/ip address add address=192.168.1.1/24 interface=bridge network=192.168.1.0",
    ]
    if draw(st.booleans()):
        lines.append(f"/ip dhcp-client add {far('default-route-distance')}interface=ether1")
    else:
        lines.append("/ip address add address=198.18.7.6/24 interface=ether1 network=198.18.7.0")
        lines.append(f"/ip route add {far('distance')}dst-address=0.0.0.0/0 gateway=198.18.7.1")
    if draw(st.booleans()):
        lines.append(f"/ip route add {far('distance')}dst-address=0.0.0.0/0 gateway=lte1")
    return "\n".join(("# by RouterOS 7.15.3", *lines, "/system identity set name=R1", ""))


TEXTS = {"cisco_ios": ios_texts(), "routeros": routeros_texts(), "vyos": vyos_texts()}


def ways(device: Device) -> set[str]:
    """The interfaces over which the virtual box sends what goes to the internet; two where they are equally far."""
    state = device.state
    if state.spec.family == "cisco_ios":
        table, target = ios_uplink.table(state), IPv4Address("198.51.100.7")
        best = ios_uplink.best(table, target)
        alike = [r for r in table if best and (r.network, r.distance) == (best.network, best.distance)]
        return {route.interface for route in alike}
    if state.spec.family == "vyos":
        return {one.interface for one in vyos_uplink.defaults(vyos_box.running(state), state)}
    box = Box(state)
    return {routeros_uplink.immediate(box, one).rpartition("%")[2] for one in routeros_uplink.defaults(box)}


def agree(family: str, device: Device) -> Mobile:
    found = DRIVERS[family].parse(shown(device)).mobile
    assert found is not None
    there = {name.startswith(("Cellular", "wwan", "lte")) for name in ways(device)}
    if len(there) == 1 and found.active:
        assert found.preferred is there.pop()
    elif found.active:
        # Both ways are equally far: none goes before the other.
        assert not found.preferred
    return found


def says_what_the_box_does(family: str, data: st.DataObject) -> None:
    driver = DRIVERS[family]
    device = Device(DeviceSpec("R1", family, seed=1))
    device.state.replace_running(data.draw(TEXTS[family]), "test")
    found = agree(family, device)
    assume(found.active)
    for preferred in (not found.preferred, found.preferred):
        before = driver.parse(shown(device))
        wanted = replace(before, mobile=replace(found, preferred=preferred))
        commands = driver.render(shown(device), wanted).commands
        device.change("\n".join(commands))
        assert agree(family, device).preferred is preferred
        # Nobody shares what was to be moved.
        assert len({name.startswith(("Cellular", "wwan", "lte")) for name in ways(device)}) == 1


@every_family
@a_few
@given(data=st.data())
def test_what_a_model_prefers_is_where_the_traffic_goes(family: str, data: st.DataObject) -> None:
    says_what_the_box_does(family, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_family
@many
@given(data=st.data())
def test_so_it_is_in_hundreds_of_texts(family: str, data: st.DataObject) -> None:
    says_what_the_box_does(family, data)
