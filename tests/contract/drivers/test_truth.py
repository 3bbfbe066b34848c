"""Without faults every driver gives exactly what its box would show."""

from __future__ import annotations

import pytest

from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import AuthFailed, HostKeyChanged, UnknownFamily
from cpe_manager.kit.redaction import redact, strip_login
from cpe_manager.ports.driver import Driver
from cpe_manager.ports.shell import Credential
from drivers.roster import DriverRoster
from simulators.fleet import Fleet
from simulators.personas.registry import all_personas
from tests.contract.drivers.harness import (
    WallClock,
    credential_of,
    facts,
    fetch,
    nothing_left_open,
    sessions_for,
    significant,
    specs_of,
    target_of,
)
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.fakes.credentials import FixedCredentials

every_case = pytest.mark.parametrize("case", ROSTER, ids=str)


def driver_of(case: DriverCase) -> Driver:
    return DriverRoster().get(case.family)


def test_every_driver_is_in_the_roster_and_has_a_box_to_be_tried_on() -> None:
    assert {case.family for case in ROSTER} == set(DriverRoster().families()) == set(all_personas())


def test_an_unknown_family_is_refused_with_the_names_that_exist() -> None:
    names = ", ".join(sorted({case.family for case in ROSTER}))
    with pytest.raises(UnknownFamily, match=f"there are: {names}$"):
        DriverRoster().get("abacus")


@every_case
async def test_the_capture_is_the_configuration_that_the_box_shows(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-0815", "edge.b-2"], seed=40)) as fleet:
        sessions = sessions_for(fleet.devices)
        for device in fleet.devices:
            capture = await fetch(sessions, target_of(device, case))
            spec = driver_of(case).spec
            assert significant(capture.text, device) == significant(device.running_text(), device)
            assert capture.text.endswith("\n")
            assert not capture.text.endswith("\n\n")
            assert capture.hostname == device.name == spec.hostname(capture.text)
        await nothing_left_open(fleet)


@every_case
async def test_a_configuration_of_several_hundred_kilobytes_comes_whole(case: DriverCase) -> None:
    spec = specs_of(case, ["BIG-1"])[0]
    big = type(spec)(spec.name, spec.family, seed=3, options=spec.options, config_bytes=300_000)
    async with Fleet([big]) as fleet:
        device = fleet.devices[0]
        capture = await fetch(sessions_for(fleet.devices), target_of(device, case))
        assert len(capture.text) > 290_000
        assert significant(capture.text, device) == significant(device.running_text(), device)


@every_case
async def test_a_change_behind_our_back_is_in_the_next_capture(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = await fetch(sessions, target_of(device, case))
        device.change()
        after = await fetch(sessions, target_of(device, case))
        assert significant(before.text, device) != significant(after.text, device)
        assert significant(after.text, device) == significant(device.running_text(), device)


@every_case
async def test_two_captures_of_an_unchanged_box_differ_in_volatile_lines_only(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        texts = {(await fetch(sessions, target_of(device, case))).text for _ in range(3)}
        assert len({significant(text, device) for text in texts}) == 1


@every_case
async def test_no_form_of_the_devices_own_passwords_survives_the_login_rules(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        capture = await fetch(sessions_for(fleet.devices), target_of(device, case))
        assert any(form in device.running_text() for form in device.login_forms())
        kept = strip_login(capture.text, driver_of(case).spec.secrets, credential_of(device).secrets())
        assert [form for form in device.login_forms() if form in kept] == []


@every_case
async def test_customer_secrets_stay_in_the_sealed_text_and_are_masked_in_the_view(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        capture = await fetch(sessions_for(fleet.devices), target_of(device, case))
        rules = driver_of(case).spec.secrets
        kept = strip_login(capture.text, rules, credential_of(device).secrets())
        secrets = [device.spec.secrets.snmp, device.spec.secrets.wifi, device.spec.secrets.ppp]
        present = [secret for secret in secrets if secret in capture.text]
        # Without root, FRR's part alone is to be had, and it knows none of them; a box that encrypts shows no more than
        # the community, which it has to know itself.
        shown = 1 if case.box.get("password_encryption") == "yes" else 3
        assert len(present) == (0 if case.family == "frr_linux" and case.box.get("mode") != "linux" else shown)
        assert [secret for secret in present if secret not in kept] == []
        view = redact(kept, rules, lambda _kind, _secret: "000000")
        assert [secret for secret in present if secret in view] == []


@every_case
async def test_facts_name_the_box_and_its_release(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        found = await facts(sessions_for(fleet.devices), target_of(fleet.devices[0], case))
        assert found.hostname == "SITE-1"
        assert found.os_release


@every_case
async def test_a_changed_host_key_stops_the_session_before_any_credential_is_sent(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        target = target_of(device, case)
        fresh = device.rotate_host_key()
        with pytest.raises(HostKeyChanged) as caught:
            await fetch(sessions_for(fleet.devices), target)
        assert caught.value.offered == fresh
        assert device.stats.passwords_accepted == device.stats.passwords_refused == 0
        await nothing_left_open(fleet)


@every_case
async def test_a_wrong_password_is_offered_once(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        wrong = FixedCredentials({"SITE-1": Credential(device.spec.username, "not-the-password")})
        with pytest.raises(AuthFailed):
            await fetch(SshSessions(wrong, WallClock()), target_of(device, case))
        assert (device.stats.passwords_accepted, device.stats.passwords_refused) == (0, 1)
        await nothing_left_open(fleet)
