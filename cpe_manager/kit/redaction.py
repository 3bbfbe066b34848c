"""What leaves a configuration text before it is kept, compared or shown.

Three different things, not to be mixed up:

- ``strip_login`` takes the device's own log-in passwords out. They never enter a backup, sealed or not (§5.2.1.3).
- ``canonical`` drops the lines that change by themselves; the rest decides whether a capture is a new version.
- ``redact`` masks the remaining secrets for the view that people, git and the API get.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import quote
from xml.sax.saxutils import escape

from cpe_manager.kit.linescan import LineScanner, Span, line_around, line_scanner, matching_lines

REMOVED: Final = "__removed_device_password__"
"""Stands where a device password was. One word without quotes or brackets: it stays one value in every dialect."""

SHORTEST_LITERAL: Final = 4
"""Shorter device passwords are only removed where a login rule finds them: their letters are part of ordinary words."""
ANYWHERE_LITERAL: Final = 8
"""From this length on a password is removed inside longer words too; below it, only as a whole word."""

VOCABULARY: Final = frozenset(
    (
        *("admin", "administrator", "backup", "guest", "manager", "operator", "root", "support", "user", "username"),
        *("cisco", "huawei", "mikrotik", "default", "disable", "enable", "interface", "login", "password", "private"),
        *("public", "router", "secret", "service", "switch", "system", "test"),
    )
)
"""Passwords that are ordinary configuration words (compared in lower case). Removing every such word would destroy the
configuration and protect nothing, so these too are removed only where a login rule finds them."""

LABELS: Final = {
    "login": "device password",
    "snmp": "snmp community",
    "wifi": "wifi key",
    "ppp": "ppp password",
    "key": "key",
    "other": "secret",
}

Secret = tuple[int, int, str]
"""(start, end, kind) of a secret in a text."""
Tag = Callable[[str, str], str]
"""(kind, secret) -> a few characters that tell one secret from another. Must be keyed; see ``redact``."""


class SecretRule(Protocol):
    """The part of a driver's secret rule that is needed here (``cpe_manager.ports.driver.SecretRule`` has it)."""

    @property
    def pattern(self) -> re.Pattern[str]: ...

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Rules:
    """Rules made ready for searching."""

    kinds: tuple[str, ...]
    scanner: LineScanner

    def spans(self, text: str) -> list[Secret]:
        """The secrets of a text in order; overlapping ones become one that has the first one's kind."""
        return _merge(self._secrets(self.scanner.found(text)))

    def in_line(self, text: str, line: Span) -> Iterator[Secret]:
        return self._secrets(self.scanner.matches(text, *line))

    def _secrets(self, matches: Iterable[tuple[int, re.Match[str]]]) -> Iterator[Secret]:
        for number, match in matches:
            start, end = match.span("secret")
            if start < end:
                yield start, end, self.kinds[number]


def strip_login(text: str, rules: Sequence[SecretRule], device_secrets: Iterable[str] = ()) -> str:
    """``text`` with the device's log-in passwords replaced by ``REMOVED``; applying it twice changes nothing more.

    First wherever a rule of kind ``login`` finds one. Then, belt and braces, every literal occurrence of
    ``device_secrets``, also as JSON, XML, URL or RouterOS would write it, but for places that a rule names as something
    else: a wifi key stays a wifi key even when somebody chose the device password for it. Kind ``other`` is not
    something else: there the line does not tell whose secret it is, and a secret that reads like the device password is
    taken for it. See ``SHORTEST_LITERAL`` and ``VOCABULARY`` for the passwords that cannot be told from ordinary text.
    """
    login, named = _split(tuple(rules))
    spans = login.spans(text)
    literals = [form for secret in device_secrets for form in _forms(secret) if form in text]
    hits = (match.span() for form in literals for match in _literal(form).finditer(text))
    loose = [(*hit, "login") for hit in hits if not _within(hit, named.in_line(text, line_around(text, hit[0])))]
    spans = _merge([*spans, *loose]) if loose else spans
    return _replace(text, [(start, end, REMOVED) for start, end, _ in spans]) if spans else text


