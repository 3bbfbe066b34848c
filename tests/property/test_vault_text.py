"""Whatever the text and the secrets are: nothing leaks, nothing is lost, the same text gives the same version."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from backups.vault import Vault
from cpe_manager.kit.linescan import line_scanner, matching_lines
from cpe_manager.kit.redaction import REMOVED, canonical
from cpe_manager.kit.regex_source import merged_source, required_literals
from tests.unit.backups.support import SPEC, FixedRings, row

VAULT = Vault(FixedRings())

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.:/", min_size=1, max_size=12)
free_line = st.lists(words, min_size=1, max_size=6).map(" ".join)
# Letters that no other part of a generated text has, so that finding one in the result means a leak.
secret = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=20)
volatile_line = st.integers(0, 10**6).map(lambda n: f"clock-drift {n}")


@st.composite
def configurations(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """(text, device password, the other secrets in it)."""
    password, community, wifi, auth, priv = draw(st.lists(secret, min_size=5, max_size=5, unique=True))
    lines = draw(st.lists(st.one_of(free_line, volatile_line), max_size=25))
    special = [
        f"admin-password {password}",
        f"snmp community {community}",
        f"  wifi ssid x key {wifi}",
        f"snmp v3 user u auth-key {auth} priv-key {priv}",
        f"note {draw(words)}:{password}@{draw(words)}",
    ]
    return "\n".join(draw(st.permutations(lines + special))) + "\n", password, [community, wifi, auth, priv]


@given(configurations())
def test_no_device_password_enters_a_backup_and_no_secret_a_view(config: tuple[str, str, list[str]]) -> None:
    text, password, others = config
    examined = VAULT.examine(text, SPEC, (password,))
    draft = VAULT.draft(examined, SPEC, position_id="p", object_id="o")
    original, view = VAULT.open_original(draft.sealed), VAULT.read_redacted(draft.redacted)
    assert original.count(REMOVED) >= 2
    if not any(password in other for other in others):
        assert password not in original
    assert all(other in original for other in others)
    assert not [leak for leak in (password, *others) if leak in view]


@given(configurations())
def test_a_stored_capture_always_passes_its_check(config: tuple[str, str, list[str]]) -> None:
    text, password, _ = config
    draft = VAULT.draft(VAULT.examine(text, SPEC, (password,)), SPEC, position_id="pos-1", object_id="o")
    assert VAULT.check(row(draft), draft.sealed, draft.redacted, SPEC) is None


@given(configurations(), st.integers(0, 30), volatile_line)
def test_volatile_lines_anywhere_change_no_fingerprint(
    config: tuple[str, str, list[str]], place: int, line: str
) -> None:
    text, password, _ = config
    lines = text.split("\n")[:-1]
    more = "\n".join([*lines[:place], line, *lines[place:]]) + "\n"
    assert VAULT.examine(more, SPEC, (password,)).fingerprint == VAULT.examine(text, SPEC, (password,)).fingerprint


@given(st.lists(free_line, max_size=20), st.lists(free_line, max_size=20))
def test_fingerprints_are_equal_exactly_when_the_significant_texts_are(one: list[str], two: list[str]) -> None:
    first, second = VAULT.examine("\n".join(one) + "\n", SPEC), VAULT.examine("\n".join(two) + "\n", SPEC)
    assert (first.fingerprint == second.fingerprint) == (first.canonical == second.canonical)


@given(st.text("ab \n!clok-drift123", max_size=200))
def test_canonical_text_has_exactly_the_lines_that_are_not_volatile(text: str) -> None:
    kept = [line for line in text.split("\n") if not any(pattern.search(line) for pattern in SPEC.volatile)]
    assert canonical(text, SPEC.volatile).rstrip("\n") == "\n".join(kept).rstrip("\n")


PATTERNS = [
    *(r"^a+", r"^(?:b|c) (?P<secret>\S+)", r"b$", r"\s+c", r"^\s*a\s*$", r"(?i)^C B", r"^(?P<x>a)b(?P=x)", r"^|z"),
    *(r"(?:ab|b)c", r"(?:a|b(?:c|a))+ c", r"a(?:b|)c?a", r"(?<!a)(?:bc|ca)a", r"(?:a(?=b)|c)b", r"[ab]c(?:a{0,1}|b)b"),
    *(r"^ .*abc", r"\babc? a", r"abb*c", r"ab{0,2}ca", r"^ab\x63a", r"[abc]ca b|ccc", r"^.*?(?:ab)?cab", r"(?i)abc"),
]


@given(st.text("abcC \n", max_size=160), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=6, unique=True))
def test_the_merged_scan_agrees_with_one_pattern_after_the_other(text: str, sources: list[str]) -> None:
    patterns = tuple(re.compile(source, re.MULTILINE) for source in sources)
    expected = [line for line in text.split("\n") if any(pattern.search(line) for pattern in patterns)]
    assert [text[start:end] for start, end in matching_lines(text, patterns)] == expected


@given(st.text("abcC \n", max_size=160), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=6, unique=True))
def test_the_merged_scan_finds_what_each_pattern_finds_in_each_line(text: str, sources: list[str]) -> None:
    patterns = tuple(re.compile(source, re.MULTILINE) for source in sources)
    lines = [(found.start(), found.end()) for found in re.finditer(r"(?<![^\n])[^\n]*", text)]
    plain = [
        (n, m.span()) for line in lines for n, pattern in enumerate(patterns) for m in pattern.finditer(text, *line)
    ]
    assert [(number, match.span()) for number, match in line_scanner(patterns).found(text)] == plain


@given(st.sampled_from(PATTERNS), st.data())
def test_one_of_the_literals_said_to_be_required_is_in_every_match(source: str, data: st.DataObject) -> None:
    plain = merged_source(source)
    literals = frozenset[str]() if plain is None or "(?i)" in source else required_literals(plain)
    matched = data.draw(st.from_regex(re.compile(source, re.MULTILINE)))
    assert not literals or any(literal in matched for literal in literals)
