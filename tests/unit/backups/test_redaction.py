from __future__ import annotations

import re

import pytest

from cpe_manager.kit.linescan import matching_lines
from cpe_manager.kit.redaction import REMOVED, canonical, redact, strip_login
from cpe_manager.kit.regex_source import required_literals
from tests.unit.backups.support import ENABLE, LOGIN, SECRETS, SPEC, TEXT, rule


def tag(kind: str, secret: str) -> str:
    return f"{kind[0]}{len(secret)}"


def test_a_login_rule_removes_the_password_and_nothing_else() -> None:
    stripped = strip_login(TEXT, SPEC.secrets)
    assert stripped == TEXT.replace(LOGIN, REMOVED)


def test_stripping_twice_changes_nothing_more() -> None:
    once = strip_login(TEXT, SPEC.secrets, (LOGIN,))
    assert strip_login(once, SPEC.secrets, (LOGIN,)) == once


@pytest.mark.parametrize(
    "line",
    [
        f"description reach me with {LOGIN}",
        f"archive ftp://backup:{LOGIN}@192.0.2.9/x",
        f'banner "{LOGIN}"',
        f"xx{LOGIN}yy",
    ],
)
def test_a_device_password_goes_wherever_it_stands_literally(line: str) -> None:
    stripped = strip_login(f"{TEXT}{line}\n", SPEC.secrets, (LOGIN, ENABLE))
    assert LOGIN not in stripped
    assert stripped.splitlines()[-1] == line.replace(LOGIN, REMOVED)


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ('quo"te\\d-pw', '{"pw": "quo\\"te\\\\d-pw"}'),
        ("a<b&c>d-pass", "<pw>a&lt;b&amp;c&gt;d-pass</pw>"),
        ("per cent/pw?", "tftp://u:per%20cent%2Fpw%3F@192.0.2.1"),
    ],
)
def test_a_device_password_goes_in_the_form_that_json_xml_and_urls_give_it(secret: str, written: str) -> None:
    stripped = strip_login(written, SPEC.secrets, (secret,))
    assert REMOVED in stripped
    assert len(stripped) < len(written) + len(REMOVED)
    assert "pw?" not in stripped
    assert "d-pw" not in stripped
    assert "d-pass" not in stripped


def test_a_wifi_key_that_equals_the_device_password_stays_a_wifi_key() -> None:
    text = f"  wifi ssid Shop key {LOGIN}\nadmin-password {LOGIN}\nnote {LOGIN}\n"
    assert strip_login(text, SPEC.secrets, (LOGIN,)).splitlines() == [
        f"  wifi ssid Shop key {LOGIN}",
        f"admin-password {REMOVED}",
        f"note {REMOVED}",
    ]


def test_a_secret_of_unknown_owner_that_reads_like_the_device_password_is_taken_for_it() -> None:
    rules = (*SPEC.secrets, rule(r"option password '(?P<secret>[^']+)'", "other"))
    text = f"option password '{LOGIN}'\noption password 'Other-pw-1'\n"
    assert strip_login(text, rules, (LOGIN,)) == f"option password '{REMOVED}'\noption password 'Other-pw-1'\n"


@pytest.mark.parametrize("secret", ["abc", "password", "Cisco", ""])
def test_a_password_that_cannot_be_told_from_words_goes_only_where_a_rule_finds_it(secret: str) -> None:
    text = f"admin-password {secret}x\nservice password-encryption abc cisco Cisco\n"
    assert strip_login(text, SPEC.secrets, (secret,)).splitlines()[1:] == text.splitlines()[1:]


def test_a_short_password_goes_as_a_whole_word_only() -> None:
    text = "note l1on here\nhostname sl1ons\n"
    assert strip_login(text, SPEC.secrets, ("l1on",)) == f"note {REMOVED} here\nhostname sl1ons\n"


def test_volatile_lines_are_dropped_whole_and_others_kept() -> None:
    kept = canonical(TEXT, SPEC.volatile)
    assert kept.splitlines() == TEXT.splitlines()[1:8] + TEXT.splitlines()[9:]


def test_a_volatile_last_line_without_newline_is_dropped() -> None:
    assert canonical("a\nclock-drift 1", SPEC.volatile) == "a\n"


def test_every_secret_is_masked_even_two_in_one_line() -> None:
    shown = redact(TEXT, SPEC.secrets, tag)
    assert not [secret for secret in (*SECRETS.values(), LOGIN) if secret in shown]
    assert "snmp v3 user ops auth-key <key #k11> priv-key <key #k11>" in shown.splitlines()
    assert "  wifi ssid Shop key <wifi key #w11>" in shown.splitlines()
    assert "admin-password hash <device password>" in shown.splitlines()


