"""Puts the HTTP application together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.routing import compile_path

from cpe_manager.api import problems
from cpe_manager.api.auditing import Audit
from cpe_manager.api.bodies import Bodies
from cpe_manager.api.description import DESCRIPTION, describe
from cpe_manager.api.feed import EventFeed, FeedRhythm
from cpe_manager.api.middleware import API_PREFIX, Authentication, NulInPath, RequestLog
from cpe_manager.api.once import Once
from cpe_manager.api.routes import (
    accounts,
    activations,
    audit,
    backups,
    catalogue,
    changes,
    detections,
    devices,
    drift,
    drills,
    events,
    facts,
    families,
    groups,
    imports,
    jobs,
    keys,
    lines,
    mail,
    own_webhooks,
    pushes,
    replacements,
    rollouts,
    schedules,
    session,
    subscriptions,
    system,
    tokens,
    webhooks,
)
from cpe_manager.api.routes import problems as problem_pages
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.bundle import Services


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """``engine`` is shown to people; ``feed`` is how often the event stream looks; ``public_url``: under which browsers
    reach us, where that is not how they ask."""

    engine: str = ""
    public_url: str = ""
    feed: FeedRhythm = field(default_factory=FeedRhythm)


def create_app(
    services: Services, *, metrics: Metrics, version: str, options: ApiOptions | None = None
) -> FastAPI:  # fmt: skip
    """The application. Call ``app.state.feed.close()`` when shutting down: it ends the open event streams."""
    chosen = options or ApiOptions()
    app = FastAPI(
        title="cpe-manager",
        version=version,
        description=DESCRIPTION,
        # The page of the description is served by our own route, to bearers; the viewers load scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(RequestLog, metrics=metrics),
            # Around the next one: whom that turns away is noted as well.
            Middleware(Audit, book=services.audit, clock=services.clock),
            Middleware(Authentication, access=services.accounts.access),
            Middleware(NulInPath),
            Middleware(Bodies),
            Middleware(Once, keys=services.request_keys),
        ],
    )
    app.state.services, app.state.metrics, app.state.engine = services, metrics, chosen.engine
    app.state.public_url = chosen.public_url
    metrics.identify(version=version, engine=chosen.engine)
    app.state.feed = EventFeed(services.events, chosen.feed)
    problems.install(app)
    _mount(app)
    return app


def _mount(app: FastAPI) -> None:
    api = APIRouter(prefix=API_PREFIX)
    methods = _methods(system.probes, "")
    for part in (
        devices,
        facts,
        families,
        detections,
        groups,
        imports,
        backups,
        drills,
        pushes,
        rollouts,
        drift,
        replacements,
        lines,
        catalogue,
        changes,
        subscriptions,
        activations,
        jobs,
        schedules,
        tokens,
        accounts,
        session,
        keys,
        webhooks,
        own_webhooks,
        audit,
        mail,
        events,
        system,
        problem_pages,
    ):
        api.include_router(part.router)
        methods += _methods(part.router, API_PREFIX)
    app.include_router(api)
    app.state.methods = methods
    app.include_router(system.probes)
    app.include_router(session.pages)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]


def _methods(router: APIRouter, prefix: str) -> list[tuple[re.Pattern[str], frozenset[str]]]:
    """By path: one of several methods has its routes apart, and each knows its own alone."""
    found = [(compile_path(prefix + one.path)[0], one.methods) for one in router.routes if isinstance(one, APIRoute)]
    return [(path, frozenset(methods or ())) for path, methods in found]


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema
