"""What a configuration costs grows with its lines and not with their square, whatever it is that grows.

Counted in calls, not in seconds: each call of a Python function or of a built-in one while a text is understood, judged
and redacted. A machine that is busy counts the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from backups.vault import Vault
from cpe_manager.kit.linescan import line_scanner
from drivers.roster import DriverRoster
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec
from simulators.state import new_state
from tests.contract.drivers.roster import ROSTER
from tests.unit.backups.support import FixedRings

VAULT = Vault(FixedRings())
FAMILIES = sorted({case.family for case in ROSTER})
SMALL, LARGE = 30_000, 240_000
"""Bytes. Eight times the text; a square would be sixty-four times the calls."""
MOST = 1.5
"""How many times the calls may outgrow the text: a generator may fill the larger one with dearer lines."""


def text_of(family: str, size: int) -> tuple[DeviceSpec, str]:
    persona, spec = all_personas()[family], DeviceSpec("SITE-1", family, seed=3, config_bytes=size)
    return spec, persona.running_text(new_state(spec, persona.factory_config(spec)))


def calls(work: Callable[[], object]) -> int:
    """How many functions were called meanwhile."""
    counted = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def outgrown(family: str, work: Callable[[DeviceSpec, str], object]) -> float:
    """How many times faster the calls grow than the lines."""
    (one, small), (other, large) = text_of(family, SMALL), text_of(family, LARGE)
    work(one, small)  # what is made once is made now
    few, many = calls(lambda: work(one, small)), calls(lambda: work(other, large))
    return (many / few) / (large.count("\n") / small.count("\n"))


@pytest.mark.parametrize("family", FAMILIES)
def test_understanding_is_linear(family: str) -> None:
    parse = getattr(DriverRoster().get(family), "parse", None)
    if parse is not None:
        assert outgrown(family, lambda _spec, text: parse(text)) < MOST


@pytest.mark.parametrize("family", FAMILIES)
def test_judging_and_the_view_are_linear(family: str) -> None:
    spec = DriverRoster().get(family).spec

    def work(device: DeviceSpec, text: str) -> None:
        examined = VAULT.examine(text, spec, (device.secrets.login, device.secrets.enable))
        VAULT.draft(examined, spec, position_id="p-1", object_id="o-1")

    assert outgrown(family, work) < MOST


@pytest.mark.parametrize("family", FAMILIES)
def test_few_lines_only_are_looked_at_closely(family: str) -> None:
    """A rule that could match in every line would be tried in every line: then it has to say more of what it needs."""
    rules = DriverRoster().get(family).spec.secrets
    scanner = line_scanner(tuple(rule.pattern for rule in rules))
    _, text = text_of(family, LARGE)
    looked = scanner.candidates(text)
    secret = [line for line in looked if any(match["secret"] for _, match in scanner.matches(text, *line))]
    assert secret
    assert len(looked) <= 50 + 4 * len(secret) + text.count("\n") // 20


def test_the_count_sees_a_square() -> None:
    def square(_spec: DeviceSpec, text: str) -> None:
        lines = text.split("\n")
        for number, _ in enumerate(lines):
            len([line.strip() for line in lines[:number:50]])

    assert outgrown("cisco_ios", square) > 3
