"""What is offered in the key exchange, in order of preference.

Fixed lists, for two reasons: building asyncssh's defaults costs CPU at every connection, and the order is a matter of
cost. The client's order decides (RFC 4253 §7.1). AES128-GCM comes first because it is the cheapest with AES
instructions. Group exchange comes behind every fixed group: with asyncssh it blocks the event loop for hundreds of
milliseconds. What rests on SHA-1, CBC or 1024-bit groups stands last, for boxes that can do no better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

KEY_EXCHANGE: Final = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group1-sha1",
)
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com",
    "aes128-cbc",
    "aes256-cbc",
    "3des-cbc",
)
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-512",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1",
)
HOST_KEYS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
    "ssh-rsa",
)
_RSA_SIGNATURES: Final = ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa")


def host_key_order(pinned: Iterable[str]) -> tuple[str, ...]:
    """The host key algorithms, those of the pinned keys first.

    A box with several keys shows the one whose algorithm we name first; asking for another kind than the pinned one
    would make an unchanged box look exchanged.
    """
    first: list[str] = []
    for key in pinned:
        algorithm = key.split(" ", 1)[0]
        first += _RSA_SIGNATURES if algorithm == "ssh-rsa" else (algorithm,)
    known = [name for name in first if name in HOST_KEYS]
    return tuple(dict.fromkeys((*known, *HOST_KEYS)))
