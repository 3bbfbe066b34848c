"""An invented family, its configuration with one secret of each kind, and a ring without a file."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from backups import keyring
from backups.keyring import Keyring
from cpe_manager.domain.backup.backups import Backup, BackupState, Draft
from cpe_manager.ports.driver import SecretRule, Spec

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
LOGIN, ENABLE = "Dev1ce-L0gin!", "En4bleMe2"


class FixedRings:
    """``backups.keyfile.Rings`` over a ring in memory that a test may exchange."""

    def __init__(self, ring: Keyring | None = None) -> None:
        self.current = ring or keyring.generate("k-1", NOW)

    def ring(self) -> Keyring:
        return self.current


def rule(pattern: str, kind: str, flags: int = re.MULTILINE) -> SecretRule:
    return SecretRule(re.compile(pattern, flags), kind)  # type: ignore[arg-type]


SPEC = Spec(
    family="invented",
    title="Invented router",
    comment="!",
    volatile=(
        re.compile(r"^! saved at .*$", re.MULTILINE),
        re.compile(r"^clock-drift \d+$", re.MULTILINE),
    ),
    secrets=(
        rule(r"^admin-password (?:hash )?(?P<secret>\S+)", "login"),
        rule(r"^snmp community (?P<secret>\S+)", "snmp"),
        rule(r"^ *wifi .*\bkey (?P<secret>\S+)", "wifi"),
        rule(r"^ppp user \S+ password (?P<secret>\S+)", "ppp"),
        rule(r"auth-key (?P<secret>\S+)", "key"),
        rule(r"priv-key (?P<secret>\S+)", "key"),
    ),
)

SECRETS = {
    "snmp": "Comm-7431",
    "wifi": "WifiKey-99x",
    "ppp": "PppPw-5512",
    "auth": "AuthK-31337",
    "priv": "PrivK-90210",
}

TEXT = f"""! saved at 02:30:01
hostname site-17
admin-password hash {LOGIN}
snmp community {SECRETS["snmp"]}
snmp v3 user ops auth-key {SECRETS["auth"]} priv-key {SECRETS["priv"]}
interface wlan0
  wifi ssid Shop key {SECRETS["wifi"]}
ppp user line17 password {SECRETS["ppp"]}
clock-drift 4711
route default via 192.0.2.1
end
"""


def row(draft: Draft, *, position_id: str = "pos-1") -> Backup:
    """The version's row as the database would hold it."""
    return Backup(
        id=draft.sealed.id,
        device_id="dev-1",
        position_id=position_id,
        site_id="site-1",
        device="site-17",
        number=1,
        state=BackupState.GOOD,
        captured_at=NOW,
        family=draft.family,
        fingerprint=draft.fingerprint,
        size=draft.size,
        lines=draft.lines,
    )
