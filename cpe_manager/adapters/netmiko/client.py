"""paramiko's client as we want it: pinned host keys before anything secret, each secret offered once, nothing else."""

from __future__ import annotations

import io
import threading
from typing import Any, Final

import paramiko
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.common import cMSG_KEXINIT, cMSG_USERAUTH_REQUEST

from cpe_manager.adapters.ssh.algorithms import Algorithms
from cpe_manager.domain.errors import CredentialMissing
from cpe_manager.ports.shell import Credential, Target

# paramiko has no SHA-1 key exchange and no `ssh-rsa` any more; its defaults still hold CBC, SHA-1 and MD5.
_KEX: Final = tuple(paramiko.Transport._preferred_kex)
_KEYS: Final = tuple(paramiko.Transport._preferred_keys)
_OLD_CIPHERS: Final = ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc")
_OLD_MACS: Final = ("hmac-sha1",)
_NEVER: Final = ("hmac-md5", "hmac-sha1-96", "hmac-md5-96")
_CIPHERS: Final = tuple(name for name in paramiko.Transport._preferred_ciphers if name not in _OLD_CIPHERS)
_MACS: Final = tuple(name for name in paramiko.Transport._preferred_macs if name not in (*_OLD_MACS, *_NEVER))
MODERN: Final = Algorithms(_KEX, _KEYS, _CIPHERS, _MACS)
LEGACY: Final = Algorithms(_KEX, _KEYS, (*_CIPHERS, *_OLD_CIPHERS), (*_MACS, *_OLD_MACS))
_KEY_TYPES: Final = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class HostKeyRefused(paramiko.SSHException):
    """The device shows another key than the pinned one."""


class _Requests(AuthOnlyHandler):
    """paramiko's, but for a race: it makes the event that an answer sets after the request has gone, and an answer
    that is quicker is waited for in vain. Its method ``none`` does not work at all."""

    def send_auth_request(self, username: str, method: str, finish_message: Any = None) -> list[str]:
        self.auth_method, self.username = method, username
        message = paramiko.Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        for text in (username, "ssh-connection", method):
            message.add_string(text)
        if finish_message is not None:
            finish_message(message)
        self.auth_event = threading.Event()
        with self.transport.lock:
            self.transport._send_message(message)
        methods: list[str] = self.wait_for_response(self.auth_event)
        return methods


class _Transport(paramiko.ServiceRequestingTransport):
    """The plain class asks for the authentication service anew before each method, which servers take amiss."""

    offered = b""
    """The device's ``SSH_MSG_KEXINIT``; paramiko keeps it only when everything was to its liking."""

    def get_auth_handler(self) -> _Requests:
        return _Requests(self)

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        self.offered = cMSG_KEXINIT + m.asbytes()
        super()._parse_kex_init(m)


class PinnedClient(paramiko.SSHClient, paramiko.MissingHostKeyPolicy):
    """One connection. It is its own policy for host keys, of which paramiko is told none: so it is always asked.

    ``failure`` keeps what went wrong: netmiko makes most of it a time-out.
    """

    def __init__(self, target: Target, credential: Credential) -> None:
        super().__init__()
        self._target = target
        self._pinned = {" ".join(key.split()[:2]) for key in target.pinned_keys}
        self._password = credential.password
        self._pkey = private_key(credential.private_key) if credential.private_key else None
        self.algorithms = LEGACY if target.legacy_crypto else MODERN
        self._transports: list[_Transport] = []
        self.host_key = ""
        self.refused_key = ""
        self.failure: BaseException | None = None
        self.set_missing_host_key_policy(self)

    def connect(self, *args: Any, **kwargs: Any) -> None:
        """As paramiko's, with our algorithms; nothing but the socket, the names and the time-outs is passed on."""
        kwargs |= {"password": None, "pkey": None, "key_filename": None, "allow_agent": False, "look_for_keys": False}
        kwargs |= {"transport_factory": self._transport_of, "channel_timeout": self._target.connect_timeout}
        try:
            super().connect(*args, **kwargs)
        except BaseException as error:
            self.failure = error
            raise

    def offered(self) -> bytes:
        """The device's ``SSH_MSG_KEXINIT``; empty when it has not come."""
        return self._transports[-1].offered if self._transports else b""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        """First contact accepts what is shown. paramiko asks before it authenticates."""
        shown = f"{key.get_name()} {key.get_base64()}"
        if self._pinned and shown not in self._pinned:
            self.refused_key = shown
            raise HostKeyRefused("another host key than the pinned one")
        self.host_key = shown

    def _transport_of(self, sock: Any, **kwargs: Any) -> paramiko.Transport:
        kwargs["disabled_algorithms"] = None
        transport = _Transport(sock, **kwargs)
        self._transports.append(transport)
        options, ours = transport.get_security_options(), self.algorithms
        options.ciphers, options.digests = ours.ciphers, ours.macs
        # A box with several keys shows the one whose algorithm is named first: that of the pinned one.
        kinds = {key.split(" ", 1)[0] for key in self._pinned}
        options.key_types = sorted(ours.host_keys, key=lambda name: _kind(name) not in kinds)
        return transport

    def _auth(self, username: str, *_from_paramiko: Any) -> None:
        """Ask what is taken, then offer the key, then the password by one method, each once.

        paramiko's own way sends a refused password again by another method, and tries keys that it finds.
        """
        transport = self.get_transport()
        if transport is None:
            raise paramiko.SSHException("no connection")
        taken = _methods(lambda: transport.auth_none(username))
        if taken and self._pkey is not None and "publickey" in taken:
            key = self._pkey
            taken = _methods(lambda: transport.auth_publickey(username, key), taken)
        if taken and self._password:
            password, self._password = self._password, ""
            if "password" in taken:
                taken = transport.auth_password(username, password, fallback=False)
            elif "keyboard-interactive" in taken:
                taken = transport.auth_interactive(username, lambda *asked: _answers(asked[-1], password))
        if taken:
            raise paramiko.AuthenticationException(f"no log-in was accepted; the device takes {', '.join(taken)}")


def private_key(text: str) -> paramiko.PKey:
    """A key from its OpenSSH text. Raises ``CredentialMissing``."""
    for kind in _KEY_TYPES:
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError, TypeError, IndexError):
            continue
    raise CredentialMissing("the private key is none that can be read (Ed25519, ECDSA or RSA, without a passphrase)")


def _kind(algorithm: str) -> str:
    """The kind of key that an algorithm signs with."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _methods(attempt: Any, otherwise: list[str] | None = None) -> list[str]:
    """What is still to be proven after an attempt that may fail: the methods that the device takes; [] when done."""
    try:
        return list(attempt())
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except paramiko.AuthenticationException:
        if otherwise is None:
            raise
        return otherwise


def _answers(questions: list[tuple[str, bool]], password: str) -> list[str]:
    """One hidden question is the password's; a challenge without questions is a mere message."""
    if not questions:
        return []
    if len(questions) > 1 or questions[0][1]:
        raise paramiko.AuthenticationException("the device asks for more than a password")
    return [password]
