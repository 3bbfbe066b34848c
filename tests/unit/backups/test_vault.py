from __future__ import annotations

import re
from dataclasses import replace

import pytest

from backups.compression import Compression
from backups.sealing import Sealer
from backups.vault import NOTE, Vault
from cpe_manager.domain.backup.backups import Draft
from cpe_manager.domain.errors import SealBroken
from cpe_manager.kit.redaction import REMOVED
from tests.unit.backups.support import ENABLE, LOGIN, SECRETS, SPEC, TEXT, FixedRings, row

DEVICE = (LOGIN, ENABLE)


@pytest.fixture
def rings() -> FixedRings:
    return FixedRings()


@pytest.fixture
def vault(rings: FixedRings) -> Vault:
    return Vault(rings)


def draft(vault: Vault, text: str = TEXT, *, object_id: str = "b-1", position_id: str = "pos-1") -> Draft:
    examined = vault.examine(text, SPEC, DEVICE)
    return vault.draft(examined, SPEC, position_id=position_id, object_id=object_id)


def test_the_sealed_original_is_the_capture_without_device_passwords(vault: Vault) -> None:
    made = draft(vault, TEXT + f"note {ENABLE}\n")
    original = vault.open_original(made.sealed)
    assert original == TEXT.replace(LOGIN, REMOVED) + f"note {REMOVED}\n"
    assert (made.size, made.lines) == (len(original), original.count("\n"))


def test_the_redacted_view_is_canonical_marked_and_free_of_secrets(vault: Vault) -> None:
    view = vault.read_redacted(draft(vault).redacted)
    assert view.startswith(f"! {NOTE}\n")
    assert not [secret for secret in (*SECRETS.values(), LOGIN) if secret in view]
    assert "saved at" not in view
    assert "clock-drift" not in view
    assert re.search(r"^  wifi ssid Shop key <wifi key #[0-9a-f]{6}>$", view, re.MULTILINE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("02:30:01", "03:30:02"), ("clock-drift 4711", "clock-drift 1"), (LOGIN, "N3wLoginPw-7")],
)
def test_volatile_lines_and_device_passwords_make_no_new_version(vault: Vault, old: str, new: str) -> None:
    before = vault.examine(TEXT, SPEC, (LOGIN,)).fingerprint
    assert vault.examine(TEXT.replace(old, new), SPEC, (LOGIN, "N3wLoginPw-7")).fingerprint == before


@pytest.mark.parametrize("secret", SECRETS.values())
def test_a_changed_secret_makes_a_new_version_and_shows_in_the_view(vault: Vault, secret: str) -> None:
    changed = TEXT.replace(secret, "Different-1")
    assert draft(vault).fingerprint != draft(vault, changed).fingerprint
    assert vault.read_redacted(draft(vault).redacted) != vault.read_redacted(draft(vault, changed).redacted)


def test_secret_tags_are_stable_for_a_position_and_say_nothing_across_positions(vault: Vault) -> None:
    here, again = draft(vault), draft(vault, object_id="b-2")
    there = draft(vault, position_id="pos-2")
    assert vault.read_redacted(here.redacted) == vault.read_redacted(again.redacted)
    assert set(_tags(vault, here)).isdisjoint(_tags(vault, there))


def test_fingerprints_and_tags_need_the_key(vault: Vault) -> None:
    other = Vault(FixedRings())
    assert draft(vault).fingerprint != draft(other).fingerprint
    assert set(_tags(vault, draft(vault))).isdisjoint(_tags(other, draft(other)))
    assert vault.ring_id() != other.ring_id()


def test_text_outside_ascii_is_measured_in_bytes_and_survives(vault: Vault) -> None:
    made = draft(vault, "hostname café\nend\n")
    assert (made.size, made.lines) == (19, 2)
    assert vault.open_original(made.sealed) == "hostname café\nend\n"
    assert vault.check(row(made), made.sealed, made.redacted, SPEC) is None


def test_a_whole_version_passes_the_check(vault: Vault) -> None:
    made = draft(vault)
    assert vault.check(row(made), made.sealed, made.redacted, SPEC) is None


def test_a_rotation_and_rewrapping_leave_versions_whole(vault: Vault, rings: FixedRings) -> None:
    made = draft(vault)
    rings.current = rings.current.with_new_active("k-2", rings.current.active.created_at)
    key_id, wrapped = vault.rewrap(made.sealed)
    rings.current = rings.current.without("k-1")
    assert vault.check(row(made), replace(made.sealed, key_id=key_id, wrapped_key=wrapped), made.redacted, SPEC) is None


def test_each_kind_of_damage_is_named(vault: Vault) -> None:
    made, other = draft(vault), draft(vault, TEXT + "route 10.0.0.0/8 via 192.0.2.7\n", object_id="b-2")
    version, sealed, redacted = row(made), made.sealed, made.redacted
    damaged = replace(sealed, ciphertext=sealed.ciphertext[:-1] + b"\0")
    assert "does not open" in str(vault.check(version, damaged, redacted, SPEC))
    assert "does not open" in str(vault.check(version, replace(other.sealed, id="b-1"), redacted, SPEC))
    assert "compressed object" in str(vault.check(version, sealed, redacted[:-4], SPEC))
    assert "redacted view is not" in str(vault.check(version, sealed, other.redacted, SPEC))
    assert "fingerprint" in str(vault.check(replace(version, fingerprint=other.fingerprint), sealed, redacted, SPEC))
    assert "lines" in str(vault.check(replace(version, lines=3), sealed, redacted, SPEC))
    assert "bytes" in str(vault.check(replace(version, size=3), sealed, redacted, SPEC))
    assert "redacted view is not" in str(vault.check(replace(version, position_id="x"), sealed, redacted, SPEC))


def test_better_rules_of_a_later_release_do_not_make_old_versions_look_broken(vault: Vault) -> None:
    made = draft(vault)
    later = replace(SPEC, volatile=(*SPEC.volatile, re.compile(r"^route .*$", re.MULTILINE)))
    assert vault.check(row(made), made.sealed, made.redacted, later) is None
    assert vault.check(row(made), made.sealed, made.redacted, None) is None
    assert vault.check(replace(row(made), fingerprint="00" * 32), made.sealed, made.redacted, later) is not None


def test_a_sealed_object_that_holds_no_configuration_is_broken(vault: Vault, rings: FixedRings) -> None:
    sealer = Sealer(rings, Compression())
    for payload in (b"", b"\x07" + bytes(60), b"\x01" + bytes(40) + b"\xff\xfe"):
        with pytest.raises(SealBroken):
            vault.open_original(sealer.seal("b-9", payload))


def _tags(vault: Vault, made: Draft) -> list[str]:
    return re.findall(r"#([0-9a-f]{6})>", vault.read_redacted(made.redacted))
