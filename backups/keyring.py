"""The sealing keys: what they are, and their form as bytes.

A ring holds key-encryption keys (AES-256), of which one is active and seals, the others still open. Beside them stands
the *fingerprint key*, which is never rotated: fingerprints of many years must stay comparable. The ring's public
``ring_id`` is derived from it, so a daemon that stored the id once recognises a wrong key file at its start.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from cpe_manager.domain.errors import Conflict, KeyringError, NotFound

KEY_BYTES: Final = 32
_FORMAT: Final = "cpe-manager keyring"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key-encryption key; ``secret`` is 32 bytes of AES-256 and is never printed."""

    id: str
    created_at: datetime
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Keyring:
    """Immutable; changes give a new ring. ``keys`` are in order of making."""

    keys: tuple[SealingKey, ...]
    active_id: str
    fingerprint_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        ids = [key.id for key in self.keys]
        if len(set(ids)) != len(ids) or self.active_id not in ids:
            raise KeyringError("key ids are not unique, or the active key is missing")
        if any(len(secret) != KEY_BYTES for secret in (self.fingerprint_key, *(key.secret for key in self.keys))):
            raise KeyringError(f"a key is not {KEY_BYTES} bytes long")

    @cached_property
    def ring_id(self) -> str:
        """Public and constant over rotations, 32 hex digits; tells one installation's ring from another's."""
        return self.derive("ring id").hex()[:32]

    @cached_property
    def fingerprinting(self) -> bytes:
        """Key of the fingerprints of configurations."""
        return self.derive("fingerprint")

    @cached_property
    def tagging(self) -> bytes:
        """Key of the short tags that stand for secrets in redacted views."""
        return self.derive("secret tag")

    @property
    def active(self) -> SealingKey:
        return self._by_id[self.active_id]

    def get(self, key_id: str) -> SealingKey | None:
        return self._by_id.get(key_id)

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose out of the fingerprint key (HMAC-SHA256), so that uses stay apart."""
        return hmac.digest(self.fingerprint_key, f"cpe-manager {purpose} 1".encode(), hashlib.sha256)

    def with_new_active(self, key_id: str, now: datetime) -> Keyring:
        """With one more key, freshly made, that seals from now on."""
        return replace(self, keys=(*self.keys, _fresh(key_id, now)), active_id=key_id)

    def without(self, key_id: str) -> Keyring:
        """Without a key. What it still wraps can never be opened again: ask the database first."""
        if key_id not in self._by_id:
            raise NotFound(f"no key {key_id}")
        if key_id == self.active_id:
            raise Conflict(f"key {key_id} is the active one")
        return replace(self, keys=tuple(key for key in self.keys if key.id != key_id))

    @cached_property
    def _by_id(self) -> dict[str, SealingKey]:
        return {key.id: key for key in self.keys}


def generate(key_id: str, now: datetime) -> Keyring:
    """A new ring with one key."""
    return Keyring((_fresh(key_id, now),), key_id, secrets.token_bytes(KEY_BYTES))


def to_bytes(ring: Keyring) -> bytes:
    """The ring as JSON, key material included: for the key file and for encrypted archives, nothing else."""
    body = {
        "format": _FORMAT,
        "version": _VERSION,
        "ring_id": ring.ring_id,
        "active": ring.active_id,
        "fingerprint_key": b64encode(ring.fingerprint_key).decode(),
        "keys": [
            {"id": key.id, "created_at": key.created_at.isoformat(), "key": b64encode(key.secret).decode()}
            for key in ring.keys
        ],
    }
    return json.dumps({**body, "check": _check(body)}, indent=2).encode() + b"\n"


def from_bytes(data: bytes) -> Keyring:
    """Raises ``KeyringError`` in one line for anything but an undamaged ring; no key material is in the message."""
    try:
        body = json.loads(data)
        if not isinstance(body, dict) or body.get("format") != _FORMAT:
            raise KeyringError("this is not a key file of cpe-manager")
        if body.get("version") != _VERSION:
            raise KeyringError(f"key file version {body.get('version')!r} is not known to this release")
        check = body.pop("check", "")
        if not hmac.compare_digest(str(check), _check(body)):
            raise KeyringError("the key file is damaged: its checksum does not match")
        keys = tuple(
            SealingKey(str(key["id"]), datetime.fromisoformat(key["created_at"]), b64decode(key["key"], validate=True))
            for key in body["keys"]
        )
        ring = Keyring(keys, str(body["active"]), b64decode(body["fingerprint_key"], validate=True))
    except (ValueError, KeyError, TypeError) as error:
        # The cause is cut off on purpose: a JSON error carries the whole document, keys included.
        raise KeyringError(f"the key file is damaged: {type(error).__name__}") from None
    if ring.ring_id != body.get("ring_id"):
        raise KeyringError("the key file is damaged: its ring id does not match its fingerprint key")
    return ring


def _fresh(key_id: str, now: datetime) -> SealingKey:
    return SealingKey(key_id, now, secrets.token_bytes(KEY_BYTES))


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
