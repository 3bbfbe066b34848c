"""The portable archive: named sections (manifest, key ring, files, table rows) in one passphrase-protected file.

Within the encrypted stream (``backups.stream``) lies one zstd stream of records::

    "S" name length (2) name      a section starts
    "D" length (4) bytes          a piece of its contents
    "E"                           the section ends
    "Z"                           the archive ends; nothing follows

Written and read in constant memory. A name may come several times: tables are written batch by batch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import zstandard

from backups.files import store_errors, whole_file
from backups.stream import ScryptCost, SealedReader, SealedWriter
from cpe_manager.domain.errors import InputError, SealBroken

PIECE: Final = 256 * 1024
_LONGEST_NAME: Final = 1024
_LONGEST_LINE: Final = 256 * 1024 * 1024
_LARGEST_WINDOW: Final = 8 * 1024 * 1024


@contextmanager
def write_archive(path: Path, passphrase: str, *, cost: ScryptCost | None = None) -> Iterator[ArchiveWriter]:
    """A writer whose archive (mode 0600) gets its name only when the block ends well; no half file stays behind.

    Raises ``StoreFull`` or ``StoreError`` for what the file system does, ``InputError`` for an empty passphrase.
    """
    with whole_file(path) as file:
        writer = ArchiveWriter(SealedWriter(file, passphrase, cost or ScryptCost()))
        yield writer
        writer.finish()


@contextmanager
def read_archive(path: Path, passphrase: str) -> Iterator[ArchiveReader]:
    """Raises ``KeyringError`` for a wrong passphrase or a file that is no archive, ``StoreError`` when unreadable."""
    with store_errors(f"cannot read {path}"), path.open("rb") as file:
        yield ArchiveReader(SealedReader(file, passphrase))


class ArchiveWriter:
    """Sections into an encrypted stream. ``section`` writes a whole one; ``begin``, ``write``, ``end`` a piece each."""

    def __init__(self, sealed: SealedWriter) -> None:
        self._sealed = sealed
        self._zstd = zstandard.ZstdCompressor(level=3).compressobj()
        self._within = False

    def section(self, name: str, contents: Iterable[bytes]) -> None:
        self.begin(name)
        for piece in contents:
            self.write(piece)
        self.end()

    def begin(self, name: str) -> None:
        encoded = name.encode()
        if self._within or not 0 < len(encoded) <= _LONGEST_NAME:
            raise InputError(f"archive section {name!r} cannot begin here")
        self._within = True
        self._put(b"S" + struct.pack(">H", len(encoded)) + encoded)

    def write(self, data: bytes) -> None:
        if not self._within:
            raise InputError("archive contents belong into a section")
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._put(b"D" + struct.pack(">I", len(piece)) + piece)

    def end(self) -> None:
        self._within = False
        self._put(b"E")

    def finish(self) -> None:
        """End the archive; nothing may be written after it."""
        if self._within:
            raise InputError("archive section has no end")
        self._put(b"Z")
        self._sealed.write(self._zstd.flush())
        self._sealed.finish()

    def _put(self, record: bytes) -> None:
        self._sealed.write(self._zstd.compress(record))


class ArchiveReader:
    """Sections out of an encrypted stream.

    What comes out is authentic, but whether the archive is whole is known only when ``sections`` has come to its end:
    do everything under one transaction, or run ``verify`` before.
    """

    def __init__(self, sealed: SealedReader) -> None:
        self._sealed = sealed
        # Reading through the stream reader bounds what one encrypted chunk can unfold to in memory.
        decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._zstd = decompressor.stream_reader(cast("IO[bytes]", sealed))

    def sections(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each section's name and contents in order; contents not consumed are skipped. ``SealBroken`` when cut."""
        while (kind := self._take(1)) == b"S":
            name = self._take(int.from_bytes(self._take(2), "big")).decode()
            contents = self._contents()
            yield name, contents
            for _skipped in contents:
                pass
        if kind != b"Z" or self._read(1) or self._sealed.read():
            raise SealBroken("archive does not end where it should")

    def _contents(self) -> Iterator[bytes]:
        while (kind := self._take(1)) == b"D":
            length = int.from_bytes(self._take(4), "big")
            if length > PIECE:
                raise SealBroken("archive holds a piece that is too large")
            yield self._take(length)
        if kind != b"E":
            raise SealBroken("archive section does not end where it should")

    def _take(self, count: int) -> bytes:
        taken = self._read(count)
        while len(taken) < count:
            more = self._read(count - len(taken))
            if not more:
                raise SealBroken("archive ends too early")
            taken += more
        return taken

    def _read(self, count: int) -> bytes:
        try:
            return self._zstd.read(count)
        except zstandard.ZstdError as error:
            raise SealBroken(f"archive does not decompress: {error}") from error


def verify(path: Path, passphrase: str) -> list[str]:
    """Read an archive to its end; the names of its sections. Raises as reading does."""
    with read_archive(path, passphrase) as reader:
        return [name for name, _contents in reader.sections()]


def to_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows of JSON-ready values as JSON lines."""
    return b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows)


def from_lines(contents: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Rows out of JSON lines, wherever the pieces are cut. Raises ``SealBroken`` for what is no row."""
    rest = b""
    for piece in contents:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise SealBroken("archive holds a row that is too long")
        for line in lines:
            yield _row(line)
    if rest:
        yield _row(rest)


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SealBroken("archive holds a row that is not JSON") from error
    if not isinstance(row, dict):
        raise SealBroken("archive holds a row that is not an object")
    return row
