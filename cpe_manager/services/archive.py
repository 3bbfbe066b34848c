"""Database and key ring in one file, sealed with a passphrase; and back, on SQLite or PostgreSQL.

Sections, in this order: ``manifest`` (JSON), ``keyring``, then ``table/<name>`` with rows as JSON lines, as often as it
takes. Credentials are not in it: they are the operator's, by reference.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backups.archive import from_lines, read_archive, to_lines, verify, write_archive
from backups.keyfile import KeyFile
from backups.keyring import from_bytes, to_bytes
from cpe_manager.domain.errors import Conflict, InputError, SealBroken
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.maintenance import Maintenance

FORMAT: Final = 1
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """``rows`` counts the rows of all tables; None when only the keys were brought back."""

    path: Path
    ring_id: str
    schema: str
    created_at: str
    rows: int | None


async def write(path: Path, passphrase: str, database: Maintenance, keys: KeyFile, clock: Clock) -> ArchiveReport:
    """One consistent snapshot, also while a daemon runs. An existing file is replaced only by a whole one.

    Raises ``InputError`` (empty passphrase), ``StoreFull``, ``StoreError``, ``KeyringError``.
    """
    ring = keys.ring()
    schema = await database.schema_version() or ""
    created = clock.now().isoformat()
    rows = 0
    with write_archive(path, passphrase) as archive:
        manifest = {"format": FORMAT, "created_at": created, "schema": schema, "ring_id": ring.ring_id}
        archive.section("manifest", [json.dumps(manifest).encode()])
        archive.section("keyring", [to_bytes(ring)])
        async for table, batch in database.dump():
            archive.section(f"table/{table}", [to_lines(batch)])
            rows += len(batch)
    return ArchiveReport(path, ring.ring_id, schema, created, rows)


async def read(
    path: Path, passphrase: str, database: Maintenance, keys: KeyFile, *, keys_only: bool = False
) -> ArchiveReport:
    """Bring keys and rows back. Nothing is changed unless the whole archive is sound and fits.

    An existing key file is kept when it is of the same ring. Raises ``Conflict`` when the database holds anything, or
    the key file is another ring's; ``KeyringError`` for a wrong passphrase; ``SealBroken`` for a damaged file.
    """
    verify(path, passphrase)
    with read_archive(path, passphrase) as archive:
        sections = archive.sections()
        manifest = _manifest(sections)
        ring = from_bytes(_whole(sections, "keyring"))
        fresh = not keys.path.exists()
        if fresh:
            keys.adopt(ring)
        elif keys.ring().ring_id != ring.ring_id:
            raise Conflict(f"{keys.path} is the key file of another installation; move it away first")
        try:
            rows = None if keys_only else await _load(sections, manifest, database)
        except BaseException:
            if fresh:
                keys.path.unlink(missing_ok=True)
            raise
    return ArchiveReport(path, ring.ring_id, manifest["schema"], manifest["created_at"], rows)


async def _load(
    sections: Iterator[tuple[str, Iterable[bytes]]], manifest: Mapping[str, str], database: Maintenance
) -> int:
    await database.migrate()
    schema = await database.schema_version()
    if schema != manifest["schema"]:
        raise InputError(
            f"the archive has schema {manifest['schema']}, this release has {schema}: "
            "unarchive with the release that made it, then upgrade"
        )
    return await database.load(_batches(sections))


async def _batches(
    sections: Iterator[tuple[str, Iterable[bytes]]],
) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for name, contents in sections:
        table = name.removeprefix("table/")
        if table == name:
            raise SealBroken(f"archive holds an unknown section {name!r}")
        batch: list[Mapping[str, Any]] = []
        for row in from_lines(contents):
            batch.append(row)
            if len(batch) >= _BATCH:
                yield table, batch
                batch = []
        if batch:
            yield table, batch


def _manifest(sections: Iterator[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
    manifest = json.loads(_whole(sections, "manifest"))
    if manifest.get("format") != FORMAT:
        raise InputError(f"archive format {manifest.get('format')} is not known to this release")
    return {name: str(value) for name, value in manifest.items()}


def _whole(sections: Iterator[tuple[str, Iterable[bytes]]], name: str) -> bytes:
    found = next(sections, None)
    if found is None or found[0] != name:
        raise SealBroken(f"archive has no {name} where it should be")
    return b"".join(found[1])
