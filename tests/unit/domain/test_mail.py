from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.adapters.mail import composed
from cpe_manager.api.schemas.kinds import EVENT_KINDS
from cpe_manager.domain.changes.requests import ChangeState
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.telling.mail import Mail, address, addresses, message_id, one_line, pause
from cpe_manager.domain.telling.notice_texts import LANGUAGES, Facts, language_of, written
from cpe_manager.domain.telling.notices import KINDS, TOLD, told_to

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def a_mail(subject: str = "s", body: str = "b", recipient: str = "an@bakkerij.example") -> Mail:
    return Mail("1", 7, "change.done", "gent", "customer", recipient, "nl", subject, body, NOW)


@pytest.mark.parametrize("text", ["an@bakkerij.example", "a.b+c@x-y.be", " an@bakkerij.example ", "x@localhost"])
def test_addresses_are_taken(text: str) -> None:
    assert address(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "", "an", "an@", "@x", "an@x y", "a b@x", "an@x\r\nBcc: eve@x", "an@x,eve@x", "<an@x>", "an@x>", "an@é.be",
        "é@x.be", "an@x..be", "an@x.", "a" * 65 + "@x", "an@" + "x" * 260, "an@x;eve@x", '"a b"@x', "an@[127.0.0.1]",
        "an\x00@x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no mail address"):
        address(text)


def test_several_addresses_have_commas_between() -> None:
    assert addresses(" a@x, b@x,a@x,") == ("a@x", "b@x")
    assert addresses("") == ()
    with pytest.raises(InputError):
        addresses("a@x, b")


def test_every_state_of_a_change_is_told_to_customer_and_operator() -> None:
    kinds = {f"change.{state}" for state in ChangeState} | {"change.asked_again"}
    assert kinds <= set(TOLD)
    assert all(told_to(kind) == {"customer", "operator"} for kind in kinds)
    assert told_to("activation.failed") == {"operator"}
    assert told_to("backup.stored") == frozenset()
    assert set(KINDS) <= set(EVENT_KINDS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_text_for_each_kind_in_each_language(kind: str, language: str) -> None:
    facts = Facts("gent", "CHG-000123", "open port 443", "because", "2026-03-01 10:00", differences=["a: 1 -> 2"])
    subject, body = written(kind, language, facts)
    assert subject.startswith("[CHG-000123] ")
    for part in ("gent", "CHG-000123", "open port 443", "because", "2026-03-01 10:00", "  - a: 1 -> 2"):
        assert part in body
    assert "{" not in subject + body
    others = {written(kind, other, facts) for other in LANGUAGES}
    assert len(others) == len(LANGUAGES)


def test_nobody_is_asked_for_what_is_the_customers_by_right() -> None:
    assert "approval" in written("change.accepted", "en", Facts("gent"))[0]
    assert "approval" not in written("change.accepted", "en", Facts("gent", by_right=True))[0]


def test_languages_are_found_by_their_first_part() -> None:
    assert [language_of(text) for text in ("nl", "nl-BE", "FR_be", "de", "", "en")] == [
        "nl",
        "nl",
        "fr",
        "en",
        "en",
        "en",
    ]


@given(st.text(), st.text(), st.sampled_from(KINDS), st.sampled_from(LANGUAGES))
def test_no_word_of_anybody_becomes_a_header_or_a_line_of_its_own(
    site: str, reason: str, kind: str, language: str
) -> None:
    facts = Facts(site, "CHG-1\r\nBcc: eve@x", reason, reason, differences=[reason])
    subject, body = written(kind, language, facts)
    plain = written(kind, language, Facts("", "CHG-1", "", "", differences=["x"]))[1]
    # A fact that is empty has no line; one that is not has one.
    assert len(body.splitlines()) <= len(plain.splitlines()) + 3
    message = composed(a_mail(subject, body), "noc@operator.example")
    wire = message.as_bytes()
    head = wire.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nbcc:" not in head
    names = [name.lower() for name in message]
    assert names.count("to") == names.count("subject") == names.count("from") == 1
    assert "bcc" not in names


def test_a_header_with_a_line_end_is_refused_by_the_library_too() -> None:
    with pytest.raises(ValueError):
        composed(a_mail("x\r\nBcc: eve@x"), "noc@operator.example")


def test_a_mail_has_one_name_each_time_it_is_sent() -> None:
    assert message_id(a_mail(), "x") == message_id(a_mail("other"), "x")
    assert message_id(a_mail(), "x") != message_id(a_mail(recipient="b@x"), "x")
    message = composed(a_mail("onderwerp é", "regel 1\nregel é\n"), "noc@operator.example")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].startswith("Sun, 01 Mar 2026")
    assert message.get_content() == "regel 1\nregel é\n"


def test_pauses_grow_to_an_hour() -> None:
    pauses = [pause(number, 0).total_seconds() for number in range(1, 12)]
    assert pauses[:4] == [30, 60, 120, 240]
    assert pauses[-1] == 3600
    assert pause(1, 1).total_seconds() == 24


def test_a_line_is_one_line() -> None:
    assert one_line("a\r\nb\u2028c\x00d\te") == "a b c d e"
    assert len(one_line("x" * 900)) == 500
