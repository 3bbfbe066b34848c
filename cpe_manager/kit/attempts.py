"""Making a value of the neutral model out of what a box says, where it can be one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cpe_manager.domain.errors import InputError

T = TypeVar("T")


def attempt(make: Callable[..., T], *words: object, **more: object) -> T | None:
    """What a box takes and the model cannot say is no part of the model: None."""
    try:
        return make(*words, **more)
    except (ValueError, InputError):
        return None
