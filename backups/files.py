"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from cpe_manager.domain.errors import Conflict, StoreError, StoreFull

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole_file(path: Path, *, mode: int = 0o600, replace: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the name ``path`` only when the block ends well, on the disk by then.

    A symbolic link is followed, so that what it points at is replaced. With ``replace=False`` an existing file raises
    ``Conflict``. Raises ``StoreFull`` when there is no space, else ``StoreError``; no half file stays behind.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    with store_errors(f"cannot write {path}"):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                yield file
                file.flush()
                os.fsync(descriptor)
            if replace:
                temporary.replace(target)
            else:
                _link(temporary, target)
            _sync_directory(target.parent)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Map ``OSError`` to ``StoreFull`` or ``StoreError`` with one line that starts with ``what``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        kind = StoreFull if error.errno in _FULL else StoreError
        raise kind(f"{what}: {reason}") from error


def _link(temporary: Path, target: Path) -> None:
    try:
        target.hardlink_to(temporary)
    except FileExistsError as error:
        raise Conflict(f"{target} exists already") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
