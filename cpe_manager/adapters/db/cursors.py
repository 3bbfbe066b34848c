"""Opaque page cursors: the sort key of the last row, in URL-safe text."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.paging import Page

T = TypeVar("T")


def encode(*key: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, *types: type[str | int]) -> list[Any]:
    """The key in ``cursor``, checked against ``types``. Raises ``InputError``."""
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise InputError("not a cursor of this list") from error
    if not isinstance(key, list) or [type(part) for part in key] != list(types):
        raise InputError("not a cursor of this list")
    return key


def to_time(text: str) -> datetime:
    """A time in a cursor. Raises ``InputError``."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("not a cursor of this list") from error
    if at.tzinfo is None:
        raise InputError("not a cursor of this list")
    return at


def page(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str | int, ...]]) -> Page[T]:
    """A page from ``limit + 1`` rows asked for: the one too many tells that there is a next page."""
    items = tuple(rows[:limit])
    more = len(rows) > limit and bool(items)
    return Page(items, encode(*key(items[-1])) if more else None)
