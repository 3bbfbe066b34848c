"""Sealed objects, format 1 (``docs/reference/sealed-format.md`` has the same for readers without this code).

::

    ciphertext  = AES-256-GCM(data key, nonce, zstd(payload),  "cpe-manager sealed 1 data " + id)
    wrapped_key = wrap nonce (12) + AES-256-GCM(sealing key, wrap nonce, data key,
                                                "cpe-manager sealed 1 key " + key id + " " + id)

The data key (256 bits) and both nonces (96 bits) are random and new for each object. Both tags cover the object's id,
so that an object cannot be passed off as another by swapping rows; the wrap also covers the sealing key's id. Rotation
re-wraps 60 bytes and leaves the ciphertext as it is. Random nonces allow 2^32 wraps under one sealing key; a fleet of
100,000 that changes every night takes a century to get there.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.compression import Compression
from backups.keyfile import Rings
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.errors import SealBroken

FORMAT: Final = 1
_NONCE: Final = 12
_KEY: Final = 32
_TAG: Final = 16
_WRAPPED: Final = _NONCE + _KEY + _TAG


class Sealer:
    """Seals with the active key, opens with whichever key of the ring wrapped the object."""

    def __init__(self, rings: Rings, compression: Compression) -> None:
        self._rings, self._compression = rings, compression

    def seal(self, object_id: str, payload: bytes) -> SealedObject:
        """Raises ``KeyringError`` when the key file cannot be used."""
        random = os.urandom(_KEY + _NONCE)
        data_key, nonce = random[:_KEY], random[_KEY:]
        ciphertext = AESGCM(data_key).encrypt(nonce, self._compression.compress(payload), _data_context(object_id))
        key_id, wrapped = self._wrap(object_id, data_key)
        return SealedObject(object_id, FORMAT, key_id, wrapped, nonce, ciphertext)

    def open(self, sealed: SealedObject) -> bytes:
        """The payload. Raises ``SealBroken`` for whatever hinders it; ``KeyringError`` when there is no key file."""
        data_key = self._unwrap(sealed)
        try:
            compressed = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, _data_context(sealed.id))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"object {sealed.id} does not open: it is damaged or was exchanged") from error
        return self._compression.decompress(compressed)

    def rewrap(self, sealed: SealedObject) -> tuple[str, bytes]:
        """(key id, wrapped key) under the active key; the ciphertext is not read. Raises ``SealBroken``."""
        return self._wrap(sealed.id, self._unwrap(sealed))

    def _wrap(self, object_id: str, data_key: bytes) -> tuple[str, bytes]:
        key = self._rings.ring().active
        nonce = os.urandom(_NONCE)
        return key.id, nonce + AESGCM(key.secret).encrypt(nonce, data_key, _key_context(key.id, object_id))

    def _unwrap(self, sealed: SealedObject) -> bytes:
        if sealed.format != FORMAT:
            raise SealBroken(f"object {sealed.id} has format {sealed.format}, this release knows {FORMAT}")
        key = self._rings.ring().get(sealed.key_id)
        if key is None:
            raise SealBroken(f"object {sealed.id} needs key {sealed.key_id}, which is not in the key file")
        nonce, wrapped = sealed.wrapped_key[:_NONCE], sealed.wrapped_key[_NONCE:]
        if len(sealed.wrapped_key) != _WRAPPED:
            raise SealBroken(f"object {sealed.id} has a damaged key")
        try:
            return AESGCM(key.secret).decrypt(nonce, wrapped, _key_context(key.id, sealed.id))
        except InvalidTag as error:
            reason = f"object {sealed.id} does not open with key {key.id}: damaged, exchanged, or a wrong key file"
            raise SealBroken(reason) from error


def _data_context(object_id: str) -> bytes:
    return f"cpe-manager sealed {FORMAT} data {object_id}".encode()


def _key_context(key_id: str, object_id: str) -> bytes:
    return f"cpe-manager sealed {FORMAT} key {key_id} {object_id}".encode()
