"""What is offered in the key exchange, in order of preference.

Fixed lists, for two reasons: building asyncssh's defaults costs CPU at every connection, and the order is a matter of
cost. The client's order decides (RFC 4253 §7.1). AES128-GCM comes first because it is the cheapest with AES
instructions. Group exchange comes behind every fixed group: with asyncssh it blocks the event loop for hundreds of
milliseconds.

What rests on SHA-1, CBC, DSA or 1024-bit groups is in ``LEGACY`` alone, behind everything else, and is offered to no
device that was not set to ``legacy_crypto`` by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Names per kind, as RFC 4253 §7.1 lists them."""

    key_exchange: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]

    def kinds(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(what a message calls it, names)."""
        return (
            ("key exchange", self.key_exchange),
            ("host key", self.host_keys),
            ("cipher", self.ciphers),
            ("MAC", self.macs),
        )


MODERN: Final = Algorithms(
    key_exchange=(
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
    ),
    host_keys=(
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-256",
        "rsa-sha2-512",
    ),
    ciphers=(
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "chacha20-poly1305@openssh.com",
    ),
    macs=(
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-512",
    ),
)
_LAST: Final = ("diffie-hellman-group-exchange-sha256", "diffie-hellman-group-exchange-sha1")
LEGACY: Final = Algorithms(
    key_exchange=(
        *(name for name in MODERN.key_exchange if name not in _LAST),
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
        *_LAST,
    ),
    host_keys=(*MODERN.host_keys, "ssh-rsa", "ssh-dss"),
    ciphers=(*MODERN.ciphers, "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"),
    macs=(*MODERN.macs, "hmac-sha1-etm@openssh.com", "hmac-sha1"),
)
_RSA_SIGNATURES: Final = ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa")


def host_key_order(pinned: Iterable[str], offered: tuple[str, ...] = MODERN.host_keys) -> tuple[str, ...]:
    """The host key algorithms, those of the pinned keys first.

    A box with several keys shows the one whose algorithm we name first; asking for another kind than the pinned one
    would make an unchanged box look exchanged.
    """
    first: list[str] = []
    for key in pinned:
        algorithm = key.split(" ", 1)[0]
        first += _RSA_SIGNATURES if algorithm == "ssh-rsa" else (algorithm,)
    known = [name for name in first if name in offered]
    return tuple(dict.fromkeys((*known, *offered)))
