"""The lab of lines that can be cut, before any manager is in it: what it is, and what boxes do by themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.ports.shell import Credential, Target
from drivers.frr_linux import FrrLinux
from simulators.lab.control import Control
from simulators.lab.measure import Measuring, Result
from simulators.lab.netns import NetnsLab, Running
from simulators.lab.places import LabError
from simulators.lab.plan import EDGE_LOOPBACK, LabPlan
from tests.lab.product import OneCredential

pytestmark = pytest.mark.lab

FIXED = "203.0.113.1"


@pytest.fixture
def static(network_possible: None) -> Iterator[Running]:
    """Two customers; nothing but carrier moves their traffic."""
    with NetnsLab(LabPlan(cpes=2)) as running:
        running.settle()
        yield running


@pytest.fixture
def bgp(network_possible: None) -> Iterator[Running]:
    """A customer whose box and edge move by themselves: BGP, with BFD on the fixed line."""
    with NetnsLab(LabPlan(routing="bgp")) as running:
        running.settle()
        yield running


def control(lab: Running) -> Control:
    return Control(lab.plan, lab)


def product(lab: Running) -> SshSessions:
    """The product's own SSH, with the lab's key."""
    return SshSessions(OneCredential(Credential("root", private_key=lab.key_file.read_text())), SystemClock())


def target(name: str, address: str) -> Target:
    return Target(
        device_id=name,
        name=name,
        host=address,
        port=22,
        family="frr_linux",
        credential_ref="box",
        pinned_keys=(),
        connect_timeout=10.0,
        command_timeout=10.0,
        options={"vtysh": "linux"},
    )


def way_out(lab: Running, number: int = 1) -> str:
    """The interface of the CPE's default route."""
    return lab.run(f"cpe{number}", "ip", "route", "show", "default").partition(" dev ")[2].split()[0]


def leave_by(lab: Running, interface: str) -> None:
    """Wait until every default route is over an interface. Between two there is an instant without any: the kernel
    drops what was over a dead one before zebra has put the next in."""
    for _ in range(100):
        found = [lab.run(f"cpe{one}", "ip", "route", "show", "default") for one in range(1, lab.plan.cpes + 1)]
        if all(f" dev {interface} " in route for route in found):
            return
        lab.run("edge", "sleep", "0.1")
    raise AssertionError(found)


def measured(lab: Running, seconds: float, *kinds: str) -> Measuring:
    return Measuring(lab, lab.plan, 1, seconds, kinds or ("udp", "tcp"), counted=control(lab).counted)


def kept_its_address(result: Result) -> bool:
    """The internet saw the customer come from the fixed address alone, and the TCP session that was open still is."""
    assert result.udp is not None
    assert result.tcp is not None
    return set(result.udp.sources) == {FIXED} and result.tcp.survived


