"""Accounts, their tokens, log-ins and what one may oneself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from cpe_manager.api.schemas.common import Body, Label, View
from cpe_manager.domain.access.access import Permission, Principal, Role
from cpe_manager.domain.access.accounts import LONGEST_PASSWORD, Account, AccountKind, Guess, Session
from cpe_manager.domain.access.tokens import Token
from cpe_manager.services.access.access import Known
from cpe_manager.services.access.book import MOST_TOKEN_DAYS, AccountChange, NewAccount, TokenWish

SiteName = Annotated[str, Field(min_length=1, max_length=255)]
Password = Annotated[SecretStr, Field(max_length=4 * LONGEST_PASSWORD)]
"""Never in a message or a log: what is wrong with it is told without it."""


class AccountView(View):
    """``sites`` null: not bound to any. ``originals``: may open sealed originals, which no role allows."""

    id: str
    name: str
    kind: AccountKind
    roles: list[Role]
    sites: list[str] | None
    originals: bool
    permissions: list[Permission]
    full_name: str
    email: str
    created_at: datetime
    created_by: str
    disabled: bool
    disabled_at: datetime | None
    has_password: bool
    password_at: datetime | None
    temporary: bool = Field(description="The password has to be changed before anything else is done")
    subject: str | None = Field(description="Who it is at the provider of log-ins: issuer and subject")
    last_login_at: datetime | None
    last_login_from: str
    failed_logins: int = Field(description="Since the last one that succeeded, from browsers that are not known")
    held_until: datetime | None = Field(description="Log-ins from such browsers are not looked at before then")
    revision: int

    @classmethod
    def shown(cls, account: Account, principal: Principal, guess: Guess | None) -> AccountView:
        return cls(
            id=account.id,
            name=account.name,
            kind=account.kind,
            roles=sorted(account.roles),
            sites=None if account.sites is None else sorted(account.sites),
            originals=Permission.ORIGINALS in account.granted,
            permissions=sorted(principal.permissions),
            full_name=account.full_name,
            email=account.email,
            created_at=account.created_at,
            created_by=account.created_by,
            disabled=account.disabled,
            disabled_at=account.disabled_at,
            has_password=account.has_password,
            password_at=account.password_at,
            temporary=account.temporary,
            subject=account.subject,
            last_login_at=account.last_login_at,
            last_login_from=account.last_login_from,
            failed_logins=guess.failures if guess else 0,
            held_until=guess.until if guess else None,
            revision=account.revision,
        )


class AccountBody(Body):
    """``sites``: of the role customer, which stands alone. ``subject``: who it is at the provider of log-ins."""

    name: str = Field(min_length=1, max_length=64, examples=["an.peeters"])
    kind: AccountKind = AccountKind.USER
    roles: list[Role] = Field(min_length=1, max_length=10)
    sites: list[SiteName] | None = Field(default=None, max_length=10_000)
    originals: bool = False
    full_name: str = Field(default="", max_length=200)
    email: str = Field(default="", max_length=255)
    subject: str | None = Field(default=None, max_length=1000)
    password: Password | None = Field(default=None, description="A first one, to be changed at the first log-in")

    def new(self) -> NewAccount:
        return NewAccount(
            name=self.name,
            kind=self.kind,
            roles=frozenset(self.roles),
            sites=None if self.sites is None else frozenset(self.sites),
            granted=frozenset({Permission.ORIGINALS} if self.originals else ()),
            full_name=self.full_name,
            email=self.email,
            subject=self.subject,
            password=None if self.password is None else self.password.get_secret_value(),
        )


class AccountChangeBody(Body):
    """What is left out stays as it is."""

    roles: list[Role] | None = Field(default=None, min_length=1, max_length=10)
    sites: list[SiteName] | None = Field(default=None, max_length=10_000)
    originals: bool | None = None
    full_name: str | None = Field(default=None, max_length=200)
    email: str | None = Field(default=None, max_length=255)
    subject: str | None = Field(default=None, max_length=1000, description="Empty: linked to nobody any more")
    disabled: bool | None = None

    def wish(self) -> AccountChange:
        granted = None
        if self.originals is not None:
            granted = frozenset({Permission.ORIGINALS} if self.originals else ())
        return AccountChange(
            roles=None if self.roles is None else frozenset(self.roles),
            sites=None if self.sites is None else frozenset(self.sites),
            granted=granted,
            full_name=self.full_name,
            email=self.email,
            subject=self.subject,
            disabled=self.disabled,
        )


class GivenPasswordBody(Body):
    """Without one, one is made, and told in the answer this once."""

    password: Password | None = None


class GivenPasswordView(View):
    """``password``: the one that was made; null when it was given."""

    password: str | None


class OwnPasswordBody(Body):
    old: Password
    new: Password


class LoggedOutView(View):
    sessions: int = Field(description="How many ended")


class AccountTokenView(View):
    """``permissions`` null: all that the account may."""

    id: str
    name: str
    permissions: list[Permission] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str

    @classmethod
    def of(cls, token: Token) -> AccountTokenView:
        return cls(
            id=token.id,
            name=token.name,
            permissions=None if token.limit is None else sorted(token.limit),
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
            revoked_at=token.revoked_at,
            last_used_at=token.last_used_at,
            last_used_from=token.last_used_from,
        )


class NewAccountTokenView(View):
    """``text`` is shown this once; a hash of it is stored."""

    token: AccountTokenView
    text: str


class AccountTokenBody(Body):
    """``permissions``: at most these of what the account may; left out: all of them."""

    name: Label
    permissions: list[Permission] | None = Field(default=None, min_length=1, max_length=20)
    days: int | None = Field(default=None, ge=1, le=MOST_TOKEN_DAYS, description="Valid so many days; 90 if left out")

    def wish(self) -> TokenWish:
        return TokenWish(self.name, None if self.permissions is None else frozenset(self.permissions), self.days)


class LoginBody(Body):
    name: str = Field(max_length=200)
    password: Password


class SessionView(View):
    """``expires_at``: whatever happens; without a request it ends after ``idle_seconds``."""

    way: Literal["password", "oidc"]
    began_at: datetime
    expires_at: datetime
    idle_seconds: float
    csrf_token: str | None = Field(
        default=None, description="Goes as X-CSRF-Token with every request by cookie that changes something"
    )

    @classmethod
    def shown(cls, session: Session, idle_seconds: float, csrf: str | None) -> SessionView:
        return cls(
            way=session.way,
            began_at=session.began_at,
            expires_at=session.expires_at,
            idle_seconds=idle_seconds,
            csrf_token=csrf,
        )


class MeView(View):
    """Who asks, and what they may. ``token``: the name of the one that was used; null by session."""

    id: str
    name: str
    kind: Literal["user", "service", "system"]
    roles: list[Role]
    sites: list[str] | None
    permissions: list[Permission]
    must_change_password: bool
    token: str | None
    session: SessionView | None

    @classmethod
    def shown(cls, known: Known, session: SessionView | None) -> MeView:
        who = known.principal
        return cls(
            id=who.id,
            name=who.name,
            kind=who.kind,
            roles=sorted(who.roles),
            sites=None if who.sites is None else sorted(who.sites),
            permissions=sorted(who.permissions),
            must_change_password=known.must_change,
            token=known.token.name if known.token else None,
            session=session,
        )
