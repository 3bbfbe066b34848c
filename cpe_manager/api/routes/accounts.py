"""Accounts of people and programs: what they may, their passwords, their tokens. For administrators."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Administrator, Cursor, Limit, ServicesDep
from cpe_manager.api.etags import TAG, IfMatch, revision_of, tagged
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.accounts import (
    AccountBody,
    AccountChangeBody,
    AccountTokenBody,
    AccountTokenView,
    AccountView,
    GivenPasswordBody,
    GivenPasswordView,
    LoggedOutView,
    NewAccountTokenView,
)
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.domain.access.accounts import Account, principal_of
from cpe_manager.services.bundle import Services

router = APIRouter(prefix="/accounts", tags=["accounts"], responses=documented("not_found"))


@router.get("", operation_id="listAccounts", summary="Accounts of people and programs, by name")
async def listing(
    services: ServicesDep, _caller: Administrator, limit: Limit = 50, cursor: Cursor = None
) -> PageOf[AccountView]:
    page = await services.accounts.book.list(after=cursor, limit=limit)
    return PageOf(items=await _views(services, list(page.items)), next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    operation_id="addAccount",
    summary="Make an account",
    responses=documented("not_found", "conflict", "throttled"),
)
async def add(body: AccountBody, services: ServicesDep, caller: Administrator, response: Response) -> AccountView:
    made = await services.accounts.book.add(body.new(), by=caller)
    response.headers["Location"] = f"/api/v1/accounts/{made.id}"
    return await _view(services, made, response)


@router.get(
    "/{account}",
    operation_id="getAccount",
    summary="An account, by name or id",
    responses={200: {"headers": TAG}},
)
async def show(account: str, services: ServicesDep, _caller: Administrator, response: Response) -> AccountView:
    return await _view(services, await services.accounts.book.show(account), response)


@router.patch(
    "/{account}",
    operation_id="changeAccount",
    summary="Change roles, sites and names of an account, or disable it; its sessions and tokens know it at once",
    responses=documented("not_found", "conflict", "precondition_failed") | {200: {"headers": TAG}},
)
async def change(
    account: str,
    body: AccountChangeBody,
    services: ServicesDep,
    caller: Administrator,
    response: Response,
    if_match: IfMatch = None,
) -> AccountView:
    changed = await services.accounts.book.change(account, body.wish(), by=caller, revision=revision_of(if_match))
    return await _view(services, changed, response)


@router.post(
    "/{account}/password",
    operation_id="giveAccountPassword",
    summary="Give a person another password, to be changed at the next log-in; ends their sessions",
    responses=documented("not_found", "throttled"),
)
async def password(
    account: str,
    services: ServicesDep,
    caller: Administrator,
    response: Response,
    body: GivenPasswordBody | None = None,
) -> GivenPasswordView:
    given = body.password.get_secret_value() if body is not None and body.password is not None else None
    made = await services.accounts.book.give_password(account, given, by=caller)
    response.headers["Cache-Control"] = "no-store"
    return GivenPasswordView(password=made)


@router.post("/{account}/unlock", operation_id="unlockAccount", summary="Forget the failed log-ins of an account")
async def unlock(account: str, services: ServicesDep, caller: Administrator, response: Response) -> AccountView:
    return await _view(services, await services.accounts.book.unlock(account, by=caller), response)


@router.delete("/{account}/sessions", operation_id="endAccountSessions", summary="End every session of a person")
async def log_out(account: str, services: ServicesDep, caller: Administrator) -> LoggedOutView:
    return LoggedOutView(sessions=await services.accounts.book.log_out(account, by=caller))


@router.get("/{account}/tokens", operation_id="listAccountTokens", summary="Tokens of an account, revoked ones too")
async def tokens(account: str, services: ServicesDep, _caller: Administrator) -> PageOf[AccountTokenView]:
    found = await services.accounts.book.tokens(account)
    return PageOf(items=[AccountTokenView.of(one) for one in found])


@router.post(
    "/{account}/tokens",
    status_code=201,
    operation_id="createAccountToken",
    summary="Make a token of a program's account; people make their own",
    responses=documented("not_found", "conflict"),
)
async def create_token(
    account: str, body: AccountTokenBody, services: ServicesDep, caller: Administrator, response: Response
) -> NewAccountTokenView:
    made = await services.accounts.book.make_token(account, body.wish(), by=caller)
    response.headers["Cache-Control"] = "no-store"
    return NewAccountTokenView(token=AccountTokenView.of(made.token), text=made.text)


@router.delete(
    "/{account}/tokens/{token}",
    operation_id="revokeAccountToken",
    summary="Revoke a token of an account at once and for ever",
)
async def revoke_token(account: str, token: str, services: ServicesDep, caller: Administrator) -> AccountTokenView:
    return AccountTokenView.of(await services.accounts.book.revoke_token(account, token, by=caller))


async def _view(services: Services, account: Account, response: Response) -> AccountView:
    tagged(response, account.revision)
    return (await _views(services, [account]))[0]


async def _views(services: Services, accounts: list[Account]) -> list[AccountView]:
    guesses = await services.accounts.book.standing(accounts)
    return [AccountView.shown(one, principal_of(one), guesses.get(one.name)) for one in accounts]
