"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Row, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row of any columns."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC time: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite, so that it compares exactly."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        return (value - _EPOCH) // _MICROSECOND if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=int(value))
        stored: datetime = value
        return stored.astimezone(UTC)


class FreeText(TypeDecorator[str]):
    """Text that may come from a device: what PostgreSQL cannot store (NUL, lone surrogates) becomes U+FFFD.

    One odd byte of one device must not make a whole batch fail.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None or (value.isascii() and "\x00" not in value):
            return value
        return _UNSTORABLE.sub("\ufffd", value)


# Byte order everywhere: the collation of the server must not decide the order of lists and cursors.
ID: Final = String(32).with_variant(String(32, collation="C"), "postgresql")
NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")
EVENT_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
