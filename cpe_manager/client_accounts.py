"""What the typed client says about accounts, their tokens, and logging in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cpe_manager.api.schemas.accounts import (
    AccountTokenView,
    AccountView,
    GivenPasswordView,
    LoggedOutView,
    MeView,
    NewAccountTokenView,
)
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.client_http import Http, part


class AccountVerbs(Http):
    """Part of ``client.Client``."""

    def accounts(self, *, limit: int | None = None) -> Iterator[AccountView]:
        return self.pages("/accounts", AccountView, limit=limit)

    def account(self, name: str) -> AccountView:
        return self.get(f"/accounts/{part(name)}", AccountView)

    def add_account(self, body: Mapping[str, Any]) -> AccountView:
        return self.post("/accounts", AccountView, body)

    def change_account(self, name: str, body: Mapping[str, Any]) -> AccountView:
        return self._read(self._send("PATCH", f"/accounts/{part(name)}", body=body), AccountView)

    def give_password(self, name: str, password: str | None) -> GivenPasswordView:
        return self.post(f"/accounts/{part(name)}/password", GivenPasswordView, {"password": password})

    def unlock_account(self, name: str) -> AccountView:
        return self.post(f"/accounts/{part(name)}/unlock", AccountView)

    def end_sessions(self, name: str) -> LoggedOutView:
        return self._read(self._send("DELETE", f"/accounts/{part(name)}/sessions"), LoggedOutView)

    def account_tokens(self, name: str) -> Sequence[AccountTokenView]:
        return self.get(f"/accounts/{part(name)}/tokens", PageOf[AccountTokenView]).items

    def create_account_token(self, name: str, body: Mapping[str, Any]) -> NewAccountTokenView:
        return self.post(f"/accounts/{part(name)}/tokens", NewAccountTokenView, body)

    def revoke_account_token(self, name: str, token: str) -> AccountTokenView:
        return self._read(self._send("DELETE", f"/accounts/{part(name)}/tokens/{part(token)}"), AccountTokenView)

    # One's own

    def me(self) -> MeView:
        return self.get("/me", MeView)

    def log_in(self, name: str, password: str) -> MeView:
        """The session's cookie is kept by this client, which has to be one without a token."""
        return self.post("/session", MeView, {"name": name, "password": password})

    def log_out(self, csrf: str | None) -> None:
        self._send("DELETE", "/session", headers=_by_cookie(csrf))

    def change_password(self, old: str, new: str, csrf: str | None) -> None:
        self._send("POST", "/me/password", body={"old": old, "new": new}, headers=_by_cookie(csrf))

    def create_own_token(self, body: Mapping[str, Any], csrf: str | None) -> NewAccountTokenView:
        sent = self._send("POST", "/me/tokens", body=body, headers=_by_cookie(csrf))
        return self._read(sent, NewAccountTokenView)

    def own_tokens(self) -> Sequence[AccountTokenView]:
        return self.get("/me/tokens", PageOf[AccountTokenView]).items

    def revoke_own_token(self, token: str) -> AccountTokenView:
        return self._read(self._send("DELETE", f"/me/tokens/{part(token)}"), AccountTokenView)


def _by_cookie(csrf: str | None) -> Mapping[str, str]:
    return {"X-CSRF-Token": csrf} if csrf else {}
