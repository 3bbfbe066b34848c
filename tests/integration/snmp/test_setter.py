"""Setting by SNMP: done where the box lets us, refused with its own reason where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.snmp.setter import SnmpSetter
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    CredentialMissing,
    DeviceTimeout,
    InputError,
)
from cpe_manager.ports.snmp import Assignment, SnmpAccess, SnmpTarget
from tests.integration.foreign.net_snmp import free_udp_port, snmpd
from tests.integration.snmp.boxes import IF_ADMIN, IF_DESCR, IF_OPER, by_community, by_user, target

SHUT = (Assignment(f"{IF_ADMIN}.2", "integer", 2),)
SYS_CONTACT = "1.3.6.1.2.1.1.4.0"


@pytest.fixture
def setter() -> SnmpSetter:
    return SnmpSetter()


async def test_a_box_that_lets_a_community_write_shuts_its_port(snmp_box, setter):
    box = await snmp_box(options={"snmp_write": "community"})
    await setter.set(target(box, by_community(box)), SHUT)
    assert (box.snmp.ports.states[1].admin, box.snmp.ports.states[1].oper) == (2, 2)


@pytest.mark.parametrize("hash_name", ["SHA", "SHA-256"])
async def test_a_user_shuts_a_port_with_authentication_and_privacy(snmp_box, setter, hash_name):
    box = await snmp_box(options={"snmp_auth": hash_name})
    await setter.set(target(box, by_user(box)), SHUT)
    got = await SnmpPoller(SystemClock()).get(target(box, by_user(box)), [f"{IF_OPER}.2"])
    assert got == {f"{IF_OPER}.2": 2}


async def test_a_box_that_lets_a_community_only_read_refuses(snmp_box, setter):
    box = await snmp_box()
    with pytest.raises(CommandRefused, match=rf"GENT-01: SNMP set refused: noAccess for {IF_ADMIN}.2") as caught:
        await setter.set(target(box, by_community(box)), SHUT)
    assert caught.value.device_state == "untouched"
    assert box.snmp.ports.states[1].admin == 1


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ((*SHUT, Assignment(f"{IF_DESCR}.1", "string", "mine")), "notWritable for 1.3.6.1.2.1.2.2.1.2.1"),
        ((Assignment(f"{IF_ADMIN}.1", "integer", 9),), "wrongValue"),
        ((Assignment(f"{IF_ADMIN}.1", "oid", "1.3.6.1"),), "wrongType"),
    ],
)
async def test_the_device_says_which_object_it_refuses_and_why(snmp_box, setter, wanted, status):
    box = await snmp_box()
    with pytest.raises(CommandRefused, match=status):
        await setter.set(target(box, by_user(box)), wanted)
    assert all(port.admin == 1 for port in box.snmp.ports.states)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"user": "nobody"}, "the user"),
        ({"auth_password": "not-the-password"}, "the authentication key"),
        ({"priv_password": "not-the-password"}, "the privacy key"),
    ],
)
async def test_wrong_keys_are_a_refused_log_in_that_says_which(snmp_box, setter, wrong, what):
    box = await snmp_box()
    with pytest.raises(AuthFailed, match=f"GENT-01: its SNMP agent refuses {what}") as caught:
        await setter.set(target(box, by_user(box, **wrong)), SHUT)
    assert "not-the-password" not in str(caught.value)


async def test_after_silence_nobody_knows_whether_it_was_done(snmp_box, setter):
    box = await snmp_box()
    quiet = target(box, SnmpAccess(community="public"), timeout=0.1)
    with pytest.raises(DeviceTimeout) as caught:
        await setter.set(quiet, SHUT)
    assert caught.value.device_state == "unknown"


async def test_a_user_who_is_met_with_silence_has_changed_nothing(snmp_box, setter):
    box = await snmp_box()
    box.restart(down=30)
    with pytest.raises(DeviceTimeout) as caught:
        await setter.set(target(box, by_user(box), timeout=0.1), SHUT)
    assert caught.value.device_state == "untouched"


async def test_a_closed_port_and_a_name_that_is_none_are_not_reached(setter):
    access = SnmpAccess(community="c")
    with pytest.raises(ConnectFailed):
        await setter.set(SnmpTarget("x", "127.0.0.1", access, free_udp_port()), SHUT)
    with pytest.raises(ConnectFailed):
        await setter.set(SnmpTarget("x", "no-such-host.invalid", access), SHUT)


async def test_what_cannot_be_sent_is_refused_before_anything_is(setter):
    with pytest.raises(InputError, match="no integer"):
        await setter.set(SnmpTarget("x", "127.0.0.1", SnmpAccess()), [Assignment(SYS_CONTACT, "integer", "7")])
    with pytest.raises(CredentialMissing):
        await setter.set(SnmpTarget("x", "127.0.0.1", SnmpAccess()), SHUT)


@pytest.mark.parametrize(("auth", "priv"), [("MD5", "DES"), ("SHA", "AES"), ("SHA-512", "AES-256")])
async def test_debians_snmpd_is_set_by_user_and_by_community(tmp_path: Path, setter, auth, priv):
    user = f"createUser writer {auth} auth-password {priv} priv-password"
    async with snmpd(tmp_path, user, "rwuser writer priv", "rwcommunity private") as agent:
        keyed = SnmpAccess("", "writer", "auth-password", auth, "priv-password", priv)
        poller = SnmpPoller(SystemClock())
        for access, text in ((keyed, b"noc by user"), (SnmpAccess(community="private"), b"noc by community")):
            aim = SnmpTarget("snmpd", "127.0.0.1", access, agent.port, 5.0)
            await setter.set(aim, [Assignment(SYS_CONTACT, "string", text)])
            assert await poller.get(aim, [SYS_CONTACT]) == {SYS_CONTACT: text}
        read_only = SnmpTarget("snmpd", "127.0.0.1", SnmpAccess(community="probe"), agent.port, 5.0)
        with pytest.raises(CommandRefused, match="noAccess"):
            await setter.set(read_only, [Assignment(SYS_CONTACT, "string", "mine")])
