"""The one redactor for logs, events and anything else that leaves the process as text or JSON.

Values are masked by the name they stand under, by the shape of well-known phrases (``password=...``, bearer tokens,
user data in URLs), and wherever a registered secret appears literally.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import date, time, timedelta
from enum import Enum
from typing import Any, Final

MASK: Final = "[redacted]"
SHORTEST: Final = 4
"""Shorter registered secrets are ignored: masking them would garble every message."""

_SECRET_WORDS: Final = frozenset(
    (
        *("password", "passwords", "passwd", "passphrase", "pwd", "psk", "wpa", "community", "communities"),
        *("secret", "secrets", "token", "tokens", "apikey", "privatekey", "authorization", "cookie", "credentials"),
    )
)
_PUBLIC_KEYS: Final = frozenset({"host", "public", "pinned", "offered", "primary", "foreign", "sort", "idempotency"})
_HARMLESS_TAILS: Final = frozenset({"id", "ids", "name", "names", "ref", "refs", "count", "at", "file", "path", "kind"})
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_PHRASE: Final = re.compile(
    r"""(?ix)
    ( \b [\w-]{0,40} (?:password|passwd|passphrase|secret|token|community|psk|(?:api|private)[_-]?key)
      ["']? \s* [=:] \s* ["']?
    | \b authorization ["']? \s* [=:] \s* ["']? (?:[a-z]+\s+)?
    | \b bearer \s+ )
    [^\s"',;}\]]+
    """
)
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]{0,64}:)[^\s/@]{1,256}(?=@)")
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def secret_name(name: str) -> bool:
    """Whether a value under this name is to be masked. ``host_key``, ``key_id``, ``credential_ref`` are not secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_TAILS:
        return False
    if words[-1] in {"key", "keys"}:
        return not _PUBLIC_KEYS.intersection(words)
    return not _SECRET_WORDS.isdisjoint(words) or "private_key" in name.lower()


class Redactor:
    """Holds the literal secrets of the process. Reading is safe from any thread; registering is for one thread."""

    def __init__(self, literals: Iterable[str] = ()) -> None:
        self._held: Counter[str] = Counter()
        self._literals: tuple[str, ...] = ()
        self.register(*literals)

    def __repr__(self) -> str:
        return f"Redactor({len(self._literals)} literals)"

    def register(self, *secrets: str) -> None:
        """Mask these wherever they appear, until forgotten as often as registered."""
        self._held.update(secret for secret in secrets if len(secret) >= SHORTEST)
        self._refresh()

    def forget(self, *secrets: str) -> None:
        self._held.subtract(secret for secret in secrets if secret in self._held)
        self._held = +self._held
        self._refresh()

    @contextmanager
    def holding(self, *secrets: str) -> Iterator[None]:
        """Register for the time of a session, so that the list stays as short as the sessions that are open."""
        self.register(*secrets)
        try:
            yield
        finally:
            self.forget(*secrets)

    def text(self, text: str) -> str:
        """``text`` without registered secrets, secret phrases and private keys."""
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, MASK)
        if "PRIVATE KEY" in text:
            text = _PRIVATE_KEY.sub(MASK, text)
        text = _PHRASE.sub(rf"\1{MASK}", text)
        return _URL_PASSWORD.sub(rf"\1{MASK}", text) if "://" in text else text

    def value(self, value: Any, name: str = "") -> Any:
        """A copy of a JSON-like value with secrets masked; anything that is not JSON-like becomes its masked text."""
        if value is None or isinstance(value, bool):
            return value
        if name and secret_name(name) and value != "":
            return MASK
        if isinstance(value, str):
            return self.text(value) if not isinstance(value, Enum) else value
        if isinstance(value, Mapping):
            return {self._key(key): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float, Enum, date, time, timedelta)):
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"<{len(value)} bytes>"
        return self.text(str(value))

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor. Put it after the one that turns ``exc_info`` into text, before the renderer."""
        for name, value in event.items():
            event[name] = self.value(value, name)
        return event

    def _key(self, key: Any) -> Any:
        return self.text(key) if isinstance(key, str) else key

    def _refresh(self) -> None:
        # Longest first: a secret that contains another one must go as a whole.
        self._literals = tuple(sorted(self._held, key=len, reverse=True))
