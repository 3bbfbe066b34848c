"""The daemon's database, looked at and spoiled from outside."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

Line = tuple[str, str | None]
"""A line of a push's journal: the step, and its result if it has ended."""

_JOURNALS = "SELECT push_id, step, result FROM push_step ORDER BY push_id, number"
_GONE_SECONDS = 8.0
_LOCKED_SECONDS = 13.0
"""How long a database is away, or locked: longer than the daemon waits for it."""


class Store(Protocol):
    def journals(self) -> Mapping[str, Sequence[Line]]: ...

    def refuse(self, device: str, step: str) -> None:
        """From now on this device's pushes cannot write down that this step has ended."""
        ...

    def lift(self, device: str = "%") -> None:
        """No refusals any more, for one device or for all."""
        ...

    def gone(self, then: Callable[[], None]) -> None:
        """The database is away for a while; ``then`` is called when it is."""
        ...


class SqliteStore:
    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as db:
            db.execute("CREATE TABLE chaos_refused (device TEXT, step TEXT)")
            # An overflow: the statement fails, and not for what is in it.
            db.execute(
                "CREATE TRIGGER chaos BEFORE INSERT ON push_step WHEN NEW.result IS NOT NULL AND EXISTS ("
                " SELECT 1 FROM chaos_refused r JOIN device d ON d.name = r.device JOIN push p ON p.device_id = d.id"
                " WHERE p.id = NEW.push_id AND r.step = NEW.step)"
                " BEGIN SELECT abs(-9223372036854775808); END"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            yield db

    def journals(self) -> Mapping[str, Sequence[Line]]:
        with self._open() as db:
            return _by_push(db.execute(_JOURNALS).fetchall())

    def refuse(self, device: str, step: str) -> None:
        with self._open() as db:
            db.execute("INSERT INTO chaos_refused VALUES (?, ?)", (device, step))

    def lift(self, device: str = "%") -> None:
        with self._open() as db:
            db.execute("DELETE FROM chaos_refused WHERE device LIKE ?", (device,))

    def gone(self, then: Callable[[], None]) -> None:
        """Locked by somebody who does not let go."""
        with self._open() as db:
            db.execute("BEGIN EXCLUSIVE")
            db.execute("DELETE FROM chaos_refused")
            then()
            time.sleep(_LOCKED_SECONDS)  # noqa: TID251  the daemon is to run into it
            db.execute("COMMIT")


class PostgresStore:
    """``stop`` and ``start``: of its server."""

    def __init__(self, url: str, stop: Callable[[], None], start: Callable[[], None]) -> None:
        self._url, self._stop, self._start = url, stop, start
        self._run(
            "CREATE TABLE chaos_refused (device TEXT, step TEXT)",
            "CREATE FUNCTION chaos() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.result IS NOT NULL AND EXISTS (SELECT 1 FROM chaos_refused r JOIN device d ON d.name = r.device"
            " JOIN push p ON p.device_id = d.id WHERE p.id = NEW.push_id AND r.step = NEW.step) THEN"
            " RAISE EXCEPTION 'could not read block' USING ERRCODE = '58030'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER chaos BEFORE INSERT ON push_step FOR EACH ROW EXECUTE FUNCTION chaos()",
        )

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def journals(self) -> Mapping[str, Sequence[Line]]:
        with psycopg.connect(self._url) as db:
            return _by_push(db.execute(_JOURNALS.encode()).fetchall())

    def refuse(self, device: str, step: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as db:
            db.execute("INSERT INTO chaos_refused VALUES (%s, %s)", (device, step))

    def lift(self, device: str = "%") -> None:
        with psycopg.connect(self._url, autocommit=True) as db:
            db.execute("DELETE FROM chaos_refused WHERE device LIKE %s", (device,))

    def gone(self, then: Callable[[], None]) -> None:
        """Its server is stopped at once, as by a power cut, and started again."""
        self.lift()
        self._stop()
        then()
        time.sleep(_GONE_SECONDS)  # noqa: TID251  the daemon is to run into it
        self._start()
        self.lift()  # once more: what was written last may have gone with the server


def _by_push(rows: Sequence[tuple[str, str, str | None]]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for push_id, step, result in rows:
        found.setdefault(str(push_id), []).append((step, result))
    return found
