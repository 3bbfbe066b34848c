"""The nouns of the vault: what a version is, in which states it can be, what a driver says about text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BackupState(StrEnum):
    """``good``: counts as history. ``quarantined``: waits for a person. ``refused``: a person said no."""

    GOOD = "good"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Backup:
    """A stored version of a position's configuration, without its contents."""

    id: str
    device_id: str
    position_id: str
    site_id: str
    device: str
    number: int
    """1, 2, 3 ... within the position; never used twice."""
    state: BackupState
    captured_at: datetime
    family: str
    fingerprint: str
    """Keyed hash (hex) of the significant text, secrets included; equal means nothing worth storing changed."""
    size: int
    """Bytes of the restore-grade original before compression."""
    lines: int
    reason: str | None = None
    """Why it is quarantined or refused."""
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class SealedObject:
    """A sealed original as it lies in the database; ``ciphertext`` is zstd-compressed text under AES-256-GCM."""

    id: str
    format: int
    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A capture made ready to be stored: everything about a version but its number and state."""

    fingerprint: str
    size: int
    lines: int
    family: str
    sealed: SealedObject
    redacted: bytes
    """zstd-compressed UTF-8 of the redacted canonical view."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The file that a box makes of itself (``sysupgrade -b``), as it is kept beside a version: without the device's
    log-in (§5.2.1.3). ``size`` in bytes; ``sha256`` of the content, hexadecimal."""

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileDraft:
    """Such a file made ready to be stored beside a version."""

    backup_id: str
    info: FileInfo
    sealed: SealedObject


@dataclass(frozen=True, slots=True)
class LastGood:
    """What is known of a device's current version when the next capture is judged."""

    backup_id: str
    fingerprint: str
    size: int
    lines: int
    captured_at: datetime
    archived: bool = False
    """Whether the file that the box makes itself is kept beside it."""
