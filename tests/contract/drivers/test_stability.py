"""A configuration that nobody changed is one version, whatever the clock says; a secret that somebody changed is seen
to have changed, and nothing of it is seen.

All of it by the pipeline's own functions (``backups.vault``), for whatever family is in the roster: the boxes' secrets
by giving a box other ones, and every single rule of a family by lines that are made from the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backups.vault import Examined, Vault
from cpe_manager.kit.redaction import LABELS, VOCABULARY
from cpe_manager.kit.textdiff import unified
from cpe_manager.ports.driver import SecretRule, Spec
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec, Secrets
from simulators.state import utc_now
from tests.contract.drivers.harness import credential_of, fetch, sessions_for, specs_of, target_of
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.unit.backups.support import FixedRings

VAULT = Vault(FixedRings())
every_case = pytest.mark.parametrize("case", ROSTER, ids=str)
GIVEN = ("ppp", "snmp", "wifi")
"""The customers' secrets that a virtual CPE can be given."""
_MASK = re.compile(rf"<(?:{'|'.join(LABELS.values())}) #[0-9a-f]{{6}}>")
CHANGED = "Chang3dSecretWord"


@dataclass(frozen=True)
class Version:
    """A capture as the pipeline judges it, and the view that people get of it."""

    examined: Examined
    view: str


def spec_of(case: DriverCase) -> Spec:
    return DriverRoster().get(case.family).spec


def version(text: str, spec: Spec, secrets: tuple[str, ...] = (), *, position: str = "p-1", number: int = 1) -> Version:
    examined = VAULT.examine(text, spec, secrets)
    draft = VAULT.draft(examined, spec, position_id=position, object_id=f"o-{number}")
    return Version(examined, VAULT.read_redacted(draft.redacted))


async def captured(case: DriverCase, spec: DeviceSpec) -> tuple[str, Device]:
    """One backup of a box of this spec, over SSH."""
    async with Fleet([spec]) as fleet:
        device = fleet.devices[0]
        return (await fetch(sessions_for(fleet.devices), target_of(device, case))).text, device


def changed_lines(before: Version, after: Version) -> list[str]:
    body = unified(before.view, after.view, context=0).text.splitlines()[2:]
    return [line for line in body if line[0] in "+-"]


def present_kinds(text: str, spec: Spec) -> set[str]:
    return {rule.kind for rule in spec.secrets if any(match["secret"] for match in rule.pattern.finditer(text))}


