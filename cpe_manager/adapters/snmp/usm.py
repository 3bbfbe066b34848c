"""The user-based security model (RFC 3414, 3826, 7860): keys of a user for an engine, signing, hiding."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from gufo.snmp import BaseAuthKey, Md5Key, Sha1Key, Sha224Key, Sha256Key, Sha384Key, Sha512Key
from pyasn1.type.univ import OctetString
from pysnmp.proto.error import PySnmpError
from pysnmp.proto.secmod.rfc3414.service import aes, aes192, aes256, des

from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.messages import AUTH, PRIV, Header, Secured
from cpe_manager.domain.errors import CredentialMissing
from cpe_manager.ports.snmp import SnmpAccess

ENGINE_IDS: Final = range(5, 33)
"""Octets of an snmpEngineID."""


@dataclass(frozen=True, slots=True)
class _Hash:
    make: Callable[..., Any]
    digest_size: int
    key: type[BaseAuthKey]


HASHES: Final[Mapping[str, _Hash]] = MappingProxyType(
    {
        "MD5": _Hash(hashlib.md5, 12, Md5Key),
        "SHA": _Hash(hashlib.sha1, 12, Sha1Key),
        "SHA-224": _Hash(hashlib.sha224, 16, Sha224Key),
        "SHA-256": _Hash(hashlib.sha256, 24, Sha256Key),
        "SHA-384": _Hash(hashlib.sha384, 32, Sha384Key),
        "SHA-512": _Hash(hashlib.sha512, 48, Sha512Key),
    }
)
CIPHERS: Final[Mapping[str, tuple[Any, int]]] = MappingProxyType(
    {
        "DES": (des.Des, 16),
        "AES": (aes.Aes, 16),
        "AES-192": (aes192.AesBlumenthal192, 24),
        "AES-256": (aes256.AesBlumenthal256, 32),
    }
)
"""Service and octets of its key. Where the hash gives fewer octets than that, vendors disagree on how to stretch the
key, so those pairs are refused when the credentials are read. The services come by way of the module that uses them:
pysnmp's own modules import each other in a circle."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one user, localised for one engine."""

    auth: bytes = field(repr=False)
    priv: bytes = field(repr=False)
    auth_protocol: str
    priv_protocol: str

    @property
    def digest_size(self) -> int:
        return HASHES[self.auth_protocol].digest_size

    def digest(self, blank: bytes) -> bytes:
        """Authentication parameters of a message whose own are zeros."""
        return hmac.new(self.auth, blank, HASHES[self.auth_protocol].make).digest()[: self.digest_size]

    def genuine(self, message: Secured) -> bool:
        size, at = self.digest_size, message.digest_at
        if len(message.digest) != size:
            return False
        blank = message.raw[:at] + bytes(size) + message.raw[at + size :]
        return hmac.compare_digest(self.digest(blank), message.digest)

    def opened(self, message: Secured) -> bytes:
        """The scoped PDU. Raises ``ValueError`` when the octets cannot have been hidden with this key."""
        if not message.header.flags & PRIV:
            return message.body
        service, _ = _cipher(self.priv_protocol)
        clock = message.header.boots, message.header.time, OctetString(message.salt)
        try:
            return bytes(service.decrypt_data(OctetString(self.priv), clock, OctetString(message.body)))
        except PySnmpError:
            raise ValueError("not hidden with this key") from None

    def sealed(self, header: Header, body: bytes) -> bytes:
        """A whole message, hidden and signed as the header's flags say."""
        salt = b""
        if header.flags & PRIV:
            service, _ = _cipher(self.priv_protocol)
            # The service counts salts by itself.
            hidden, salted = service.encrypt_data(OctetString(self.priv), (header.boots, header.time, None), body)
            body, salt = bytes(hidden), bytes(salted)
        size = self.digest_size if header.flags & AUTH else 0
        message, at = messages.v3(header, body, salt, size)
        return message[:at] + self.digest(message) + message[at + size :] if size else message


def keys_for(access: SnmpAccess, engine: bytes) -> Keys:
    """Raises ``CredentialMissing`` when there is no v3 user in it."""
    if not access.user:
        raise CredentialMissing("the credential has no snmp_user")
    return _keys(access, engine)


@lru_cache(maxsize=8192)
def _keys(access: SnmpAccess, engine: bytes) -> Keys:
    kind, (_, size) = HASHES[access.auth_protocol].key, CIPHERS[access.priv_protocol]
    auth = kind.get_localized_key(_master(access.auth_protocol, access.auth_password), engine)
    priv = kind.get_localized_key(_master(access.auth_protocol, access.priv_password), engine)
    return Keys(auth, priv[:size], access.auth_protocol, access.priv_protocol)


@lru_cache(maxsize=1024)
def _master(protocol: str, password: str) -> bytes:
    """A megabyte through the hash (RFC 3414 A.2): remembered, since fleets share their users."""
    return HASHES[protocol].key.get_master_key(password.encode())


@lru_cache(maxsize=8)
def _cipher(protocol: str) -> tuple[Any, int]:
    service, size = CIPHERS[protocol]
    return service(), size
