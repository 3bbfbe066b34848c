"""What route functions are given: the services, the caller with the scope that is needed, a page's bounds."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.domain.access import Principal, Role
from cpe_manager.domain.errors import Forbidden, Unauthorised
from cpe_manager.domain.jobs import Job
from cpe_manager.domain.tokens import Scope, Token
from cpe_manager.services.bundle import Services

bearer = HTTPBearer(auto_error=False, description="A token made by `cpe-manager token create`; scopes as listed.")


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _caller(
    needed: SecurityScopes,
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
) -> Token:
    """The token was checked by the middleware already; here it is about what it may do."""
    token: Token | None = request.scope.get("state", {}).get("caller")
    if token is None:
        raise Unauthorised("no valid token")
    missing = [scope for scope in needed.scopes if Scope(scope) not in token.scopes]
    if missing:
        raise Forbidden(f"token {token.name} lacks the scope {', '.join(missing)}")
    return token


_ROLES: Final = {
    Scope.READ: (Role.VIEWER,), Scope.WRITE: (Role.OPERATOR, Role.EXECUTOR), Scope.ADMIN: (Role.ADMINISTRATOR,)
}  # fmt: skip


def _principal(token: Token) -> Principal:
    roles = {role for one in token.scopes for role in _ROLES.get(one, ())}
    return Principal(f"token:{token.id}", token.name, "service", frozenset(roles))


def _reading(token: Annotated[Token, Security(_caller, scopes=[Scope.READ.value])]) -> Principal:
    return _principal(token)


def _writing(token: Annotated[Token, Security(_caller, scopes=[Scope.WRITE.value])]) -> Principal:
    return _principal(token)


ServicesDep = Annotated[Services, Depends(_services)]
Reader = Annotated[Token, Security(_caller, scopes=[Scope.READ.value])]
Writer = Annotated[Token, Security(_caller, scopes=[Scope.WRITE.value])]
Admin = Annotated[Token, Security(_caller, scopes=[Scope.ADMIN.value])]
ChangeSeer = Annotated[Principal, Depends(_reading)]
Operator = Annotated[Principal, Depends(_writing)]
OriginalsReader = Annotated[Token, Security(_caller, scopes=[Scope.ORIGINALS.value])]

MOST_VERSIONS = 2**31 - 1
MOST_EVENTS = 2**63 - 1
"""What the columns hold; more is a mistake of the caller, not of the database."""

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="The same key again gives what is there already"),
]
"""Of whatever is started: a caller that lost the answer asks again with the same key."""

Limit = Annotated[int, Query(ge=1, le=1000, description="Items on a page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]


def job_view(services: Services, job: Job) -> JobView:
    """With what hinders the daemon, for whoever waits for the job."""
    return JobView.of(job, hindrance=(services.worker.hindrance, services.worker.hindrance_code))


def accepted(services: Services, response: Response, job: Job) -> JobView:
    """For a 202: says where the job can be followed."""
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_view(services, job)
