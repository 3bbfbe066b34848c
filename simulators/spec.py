"""What a virtual CPE is, before it runs: name, family, credentials, seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType


def _no_options() -> Mapping[str, str]:
    return MappingProxyType({})


_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of one box. An empty string means: derive one from the seed."""

    login: str = ""
    enable: str = ""
    snmp: str = ""
    wifi: str = ""
    ppp: str = ""


@dataclass(frozen=True)
class DeviceSpec:
    """Everything that decides how a box looks. Two equal specs give two boxes with the same configuration.

    config_bytes: lower bound for the generated configuration's size; 0 is the family's natural size (3-8 KB).
    options: family-specific choices, listed by `cpe-sim personas` (frr_linux: `mode=vtysh|bash|linux`).
    authorized_keys: OpenSSH public key lines that may log in besides the password.
    """

    name: str
    family: str
    seed: int = 0
    username: str = "backup"
    given: Secrets = field(default_factory=Secrets)
    config_bytes: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    authorized_keys: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=_no_options)

    @cached_property
    def secrets(self) -> Secrets:
        """All five secrets, the given ones as they are and the others from the seed."""
        return Secrets(
            login=self.given.login or self._derive("login", 14),
            enable=self.given.enable or self._derive("enable", 14),
            snmp=self.given.snmp or self._derive("snmp", 12),
            wifi=self.given.wifi or self._derive("wifi", 16),
            ppp=self.given.ppp or self._derive("ppp", 12),
        )

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own for each purpose, so that one more draw in one place changes nothing elsewhere."""
        return random.Random(f"{self.seed}/{self.family}/{self.name}/{purpose}")

    def digest(self, purpose: str) -> bytes:
        """32 bytes that depend on the spec's identity and the purpose alone."""
        return hashlib.sha256(f"{self.seed}/{self.family}/{self.name}/{purpose}".encode()).digest()

    def _derive(self, purpose: str, length: int) -> str:
        rng = self.rng(f"secret/{purpose}")
        return "".join(rng.choice(_ALPHABET) for _ in range(length))
