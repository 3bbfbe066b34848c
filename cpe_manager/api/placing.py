"""Where in a body something is wrong, when not its schema but the domain found it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from cpe_manager.api.pointers import parts, pointer
from cpe_manager.domain.errors import InputError


@contextmanager
def placed(fields: Collection[str], inner: str = "") -> Iterator[None]:
    """Refusals inside name their place. ``fields``: of the body; a reason that begins with one, ``site: ...``, is about
    it. ``inner``: the field whose inside the domain reads itself, and names as ``ports[0].inside``."""
    try:
        yield
    except InputError as error:
        raise InputError(error.reason, file=error.file, line=error.line, pointer=place(error, fields, inner)) from error


def place(error: InputError, fields: Collection[str], inner: str = "") -> str | None:
    """As a JSON pointer; None where nobody says."""
    if error.pointer is not None:
        return error.pointer
    inside: str | None = getattr(error, "field", None)
    if inside is not None:
        return pointer([*([inner] if inner else []), *parts(inside)])
    name = error.reason.partition(":")[0]
    return pointer([name]) if name in fields else None
