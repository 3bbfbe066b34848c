"""What route functions are given: the services, who acts and may do what the route needs, a page's bounds."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from cpe_manager.api.middleware import SESSION_COOKIE
from cpe_manager.api.schemas.jobs import JobView
from cpe_manager.domain.access.access import Permission, Principal, require
from cpe_manager.domain.errors import Forbidden, Unauthorised
from cpe_manager.domain.jobs import Job
from cpe_manager.services.access.access import Known
from cpe_manager.services.bundle import Services

bearer = HTTPBearer(
    auto_error=False,
    description="A token made by `cpe-manager token create`. What is listed with an operation is the permission that "
    "it takes: one that a role of the account, or a scope of the token, has to allow.",
)
session_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    description="A person's session, begun by `POST /api/v1/session`. Whatever changes something takes its "
    "`X-CSRF-Token` too.",
)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _caller(
    needed: SecurityScopes,
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    _cookie: Annotated[str | None, Security(session_cookie)],
) -> Principal:
    """Who it is was found out by the middleware already; here it is about what they may do."""
    principal: Principal | None = request.scope.get("state", {}).get("caller")
    if principal is None:
        raise Unauthorised("no valid token")
    if needed.scopes and _known(request).must_change:
        raise Forbidden("change the password first: POST /api/v1/me/password")
    for permission in needed.scopes:
        require(principal, Permission(permission))
    return principal


def _known(request: Request) -> Known:
    """For routes of one's own, beside ``Anyone``."""
    known: Known = request.scope["state"]["known"]
    return known


ServicesDep = Annotated[Services, Depends(_services)]
KnownDep = Annotated[Known, Depends(_known)]

Anyone = Annotated[Principal, Security(_caller, scopes=[])]
"""Whoever is known: of what is one's own."""
Seer = Annotated[Principal, Security(_caller, scopes=[Permission.SEE.value])]
Operator = Annotated[Principal, Security(_caller, scopes=[Permission.OPERATE.value])]
Administrator = Annotated[Principal, Security(_caller, scopes=[Permission.ADMINISTER.value])]
OriginalsReader = Annotated[Principal, Security(_caller, scopes=[Permission.ORIGINALS.value])]
Auditor = Annotated[Principal, Security(_caller, scopes=[Permission.AUDIT.value])]
ChangeSeer = Annotated[Principal, Security(_caller, scopes=[Permission.SEE_CHANGES.value])]
"""This one, and those below, may be bound to sites: what the route answers is cut down to ``principal.sites``."""
Submitter = Annotated[Principal, Security(_caller, scopes=[Permission.SUBMIT_CHANGES.value])]
Approver = Annotated[Principal, Security(_caller, scopes=[Permission.APPROVE_CHANGES.value])]
Follower = Annotated[Principal, Security(_caller, scopes=[Permission.FOLLOW.value])]

Reader = Seer
Writer = Operator
Admin = Administrator

MOST_VERSIONS = 2**31 - 1
MOST_EVENTS = 2**63 - 1
"""What the columns hold; more is a mistake of the caller, not of the database."""

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="The same key again gives what is there already"),
]
"""Of whatever is started: a caller that lost the answer asks again with the same key."""


def occurrence_of(what: str, by: str, key: str | None) -> str | None:
    """Names what a key starts among all occurrences of jobs; another caller's same key is another one."""
    if key is None:
        return None
    return f"key:{hashlib.sha256(json.dumps([what, by, key]).encode()).hexdigest()}"


Limit = Annotated[int, Query(ge=1, le=1000, description="Items on a page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]


def job_view(services: Services, job: Job) -> JobView:
    """With what hinders the daemon, for whoever waits for the job."""
    return JobView.of(job, hindrance=(services.worker.hindrance, services.worker.hindrance_code))


def accepted(services: Services, response: Response, job: Job) -> JobView:
    """For a 202: says where the job can be followed."""
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_view(services, job)
