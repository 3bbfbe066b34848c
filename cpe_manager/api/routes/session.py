"""Logging in and out, what is one's own, and the page and the way through a provider that browsers take."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from cpe_manager.api.deps import Anyone, KnownDep, ServicesDep
from cpe_manager.api.login_page import CONTENT_POLICY, SCRIPT, STYLE, came_page, login_page, refused_page
from cpe_manager.api.middleware import SESSION_COOKIE, source_of
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.accounts import (
    AccountTokenBody,
    AccountTokenView,
    LoginBody,
    MeView,
    NewAccountTokenView,
    OwnPasswordBody,
    SessionView,
)
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.domain.errors import Conflict, CpeManagerError, NotFound, Unauthorised
from cpe_manager.domain.outcomes import http_status
from cpe_manager.services.access.access import Known
from cpe_manager.services.access.logins import Begun, Origin, csrf_of
from cpe_manager.services.bundle import Services

router = APIRouter(tags=["session"], responses=documented())
pages = APIRouter(tags=["session"], include_in_schema=False)

BROWSER_COOKIE = "cpe_manager_browser"
SIGN_ON_COOKIE = "cpe_manager_sign_on"
_BROWSER_SECONDS = 180 * 86_400
_SIGN_ON_SECONDS = 600


@router.post(
    "/session",
    status_code=201,
    operation_id="logIn",
    summary="Log in with name and password; the session is an HttpOnly cookie, its CSRF token in the answer",
    responses=documented("throttled"),
    openapi_extra={"security": []},
)
async def log_in(body: LoginBody, request: Request, services: ServicesDep, response: Response) -> MeView:
    begun = await services.accounts.logins.log_in(body.name, body.password.get_secret_value(), _origin(request))
    _set(response, request, begun)
    known = await services.accounts.access.by_cookie(begun.text, csrf=None, changes=False)
    return MeView.shown(known, _session(services, known, begun.csrf))


@router.delete(
    "/session",
    status_code=204,
    operation_id="logOut",
    summary="Log out: this session ends",
    responses=documented("conflict"),
)
async def log_out(request: Request, services: ServicesDep, _caller: Anyone, known: KnownDep) -> Response:
    if known.session is None:
        raise Conflict("a token has no session; it is revoked")
    account = await services.accounts.book.show(known.principal.id)
    await services.accounts.logins.log_out(account, known.session)
    response = Response(status_code=204)
    _forget(response, request, SESSION_COOKIE)
    return response


@router.get("/me", operation_id="getMe", summary="Who asks, and what they may")
async def me(
    request: Request, services: ServicesDep, _caller: Anyone, known: KnownDep, response: Response
) -> MeView:  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    text = request.cookies.get(SESSION_COOKIE)
    csrf = csrf_of(text) if known.session is not None and text else None
    return MeView.shown(known, _session(services, known, csrf))


@router.post(
    "/me/password",
    status_code=204,
    operation_id="changeOwnPassword",
    summary="Change one's own password; other sessions end",
    responses=documented("throttled"),
)
async def password(body: OwnPasswordBody, services: ServicesDep, caller: Anyone, known: KnownDep) -> None:
    old, new = body.old.get_secret_value(), body.new.get_secret_value()
    await services.accounts.book.own_password(caller, old, new, session=known.session)


@router.get("/me/tokens", operation_id="listOwnTokens", summary="One's own tokens, revoked ones too")
async def tokens(services: ServicesDep, caller: Anyone) -> PageOf[AccountTokenView]:
    return PageOf(items=[AccountTokenView.of(one) for one in await services.accounts.book.own_tokens(caller)])


@router.post(
    "/me/tokens",
    status_code=201,
    operation_id="createOwnToken",
    summary="Make a token of one's own account; takes a session",
    responses=documented("conflict"),
)
async def create_token(
    body: AccountTokenBody, services: ServicesDep, caller: Anyone, known: KnownDep, response: Response
) -> NewAccountTokenView:
    made = await services.accounts.book.make_own_token(caller, body.wish(), session=known.session)
    response.headers["Cache-Control"] = "no-store"
    return NewAccountTokenView(token=AccountTokenView.of(made.token), text=made.text)


@router.delete(
    "/me/tokens/{token}",
    operation_id="revokeOwnToken",
    summary="Revoke one of one's own tokens at once and for ever",
    responses=documented("not_found"),
)
async def revoke_token(token: str, services: ServicesDep, caller: Anyone) -> AccountTokenView:
    return AccountTokenView.of(await services.accounts.book.revoke_own_token(caller, token))


# What a browser is shown


@pages.get("/login")
async def page(request: Request, services: ServicesDep) -> HTMLResponse:
    del request
    return _html(login_page(sso=services.accounts.sso is not None))


@pages.get("/login/script.js")
async def script() -> Response:
    return Response(SCRIPT, media_type="text/javascript", headers={"X-Content-Type-Options": "nosniff"})


@pages.get("/login/style.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})


@pages.get("/login/oidc")
async def sign_on(request: Request, services: ServicesDep) -> Response:
    """To the provider. What the browser comes back with is good together with its cookie alone."""
    sso = services.accounts.sso
    if sso is None:
        raise NotFound("no provider of log-ins is set up here")
    address, secret = await sso.begin(_redirect(request))
    response = RedirectResponse(address, 302, headers={"Cache-Control": "no-store"})
    # Lax: the provider sends the browser back from its own site.
    response.set_cookie(
        SIGN_ON_COOKIE, secret, max_age=_SIGN_ON_SECONDS, path="/login/oidc", secure=_secure(request), httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


Answer = Annotated[str, Query(max_length=4096)]


@pages.get("/login/oidc/callback")
async def came_back(
    request: Request, services: ServicesDep, code: Answer = "", state: Answer = "", error: Answer = ""
) -> HTMLResponse:
    sso, secret = services.accounts.sso, request.cookies.get(SIGN_ON_COOKIE)
    if sso is None:
        raise NotFound("no provider of log-ins is set up here")
    try:
        if error:
            raise Unauthorised("the provider did not log you in")
        if not secret:
            raise Unauthorised("this browser did not ask to log in, or that is too long ago")
        begun = await sso.finish(secret, _redirect(request), state=state, code=code, origin=_origin(request))
    except CpeManagerError as wrong:
        refused = _html(refused_page(str(wrong)), http_status(wrong.code))
        _forget(refused, request, SIGN_ON_COOKIE, "/login/oidc")
        return refused
    # A page and no redirect: the cookie is not sent with what begins on another site.
    response = _html(came_page())
    _set(response, request, begun)
    _forget(response, request, SIGN_ON_COOKIE, "/login/oidc")
    return response


def _html(text: str, status: int = 200) -> HTMLResponse:
    headers = {
        "Content-Security-Policy": CONTENT_POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(text, status, headers=headers)


def _redirect(request: Request) -> str:
    return f"{request.app.state.public_url or str(request.base_url).rstrip('/')}/login/oidc/callback"


def _secure(request: Request) -> bool:
    """Behind TLS: a proxy that is believed says so, or the address under which we are reached does."""
    return request.url.scheme == "https" or urlsplit(request.app.state.public_url).scheme == "https"


def _origin(request: Request) -> Origin:
    return Origin(source_of(request.scope), request.cookies.get(BROWSER_COOKIE))


def _set(response: Response, request: Request, begun: Begun) -> None:
    secure = _secure(request)
    response.headers["Cache-Control"] = "no-store"
    # Neither lives longer in the browser than here; the session's ends with the browser as well.
    response.set_cookie(SESSION_COOKIE, begun.text, path="/api/", secure=secure, httponly=True, samesite="strict")
    response.set_cookie(
        BROWSER_COOKIE, begun.browser, max_age=_BROWSER_SECONDS, path="/api/v1/session", secure=secure, httponly=True,
        samesite="strict",
    )  # fmt: skip


def _forget(response: Response, request: Request, cookie: str, path: str = "/api/") -> None:
    response.delete_cookie(cookie, path=path, secure=_secure(request), httponly=True, samesite="lax")


def _session(services: Services, known: Known, csrf: str | None) -> SessionView | None:
    if known.session is None:
        return None
    return SessionView.shown(known.session, services.accounts.logins.rules.idle.total_seconds(), csrf)
