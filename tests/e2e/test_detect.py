"""A technician adds the boxes of a whole fleet by their addresses: the daemon finds out what they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.roster import DriverRoster
from simulators.personas.registry import all_personas
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FAMILIES = sorted(set(DriverRoster().families()) & set(all_personas()))


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.fleet(len(FAMILIES), extra=("--mix", ",".join(FAMILIES)))
        made.init()
        made.serve()
        yield made


def where(box: dict[str, str]) -> tuple[str, ...]:
    return (box["address"], "--port", box["port"], "--credential", box["credential"])


def test_boxes_of_every_family_are_added_by_address_alone_and_backed_up(w: World) -> None:
    with w.inventory.open(newline="") as file:
        boxes = list(csv.DictReader(file))
    assert sorted(box["family"] for box in boxes) == FAMILIES
    first = boxes[0]
    seen = json.loads(w.ok("devices", "detect", *where(first), "--json"))
    assert seen["family"] == first["family"], seen
    for box in boxes:
        done = w.cli("devices", "add", box["name"], *where(box), "--detect")
        assert done.returncode == 0, done.stderr
        assert f"family      {box['family']}" in done.stderr
        added = w.get(f"devices/{box['name']}")
        assert added["family"] == box["family"]
        (key,) = added["host_keys"]
        assert key["fingerprint"] in done.stderr, "the key is shown, and pinned"
        assert box is not first or key["fingerprint"] == seen["fingerprint"]
    eventually("a first version of each", lambda: set(w.versions().values()) == {1})
    with w.sim() as fleet:
        fleet.set_fault(boxes[0]["name"], "host_key_changed", times=1)
    assert w.cli("backup", "run", boxes[0]["name"], "--wait").returncode != 0, "another key is not the pinned one"
