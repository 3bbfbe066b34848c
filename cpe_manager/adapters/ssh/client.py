"""What our side answers during the handshake: is this the right key, and who are we."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Final

import asyncssh

from cpe_manager.adapters.ssh.algorithms import Algorithms
from cpe_manager.adapters.ssh.offers import read_offer
from cpe_manager.ports.shell import Credential

_BANNER: Final = 16 * 1024


def public_form(key: asyncssh.SSHKey) -> str:
    """``algorithm base64``, as OpenSSH writes public keys, without a comment."""
    return f"{key.algorithm.decode()} {b64encode(key.public_data).decode()}"


def fingerprint(shown: str) -> str:
    """``SHA256:...`` of a public form, as ssh-keygen prints it."""
    return f"SHA256:{b64encode(sha256(b64decode(shown.split()[1])).digest()).decode().rstrip('=')}"


def bare(key: str) -> str:
    """A stored key without what may follow it (a comment)."""
    return " ".join(key.split()[:2])


class HandshakeClient(asyncssh.SSHClient):
    """One connection's answers. The host key is judged before anything secret is sent.

    A secret is offered once only: a second try of the same password by another method counts as a second failure on
    the device, and repeated failures lock accounts.
    """

    def __init__(self, pinned: tuple[str, ...], credential: Credential, key: asyncssh.SSHKey | None) -> None:
        self._accepted = {bare(entry).rstrip("=") if entry.startswith("SHA256:") else bare(entry) for entry in pinned}
        self._password: str | None = credential.password or None
        self._key = key
        self._is_rsa = key is not None and key.algorithm == b"ssh-rsa"
        self.host_key = ""
        self.refused_key = ""
        self.banner = ""
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def offer(self) -> Algorithms | None:
        """What the device offered; None when it has not come so far.

        asyncssh keeps the message for the exchange hash, and tells of it only what it stumbles over first.
        """
        payload = getattr(self._connection, "_server_kexinit", None)
        return read_offer(payload) if payload else None

    def key_needs_sha1(self) -> bool:
        """Whether the log-in key is an RSA one that the device takes with SHA-1 signatures alone.

        A device that does not say what it takes (RFC 8308) is of the time when there was nothing else.
        """
        told: Collection[bytes] = getattr(self._connection, "_server_sig_algs", None) or ()
        return self._is_rsa and not {b"rsa-sha2-256", b"rsa-sha2-512"} & set(told)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """First contact accepts what is shown, and from then on nothing else, also when keys are exchanged anew."""
        shown = public_form(key)
        if self._accepted and not {shown, fingerprint(shown)} & self._accepted:
            self.refused_key = shown
            return False
        self._accepted = self._accepted or {shown}
        self.host_key = shown
        return True

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002
        """A box may send several; what one of them says beyond this many characters tells nothing more."""
        self.banner += msg[: max(0, _BANNER - len(self.banner))]

    def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        key, self._key = self._key, None
        return key

    def password_auth_requested(self) -> str | None:
        password, self._password = self._password, None
        return password

    def kbdint_auth_requested(self) -> str | None:
        return None if self._password is None else ""

    def kbdint_challenge_received(
        self,
        name: str,  # noqa: ARG002
        instructions: str,  # noqa: ARG002
        lang: str,  # noqa: ARG002
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str] | None:
        """One hidden question is the password's; a challenge without questions is a mere message."""
        if not prompts:
            return []
        if len(prompts) > 1 or prompts[0][1]:
            return None
        password = self.password_auth_requested()
        return None if password is None else [password]
