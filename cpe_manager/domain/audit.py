"""The audit log: who did what to what, append-only, each entry chained to the one before it by a keyed digest.

The digest is an HMAC under a key of the installation's key ring: whoever can write the database, and nothing else, can
neither alter an entry nor leave one out without its showing. What is cut off at the end shows by the head, which is
kept beside the entries, and in the process's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Result = Literal["done", "denied", "failed"]


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """``action``: ``change.approved``, ``token.created``, ``login``, or for the rest the operation id of the API.
    ``target``: what it was done to, ``kind:id`` or a name. ``data`` is JSON-ready and without secrets."""

    at: datetime
    actor: str
    actor_id: str
    action: str
    target: str = ""
    site: str = ""
    result: Result = "done"
    data: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """Address that the request came from."""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """``number`` counts up by one, from 1. ``previous`` and ``digest``: hexadecimal."""

    number: int
    entry: NewAuditEntry
    previous: str
    digest: str
