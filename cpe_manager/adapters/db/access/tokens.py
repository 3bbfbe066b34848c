"""API tokens, by the digest of their text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select, update

from cpe_manager.adapters.db.tables import token
from cpe_manager.adapters.db.transactions import Connections, Transaction
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.access.access import Permission
from cpe_manager.domain.access.tokens import Scope, Token
from cpe_manager.domain.errors import Conflict, NotFound


class SqlTokens:
    """``TokenStore`` over SQL. A name is unique among the tokens of an account, and among those of nobody, that are not
    revoked."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def add(self, token: Token, digest: str) -> None:
        """Raises ``Conflict`` when a token that is not revoked has that name."""
        await self._db.write(lambda tx: _add(tx, token, digest))

    async def by_digest(self, digest: str) -> Token | None:
        """Also a revoked or expired one: its reader judges that."""
        rows = await self._db.read(lambda tx: tx.rows(select(token).where(token.c.digest == digest)))
        return _to_token(rows[0]) if rows else None

    async def tokens(self, *, account_id: str | None = None) -> Sequence[Token]:
        query = select(token).order_by(token.c.name, token.c.created_at)
        if account_id is not None:
            query = query.where(token.c.account_id == account_id)
        return [_to_token(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def revoke(self, name_or_id: str, *, at: datetime, account_id: str | None = None) -> Token:
        """One that is revoked already keeps its time."""
        whose = token.c.account_id.is_(None) if account_id is None else token.c.account_id == account_id
        by_id = token.c.id == name_or_id if account_id is None else and_(token.c.id == name_or_id, whose)

        async def work(tx: Transaction) -> Token:
            meant = or_(by_id, and_(token.c.name == name_or_id, whose))
            # The exact id, then the one still valid, then the latest of that name.
            order = ((token.c.id == name_or_id).desc(), token.c.revoked_at.is_not(None), token.c.created_at.desc())
            rows = await tx.rows(select(token).where(meant).order_by(*order).limit(1).with_for_update())
            if not rows:
                raise NotFound(f"no such token: {name_or_id}")
            this = token.c.id == rows[0].id
            await tx.run(update(token).where(this, token.c.revoked_at.is_(None)).values(revoked_at=at))
            return _to_token((await tx.rows(select(token).where(this)))[0])

        return await self._db.write(work)

    async def used(self, token_ids: Sequence[str], at: datetime, source: str = "") -> None:
        if token_ids:
            values = {"last_used_at": at, **({"last_used_from": source} if source else {})}
            statement = update(token).where(token.c.id.in_(sorted(set(token_ids)))).values(values)
            await self._db.write(lambda tx: tx.run(statement))


async def _add(tx: Transaction, new: Token, digest: str) -> None:
    values = {
        "id": new.id,
        "name": new.name,
        "digest": digest,
        "scopes": sorted(scope.value for scope in new.scopes),
        "created_at": new.created_at,
        "expires_at": new.expires_at,
        "revoked_at": new.revoked_at,
        "last_used_at": new.last_used_at,
        "account_id": new.account_id,
        "limit_to": None if new.limit is None else sorted(permission.value for permission in new.limit),
        "created_by": new.created_by,
        "last_used_from": new.last_used_from,
    }
    insert = tx.insert(token).values(values).on_conflict_do_nothing()
    if not await tx.rows(insert.returning(token.c.id)):
        raise Conflict(f"a token of that name exists: {new.name}")


def _to_token(row: AnyRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        account_id=row.account_id,
        limit=None if row.limit_to is None else frozenset(map(Permission, row.limit_to)),
        created_by=row.created_by,
        last_used_from=row.last_used_from,
    )
