"""What must happen before a daemon runs: set up, migrate, check the keys; and archives, out and in again."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from backups.auditing import RingAuditKeys
from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.catalogue_file import CHANGE_FILE, SERVICE_FILE, shipped_text
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.access.audit import Seen
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import Conflict, InputError, KeyringError, SettingsError
from cpe_manager.kit.log_redaction import Redactor
from cpe_manager.services.access.audit import Verification, verify_export
from cpe_manager.services.access.tokens import Tokens
from cpe_manager.services.archive import ArchiveReport
from cpe_manager.services.archive import read as read_archive
from cpe_manager.services.archive import write as write_archive
from cpe_manager.services.jobs.scheduling import NewSchedule
from cpe_manager.settings import FIRST_CREDENTIALS, FIRST_PLATFORMS, FIRST_SETTINGS, Settings
from cpe_manager.wiring import Parts, build
from cpe_manager.wiring_audit import audit_book

RING_ID = "ring_id"
"""Under this name the database remembers which key ring its originals are sealed with."""

ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class InitResult:
    """``token`` is None when the installation had tokens already; its text exists only here."""

    data_dir: Path
    url: str
    token: str | None
    created: tuple[Path, ...]


async def init(settings: Settings) -> InitResult:
    """Make what is missing of an installation: settings, keys, credentials file, database, schedule, first token.

    Safe to repeat: what exists is left as it is. Raises ``SettingsError``, ``KeyringError``, ``StoreError``.
    """
    created = []
    _make_private_dir(settings.data_dir)
    for path, text in (
        (settings.data_dir / "cpe-manager.toml", FIRST_SETTINGS),
        (settings.credentials, FIRST_CREDENTIALS),
        (settings.platforms, FIRST_PLATFORMS),
        (settings.service_catalogue, shipped_text(SERVICE_FILE)),
        (settings.change_catalogue, shipped_text(CHANGE_FILE)),
    ):
        if _write_private(path, text):
            created.append(path)
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(settings.keyring, ids)
    if not settings.keyring.exists():
        await _refuse_new_keys_for_old_backups(settings)
        _make_private_dir(settings.keyring.parent)
        keys.create(clock.now())
        created.append(settings.keyring)
    async with opened(settings) as parts:
        token = await _first_token(parts.services.tokens)
        if not await parts.services.scheduling.list():
            await parts.services.scheduling.add(_nightly(settings))
    url = f"http://{settings.host}:{settings.port}"
    return InitResult(settings.data_dir, url, token, tuple(created))


async def _refuse_new_keys_for_old_backups(settings: Settings) -> None:
    """A fresh key ring beside a database of sealed originals would only hide that the keys were lost."""
    async with _database(settings) as database:
        if await database.maintenance.schema_version() and await database.maintenance.meta_get(RING_ID):
            raise KeyringError(
                f"{settings.keyring} is missing, but the database holds originals sealed with its keys: "
                "put the key file back, or restore an archive with cpe-manager unarchive"
            )


async def _first_token(tokens: Tokens) -> str | None:
    if await tokens.list():
        return None
    return (await tokens.create("admin", ALL_SCOPES, days=None, by="init")).text


def _nightly(settings: Settings) -> NewSchedule:
    return NewSchedule("nightly", settings.nightly_cron, settings.nightly_timezone, settings.nightly_window_minutes)


def _make_private_dir(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make {path}: {error.strerror}") from error


def _write_private(path: Path, text: str) -> bool:
    """True when it was made; an existing file is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return True


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.url)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def only_daemon(settings: Settings) -> Iterator[None]:
    """On SQLite one process owns the database and its leases; a lock on a file says which. Raises ``Conflict``."""
    if settings.scaled:
        yield
        return
    _make_private_dir(settings.data_dir)
    path = settings.data_dir / "daemon.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another daemon runs on {settings.data_dir} (it holds {path})") from error
        yield


def require_setup(settings: Settings) -> None:
    """Raises ``SettingsError`` for a data directory that ``init`` has not been run on."""
    if not (settings.data_dir / "cpe-manager.toml").exists() and not settings.keyring.exists():
        raise SettingsError(f"{settings.data_dir} is not set up: run cpe-manager init --data-dir {settings.data_dir}")


@asynccontextmanager
async def opened(settings: Settings, redactor: Redactor | None = None) -> AsyncIterator[Parts]:
    """Database migrated, keys checked, everything built; nothing runs yet. Closed on the way out.

    ``redactor``: the one that the process's logs go through; sessions tell it the log-ins they use.
    """
    require_setup(settings)
    clock = SystemClock()
    ids = SystemIds(clock)
    keys = KeyFile(settings.keyring, ids)
    vault = Vault(keys)
    ring_id = vault.ring_id()
    async with _database(settings) as database:
        await database.maintenance.migrate()
        await _check_ring(database, ring_id, settings.keyring)
        yield await build(settings, database, vault, keys, ids, redactor or Redactor())


async def _check_ring(database: Database, ring_id: str, path: Path) -> None:
    known = await database.maintenance.meta_get(RING_ID)
    if known is None:
        await database.maintenance.meta_set(RING_ID, ring_id)
    elif known != ring_id:
        raise KeyringError(f"{path} is the key file of another installation; what is stored was sealed with other keys")


async def verify_audit(settings: Settings, seen: Sequence[Seen] = ()) -> Verification:
    """The whole audit log of a database, whether a daemon runs or not; nothing is written, nor migrated."""
    require_setup(settings)
    clock = SystemClock()
    keys = KeyFile(settings.keyring, SystemIds(clock))
    keys.ring()
    async with _database(settings) as database:
        if await database.maintenance.schema_version() is None:
            raise SettingsError(f"the database {database.label} is empty")
        await _check_ring(database, keys.ring().ring_id, settings.keyring)
        book = audit_book(settings, database, keys, clock)
        part = await book.verify(seen=seen)
        while part.next is not None:
            part = await book.verify(part.next, seen=seen)
    return replace(part, first=1)


def verify_audit_export(settings: Settings, file: Path) -> Verification:
    """An export with the keys of this installation. Raises ``InputError``, with the line, for what is none."""
    require_setup(settings)
    keys = RingAuditKeys(KeyFile(settings.keyring, SystemIds(SystemClock())))
    keys.active()
    try:
        with file.open(encoding="utf-8") as lines:
            return verify_export(lines, keys)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read it: {error}", file=str(file)) from error


async def archive(settings: Settings, path: Path, passphrase: str) -> ArchiveReport:
    """Database and keys into one file, sealed with the passphrase; a running daemon is not disturbed."""
    clock = SystemClock()
    keys = KeyFile(settings.keyring, SystemIds(clock))
    keys.ring()  # a missing key file is said before a database is made
    async with _database(settings) as database:
        await _check_ring(database, keys.ring().ring_id, settings.keyring)
        return await write_archive(path, passphrase, database.maintenance, keys, clock)


async def unarchive(settings: Settings, path: Path, passphrase: str, *, keys_only: bool = False) -> ArchiveReport:
    """An archive into an empty installation (or only its keys beside an existing database)."""
    clock = SystemClock()
    with only_daemon(settings):
        _make_private_dir(settings.data_dir)
        _write_private(settings.data_dir / "cpe-manager.toml", FIRST_SETTINGS)
        _write_private(settings.credentials, FIRST_CREDENTIALS)
        _write_private(settings.platforms, FIRST_PLATFORMS)
        keys = KeyFile(settings.keyring, SystemIds(clock))
        async with _database(settings) as database:
            return await read_archive(path, passphrase, database.maintenance, keys, keys_only=keys_only)
