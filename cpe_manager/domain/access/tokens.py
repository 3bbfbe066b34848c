"""API tokens: what they may do. The token text itself exists only at its creation; a hash is stored.

A token is of an account, whose rights it has or some of them; or it is of nobody (those of the time before accounts,
and the first one of an installation), and its scopes say what it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cpe_manager.domain.access.access import Permission, Principal, Role, id_of_token


class Scope(StrEnum):
    """``read`` sees, ``write`` operates, ``admin`` manages tokens and keys, ``originals`` opens sealed originals."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    ORIGINALS = "originals"


@dataclass(frozen=True, slots=True)
class Token:
    """``account_id`` None: of nobody, with ``scopes``. Else ``limit`` is what it allows at most of what the account
    may; None: all of it. ``last_used_from``: the address of the last use."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    account_id: str | None = None
    limit: frozenset[Permission] | None = None
    created_by: str = ""
    last_used_from: str = ""


_ROLES: Final[Mapping[Scope, frozenset[Role]]] = {
    Scope.READ: frozenset({Role.VIEWER}),
    Scope.WRITE: frozenset({Role.OPERATOR, Role.EXECUTOR}),
    Scope.ADMIN: frozenset({Role.ADMINISTRATOR}),
    Scope.ORIGINALS: frozenset(),
}
_PERMISSIONS: Final[Mapping[Scope, frozenset[Permission]]] = {
    Scope.READ: frozenset({Permission.SEE, Permission.SEE_CHANGES, Permission.FOLLOW}),
    Scope.WRITE: frozenset({Permission.OPERATE, Permission.SUBMIT_CHANGES}),
    Scope.ADMIN: frozenset({Permission.ADMINISTER, Permission.AUDIT}),
    Scope.ORIGINALS: frozenset({Permission.ORIGINALS}),
}
"""No scope includes another, as it was before there were roles."""


def principal_of(token: Token) -> Principal:
    """Who acts with a token that is of nobody."""
    scopes = sorted(token.scopes)
    roles: frozenset[Role] = frozenset().union(*(_ROLES[scope] for scope in scopes))
    limit: frozenset[Permission] = frozenset().union(*(_PERMISSIONS[scope] for scope in scopes))
    granted = limit & {Permission.ORIGINALS}
    return Principal(id_of_token(token.id), token.name, "service", roles, None, limit, granted)
