"""Who asks: from the text of a token or of a session's cookie to a principal."""

from __future__ import annotations

from dataclasses import dataclass, field

from cpe_manager.domain.access import accounts as people
from cpe_manager.domain.access import tokens as papers
from cpe_manager.domain.access.access import Permission, Principal
from cpe_manager.domain.access.accounts import Session
from cpe_manager.domain.access.tokens import Token
from cpe_manager.domain.errors import NotFound, Unauthorised
from cpe_manager.ports.accounts import AccountStore
from cpe_manager.services.access.logins import Logins
from cpe_manager.services.access.tokens import UNKNOWN, Tokens


@dataclass(frozen=True, slots=True)
class Known:
    """Who it is, and by what. ``must_change``: the password comes first; until then nothing else is allowed."""

    principal: Principal
    token: Token | None = None
    session: Session | None = None
    must_change: bool = field(default=False)


class Access:
    def __init__(self, tokens: Tokens, store: AccountStore, logins: Logins) -> None:
        self._tokens, self._store, self._logins = tokens, store, logins

    async def by_token(self, text: str, *, source: str = "") -> Known:
        """Raises ``Unauthorised``, which never says which of the reasons it was."""
        token = await self._tokens.authenticate(text, source=source)
        if token.account_id is None:
            return Known(papers.principal_of(token), token)
        try:
            account = await self._store.account(token.account_id)
        except NotFound:
            raise Unauthorised(UNKNOWN) from None
        if account.disabled:
            raise Unauthorised(UNKNOWN)
        return Known(people.principal_of(account, token.limit), token)

    async def by_cookie(self, text: str, *, csrf: str | None, changes: bool) -> Known:
        """Raises ``Unauthorised``; ``Forbidden`` for a change without its CSRF token."""
        account, session = await self._logins.known(text, csrf=csrf, changes=changes)
        must = account.temporary and session.way == "password"
        limit: frozenset[Permission] | None = frozenset() if must else None
        return Known(people.principal_of(account, limit), session=session, must_change=must)
