"""Net-SNMP's tools, unchanged, work with the boxes' agents: what they see is what a real box would show."""

from __future__ import annotations

import pytest

from simulators.personas.registry import all_personas
from simulators.snmp.families import persona_of
from simulators.snmp.line import Sink
from tests.integration.foreign.net_snmp import ask, community, snmptrapd, user

SYSTEM = ".1.3.6.1.2.1.1"
INTERFACES = ".1.3.6.1.2.1.2"
IF_DESCR = ".1.3.6.1.2.1.2.2.1.2"
IF_ADMIN = ".1.3.6.1.2.1.2.2.1.7"
IF_OPER = ".1.3.6.1.2.1.2.2.1.8"
SYS_NAME = f"{SYSTEM}.5.0"
LINK_DOWN, LINK_UP = ".1.3.6.1.6.3.1.1.5.3", ".1.3.6.1.6.3.1.1.5.4"
FAMILIES = sorted(all_personas())


def names(lines):
    return [tuple(int(arc) for arc in line.split(" = ")[0].strip(".").split(".")) for line in lines if " = " in line]


def walked(said):
    """The lines of a walk that came to the end of the tree, without the one that says so."""
    assert said.status == 0, said.err
    assert "No more variables left in this MIB View" in said.lines[-1]
    return said.lines[:-1]


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_walk_of_the_whole_tree_comes_to_its_end_in_order_and_a_bulk_walk_sees_the_same(snmp_box, family):
    box = await snmp_box(family)
    one_by_one = walked(await ask("snmpwalk", community(box), box, ".1"))
    in_bulk = walked(await ask("snmpbulkwalk", user(box), box, ".1"))
    assert names(one_by_one) == sorted(set(names(one_by_one)))
    assert names(in_bulk) == names(one_by_one)
    assert len(one_by_one) > 100
    assert names(one_by_one)[0] == (1, 3, 6, 1, 2, 1, 1, 1, 0)


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_walk_of_the_interfaces_shows_the_ports_of_the_family(snmp_box, family):
    box = await snmp_box(family)
    said = await ask("snmpwalk", community(box), box, INTERFACES)
    shown = [line.split('"')[1] for line in said.lines if line.startswith(f"{IF_DESCR}.")]
    assert shown == [port.name for port in persona_of(family).ports]
    assert all(line.startswith(f"{INTERFACES}.") for line in said.lines)


@pytest.mark.parametrize("hash_name", ["SHA", "SHA-256"])
async def test_the_name_of_the_box_is_given_to_a_community_and_to_a_user(snmp_box, hash_name):
    box = await snmp_box(options={"snmp_auth": hash_name})
    for access in (community(box), user(box)):
        said = await ask("snmpget", access, box, SYS_NAME)
        assert said.out == f'{SYS_NAME} = STRING: "GENT-01"\n', said


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"auth": "not-the-password"}, "Authentication failure"),
        ({"protocol": "MD5"}, "Authentication failure"),
        ({"priv": "not-the-password"}, "Decryption error"),
        ({"name": "nobody"}, "Unknown user name"),
        ({"level": "noAuthNoPriv"}, "Unsupported security level"),
        ({"level": "authNoPriv"}, "Unsupported security level"),
    ],
)
async def test_a_user_who_does_not_know_the_keys_is_told_why(snmp_box, other, reason):
    box = await snmp_box()
    said = await ask("snmpget", user(box, **other), box, SYS_NAME)
    assert said.status == 1
    assert reason in said.err
    assert said.out == ""


async def test_a_wrong_community_is_met_with_silence_and_counted(snmp_box):
    box = await snmp_box()
    said = await ask("snmpget", community(box, "public"), box, SYS_NAME, wait=0.5)
    assert "Timeout" in said.err
    assert box.snmp.stats.refused == 2
    assert box.snmp.stats.answered == 0


async def test_a_bulk_get_repeats_what_it_is_told_to_and_nothing_else(snmp_box):
    box = await snmp_box()
    said = await ask("snmpbulkget", community(box), box, "-Cn1", "-Cr3", f"{SYSTEM}.5", IF_DESCR)
    ports = [port.name for port in persona_of("cisco_ios").ports]
    assert said.lines == [
        f'{SYS_NAME} = STRING: "GENT-01"',
        *(f'{IF_DESCR}.{number} = STRING: "{ports[number - 1]}"' for number in (1, 2, 3)),
    ]


async def test_what_is_not_there_is_told_from_what_cannot_be_there(snmp_box):
    box = await snmp_box()
    said = await ask("snmpget", community(box), box, f"{IF_DESCR}.99", ".1.3.6.1.2.1.2.2.1.99.1", ".1.3.9")
    endings = [line.split(" = ")[1] for line in said.lines]
    assert endings == [
        "No Such Instance currently exists at this OID",
        "No Such Object available on this agent at this OID",
        "No Such Object available on this agent at this OID",
    ]


async def test_a_community_may_read_only_unless_the_box_is_told_otherwise(snmp_box):
    strict = await snmp_box()
    refused = await ask("snmpset", community(strict), strict, f"{IF_ADMIN}.2", "i", "2")
    assert refused.status == 2
    assert "noAccess" in refused.err
    open_box = await snmp_box(name="GENT-02", options={"snmp_write": "community"})
    done = await ask("snmpset", community(open_box), open_box, f"{IF_ADMIN}.2", "i", "2")
    assert done.out == f"{IF_ADMIN}.2 = INTEGER: 2\n"
    after = await ask("snmpget", community(open_box), open_box, f"{IF_OPER}.2")
    assert after.out == f"{IF_OPER}.2 = INTEGER: 2\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((f"{IF_DESCR}.1", "s", "mine"), "notWritable"),
        ((f"{IF_ADMIN}.1", "s", "down"), "wrongType"),
        ((f"{IF_ADMIN}.1", "i", "7"), "wrongValue"),
        # The first could be done, the second not: nothing is.
        ((f"{IF_ADMIN}.2", "i", "2", f"{IF_ADMIN}.99", "i", "2"), "notWritable"),
    ],
)
async def test_a_set_that_makes_no_sense_is_refused_as_a_whole(snmp_box, words, reason):
    box = await snmp_box()
    said = await ask("snmpset", user(box), box, *words)
    assert f"Reason: {reason}" in said.err
    assert all(port.admin == 1 for port in box.snmp.ports.states)


@pytest.mark.parametrize("version", ["2c", "3"])
@pytest.mark.parametrize("inform", [False, True], ids=["trap", "inform"])
async def test_a_lost_line_is_told_to_snmptrapd_and_so_is_its_return(snmp_box, tmp_path, version, inform):
    box = await snmp_box()
    async with snmptrapd(tmp_path, box) as trapd:
        box.snmp.sinks = (Sink("127.0.0.1", trapd.port, version, inform),)
        box.lose_line()
        lost = await trapd.wait_for(LINK_DOWN)
        box.restore_line()
        text = await trapd.wait_for(LINK_DOWN, LINK_UP)
    kind = "INFORM" if inform else "TRAP2"
    who = f"SNMP v3, user {box.spec.username}" if version == "3" else f"SNMP v2c, community {box.spec.secrets.snmp}"
    assert f"{kind}, {who}" in lost
    assert f'{IF_DESCR}.1 = STRING: "VDSL0"' in lost
    assert f"{IF_OPER}.1 = INTEGER: 2" in lost
    assert text.count(f" {kind}, ") == 2
    assert box.snmp.stats.acknowledged == (2 if inform else 0)


async def test_traps_of_a_user_that_snmptrapd_does_not_know_are_not_taken(snmp_box, tmp_path):
    box, stranger = await snmp_box(), await snmp_box(name="GENT-02")
    async with snmptrapd(tmp_path, box) as trapd:
        sink = (Sink("127.0.0.1", trapd.port, "3"),)
        stranger.snmp.sinks = box.snmp.sinks = sink
        stranger.lose_line()
        box.lose_line()
        text = await trapd.wait_for(LINK_DOWN)
    assert f":{stranger.snmp.port}->" not in text
    assert f":{box.snmp.port}->" in text
