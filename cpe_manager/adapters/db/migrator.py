"""Alembic from the installed package: no ini file, one lock, all steps in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from cpe_manager.adapters.db.engine import Target, migrator
from cpe_manager.adapters.db.failures import translated
from cpe_manager.adapters.db.transactions import Lock
from cpe_manager.domain.errors import StoreError

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(where: Target) -> None:
    """To the newest schema. Blocks; two processes take turns. Raises ``StoreError`` for a schema that is newer."""
    engine = migrator(where)
    try:
        # SQLite: the transaction starts with the write lock. PostgreSQL: DDL is transactional as well.
        with translated(where.label), engine.begin() as connection:
            if not where.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(int(Lock.MIGRATE))))
            config = _config(connection)
            _refuse_newer(connection, config, where.label)
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def current_revision(where: Target) -> str | None:
    """The revision of the schema, None for an empty database."""
    engine = migrator(where)
    try:
        with translated(where.label), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection, config: Config, label: str) -> None:
    revision = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(
            f"the database {label} has schema {revision}, which this program does not know:"
            " it was written by a newer version, use that one"
        )
