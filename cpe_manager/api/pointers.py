"""JSON pointers (RFC 6901) to what is wrong in a body."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

_PARTS: Final = re.compile(r"[^.\[\]]+")


def pointer(path: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901); empty: the whole."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def parts(field: str) -> list[Any]:
    """``ports[0].inside`` in parts."""
    return _PARTS.findall(field)
