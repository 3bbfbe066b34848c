"""Secrets planted in the virtual CPEs of every family, looked for in everything that the vault makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.vault import Vault
from drivers.roster import DriverRoster
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec
from simulators.state import new_state
from tests.unit.backups.support import FixedRings, row

VAULT = Vault(FixedRings())
FAMILIES = sorted(set(all_personas()) & set(DriverRoster().families()))


def running(family: str, seed: int) -> tuple[DeviceSpec, str]:
    spec = DeviceSpec(name=f"cpe-{seed}", family=family, seed=seed)
    persona = all_personas()[family]
    body = persona.factory_config(spec)
    return spec, persona.running_text(new_state(spec, body))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_device_password_is_kept_and_no_secret_is_shown(family: str, seed: int) -> None:
    device, text = running(family, seed)
    spec = DriverRoster().get(family).spec
    secrets = device.secrets
    draft = VAULT.draft(
        VAULT.examine(text, spec, (secrets.login, secrets.enable)), spec, position_id="pos-1", object_id="o"
    )
    original, view = VAULT.open_original(draft.sealed), VAULT.read_redacted(draft.redacted)
    forms = {*all_personas()[family].login_forms(device), secrets.login, secrets.enable}
    assert not [form for form in forms if form in original]
    hidden = {secrets.snmp, secrets.wifi, secrets.ppp, *forms}
    assert not [secret for secret in hidden if secret in view]
    kept = {secret for secret in (secrets.snmp, secrets.wifi, secrets.ppp) if secret in text}
    assert not [secret for secret in kept if secret not in original]
    assert VAULT.check(row(draft), draft.sealed, draft.redacted, spec) is None
