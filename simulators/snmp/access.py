"""Who may ask a box by SNMP, and the keys that come of it (RFC 3414, RFC 7860)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from simulators.spec import DeviceSpec

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_PASSWORD_EXPANDED = 1_048_576
_NETSNMP_ENTERPRISE = b"\x80\x00\x1f\x88"
_OCTETS_FORMAT = b"\x05"

_HASHES: Mapping[str, tuple[Callable[..., Any], int]] = MappingProxyType(
    {"SHA": (hashlib.sha1, 12), "SHA-256": (hashlib.sha256, 24)}
)
"""Hash of an authentication protocol, and the octets of its digest that a message carries."""


OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "snmp_auth": "SHA|SHA-256: hash of the v3 user's keys",
        "snmp_write": "user|community: who may set objects besides reading them",
    }
)
"""What every family's box can be told about its SNMP agent, besides the family's own options."""


@dataclass(frozen=True, slots=True)
class SnmpLogin:
    """How a box lets itself be asked: a v2c community, and one v3 user with authentication and privacy (AES-128)."""

    community: str = field(repr=False)
    user: str
    auth_password: str = field(repr=False)
    priv_password: str = field(repr=False)
    auth_protocol: str = "SHA"


def login_of(spec: DeviceSpec) -> SnmpLogin:
    """What is in the box's configuration, and a v3 user of its log-in name with passwords from the seed.

    The family option `snmp_auth` (SHA or SHA-256) picks the hash."""
    return SnmpLogin(
        community=spec.secrets.snmp,
        user=spec.username,
        auth_password=_derived(spec, "snmp-auth"),
        priv_password=_derived(spec, "snmp-priv"),
        auth_protocol=spec.options.get("snmp_auth", "SHA"),
    )


def engine_id(spec: DeviceSpec) -> bytes:
    """The box's snmpEngineID: unlike any other box's, and the same after a restart."""
    return _NETSNMP_ENTERPRISE + _OCTETS_FORMAT + spec.digest("snmp-engine")[:8]


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one user, localised for one engine."""

    auth: bytes = field(repr=False)
    priv: bytes = field(repr=False)
    protocol: str = "SHA"

    @property
    def digest_size(self) -> int:
        return _HASHES[self.protocol][1]

    def digest(self, message: bytes) -> bytes:
        """The authentication parameters of a message whose own are zeroed."""
        hash_type, size = _HASHES[self.protocol]
        return hmac.new(self.auth, message, hash_type).digest()[:size]


@lru_cache(maxsize=4096)
def keys_for(login: SnmpLogin, engine: bytes) -> Keys:
    """Password to key by RFC 3414 A.2: a megabyte through the hash, so it is remembered."""
    auth = _localised(login.auth_password, engine, login.auth_protocol)
    return Keys(auth, _localised(login.priv_password, engine, login.auth_protocol)[:16], login.auth_protocol)


def _localised(password: str, engine: bytes, protocol: str) -> bytes:
    hash_type = _HASHES[protocol][0]
    raw = password.encode()
    master = hash_type((raw * (_PASSWORD_EXPANDED // len(raw) + 1))[:_PASSWORD_EXPANDED]).digest()
    return bytes(hash_type(master + engine + master).digest())


def _derived(spec: DeviceSpec, purpose: str) -> str:
    rng = spec.rng(f"secret/{purpose}")
    return "".join(rng.choice(_ALPHABET) for _ in range(16))
