"""The FRR driver on the router that it is written for."""

from __future__ import annotations

import pytest

from cpe_manager.domain.errors import CommandRefused
from drivers.frr_linux import FrrLinux
from tests.lab.box import RealBox
from tests.lab.product import Login, credential, sessions, target

pytestmark = pytest.mark.lab

LOGINS: tuple[Login, ...] = ("password", "key")
ROUTER = (
    "interface wan0",
    " description line to the access node",
    "exit",
    "ip route 198.51.100.0/24 blackhole",
    "router bgp 65010",
    " neighbor 203.0.113.1 remote-as 65000",
    " neighbor 203.0.113.1 password Sesam-0pen",
    "exit",
    "banner motd line end of work is at five",
)


def truth(box: RealBox) -> list[str]:
    """What the router says over no SSH at all, without the heading that is not configuration."""
    lines = box.running_config().splitlines()
    return lines[lines.index("!") :]


@pytest.mark.parametrize("login", LOGINS)
async def test_a_capture_is_the_whole_running_configuration(box: RealBox, login: Login) -> None:
    box.set_config(*ROUTER)
    async with sessions(credential(box, login)).open(target(box)) as session:
        capture = await FrrLinux().fetch(session.shell)
    lines = capture.text.splitlines()
    assert lines[-len(truth(box)) :] == truth(box)
    assert capture.hostname == box.name
    assert capture.text.endswith("end\n")


@pytest.mark.parametrize("login", LOGINS)
async def test_the_way_to_vtysh_is_found_when_nobody_tells_it(box: RealBox, login: Login) -> None:
    async with sessions(credential(box, login)).open(target(box, options={})) as session:
        capture = await FrrLinux().fetch(session.shell)
    assert capture.hostname == box.name


async def test_a_long_configuration_arrives_whole(box: RealBox) -> None:
    # 64 KB and more come in several packets and several windows.
    entries = [
        (f"route-map policy permit {number}", f"description {number:04} {'x' * 600}") for number in range(1, 121)
    ]
    box.set_config(*(line for entry in entries for line in entry))
    async with sessions(credential(box, "key")).open(target(box)) as session:
        capture = await FrrLinux().fetch(session.shell)
    assert len(capture.text) > 65536
    assert capture.text.splitlines()[-len(truth(box)) :] == truth(box)


async def test_the_box_says_its_name_and_release(box: RealBox) -> None:
    async with sessions(credential(box, "key")).open(target(box)) as session:
        facts = await FrrLinux().facts(session.shell)
    assert facts.hostname == box.name
    assert facts.os_release in box.run("vtysh", "-c", "show version")


async def test_a_box_whose_way_is_told_wrongly_is_still_read_whole_over_its_terminal(bash_box: RealBox) -> None:
    bash_box.set_config(*ROUTER)
    async with sessions(credential(bash_box, "key")).open(target(bash_box, options={"vtysh": "login"})) as session:
        capture = await FrrLinux().fetch(session.shell)
    assert capture.text.splitlines()[-len(truth(bash_box)) :] == truth(bash_box)


async def test_a_way_that_does_not_exist_is_refused_with_the_ways_that_do(bash_box: RealBox) -> None:
    async with sessions(credential(bash_box, "key")).open(target(bash_box, options={"vtysh": "telnet"})) as session:
        with pytest.raises(CommandRefused, match="auto, linux, login, command"):
            await FrrLinux().fetch(session.shell)
