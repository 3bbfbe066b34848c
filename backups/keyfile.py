"""The key file: where a ring lies, outside the database, readable by its owner alone.

Several processes may share one file. Changes are made under a lock and replace the file as a whole; every process sees
them at its next look, which costs one ``stat``.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from backups import keyring
from backups.files import store_errors, whole_file
from backups.keyring import Keyring
from cpe_manager.domain.errors import KeyringError
from cpe_manager.ports.clock import Ids
from cpe_manager.ports.keys import KeyInfo


class Rings(Protocol):
    """Gives the ring as it stands now. Raises ``KeyringError``."""

    def ring(self) -> Keyring: ...


class KeyFile:
    """A ring in a file; ``Rings`` for the vault and ``KeyStore`` for the services."""

    def __init__(self, path: Path, ids: Ids) -> None:
        self._path, self._ids = path, ids
        self._seen: tuple[int, int, int] | None = None
        self._ring: Keyring | None = None

    @property
    def path(self) -> Path:
        return self._path

    def create(self, now: datetime) -> Keyring:
        """A new ring in a new file. Raises ``Conflict`` when the file exists: keys are never overwritten."""
        return self.adopt(keyring.generate(self._new_id(), now))

    def adopt(self, ring: Keyring) -> Keyring:
        """Put a ring (of an archive) into a new file. Raises ``Conflict`` when the file exists."""
        with store_errors(f"cannot write {self._path}"):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(self._path, replace=False) as file:
            file.write(keyring.to_bytes(ring))
        return self.ring()

    def ring(self) -> Keyring:
        """As it stands in the file now.

        A file that was damaged, swapped for another installation's or removed raises ``KeyringError`` at once, though
        the old ring is still in memory: what would be sealed with it could not be opened after a restart.
        """
        try:
            status = self._path.stat()
        except OSError as error:
            raise KeyringError(f"key file {self._path}: {error.strerror}") from error
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._ring is None or seen != self._seen:
            ring = _read(self._path)
            if self._ring is not None and ring.ring_id != self._ring.ring_id:
                raise KeyringError(f"key file {self._path} now holds the keys of another installation")
            self._ring, self._seen = ring, seen
        return self._ring

    def infos(self) -> tuple[KeyInfo, ...]:
        """Oldest first."""
        ring = self.ring()
        return tuple(KeyInfo(key.id, key.created_at, key.id == ring.active_id) for key in ring.keys)

    def rotate(self, now: datetime) -> str:
        """Add a new key, make it the active one, write the file; returns its id."""
        key_id = self._new_id()
        self._change(lambda ring: ring.with_new_active(key_id, now))
        return key_id

    def retire(self, key_id: str) -> None:
        """Take a key out of the file. Raises ``NotFound``, ``Conflict`` when it is the active one."""
        self._change(lambda ring: ring.without(key_id))

    def _change(self, change: Callable[[Keyring], Keyring]) -> None:
        with _locked(self._path):
            ring = change(self.ring())
            with whole_file(self._path) as file:
                file.write(keyring.to_bytes(ring))
        self.ring()

    def _new_id(self) -> str:
        # The tail of an identifier is its random part: short enough to be read aloud.
        return f"k-{self._ids.new()[-12:]}"


def _read(path: Path) -> Keyring:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyringError(f"key file {path} is open to others (mode {mode:04o}); run: chmod 600 {path}")
            data = file.read()
    except OSError as error:
        raise KeyringError(f"key file {path}: {error.strerror}") from error
    try:
        return keyring.from_bytes(data)
    except KeyringError as error:
        raise KeyringError(f"key file {path}: {error}") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One change at a time: of two processes that rotate at once, neither may lose the other's key."""
    lock = path.with_name(path.name + ".lock")
    with store_errors(f"cannot lock {path}"):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with store_errors(f"cannot lock {path}"):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