def canonical(text: str, volatile: tuple[re.Pattern[str], ...]) -> str:
    """``text`` without the lines that change by themselves."""
    spans = matching_lines(text, volatile)
    return _replace(text, [(start, end + 1, "") for start, end in spans]) if spans else text


def redact(text: str, rules: Sequence[SecretRule], tag: Tag | None = None) -> str:
    """``text`` with every secret masked as ``<wifi key #a1b2c3>``, or ``<wifi key>`` without ``tag``.

    The tag lets a diff show *that* a key was changed, and when an old one came back. It would be an oracle for
    guessing if anybody could compute it, so ``tag`` must be keyed with a key kept outside the database, depend on the
    kind and on the device's position (nobody learns that two customers share a key, or that a wifi key equals a PPP
    password), and be short: 24 bits are enough to see a change, and tell even a thief of the key no more than that.
    What remains: who may set a secret of a device and read its diffs can test guesses against earlier values of the
    same secret, one a capture. Long secrets are masked elsewhere in the text too, wherever they are repeated.
    """
    whole = _whole(tuple(rules))
    masks: list[tuple[int, int, str]] = []
    repeated: dict[str, str] = {}
    for start, end, kind in whole.spans(text):
        secret = text[start:end]
        mask = secret if secret == REMOVED else _mask(kind, secret, tag)
        masks.append((start, end, mask))
        if len(secret) >= ANYWHERE_LITERAL and secret != REMOVED:
            repeated[secret] = mask
    shown = _replace(text, masks)
    for secret in sorted(repeated, key=len, reverse=True):
        if secret in shown and secret.lower() not in VOCABULARY:
            shown = shown.replace(secret, repeated[secret])
    return shown


def _mask(kind: str, secret: str, tag: Tag | None) -> str:
    label = LABELS.get(kind, LABELS["other"])
    return f"<{label} #{tag(kind, secret)}>" if tag and kind != "login" else f"<{label}>"


@lru_cache(maxsize=128)
def _whole(rules: tuple[SecretRule, ...]) -> _Rules:
    return _Rules(tuple(rule.kind for rule in rules), line_scanner(tuple(rule.pattern for rule in rules)))


@lru_cache(maxsize=128)
def _split(rules: tuple[SecretRule, ...]) -> tuple[_Rules, _Rules]:
    """(login rules, rules that name a secret as something else)."""
    login = tuple(rule for rule in rules if rule.kind == "login")
    return _whole(login), _whole(tuple(rule for rule in rules if rule.kind not in ("login", "other")))


def _forms(secret: str) -> set[str]:
    """The ways in which a password may be written in a configuration; empty when it cannot be told from words."""
    if len(secret) < SHORTEST_LITERAL or secret.lower() in VOCABULARY:
        return set()
    if secret.isalnum() and secret.isascii():
        return {secret}
    quoted = {'"': "&quot;", "'": "&apos;"}
    # RouterOS escapes what begins a variable and what asks for help, too.
    slashed = re.sub(r'[\\"$?]', r"\\\g<0>", secret)
    return {secret, json.dumps(secret)[1:-1], slashed, escape(secret), escape(secret, quoted), quote(secret, safe="")}


def _literal(form: str) -> re.Pattern[str]:
    source = re.escape(form)
    return re.compile(source if len(form) >= ANYWHERE_LITERAL else rf"(?<!\w){source}(?!\w)")


def _within(span: Span, secrets: Iterable[Secret]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end, _ in secrets)


def _merge(spans: Iterable[Secret]) -> list[Secret]:
    merged: list[Secret] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            first, last, known = merged[-1]
            merged[-1] = (first, max(last, end), known)
        else:
            merged.append((start, end, kind))
    return merged


def _replace(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """``text`` with ordered, separate spans replaced."""
    parts: list[str] = []
    position = 0
    for start, end, new in spans:
        parts += (text[position:start], new)
        position = end
    parts.append(text[position:])
    return "".join(parts)
