"""Signing, pauses and patterns of webhooks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.events import Event
from cpe_manager.domain.telling.webhooks import body_of, check_kinds, key_of, new_secret, pause, shown_url, signed

AT = datetime(2026, 11, 28, 22, 6, 40, 120000, tzinfo=UTC)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=50), st.integers(0, 2**40))
def test_a_signature_is_what_the_library_of_receivers_makes(random: bytes, text: str, number: int) -> None:
    event = Event(number, "line.mobile", AT, "info", text, None, None, text, {"reasons": [text]})
    body, secret = body_of(event), new_secret(random)
    headers = signed(secret, f"evt_{number}", AT, body)
    assert headers["webhook-signature"] == Webhook(secret).sign(f"evt_{number}", AT, body.decode())


def test_what_a_library_accepts_now_it_refuses_when_a_byte_differs() -> None:
    now, secret = datetime.now(UTC), new_secret(bytes(range(32)))
    body = body_of(Event(7, "line.mobile", AT, "info", "r1", "d", None, "over mobile", {"a": 1}))
    headers = signed(secret, "evt_7", now, body)
    read = Webhook(secret).verify(body, headers)
    assert read["type"] == "line.mobile"
    assert read["timestamp"] == "2026-11-28T22:06:40.120000Z"
    assert read["data"]["id"] == 7
    for wrong in (body + b" ", body.replace(b"r1", b"r2")):
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(secret).verify(wrong, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(new_secret(bytes(32))).verify(body, headers)


def test_pauses_double_from_five_seconds_to_an_hour_and_a_receiver_may_ask_for_more() -> None:
    assert [pause(failures, 0.0).total_seconds() for failures in (1, 2, 3, 10, 11, 500)] == [
        5, 10, 20, 2560, 3600, 3600,
    ]  # fmt: skip
    assert pause(1, 1.0).total_seconds() == 4
    assert pause(1, 0.0, 120.0).total_seconds() == 120
    assert pause(10, 0.0, 1.0).total_seconds() == 2560


def test_kinds_are_patterns_of_events() -> None:
    assert check_kinds(["line.*", "incident.opened", "*", "line.*", "push.re*"]) == (
        "line.*", "incident.opened", "*", "push.re*",
    )  # fmt: skip
    for wrong in ([], ["line mobile"], ["*.mobile"], ["%"], ["line.*.x"], ["LINE.*"], [""], ["line.mobile"] * 51):
        with pytest.raises(InputError):
            check_kinds(wrong)


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsec_" + "A" * 200])
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(InputError) as refusal:
        key_of(secret)
    assert len(secret) < 7 or secret not in str(refusal.value)


def test_a_url_is_shown_without_its_query() -> None:
    assert shown_url("https://x/y?token=secret") == "https://x/y?..."
    assert shown_url("https://x/y") == "https://x/y"
