"""OpenID Connect: authorisation code with PKCE (RFC 7636), discovery, ID tokens by joserfc.

State, nonce and verifier are made from one secret that the browser keeps in a cookie which no script reads: what comes
back is good in that browser alone, and nothing has to be remembered here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cpe_manager.domain.errors import ProviderFailed, Unauthorised
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.oidc import Voucher

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures of keys that are the provider's alone: neither none nor a secret that is shared."""
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LEEWAY: Final = 60
_KEPT: Final = timedelta(hours=1)
_MOST: Final = 1024 * 1024
_NOTHING: Final = "what the provider says proves nothing"


@dataclass(frozen=True, slots=True)
class OidcClient:
    """What we are at the provider. ``secret`` None: a public client."""

    issuer: str
    id: str
    secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"


@dataclass(frozen=True, slots=True)
class _Metadata:
    issuer: str
    authorization: str
    token: str
    jwks: str
    userinfo: str | None
    algorithms: tuple[str, ...]
    basic: bool
    read_at: datetime


class OidcProvider:
    """Implements ``ports.oidc.Provider``."""

    def __init__(self, client: OidcClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._known: _Metadata | None = None
        self._keys: KeySet | None = None

    async def address(self, secret: str, redirect: str) -> str:
        known = await self._metadata()
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": redirect,
            "scope": self._client.scopes,
            "state": _made("state", secret),
            "nonce": _made("nonce", secret),
            "code_challenge": _b64(hashlib.sha256(_made("verifier", secret).encode()).digest()),
            "code_challenge_method": "S256",
        }
        mark = "&" if urlsplit(known.authorization).query else "?"
        return f"{known.authorization}{mark}{urlencode(asked)}"

    async def voucher(self, secret: str, redirect: str, *, state: str, code: str) -> Voucher:
        if not code or not hmac.compare_digest(state.encode(), _made("state", secret).encode()):
            raise Unauthorised("this answer was not asked for by this browser")
        known = await self._metadata()
        tokens = await self._exchanged(known, secret, redirect, code)
        claims = await self._verified(known, tokens.get("id_token"), _made("nonce", secret))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise Unauthorised(_NOTHING)
        more = await self._userinfo(known, tokens.get("access_token"), subject)
        return Voucher(known.issuer, subject, {**more, **claims})

    # What the provider says of itself

    async def _metadata(self) -> _Metadata:
        now = self._clock.now()
        if self._known is None or now - self._known.read_at > _KEPT:
            place = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._known = self._read(await self._get(place), now)
            self._keys = None
        return self._known

    def _read(self, found: Mapping[str, Any], now: datetime) -> _Metadata:
        issuer = _text(found, "issuer")
        if issuer.rstrip("/") != self._client.issuer.rstrip("/"):
            raise ProviderFailed(f"the provider calls itself {issuer[:200]!r}, not {self._client.issuer!r}")
        challenges = found.get("code_challenge_methods_supported")
        if isinstance(challenges, list) and "S256" not in challenges:
            raise ProviderFailed("the provider does not take PKCE with S256")
        offered = found.get("id_token_signing_alg_values_supported")
        algorithms = tuple(one for one in ALGORITHMS if not isinstance(offered, list) or one in offered)
        if not algorithms:
            raise ProviderFailed("the provider signs ID tokens in no way that is taken here")
        ways = found.get("token_endpoint_auth_methods_supported")
        userinfo = found.get("userinfo_endpoint")
        return _Metadata(
            issuer=issuer,
            authorization=self._place(_text(found, "authorization_endpoint")),
            token=self._place(_text(found, "token_endpoint")),
            jwks=self._place(_text(found, "jwks_uri")),
            userinfo=self._place(userinfo) if isinstance(userinfo, str) else None,
            algorithms=algorithms,
            basic=not isinstance(ways, list) or "client_secret_basic" in ways,
            read_at=now,
        )

    def _place(self, url: str) -> str:
        """What is secret goes to no weaker place than the issuer that was set."""
        scheme, least = urlsplit(url).scheme, urlsplit(self._client.issuer).scheme
        if scheme not in {"https", least}:
            raise ProviderFailed("the provider names a place that is not https://")
        return url

    # What it says of somebody

    async def _exchanged(self, known: _Metadata, secret: str, redirect: str, code: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": _made("verifier", secret),
        }
        headers = {"Accept": "application/json"}
        if self._client.secret is None:
            form["client_id"] = self._client.id
        elif known.basic:
            pair = f"{quote(self._client.id, safe='')}:{quote(self._client.secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self._client.id, "client_secret": self._client.secret}
        status, found = await self._send("POST", known.token, headers, form)
        if status in {400, 401, 403}:
            # Of the provider's words one is told that is from a list (RFC 6749 §5.2); the rest may be anything.
            error = found.get("error")
            known_error = error if error in {"invalid_grant", "invalid_client", "unauthorized_client"} else "refused"
            raise Unauthorised(f"the provider does not take the code ({known_error})")
        if status != 200:
            raise ProviderFailed(f"the provider's token endpoint answers HTTP {status}")
        return found

    async def _verified(self, known: _Metadata, text: object, nonce: str) -> dict[str, Any]:
        if not isinstance(text, str) or len(text) > 64 * 1024:
            raise Unauthorised(_NOTHING)
        claims = await self._opened(known, text)
        audience = claims.get("aud")
        several = isinstance(audience, list) and len(audience) > 1
        if (several or "azp" in claims) and claims.get("azp") != self._client.id:
            raise Unauthorised(_NOTHING)
        now = int(self._clock.now().timestamp())
        rules = jwt.JWTClaimsRegistry(
            now=now,
            leeway=_LEEWAY,
            iss={"essential": True, "value": known.issuer},
            aud={"essential": True, "value": self._client.id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            rules.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthorised(f"{_NOTHING}: {type(error).__name__}") from error
        return claims

    async def _opened(self, known: _Metadata, text: str) -> dict[str, Any]:
        """With the keys that are known, else with those that it has now: providers change them."""
        for fresh in (False, True):
            keys = await self._read_keys(known) if fresh or self._keys is None else self._keys
            try:
                return dict(jwt.decode(text, keys, algorithms=list(known.algorithms)).claims)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                if fresh:
                    raise Unauthorised(f"{_NOTHING}: {type(error).__name__}") from error
        raise Unauthorised(_NOTHING)

    async def _read_keys(self, known: _Metadata) -> KeySet:
        found = await self._get(known.jwks)
        usable = [one for one in found.get("keys", ()) if isinstance(one, dict) and one.get("use", "sig") == "sig"]
        try:
            self._keys = KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderFailed(f"the provider's keys cannot be read: {type(error).__name__}") from error
        return self._keys

    async def _userinfo(self, known: _Metadata, token: object, subject: str) -> Mapping[str, Any]:
        """What it says beyond the ID token, of the same person (OpenID Connect Core §5.3.2)."""
        if known.userinfo is None or not isinstance(token, str) or not token.isascii():
            return {}
        found = await self._get(known.userinfo, {"Authorization": f"Bearer {token}"})
        return found if found.get("sub") == subject else {}

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        status, found = await self._send("GET", url, {"Accept": "application/json", **(headers or {})}, None)
        if status != 200:
            raise ProviderFailed(f"the provider answers HTTP {status} at {urlsplit(url).path}")
        return found

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, follow_redirects=False) as http,
                http.stream(method, url, headers=dict(headers), data=form) as response,
            ):
                read = bytearray()
                async for piece in response.aiter_bytes():
                    read += piece
                    if len(read) > _MOST:
                        raise ProviderFailed("the provider's answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderFailed(f"the provider cannot be reached: {type(error).__name__}") from error
        try:
            found = json.loads(read) if read else {}
        except ValueError as error:
            raise ProviderFailed("the provider's answer is no JSON") from error
        if not isinstance(found, dict):
            raise ProviderFailed("the provider's answer is no JSON object")
        return response.status_code, found


def _made(what: str, secret: str) -> str:
    return _b64(hashlib.sha256(f"{what}:{secret}".encode()).digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderFailed(f"the provider's description has no {name}")
    return value
