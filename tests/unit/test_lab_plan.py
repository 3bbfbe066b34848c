"""The lab's plan: addresses that nobody else has, and what the nodes and the manager are told of them."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from cpe_manager.adapters.inventory.csv import CsvSource
from cpe_manager.domain.failover.lines import LineSetup
from cpe_manager.ports.inventory_source import SourceOptions
from simulators.lab import compose, outputs
from simulators.lab.control import Control
from simulators.lab.places import NODES, PROBES
from simulators.lab.plan import EDGE_LOOPBACK, MOST_CPES, LabPlan, environment, links, role_of

TAKEN = IPv4Network("192.0.2.0/24")
"""Machines that tests run on have it."""


def test_no_two_networks_of_a_lab_overlap_and_none_is_the_machines() -> None:
    plan = LabPlan(cpes=MOST_CPES)
    some = [1, 2, 31, 32, MOST_CPES]
    found = [net for name, net in compose.networks(plan).items() if not name[-1].isdigit()]
    for number in some:
        cpe = plan.cpe(number)
        found += [cpe.line, cpe.mobile, cpe.lan, cpe.fixed, IPv4Network((cpe.management, 32))]
    found += [TAKEN, IPv4Network((EDGE_LOOPBACK, 32))]
    assert [(one, other) for one, other in combinations(found, 2) if one.overlaps(other)] == []
    assert all(plan.cpe(number).fixed6.prefixlen == 56 for number in some)


@pytest.mark.parametrize("number", [0, 4])
def test_a_customer_who_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        LabPlan(cpes=3).cpe(number)


def test_every_node_has_its_script_and_is_wired() -> None:
    plan = LabPlan(cpes=2)
    for node in plan.nodes:
        assert (NODES / f"{role_of(node)}.sh").is_file()
        assert environment(plan, node)["LAB_NODE"] == node
    ends = [end for wire in links(plan) for end in wire]
    assert len(set(ends)) == len(ends)
    assert {node for node, _ in ends} == set(plan.nodes)
    assert PROBES.is_file()


def test_the_manager_understands_what_it_is_given() -> None:
    plan = LabPlan(cpes=2)
    document = CsvSource().parse(outputs.inventory(plan), file="inventory.csv", options=SourceOptions())
    assert [(device.name, device.address) for device in document.devices] == [
        ("cpe1", "10.100.0.1"),
        ("cpe2", "10.100.0.2"),
    ]
    (first, _) = csv.DictReader(io.StringIO(outputs.inventory(plan)))
    assert first["access_node"] == outputs.NODE
    known = set(LineSetup.__dataclass_fields__)
    for line in json.loads(outputs.lines(plan)):
        assert set(line) - known == {"device"}
    assert (
        LineSetup("x", formula=outputs.line_setup(plan.cpe(1))["formula"], ordered=True, coverage="passed").entitled
        == ""
    )
    assert tomllib.loads(outputs.platforms("ssh-ed25519 AAAA"))["platforms"][outputs.PLATFORM]["kind"] == "frr"
    assert set(tomllib.loads(outputs.credentials("key"))["credentials"]) == {"lab", outputs.PLATFORM}


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    outputs.write(tmp_path, LabPlan(), "ssh-ed25519 AAAA")
    assert {path.name for path in tmp_path.iterdir()} == set(outputs.FILES)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


class Recorded:
    """``Wires`` that remember."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def carrier(self, number: int, side: str, up: bool) -> None:
        self.told.append(("carrier", number, side, up))

    def mobile(self, number: int, up: bool) -> None:
        self.told.append(("mobile", number, up))

    def drop(self, number: int, shares: dict[str, float]) -> None:
        self.told.append(("drop", number, shares))


class Nowhere:
    """``Places`` that nothing is asked of."""

    def within(self, node: str) -> tuple[str, ...]:
        return ("false", node)

    def script(self, name: str) -> str:
        return name

    def python(self) -> str:
        return "python3"

    def probes(self) -> str:
        return "probes.py"


def test_verbs_come_to_what_happens_to_the_wires() -> None:
    wires = Recorded()
    control = Control(LabPlan(cpes=2), Nowhere(), wires)
    control.cut_silent(1, "up")
    control.degrade(2, 0.2)
    control.node("off")
    control.restore(1)
    assert wires.told == [
        ("drop", 1, {"up": 1.0}),
        ("drop", 2, {"up": 0.2, "down": 0.2}),
        ("carrier", 1, "both", False),
        ("carrier", 2, "both", False),
        ("drop", 1, {}),
        ("carrier", 1, "both", True),
    ]
    for wrong in (lambda: control.cut_carrier(3), lambda: control.degrade(1, 1.5)):
        with pytest.raises(ValueError, match=r"this lab has|share"):
            wrong()