def test_a_mask_without_a_tag_says_the_kind_only() -> None:
    assert redact("snmp community abcdef\n", SPEC.secrets) == "snmp community <snmp community>\n"


def test_a_long_secret_is_masked_where_it_is_repeated_outside_its_line() -> None:
    shown = redact(f"{TEXT}remark old key was {SECRETS['wifi']}\n", SPEC.secrets)
    assert shown.splitlines()[-1] == "remark old key was <wifi key>"


def test_the_placeholder_of_a_removed_password_is_shown_as_it_is() -> None:
    assert f"admin-password hash {REMOVED}" in redact(strip_login(TEXT, SPEC.secrets), SPEC.secrets, tag)


@pytest.mark.parametrize(
    "patterns",
    [
        (r"^a|b$",),
        (r"^(?:a|b) (?P<secret>\S+)", r"x(?P<secret>y)"),
        (r"(?i)^KEY (?P<secret>\S+)",),
        (r"^(?P<q>['\"])(?P<secret>.*)(?P=q)",),
        (r"^k (\w)\1 (?P<secret>\S+)", r"^[(|] (?P<secret>\S+)"),
        (r"^\s*key (?P<secret>\S+)\s*$",),
        (r"\s+key (?P<secret>\S+)",),
        (r"(?x)^ key \s (?P<secret>\S+)  # spaces and comments",),
        (r"^$",),
    ],
)
def test_the_merged_scan_finds_the_lines_that_single_patterns_find(patterns: tuple[str, ...]) -> None:
    text = "a 1\n\n\n  key one\nkey two\nxy b\nb xyxy\n'q' 'r'\nk zz s\n| t\nKey three\n  key four  \nkey five"
    compiled = tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)
    expected = [line for line in text.split("\n") if any(pattern.search(line) for pattern in compiled)]
    assert [text[start:end] for start, end in matching_lines(text, compiled)] == expected


def test_a_greedy_rule_that_runs_into_the_next_line_hides_no_secret_there() -> None:
    rules = (rule(r"^pw (?P<secret>\S+)\s*$", "snmp"),)
    masked = "pw <snmp community>\n"
    assert redact("pw one\n\npw two\npw three\n", rules) == f"{masked}\n{masked}{masked}"


@pytest.mark.parametrize(
    ("source", "literals"),
    [
        (r"\bmessage-digest-key \d+ md5 (?P<secret>\S+)", {" md5 "}),
        (r"\b[a-z]+://[^\s:/@]+:", {"://"}),
        (r"^ .*\bwpa-psk (?:ascii|hex) ", {"wpa-psk ascii ", "wpa-psk hex "}),
        (r"option key (?!'[1-4]')", {"option key "}),
        (r"option key(?!'[1-4]') is", {"option key is"}),
        (r"pass(?:word)?", {"pass"}),
        (r"colou?r", {"color", "colour"}),
        (r"ab+c", {"ab"}),
        (r"one|two", {"one", "two"}),
        (r"one|\d", set()),
        (r"(?:one|two) (?:a|b)=", {"one a=", "one b=", "two a=", "two b="}),
        (r"(?:one|[a-z]*)three", {"three"}),
        (r"(?:key|[pc]ap_key)'", {"key'"}),
        (r"(?<![\w-])(?:pass|auth-pass)=", {"pass="}),
        (r"^[ \t]+(?:option|list) (?:psk|token) '", {"option psk '", "option token '", "list psk '", "list token '"}),
        (r"(?:psk|api_?key[12]) '", {"psk '", "apikey1 '", "apikey2 '", "api_key1 '", "api_key2 '"}),
        (rf"(?:option|list) (?:{'|'.join(f'key{n}' for n in range(40))}) '", {f"key{n} '" for n in range(40)}),
        (r"(?:ab|cd)*ef", {"ef"}),
        (r"(?:ab|cd)+ef", {"ef"}),
        (r"a\.b\.c\(d", {"a.b.c(d"}),
        (r"\x41bcd", set()),
        (r"(?i:abc)", set()),
        (r"[(|]key", {"(key", "|key"}),
        (r"ab{2}cd", {"cd"}),
        (r"ab{0,2}cde", {"cde"}),
    ],
)
def test_the_texts_that_every_match_needs_are_read_from_a_pattern(source: str, literals: set[str]) -> None:
    assert required_literals(source) == literals
