"""API tokens: what they may do. The token text itself exists only at its creation; a hash is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """``read`` sees, ``write`` operates, ``admin`` manages tokens and keys, ``originals`` opens sealed originals."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    ORIGINALS = "originals"


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