class Hands:
    """A box's clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@every_case
async def test_an_hour_of_the_boxs_clock_makes_no_new_version(case: DriverCase) -> None:
    spec, hands = spec_of(case), Hands()
    async with Fleet(specs_of(case, ["SITE-0815"], seed=11)) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        device.state.clock = hands
        secrets = credential_of(device).secrets()
        texts = []
        for step in (timedelta(), timedelta(hours=1), timedelta(days=1)):
            hands.ahead += step
            texts.append((await fetch(sessions, target_of(device, case))).text)
            device.state.save()
        first, *later = (version(text, spec, secrets, number=number) for number, text in enumerate(texts))
        for one in later:
            assert one.examined.fingerprint == first.examined.fingerprint, unified(texts[0], texts[-1]).text
            assert changed_lines(first, one) == []
        if len(set(texts)) > 1:
            assert spec.volatile, "what changes by itself is named by the family's volatile lines"


@every_case
async def test_a_change_is_still_seen_beside_the_lines_that_change_by_themselves(case: DriverCase) -> None:
    spec, hands = spec_of(case), Hands()
    async with Fleet(specs_of(case, ["SITE-0815"], seed=11)) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        device.state.clock = hands
        before = version((await fetch(sessions, target_of(device, case))).text, spec)
        hands.ahead += timedelta(hours=1)
        device.change()
        after = version((await fetch(sessions, target_of(device, case))).text, spec)
        assert before.examined.fingerprint != after.examined.fingerprint
        assert changed_lines(before, after)


@every_case
@pytest.mark.parametrize("name", GIVEN)
async def test_a_secret_that_was_changed_on_the_box_is_a_visible_change_and_stays_hidden(
    case: DriverCase, name: str
) -> None:
    plain = specs_of(case, ["SITE-1"], seed=21)[0]
    text, device = await captured(case, plain)
    other_text, other = await captured(case, replace(plain, given=Secrets(**{name: CHANGED})))
    spec, log_in = spec_of(case), credential_of(device).secrets()
    before, after = version(text, spec, log_in), version(other_text, spec, log_in, number=2)
    old = getattr(device.spec.secrets, name)
    if text == other_text or not changed_lines(before, after):
        assert old not in text, "else the secret would have changed"
        return
    assert before.examined.fingerprint != after.examined.fingerprint
    lines = changed_lines(before, after)
    assert lines
    assert all(_MASK.search(line) for line in lines), lines
    assert [line for line in lines if line.startswith("-")] != [line for line in lines if line.startswith("+")]
    assert not [word for word in (old, CHANGED) if word in before.view + after.view]
    assert other.name == device.name


@every_case
async def test_a_secret_that_was_not_changed_has_the_same_mask_in_every_version_of_its_box_and_on_no_other(
    case: DriverCase,
) -> None:
    text, device = await captured(case, specs_of(case, ["SITE-1"], seed=31)[0])
    spec, log_in = spec_of(case), credential_of(device).secrets()
    first, again = version(text, spec, log_in), version(text, spec, log_in, number=2)
    assert first.view == again.view
    masks = set(_MASK.findall(first.view))
    elsewhere = set(_MASK.findall(version(text, spec, log_in, position="p-2").view))
    assert len(masks) == len(elsewhere)
    assert not masks & elsewhere
    assert bool(masks) == bool(present_kinds(text, spec) - {"login"})


@every_case
async def test_the_devices_own_passwords_are_no_part_of_a_version(case: DriverCase) -> None:
    """§5.2.1.3: they are not kept, not even as a trace that one was changed."""
    plain = specs_of(case, ["SITE-1"], seed=41)[0]
    text, device = await captured(case, plain)
    other_text, other = await captured(case, replace(plain, given=Secrets(login=CHANGED, enable=CHANGED[::-1])))
    spec = spec_of(case)
    before = version(text, spec, credential_of(device).secrets())
    after = version(other_text, spec, credential_of(other).secrets(), number=2)
    assert before.examined.fingerprint == after.examined.fingerprint, unified(before.view, after.view).text
    assert before.view == after.view


PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
RULES = [
    (family, number)
    for family in DriverRoster().families()
    for number in range(len(DriverRoster().get(family).spec.secrets))
]


@pytest.mark.parametrize(("family", "number"), RULES)
@settings(max_examples=5, deadline=None, suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow))
@given(data=st.data())
def test_every_rule_hides_its_secret_and_shows_that_it_changed(family: str, number: int, data: st.DataObject) -> None:
    spec = DriverRoster().get(family).spec
    rule = spec.secrets[number]
    line = data.draw(st.from_regex(rule.pattern, alphabet=PRINTABLE))
    found = rule.pattern.search(line)
    assume(found is not None and found["secret"])
    assert found is not None
    other = next(with_other_secret(line, rule, found.span("secret")), None)
    assume(other is not None)
    assert other is not None
    before, after = version(f"{line}\n", spec), version(f"{other}\n", spec, number=2)
    assert version(f"{line}\n", spec, number=3) == before
    secret = found["secret"]
    if len(secret) >= 8 and secret.lower() not in VOCABULARY:
        assert secret not in before.view
    if rule.kind == "login":
        # Another rule may take a part of the line for something that counts; the log-in itself never does.
        assert secret not in before.examined.text or len(secret) < 8
    else:
        assert before.examined.fingerprint != after.examined.fingerprint
        assert before.view != after.view


def with_other_secret(line: str, rule: SecretRule, span: tuple[int, int]) -> Iterator[str]:
    """The line with one letter of its secret changed, in the ways in which the rule still finds it there."""
    start, end = span
    for place in range(end - 1, start - 1, -1):
        for letter in "aB7f":
            other = line[:place] + letter + line[place + 1 :]
            found = rule.pattern.search(other)
            if letter != line[place] and found is not None and found.span("secret") == span:
                yield other
