from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cpe_manager.kit.log_redaction import MASK, Redactor, secret_name


@pytest.mark.parametrize(
    "name",
    [
        *("password", "enable_password", "adminPassword", "password_hash", "psk", "snmp_community", "secrets"),
        *("api_key", "private_key", "fingerprint_key", "key", "keys", "Authorization", "token", "X-Auth-Token"),
    ],
)
def test_values_under_secret_names_are_masked(name: str) -> None:
    assert secret_name(name)
    assert Redactor().value({name: "value"}) == {name: MASK}


@pytest.mark.parametrize(
    "name",
    [
        *("host_key", "pinned_keys", "offered_host_key", "public_key", "key_id", "keyring_file", "monkey"),
        *("credential_ref", "token_name", "device", "passwordless"),
    ],
)
def test_values_under_harmless_names_stay(name: str) -> None:
    assert Redactor().value({name: "value"}) == {name: "value"}


def test_registered_secrets_are_masked_at_any_depth_and_in_keys() -> None:
    redactor = Redactor(["s3cr3t-one", "s3cr3t-one-longer"])
    given = {"a": ["x s3cr3t-one y", ("s3cr3t-one-longer",)], "s3cr3t-one": {"b": "s3cr3t-one"}}
    assert redactor.value(given) == {"a": [f"x {MASK} y", [MASK]], MASK: {"b": MASK}}


def test_a_held_secret_is_masked_until_its_last_holder_lets_go() -> None:
    redactor = Redactor()
    with redactor.holding("shared-pw"):
        with redactor.holding("shared-pw"):
            pass
        assert redactor.text("shared-pw") == MASK
    assert redactor.text("shared-pw") == "shared-pw"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login failed, password=hunter2x", f"login failed, password={MASK}"),
        ('{"enable_password": "hunter2x"}', f'{{"enable_password": "{MASK}"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("sent bearer abc.def", f"sent bearer {MASK}"),
        ("postgresql://cpe:hunter2x@db/x", f"postgresql://cpe:{MASK}@db/x"),
        ("http://host:8080/path", "http://host:8080/path"),
        ("the password was refused", "the password was refused"),
    ],
)
def test_well_known_phrases_are_masked_inside_text(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_private_key_blocks_are_masked_even_when_cut_off() -> None:
    text = "before -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"
    assert Redactor().text(text) == f"before {MASK}"


def test_other_values_keep_their_type_or_become_masked_text() -> None:
    redactor = Redactor(["deep-secret"])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    given = {"n": 3, "ok": True, "none": None, "at": at, "raw": b"deep-secret", "error": ValueError("deep-secret!")}
    assert redactor.processor(None, "info", dict(given)) == {
        "n": 3,
        "ok": True,
        "none": None,
        "at": at,
        "raw": "<11 bytes>",
        "error": f"{MASK}!",
    }


def test_short_registered_secrets_do_not_garble_messages_and_repr_shows_none() -> None:
    redactor = Redactor(["a", "long-secret"])
    assert redactor.text("a banana") == "a banana"
    assert "long-secret" not in repr(redactor)
