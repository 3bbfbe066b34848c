"""Puts the HTTP application together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from cpe_manager.api import problems
from cpe_manager.api.feed import EventFeed, FeedRhythm
from cpe_manager.api.middleware import API_PREFIX, Authentication, BodyLimit, NulInPath, RequestLog
from cpe_manager.api.routes import (
    activations,
    backups,
    catalogue,
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
    pushes,
    replacements,
    rollouts,
    schedules,
    subscriptions,
    system,
    tokens,
    webhooks,
)
from cpe_manager.api.schemas.common import Problem
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.bundle import Services

DESCRIPTION = """Backs up a fleet of business CPEs: sealed, complete, with history.

Every error is an `application/problem+json` body (RFC 9457) whose `code` is stable. Anything long answers 202 with the
job's address in `Location`. Lists have `limit` and `cursor` where they can be long."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """``engine`` is shown to people; ``feed`` is how often the event stream looks."""

    engine: str = ""
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
            Middleware(Authentication, tokens=services.tokens),
            Middleware(NulInPath),
            Middleware(BodyLimit),
        ],
    )
    app.state.services, app.state.metrics, app.state.engine = services, metrics, chosen.engine
    metrics.identify(version=version, engine=chosen.engine)
    app.state.feed = EventFeed(services.events, chosen.feed)
    problems.install(app)
    _mount(app)
    return app


def _mount(app: FastAPI) -> None:
    api = APIRouter(prefix=API_PREFIX)
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
        subscriptions,
        activations,
        jobs,
        schedules,
        tokens,
        keys,
        webhooks,
        events,
        system,
    ):
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(system.probes)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description, made once, with the one schema that no route returns as its normal answer."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
        )  # fmt: skip
        schemas = document["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema
