"""A provider of log-ins in a process of its own: ``python oidc_server.py PORT``. Knows nothing of the product.

OpenID Connect Core 1.0 as far as the code flow goes, with PKCE (RFC 7636), discovery, key rotation and userinfo; signed
by ``cryptography`` alone. ``POST /control`` says who logs in next, and what the provider does wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CLIENT, SECRET = "cpe-manager", "the client's secret"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int, size: int = 0) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    def __init__(self, algorithm: str) -> None:
        self.kid, self.algorithm = secrets.token_hex(4), algorithm
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def public(self) -> dict[str, str]:
        if self.algorithm == "ES256":
            point = self.ec.public_key().public_numbers()
            shape = {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
        else:
            numbers = self.rsa.public_key().public_numbers()
            shape = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {**shape, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        if head["alg"] == "none":
            return f"{signed}."
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.ec.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
            return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        return f"{signed}.{b64(self.rsa.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Provider:
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = Key("RS256")
        self.claims: dict[str, Any] = {}
        self.wrong = ""
        self.codes: dict[str, dict[str, Any]] = {}
        self.access: dict[str, dict[str, Any]] = {}

    def metadata(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer if self.wrong != "issuer" else "https://other.example",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"] if self.wrong != "no pkce" else ["plain"],
        }
        if self.wrong == "post only":
            found["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return found

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to: the person at it is whoever ``control`` said."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        back = {"state": query["state"]}
        if self.wrong == "denied":
            return f"{query['redirect_uri']}?{urlencode({**back, 'error': 'access_denied'})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**query, "claims": dict(self.claims)}
        return f"{query['redirect_uri']}?{urlencode({**back, 'code': code})}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """RFC 6749 §4.1.3 and RFC 7636 §4.6. A code is good once."""
        if self.wrong == "token endpoint":
            return 500, {}
        if not self._client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe(16)
        claims = asked["claims"]
        self.access[access] = {
            "sub": claims["sub"] if self.wrong != "userinfo" else "another",
            **claims.pop("userinfo", {}),
        }
        return 200, {"access_token": access, "token_type": "Bearer", "id_token": self._id_token(asked["nonce"], claims)}

    def _client(self, form: dict[str, str], authorization: str) -> bool:
        if self.wrong == "post only":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        kind, _, text = authorization.partition(" ")
        name, _, secret = base64.b64decode(text or "").decode().partition(":")
        return kind == "Basic" and (unquote(name), unquote(secret)) == (CLIENT, SECRET)

    def _id_token(self, nonce: str, claims: dict[str, Any]) -> str:
        now = int(time.time())
        token = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **claims}
        token |= WRONG_CLAIMS.get(self.wrong, {})
        if self.wrong == "expired":
            token |= {"iat": now - 7200, "exp": now - 3600}
        token = {name: value for name, value in token.items() if value is not None}
        if self.wrong == "unsigned":
            return self.key.sign(token, alg="none")
        if self.wrong == "garbage":
            return "a.b.c"
        if self.wrong in {"signature", "unknown key"}:
            return Key("RS256").sign(token, **({"kid": self.key.kid} if self.wrong == "signature" else {}))
        if self.wrong in {"rotated", "elliptic"}:
            self.key = Key("RS256" if self.wrong == "rotated" else "ES256")
        return self.key.sign(token)


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "other"},
    "audiences": {"aud": [CLIENT, "other"]},
    "issuer of token": {"iss": "https://other.example"},
    "no expiry": {"exp": None},
    "no subject": {"sub": None},
}


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_args: Any) -> None: ...

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        if at.path == "/.well-known/openid-configuration":
            self._json(200, self.provider.metadata())
        elif at.path == "/keys":
            self._json(200, {"keys": [self.provider.key.public()]})
        elif at.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(dict(parse_qsl(at.query))))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif at.path == "/userinfo":
            known = self.provider.access.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self._json(200 if known else 401, known or {"error": "invalid_token"})
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.path == "/token":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._json(*self.provider.exchange(form, self.headers.get("Authorization", "")))
        elif self.path == "/control":
            said = json.loads(body)
            self.provider.claims, self.provider.wrong = said["claims"], said.get("wrong", "")
            self._json(200, {})
        else:
            self._json(404, {})

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.provider = Provider(f"http://127.0.0.1:{server.server_port}")
    sys.stdout.write(f"{Handler.provider.issuer}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