def test_everything_that_a_manager_needs_is_reached(static: Running) -> None:
    place = static.within("manager")
    for address in ("10.100.0.2", "100.64.0.18", "100.96.0.18", "203.0.113.2", str(EDGE_LOOPBACK)):
        static.run("manager", "ping", "-c", "1", "-W", "2", address)
    asked = ("-v2c", "-c", "lab-reads", "-Oqv", "10.100.0.1", ".1.3.6.1.2.1.1.5.0")
    assert static.run("manager", "snmpget", *asked).strip().strip('"') == "cpe1"
    ssh = (
        "ssh",
        "-F",
        "none",
        "-i",
        str(static.key_file),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    )
    told = subprocess.run(
        (*place, *ssh, f"vtysh@{EDGE_LOOPBACK}", "show ip route 203.0.113.1"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "100.64.0.10, via line1" in told
    # The edge's agent tells of its BGP sessions: the one with the mobile operator is established (6).
    walked = static.run(
        "manager", "snmpwalk", "-v2c", "-c", "lab-reads", "-Oqn", str(EDGE_LOOPBACK), ".1.3.6.1.2.1.15.3.1.2"
    )
    assert ".10.255.2.2 6" in walked


def test_a_host_has_the_fixed_address_in_the_internet_and_nothing_is_lost_at_rest(static: Running) -> None:
    with measured(static, 2.0) as measuring:
        pass
    result = measuring.result()
    assert kept_its_address(result)
    assert result.udp is not None
    assert result.udp.lost == 0


def test_a_host_gets_its_address_from_the_cpe(network_possible: None) -> None:
    with NetnsLab(LabPlan(lan="dhcp")) as lab:
        told = ""
        for _ in range(100):
            told = lab.run("lan1", "sh", "-c", "sleep 0.1; ip -4 -o address show dev eth0")
            if "10.64.1." in told:
                break
        assert "10.64.1.1" in told
        lab.run("lan1", "ping", "-c", "1", "-W", "2", "198.51.100.2")


def test_carrier_loss_moves_floating_routes_and_the_session_survives(static: Running) -> None:
    with measured(static, 3.0) as measuring:
        measuring.do("cut", lambda: control(static).cut_carrier(1))
    result = measuring.result()
    assert kept_its_address(result)
    assert way_out(static) == "wwan0"
    assert way_out(static, 2) == "eth0"
    assert result.udp is not None
    assert result.udp.gaps >= 1
    assert result.udp.sent - result.udp.lost > 1000  # the traffic went on


def test_a_silent_loss_moves_nothing_where_routes_are_static(static: Running) -> None:
    with measured(static, 2.0) as measuring:
        measuring.do("cut", lambda: control(static).cut_silent(1))
    assert way_out(static) == "eth0"
    udp = measuring.result().udp
    assert udp is not None
    assert udp.outage > 1.0
    # The operator still reaches the box: over mobile.
    # One answer will do: the first may be asked for while routes still spread.
    static.run("manager", "ping", "-c", "10", "-i", "0.5", "-W", "2", "10.100.0.1")
    with pytest.raises(LabError):
        static.run("manager", "ping", "-c", "1", "-W", "1", "100.64.0.10")
    control(static).restore(1)
    static.run("manager", "ping", "-c", "1", "-W", "2", "100.64.0.10")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_line_may_be_silent_one_way(static: Running, direction: str) -> None:
    with measured(static, 1.5, "udp") as measuring:
        measuring.do("cut", lambda: control(static).cut_silent(1, "up" if direction == "up" else "down"))
    udp = measuring.result().udp
    assert udp is not None
    assert udp.lost > 500
    assert udp.lost_up == (udp.lost if direction == "up" else 0)


def test_bfd_moves_box_and_edge_at_a_silent_loss_and_the_return_loses_nothing(bgp: Running) -> None:
    with measured(bgp, 3.0) as away:
        away.do("cut", lambda: control(bgp).cut_silent(1))
    assert kept_its_address(away.result())
    assert way_out(bgp) == "wwan0"
    udp = away.result().udp
    assert udp is not None
    assert udp.sent - udp.lost > 1000
    with measured(bgp, 8.0) as back:
        back.do("restore", lambda: control(bgp).restore(1))
        bgp.settle()
    assert way_out(bgp) == "eth0"
    assert kept_its_address(back.result())
    assert back.result().udp is not None


def test_a_switch_and_a_return_by_hand_cpe_first_then_edge_lose_nothing_on_the_way_back(static: Running) -> None:
    """What a manager is to do, typed by hand: prefer mobile on the box, and route the fixed address over it."""
    lab = control(static)
    lab.cut_silent(1)
    # FRR takes the same next hop with another distance in the place of the first.
    static.vtysh("cpe1", "configure terminal", "ip route 0.0.0.0/0 100.64.0.9 210")
    static.vtysh("edge", "configure terminal", f"ip route {FIXED}/32 100.96.0.10")
    assert way_out(static) == "wwan0"
    lab.restore(1)
    with measured(static, 3.0) as measuring:
        static.vtysh("cpe1", "configure terminal", "ip route 0.0.0.0/0 100.64.0.9")
        static.vtysh("edge", "configure terminal", f"no ip route {FIXED}/32 100.96.0.10")
    assert way_out(static) == "eth0"
    result = measuring.result()
    assert kept_its_address(result)
    assert result.udp is not None
    assert result.udp.lost == 0


def test_voice_is_counted_on_the_way_that_carries_it(static: Running) -> None:
    with measured(static, 1.0, "voice") as fixed:
        pass
    control(static).cut_carrier(1)
    with measured(static, 1.0, "voice") as mobile:
        pass
    voices = fixed.result().voice, mobile.result().voice
    assert voices[0] is not None
    assert voices[1] is not None
    assert (voices[0].over_fixed, voices[0].over_mobile) == (voices[0].sent, 0)
    # Nothing bars it here: the counter is proven to count.
    assert voices[1].over_mobile > 0
    assert voices[1].over_fixed == 0


def test_loss_is_a_share(static: Running) -> None:
    control(static).degrade(1, 0.2)
    with measured(static, 2.0, "udp") as measuring:
        pass
    udp = measuring.result().udp
    assert udp is not None
    assert 0.2 < udp.lost / udp.sent < 0.55  # 1 - 0.8 x 0.8 = 0.36


def test_a_box_without_power_is_gone_and_comes_back_from_its_files(static: Running) -> None:
    lab = control(static)
    lab.power(1, "off")
    for address in ("10.100.0.1", "100.64.0.10", "100.96.0.10"):
        with pytest.raises(LabError):
            static.run("manager", "ping", "-c", "1", "-W", "1", address)
    assert "NO-CARRIER" in static.run("access", "ip", "link", "show", "cpe1")
    lab.power(1, "on")
    static.settle()
    with measured(static, 1.0) as measuring:
        pass
    assert kept_its_address(measuring.result())


def test_without_a_modem_the_box_is_managed_over_its_line(static: Running) -> None:
    control(static).mobile(1, "off")
    for _ in range(600):
        if "line1" in static.run("edge", "ip", "route", "get", "10.100.0.1"):
            break
        static.run("edge", "sleep", "0.1")
    # One answer will do: the first may be asked for while routes still spread.
    static.run("manager", "ping", "-c", "10", "-i", "0.5", "-W", "2", "10.100.0.1")
    with pytest.raises(LabError):
        static.run("manager", "ping", "-c", "1", "-W", "1", "100.96.0.10")
    control(static).mobile(1, "on")
    static.settle()


def test_an_access_node_takes_all_its_lines_along(static: Running) -> None:
    control(static).node("off")
    leave_by(static, "wwan0")
    control(static).node("on")
    static.settle()
    leave_by(static, "eth0")


@pytest.mark.parametrize("routing", ["static", "bgp"])
async def test_the_driver_reads_the_box_with_its_mobile_connection_and_would_change_nothing(
    request: pytest.FixtureRequest, routing: str
) -> None:
    lab: Running = request.getfixturevalue(routing)
    driver = FrrLinux()
    with lab.network_of("manager"):
        async with product(lab).open(target("cpe1", "10.100.0.1")) as session:
            capture = await driver.fetch(session.shell)
    model = driver.parse(capture.text)
    assert capture.hostname == "cpe1"
    assert model.wan is not None
    assert (model.wan.mode, str(model.wan.address)) == ("static", "100.64.0.10/29")
    assert str(model.wan.ipv6_prefix) == "2001:db8:0:100::/56"
    assert model.lan is not None
    assert model.dhcp is not None
    assert not driver.render(capture.text, model).commands
    # What is none of the model's is in the backup all the same.
    for kept in ("snat to 203.0.113.1", "ip rule add from 100.64.0.10 lookup 101", "transmit-interval 100"):
        assert kept in capture.text
