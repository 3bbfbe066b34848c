"""Cursor pagination: a page and the cursor of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``next`` is the key to pass as ``after`` for the following page; None on the last one."""

    items: tuple[T, ...]
    next: str | None = None
