"""Who may do what: principals, their roles, and what each role allows (§5.1.1, §5.2.1).

A *principal* is a user or a service account. What it may do is the union of what its roles allow; a token of it may
allow less, never more. Whoever represents a customer is bound to sites: of anything else it is told that it does not
exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from cpe_manager.domain.errors import Forbidden, NotFound


class Role(StrEnum):
    """``customer``: an authorised representative (§5.1.1), always bound to sites."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EXECUTOR = "executor"
    """Submits change requests: mostly programs."""
    APPROVER = "approver"
    """Writes down that a customer approved."""
    ADMINISTRATOR = "administrator"
    CUSTOMER = "customer"


class Permission(StrEnum):
    """One thing that somebody may do. Every route names the one it needs."""

    SEE = "see"
    """The fleet as the operator sees it."""
    OPERATE = "operate"
    """Change the fleet: pushes, backups, inventory, fail-over."""
    ADMINISTER = "administer"
    """Accounts, tokens, keys, webhooks, catalogues."""
    ORIGINALS = "originals"
    """Open sealed originals, which hold secrets."""
    AUDIT = "audit"
    SEE_CHANGES = "see-changes"
    """Change requests, subscriptions and the catalogues; bound to sites where the principal is."""
    SUBMIT_CHANGES = "submit-changes"
    APPROVE_CHANGES = "approve-changes"
    OWN_WIFI = "own-wifi"
    """SSID, wifi key and wifi channel, at once and without approval (§5.2.1.1)."""
    FOLLOW = "follow"
    """Webhooks and the event stream of what one may see."""


_VIEW: Final = frozenset({Permission.SEE, Permission.SEE_CHANGES, Permission.FOLLOW})
ALLOWED: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _VIEW,
    Role.OPERATOR: _VIEW | {Permission.OPERATE, Permission.SUBMIT_CHANGES},
    Role.EXECUTOR: frozenset({Permission.SEE_CHANGES, Permission.SUBMIT_CHANGES, Permission.FOLLOW}),
    Role.APPROVER: frozenset({Permission.SEE_CHANGES, Permission.APPROVE_CHANGES}),
    Role.ADMINISTRATOR: _VIEW | {Permission.OPERATE, Permission.ADMINISTER, Permission.AUDIT},
    Role.CUSTOMER: frozenset(
        {
            Permission.SEE_CHANGES, Permission.SUBMIT_CHANGES, Permission.APPROVE_CHANGES, Permission.OWN_WIFI,
            Permission.FOLLOW,
        }
    ),
}  # fmt: skip
"""An administrator submits and approves nothing: who gives out rights does not use them on customers' boxes. No role
opens originals: that is given to an account, or a token, by name."""

ALL: Final = frozenset(Permission)
CHANGE_KINDS: Final = ("change.*", "subscription.*", "activation.*")
"""Events that carry the site they are of (``data.site``): all that whoever does not see the fleet is told of."""
ACCOUNT_KINDS: Final = ("account.*", "login.*")
"""Events of who may do what: told to those who administer or audit."""


_NOBODYS: Final = "token:"


def id_of_token(token_id: str) -> str:
    """Id of the principal that a token without an account is."""
    return f"{_NOBODYS}{token_id}"


def is_account(principal_id: str) -> bool:
    """Whether it is a user or a service account: not a token of nobody, and not the daemon itself."""
    return not principal_id.startswith(_NOBODYS) and principal_id != SYSTEM.id


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. ``id`` is the account's and never reused: four eyes are told apart by it, not by names or tokens.

    ``sites``: names of the sites that it is bound to; None: not bound. ``limit``: what its token allows at most; None:
    all that its roles allow. ``granted``: what it may beyond its roles (``ORIGINALS``).
    """

    id: str
    name: str
    kind: Literal["user", "service", "system"]
    roles: frozenset[Role]
    sites: frozenset[str] | None = None
    limit: frozenset[Permission] | None = field(default=None)
    granted: frozenset[Permission] = frozenset()

    @property
    def permissions(self) -> frozenset[Permission]:
        found: frozenset[Permission] = self.granted.union(*(ALLOWED[role] for role in self.roles))
        return found if self.limit is None else found & self.limit

    @property
    def is_customer(self) -> bool:
        return self.sites is not None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def sees(self, site: str) -> bool:
        """Whether a site exists for it."""
        return self.sites is None or site in self.sites


SYSTEM: Final = Principal("system", "cpe-manager", "system", frozenset({Role.OPERATOR}))
"""The daemon itself."""


def require(principal: Principal, permission: Permission) -> None:
    """Raises ``Forbidden``, which names what is missing."""
    if not principal.may(permission):
        raise Forbidden(f"{principal.name} may not: {permission} is missing")


def require_site(principal: Principal, site: str, what: str) -> None:
    """Raises ``NotFound``, as for what there is none of: that a site exists is nobody else's to know."""
    if not principal.sees(site):
        raise NotFound(f"no such {what}")


def bound(principal: Principal, sites: Iterable[str] | None = None) -> frozenset[str] | None:
    """The sites that a list is cut down to: those asked for, among those that it may see. None: no bound."""
    asked = None if sites is None else frozenset(sites)
    if principal.sites is None:
        return asked
    return principal.sites if asked is None else principal.sites & asked


@dataclass(frozen=True, slots=True)
class Sight:
    """Which events somebody is told of. ``kinds``: of these patterns alone; None: of every one. ``hidden``: and of none
    of these. ``sites``: of these sites alone; None: not bound."""

    kinds: tuple[str, ...] | None = None
    hidden: tuple[str, ...] = ()
    sites: frozenset[str] | None = None


UNBOUND: Final = Sight()


def sight(principal: Principal) -> Sight:
    """What of the events is there for a principal: the fleet's for those who see it, else those of changes, and of
    whoever is bound to sites, those of its sites."""
    if principal.sites is not None or not principal.may(Permission.SEE):
        kinds = CHANGE_KINDS if principal.may(Permission.SEE_CHANGES) else ()
        return Sight(kinds, sites=principal.sites)
    keeps_accounts = principal.may(Permission.ADMINISTER) or principal.may(Permission.AUDIT)
    return Sight(hidden=() if keeps_accounts else ACCOUNT_KINDS)
