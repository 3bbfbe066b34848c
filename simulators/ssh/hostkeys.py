"""Host keys: ed25519, made from a device's seed in a fraction of a millisecond, the same in each run."""

from __future__ import annotations

import hashlib

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simulators.spec import DeviceSpec


def host_key(spec: DeviceSpec, generation: int) -> asyncssh.SSHKey:
    """The device's host key; each generation is another key."""
    return _from_seed(spec.digest(f"host key {generation}"))


def impostor_key(spec: DeviceSpec) -> asyncssh.SSHKey:
    """The key that the `host_key_changed` fault shows: none of the device's own."""
    return _from_seed(hashlib.sha256(b"impostor" + spec.digest("host key")).digest())


def public_line(key: asyncssh.SSHKey) -> str:
    """A key's public half as in a known_hosts file: `ssh-ed25519 AAAA...`."""
    return " ".join(key.export_public_key().decode("ascii").split()[:2])


def same_public_key(line: str, key: asyncssh.SSHKey) -> bool:
    """Whether an authorized_keys line and a key that a client offers are the same."""
    return asyncssh.import_public_key(line).public_data == key.public_data


def _from_seed(seed: bytes) -> asyncssh.SSHKey:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return asyncssh.import_private_key(pem)
