"""Library exceptions become our own here, and nowhere else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cpe_manager.domain.errors import Conflict, CpeManagerError, StoreBusy, StoreError, StoreFull

_SQLITE_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_SQLITE_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR")
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PG_FULL: Final = frozenset({"53100", "58030"})  # disk_full, io_error
_PG_BUSY: Final = frozenset({"55P03", "57014", "40001", "40P01", "53300"})
_PG_AGAIN: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


@contextmanager
def translated(label: str) -> Iterator[None]:
    """Turn what the database library raises into our errors; ``label`` names the database, without its password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, TimeoutError) as error:
        raise translate(error, label) from error


def translate(error: Exception, label: str) -> CpeManagerError:
    """Our error for a library's one."""
    if isinstance(error, IntegrityError):
        return Conflict(f"the database refused the change: {_first_line(error.orig)}")
    if isinstance(error, PoolTimeout | TimeoutError):
        return StoreBusy(f"the database did not answer in time: {label}")
    if isinstance(error, DBAPIError):
        cause: BaseException = error.orig if error.orig is not None else error
        return _driver_error(cause, label)
    if isinstance(error, sqlite3.Error):
        return _driver_error(error, label)
    return StoreError(f"the database layer failed: {_first_line(error)}")


def may_succeed_again(error: DBAPIError) -> bool:
    """True for a transaction that lost to another one (PostgreSQL) and did nothing."""
    return getattr(error.orig, "sqlstate", None) in _PG_AGAIN


def _driver_error(cause: BaseException, label: str) -> StoreError:
    name = getattr(cause, "sqlite_errorname", None) or ""
    state = getattr(cause, "sqlstate", None) or ""
    if name.startswith(_SQLITE_BUSY):
        return StoreBusy(f"database is locked by another process: {label}")
    if state in _PG_BUSY:
        return StoreBusy(f"the database is busy: {label}: {_first_line(cause)}")
    if name.startswith(_SQLITE_FULL) or state in _PG_FULL:
        return StoreFull(f"no space left, or a failing disk, for the database {label}: {_first_line(cause)}")
    if name == "SQLITE_NOTADB":
        return StoreError(f"not a database, or a damaged one: {label}")
    if name == "SQLITE_CANTOPEN":
        return StoreError(f"cannot open the database {label}: {_first_line(cause)}")
    if not name and not state:
        return StoreError(f"cannot reach the database {label}: {_first_line(cause)}")
    return StoreError(f"the database {label} failed: {_first_line(cause)}")


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
