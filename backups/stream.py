"""A passphrase-protected byte stream in a file: scrypt, then AES-256-GCM in chunks.

::

    file   = header | header tag (32) | chunk ... | last chunk
    header = "CPEMARC1" | log2 n (1) | r (1) | p (1) | chunk size (4) | salt (16) | nonce prefix (7)
    keys   = scrypt(passphrase in NFKC, salt, n, r, p) -> 64 bytes: 32 for the chunks, 32 for the header tag
    tag    = HMAC-SHA256(header key, header)
    chunk  = AES-256-GCM(chunk key, prefix (7) | counter (4) | last (1), plaintext of chunk size; less in the last one)

Numbers are big-endian. The counter starts at 0 and ``last`` is 1 in the last chunk only (the STREAM construction of
Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so a chunk that is missing, doubled, moved or cut off does not decrypt.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cpe_manager.domain.errors import InputError, KeyringError, SealBroken

MAGIC: Final = b"CPEMARC1"
CHUNK: Final = 64 * 1024
_TAG: Final = 16
_HEADER: Final = struct.Struct(">8sBBBI16s7s")
_LARGEST_CHUNK: Final = 16 * 1024 * 1024
_WRONG: Final = "wrong passphrase or damaged archive"


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """The default takes 128 MiB and some tenths of a second for each guess at a passphrase."""

    log2_n: int = 17
    r: int = 8
    p: int = 1

    def bearable(self) -> bool:
        """Whether a stranger's header may make this process pay it: at most 1 GiB."""
        return 1 <= self.log2_n <= 20 and 1 <= self.r <= 8 and 1 <= self.p <= 4


class SealedWriter:
    """Encrypts what is written to it; ``finish`` writes the last chunk, without which the file counts as cut off."""

    def __init__(self, file: BinaryIO, passphrase: str, cost: ScryptCost) -> None:
        salt, self._prefix = os.urandom(16), os.urandom(7)
        header = _HEADER.pack(MAGIC, cost.log2_n, cost.r, cost.p, CHUNK, salt, self._prefix)
        chunk_key, header_key = _derive(passphrase, salt, cost)
        self._file, self._cipher = file, AESGCM(chunk_key)
        self._pending, self._counter = bytearray(), 0
        file.write(header + hmac.digest(header_key, header, hashlib.sha256))

    def write(self, data: bytes) -> None:
        self._pending += data
        # A full chunk is held back until more comes: only then is it known not to be the last.
        while len(self._pending) > CHUNK:
            self._emit(bytes(self._pending[:CHUNK]), last=False)
            del self._pending[:CHUNK]

    def finish(self) -> None:
        self._emit(bytes(self._pending), last=True)
        self._pending.clear()

    def _emit(self, plaintext: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._prefix, self._counter, last=last), plaintext, None))
        self._counter += 1


class SealedReader:
    """Decrypts chunk by chunk. Nothing read is to be believed for good before ``read`` has given ``b""``."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(MAGIC):
            raise KeyringError("this is not an archive of cpe-manager")
        _magic, log2_n, r, p, self._size, salt, self._prefix = _HEADER.unpack(header)
        cost = ScryptCost(log2_n, r, p)
        if not cost.bearable() or not 0 < self._size <= _LARGEST_CHUNK:
            raise KeyringError(_WRONG)
        chunk_key, header_key = _derive(passphrase, salt, cost)
        if not hmac.compare_digest(file.read(32), hmac.digest(header_key, header, hashlib.sha256)):
            raise KeyringError(_WRONG)
        self._file, self._cipher, self._counter = file, AESGCM(chunk_key), 0
        self._ahead = file.read(self._size + _TAG)
        self._done = False

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, whatever its size; ``b""`` after the last. ``SealBroken`` when the file was cut, changed."""
        while not self._done:
            current, self._ahead = self._ahead, self._file.read(self._size + _TAG)
            self._done = not self._ahead
            try:
                plaintext = self._cipher.decrypt(_nonce(self._prefix, self._counter, last=self._done), current, None)
            except (InvalidTag, ValueError) as error:
                raise SealBroken(f"archive is cut off or damaged at chunk {self._counter}") from error
            self._counter += 1
            if plaintext:
                return plaintext
        return b""


def _derive(passphrase: str, salt: bytes, cost: ScryptCost) -> tuple[bytes, bytes]:
    if not passphrase:
        raise InputError("the passphrase is empty")
    secret = unicodedata.normalize("NFKC", passphrase).encode()
    both = Scrypt(salt=salt, length=64, n=2**cost.log2_n, r=cost.r, p=cost.p).derive(secret)
    return both[:32], both[32:]


def _nonce(prefix: bytes, counter: int, *, last: bool) -> bytes:
    return prefix + counter.to_bytes(4, "big") + bytes([last])
