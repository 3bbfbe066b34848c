"""Webhooks: who else is told of events, and how a delivery is signed, repeated and given up.

The wire format is that of Standard Webhooks (standardwebhooks.com): ``webhook-id`` names the event and stays the same
when it is sent again, ``webhook-signature`` is ``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``.
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.events import Event

State = Literal["active", "disabled"]

PREFIX: Final = "whsec_"
"""Makes a leaked secret findable by secret scanners."""
SECRET_BYTES: Final = 32
TEST_KIND: Final = "webhook.test"
MOST_OF_ACCOUNT: Final = 10
"""Webhooks of one customer's representative."""
MOST_KINDS: Final = 50
_SHORTEST_SECRET: Final = 24
_LONGEST_SECRET: Final = 64
_PATTERN: Final = re.compile(r"\*|[a-z][a-z_]{0,30}(?:\.[a-z_]{1,40})?(?:\.\*)?|[a-z][a-z_]{0,30}\.[a-z_]{0,40}\*")
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 3600.0
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``kinds``: event kinds, or their beginnings with a star. ``cursor``: the last event that was taken, or passed
    over since it is of no kind that is wanted. ``failures``: in a row; ``next_at``: not before then. ``object_id``: of
    the sealed secret. ``fence``: counts up with each owner."""

    id: str
    name: str
    url: str
    kinds: tuple[str, ...]
    object_id: str
    created_at: datetime
    created_by: str
    cursor: int = 0
    state: State = "active"
    reason: str = ""
    """Why it is disabled, or the last failure."""
    failures: int = 0
    failing_since: datetime | None = None
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    fence: int = 0
    sites: tuple[str, ...] | None = None
    """Names: it is told of changes, activations and subscriptions of these sites alone. None: not bound."""
    account_id: str = ""
    """Of the customer's representative that it was made by: it is told of what that account may see, as long as it
    may."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver. ``status``: of HTTP; None: there was no answer. What was answered beyond that is not kept."""

    event_id: int
    at: datetime
    ok: bool
    status: int | None
    seconds: float
    reason: str = ""


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Patterns without repetition. Raises ``InputError``."""
    if not kinds:
        raise InputError("say which events are wanted: kinds as in docs/reference/events.md, line.* or *")
    if len(kinds) > MOST_KINDS:
        raise InputError(f"at most {MOST_KINDS} kinds")
    for kind in kinds:
        if not _PATTERN.fullmatch(kind):
            raise InputError(f"{kind[:60]!r} is no kind of event: write line.mobile, line.* or *")
    return tuple(dict.fromkeys(kinds))


def new_secret(random: bytes) -> str:
    """``random``: ``SECRET_BYTES`` of them."""
    return PREFIX + b64encode(random).decode()


def key_of(secret: str) -> bytes:
    """Raises ``InputError``; the message never holds the secret."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
        raise InputError(f"a secret is {PREFIX} and the base64 of {_SHORTEST_SECRET} to {_LONGEST_SECRET} bytes")
    return key


def signed(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers."""
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(key_of(secret), f"{message_id}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


def message_id(event_id: int) -> str:
    """The same for each delivery of an event: a receiver that has seen it does nothing."""
    return f"evt_{event_id}"


def body_of(event: Event) -> bytes:
    return written(
        event.kind,
        event.at,
        {
            "id": event.id,
            "severity": event.severity,
            "device": event.device,
            "device_id": event.device_id,
            "job_id": event.job_id,
            "message": event.message,
            "data": dict(event.data),
        },
    )


def written(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    stamp = at.isoformat().replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": stamp, "data": data}, separators=(",", ":")).encode()


def pause(failures: int, jitter: float, retry_after: float | None = None) -> timedelta:
    """Before the next try after so many failures in a row: from 5 s, doubled each time, an hour at most, and up to a
    fifth less (``jitter`` from 0 to 1). A receiver may ask for more, up to a day."""
    seconds = min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 20), _LONGEST_PAUSE) * (1 - jitter / 5)
    return timedelta(seconds=max(seconds, retry_after or 0.0))


def shown_url(url: str) -> str:
    """Without the query, in which receivers have been known to put secrets."""
    base, mark, _ = url.partition("?")
    return f"{base}?..." if mark else base
