"""Keys and a witness of the audit log for tests."""

from __future__ import annotations

from cpe_manager.domain.access.audit import AuditKey, Seen

KEY = AuditKey("key-1", b"k" * 32)


class FixedKeys:
    """``AuditKeys`` with one key."""

    def __init__(self, key: AuditKey = KEY) -> None:
        self._key = key

    def active(self) -> AuditKey:
        return self._key

    def secret(self, key_id: str) -> bytes | None:
        return self._key.secret if key_id == self._key.id else None


class Remembering:
    """``AuditWitness`` in memory."""

    def __init__(self, seen: Seen | None = None) -> None:
        self.last = seen

    def seen(self) -> Seen | None:
        return self.last

    def saw(self, seen: Seen) -> None:
        self.last = seen
