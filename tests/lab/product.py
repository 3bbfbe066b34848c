"""The product's own way to a box: its SSH adapter with the credentials of one box."""

from __future__ import annotations

from typing import Any, Literal

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import CredentialMissing
from cpe_manager.ports.shell import Credential, Target
from tests.lab.box import RealBox

Login = Literal["password", "key"]


class OneCredential:
    """``ports.sessions.Credentials`` with a single entry, ``box``."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def get(self, ref: str) -> Credential:
        if ref != "box":
            raise CredentialMissing(ref)
        return self._credential

    def names(self) -> tuple[str, ...]:
        return ("box",)


def credential(box: RealBox, login: Login) -> Credential:
    if login == "key":
        return Credential(box.user, private_key=box.private_key)
    return Credential(box.user, password=box.password)


def sessions(given: Credential) -> SshSessions:
    return SshSessions(OneCredential(given), SystemClock())


def target(box: RealBox, **changes: Any) -> Target:
    """The box as a target; timeouts in seconds."""
    fields: dict[str, Any] = {
        "device_id": box.name,
        "name": box.name,
        "host": box.address,
        "port": box.port,
        "family": "frr_linux",
        "credential_ref": "box",
        "pinned_keys": (),
        "connect_timeout": 10.0,
        "command_timeout": 10.0,
        "options": {"vtysh": "login" if box.shell == "/usr/bin/vtysh" else "command"},
    }
    return Target(**{**fields, **changes})
