"""The key that chains the audit log, derived from the key ring.

It comes of the ring's fingerprint key, which rotations leave alone: entries of many years are checked with one key. Its
id is the beginning of the ring's public id, and is written into each entry.
"""

from __future__ import annotations

from typing import Final

from backups.keyfile import Rings
from cpe_manager.domain.access.audit import AuditKey

_PURPOSE: Final = "audit log"
_ID: Final = 16


class RingAuditKeys:
    """``AuditKeys`` over a ring."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    def active(self) -> AuditKey:
        ring = self._rings.ring()
        return AuditKey(ring.ring_id[:_ID], ring.derive(_PURPOSE))

    def secret(self, key_id: str) -> bytes | None:
        key = self.active()
        return key.secret if key.id == key_id else None
