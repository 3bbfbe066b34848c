"""The daemon's settings: environment over file over defaults.

File: ``<data_dir>/cpe-manager.toml`` (written by ``cpe-manager init``). Environment: ``CPE_MANAGER_<NAME>``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from cpe_manager.domain.access.access import Role
from cpe_manager.domain.errors import InputError, SettingsError
from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.failover.voice_barrier import barred_of
from cpe_manager.domain.push.push_windows import freezes_of, windows_of
from cpe_manager.domain.telling.mail import address, addresses

FILE_NAME = "cpe-manager.toml"

FIRST_SETTINGS = """\
# Settings of cpe-manager; every one can also be given as CPE_MANAGER_<NAME> in the environment.
# What is commented out shows its default. docs/how-to/operate.md explains them.

# database_url = ""            # empty: SQLite in this directory; or postgresql://user@host/database
# host = "127.0.0.1"
# port = 8640
# snmp_trap_port = 0           # UDP port for SNMP traps and informs, 162 as a rule; 0 takes none
# snmp_trap_host = "0.0.0.0"
# sessions = 200               # device sessions open at once
# sessions_per_access_node = 8 # behind one access node, over all workers; 0 is no cap
# push_windows = "Mon-Fri 08:00-18:00 Europe/Brussels"    # when pushes may begin; empty: always
# push_freezes = "2026-12-21..2027-01-03 Europe/Brussels" # when none may
# nightly_cron = "0 1 * * *"   # used by init for the first schedule
# nightly_timezone = "Europe/Brussels"
# nightly_window_minutes = 240
# drill_sample = 20            # backups restored onto a fresh virtual box each night; 0 is none
# git_export_dir = "/var/lib/cpe-manager/devices.git"
"""
FIRST_CREDENTIALS = """\
# Log-ins of devices, by name; inventories refer to the name. Keep this file readable by its owner alone.
# [credentials.core-ios]
# username = "backup"
# password = "..."             # or password_file = "/run/credentials/core-ios", or password_env = "CORE_IOS"
# enable_password = "..."
# snmp_community = "..."       # SNMP v2c; for v3: snmp_user, snmp_auth_password, snmp_priv_password
"""

FIRST_PLATFORMS = """\
# What routes the customers' fixed addresses, by name; lines refer to the name. docs/how-to/platform.md explains it.
# [platforms.edge-1]
# kind = "frr"                 # a router with FRR, over SSH
# address = "10.255.0.1"
# credential = "edge"          # a name in credentials.toml
# host_key = "SHA256:..."      # or the public key: ssh-ed25519 AAAA...
# source = "198.51.100.1"      # where echoes to fixed addresses go out from: an address or an interface of the edge
#
# [platforms.bras]
# kind = "command"             # gets JSON, gives JSON: docs/reference/platform-hook.md
# command = ["/usr/local/lib/bras-hook"]
#
# [platforms.orchestrator]
# kind = "http"
# url = "https://orchestrator.example/cpe-manager"
# token_file = "orchestrator.token"
"""


class Settings(BaseSettings):
    """All settings of one daemon or worker. Times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="CPE_MANAGER_", extra="forbid", frozen=True)

    data_dir: Path
    database_url: str = ""
    """SQLAlchemy URL; empty means SQLite in the data directory. ``postgresql://...`` for PostgreSQL."""
    engine: str = Field(default="auto", pattern="^(auto|embedded|procrastinate)$")
    """``auto``: Procrastinate on PostgreSQL, embedded on SQLite."""
    keyring_file: Path | None = None
    """Sealing keys; default ``<data_dir>/keys/keyring.json``. Keep it, and a copy of it, outside the database."""
    credentials_file: Path | None = None
    """Device credentials; default ``<data_dir>/credentials.toml``."""

    platforms_file: Path | None = None
    """What routes fixed addresses; default ``<data_dir>/platforms.toml``."""

    service_catalogue_file: Path | None = None
    """What is sold; default ``<data_dir>/service-catalogue.toml``, else the one that comes along."""
    change_catalogue_file: Path | None = None
    """What may be changed; default ``<data_dir>/change-catalogue.toml``, and so on."""

    host: str = "127.0.0.1"
    port: int = Field(default=8640, ge=0, le=65535)

    snmp_trap_host: str = "0.0.0.0"  # noqa: S104 - of effect only with a port, and traps come from everywhere
    """Address at which SNMP traps and informs are taken."""
    snmp_trap_port: int = Field(default=0, ge=0, le=65535)
    """UDP; 0 takes none. 162 is the usual one and needs a capability or a redirection."""

    sessions: int = Field(default=200, ge=1)
    """Device sessions open at once in one process."""
    netmiko_threads: int = Field(default=16, ge=1)
    """Sessions at once of families ``netmiko:...``; each takes a thread, and more than some dozens gain nothing."""
    handshakes_per_second: float = Field(default=150.0, gt=0)
    sessions_per_access_node: int = Field(default=8, ge=0)
    """Sessions at once behind one access node, over all workers; 0 is no cap."""
    shard_size: int = Field(default=250, ge=1)
    lease_seconds: float = Field(default=15.0, ge=1)
    sweep_seconds: float = Field(default=2.0, gt=0)
    retry_base_seconds: float = Field(default=20.0, gt=0)
    retry_cap_seconds: float = Field(default=900.0, gt=0)
    stop_grace_seconds: float = Field(default=10.0, ge=0)

    push_windows: str = ""
    """When pushes may begin, where neither device nor group says: ``Mon-Fri 08:00-18:00 Europe/Brussels; ...``. Empty:
    always."""
    push_freezes: str = ""
    """When none may: ``2026-12-21..2027-01-03 Europe/Brussels; ...``."""
    push_limit_in_flight: int = Field(default=100, ge=0)
    """Pushes that have begun and not ended, over all workers; 0 is no limit. Urgent ones are not counted."""
    push_limit_per_access_node: int = Field(default=8, ge=0)
    push_failures_per_hour: int = Field(default=20, ge=0)
    """So many reverted or stuck pushes within an hour hold all that are not urgent; 0 is no limit."""

    nightly_cron: str = "0 1 * * *"
    nightly_timezone: str = "Europe/Brussels"
    nightly_window_minutes: int = Field(default=240, ge=1)

    keep_last: int = Field(default=30, ge=1)
    keep_daily: int = Field(default=31, ge=0)
    keep_weekly: int = Field(default=13, ge=0)
    keep_monthly: int = Field(default=24, ge=0)
    keep_line_days: float = Field(default=400.0, ge=1)
    """Steps, incidents and orders of fail-over; what is open, and the last of each line, stays."""

    drill_sample: int = Field(default=20, ge=0)
    """Devices whose backup is restored onto a fresh box after the night's run; 0: none."""
    drill_target: float = Field(default=0.9, ge=0, le=1)
    """Share of proven backups below which the alarm is raised. Not 1: one new version that fails is an event, and one
    in ten is no chance any more."""
    drill_boxes: int = Field(default=2, ge=1)
    """Boxes at once."""
    drill_command: str = ""
    """Command line that makes a box; empty: ``cpe-sim`` beside this Python or on the path."""

    coverage_download_url: str = Field(default="", pattern="^(https?://.+)?$")
    """What a coverage check has the box fetch over its mobile interface, 25 MB as a rule; empty: not measured."""
    coverage_upload_url: str = Field(default="", pattern="^(https?://.+)?$")
    """Where it sends to (PUT)."""
    coverage_seconds: float = Field(default=10.0, ge=1, le=60)
    """For each direction; what has passed by then counts."""
    coverage_signal_dbm: float = Field(default=-100.0, le=0)
    """A signal (RSRP) of this or less is refused: makers of 4G routers end their scales here."""
    coverage_down_mbps: float = Field(default=4.0, ge=0)
    """Less is refused (§3.8); 0: not asked for."""
    coverage_up_mbps: float = Field(default=1.0, ge=0)

    failover_enabled: bool = True
    """Lines that were set up are watched and moved; off: another installation does."""
    failover_policy: dict[str, Any] = {}
    """What differs from the built-in policy for all lines: a TOML table ``[failover_policy]`` with its names."""
    failover_warm_sessions: int = Field(default=64, ge=0)
    """Sessions to boxes kept open, so that their switch takes one round trip; 0: each switch is an ordinary push."""
    failover_renew_seconds: float = Field(default=600.0, ge=30)
    """After so long what was prepared for a switch is prepared anew."""
    failover_voice_sip: str = "5060-5061"
    """Ports (UDP and TCP) that stay off mobile where a family can keep them off (§7.6); empty: none."""
    failover_voice_rtp: str = "10000-20000"
    """The same for UDP alone."""
    failover_fixed_source: str = ""
    """Where echoes over fixed lines go out: an address or an interface of this machine; empty: as its routes say."""
    failover_mobile_source: str = ""

    change_approval_days: float = Field(default=30.0, gt=0)
    """How long an answer of the customer to a change request is awaited; then it expires."""
    change_evaluations: int = Field(default=16, ge=1)
    """Devices read at the same time for change requests, in one process."""

    webhook_private_addresses: bool = False
    """Receivers of webhooks may be on addresses that are not public, and be told without TLS."""
    webhook_give_up_days: float = Field(default=5.0, gt=0)
    """How long a receiver may fail before its webhook is disabled and an alarm raised."""

    mail_host: str = ""
    """Mail server (SMTP) by which customers and the operator are told of changes and activations; empty: no mail."""
    mail_port: int = Field(default=0, ge=0, le=65535)
    """0: 587 for starttls, 465 for tls, 25 for none."""
    mail_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_credential: str = ""
    """Log-in at the mail server, by its name in the credentials file; empty: none."""
    mail_from: str = ""
    """Address that mails come from."""
    mail_operator: str = ""
    """Addresses, with commas between, that are told besides the customers."""
    mail_operator_language: Literal["en", "nl", "fr"] = "en"
    mail_ca_file: Path | None = None
    """PEM of the authorities that the mail server is believed by, instead of the machine's."""
    mail_timeout_seconds: float = Field(default=30.0, ge=1)
    mail_give_up_days: float = Field(default=5.0, gt=0)
    """How long a mail is tried."""

    public_url: str = Field(default="", pattern="^(https?://[^/?#]+)?$")
    """Under which browsers reach the daemon: ``https://cpe.example``. Log-ins by a provider come back there."""
    trusted_proxies: str = "127.0.0.1"
    """Addresses whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed, with commas between."""
    session_idle_minutes: float = Field(default=30.0, ge=1)
    """So long without a request ends a person's session."""
    session_hours: float = Field(default=12.0, gt=0)
    """After so long it ends anyway."""
    password_time_cost: int = Field(default=3, ge=1)
    """Of Argon2id; passwords are hashed anew with the parameters of the day when their owners log in."""
    password_memory_kib: int = Field(default=65536, ge=8)
    password_parallelism: int = Field(default=4, ge=1)

    oidc_issuer: str = Field(default="", pattern="^(https?://.+)?$")
    """Provider that people log in by (OpenID Connect); empty: by passwords alone."""
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None
    """None: a public client, which PKCE alone protects."""
    oidc_scopes: str = "openid profile email"
    oidc_name_claim: str = "preferred_username"
    """Claim that an account's name is made of, when somebody comes for the first time."""
    oidc_roles_claim: str = "groups"
    oidc_roles: dict[str, str] = {}
    """Which role each value of that claim stands for: a TOML table ``[oidc_roles]``, such as ``noc = "operator"``."""
    oidc_sites_claim: str = ""
    """Claim with the sites of a customer's representative; empty: none comes this way."""
    activation_download_url: str = Field(default="", pattern="^(https?://.+)?$")
    """What a box fetches over its fixed line to measure its throughput (§4.2); empty: as coverage is measured."""
    activation_upload_url: str = Field(default="", pattern="^(https?://.+)?$")
    activation_seconds: float = Field(default=10.0, ge=1, le=60)
    """For each direction; what has passed by then counts."""
    activation_speed_share: float = Field(default=0.8, gt=0, le=1)
    """Of the formula's speeds (§3.1.2), what has to be reached."""
    activation_dns_name: str = ""
    """What a box has to be able to resolve; empty: the host of the download."""
    activation_prober: str = ""
    """Command line that tries ports from the internet; empty: they are tried from this machine."""
    activation_failover_seconds: float = Field(default=240.0, ge=10)
    """How long a planned test of the mobile backup is waited for."""
    activation_line_seconds: float = Field(default=45.0, ge=0)
    """What a line gets to come up after its box was configured."""
    activation_zone: str = "Europe/Brussels"
    """Whose days are counted as working days (§4.2, §4.3)."""

    git_export_dir: Path | None = None
    """Bare git repository of redacted views, updated after each run; None switches the automatic export off."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @field_validator("push_windows")
    @classmethod
    def _windows(cls, text: str) -> str:
        windows_of(text)
        return text

    @field_validator("push_freezes")
    @classmethod
    def _freezes(cls, text: str) -> str:
        freezes_of(text)
        return text

    @field_validator("activation_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone, such as Europe/Brussels") from None
        return name

    @field_validator("failover_policy")
    @classmethod
    def _policy(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            policy_of(values)
        except InputError as error:
            raise ValueError(str(error)) from None
        return values

    @field_validator("failover_voice_sip", "failover_voice_rtp")
    @classmethod
    def _voice(cls, text: str) -> str:
        try:
            barred_of(Barrier(text, ""))
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @field_validator("mail_operator")
    @classmethod
    def _operators(cls, text: str) -> str:
        try:
            return ", ".join(addresses(text))
        except InputError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _mail(self) -> Settings:
        if self.mail_host and not self.mail_from:
            raise ValueError("mail_from: say which address mails come from")
        try:
            if self.mail_from:
                address(self.mail_from)
        except InputError as error:
            raise ValueError(f"mail_from: {error}") from None
        if self.mail_security == "none" and self.mail_credential:
            raise ValueError("mail_security = none sends no password: take starttls or tls, or no mail_credential")
        return self

    @field_validator("oidc_roles")
    @classmethod
    def _roles(cls, values: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(values.values()) - set(Role))
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no role; there are " + ", ".join(Role))
        return values

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'cpe-manager.sqlite3'}"

    @property
    def scaled(self) -> bool:
        """Whether tickets travel through PostgreSQL, so that several workers can share the work."""
        return self.engine == "procrastinate" or (self.engine == "auto" and self.url.startswith("postgresql"))

    @property
    def keyring(self) -> Path:
        return self.keyring_file or self.data_dir / "keys" / "keyring.json"

    @property
    def credentials(self) -> Path:
        return self.credentials_file or self.data_dir / "credentials.toml"

    @property
    def platforms(self) -> Path:
        return self.platforms_file or self.data_dir / "platforms.toml"

    @property
    def service_catalogue(self) -> Path:
        return self.service_catalogue_file or self.data_dir / "service-catalogue.toml"

    @property
    def change_catalogue(self) -> Path:
        return self.change_catalogue_file or self.data_dir / "change-catalogue.toml"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller gives, then the environment, then the file of the data directory."""
        del dotenv_settings, file_secret_settings
        data_dir = init_settings().get("data_dir")
        file = TomlConfigSettingsSource(settings_cls, Path(data_dir) / FILE_NAME) if data_dir else None
        return (init_settings, env_settings, *((file,) if file else ()))


def load(data_dir: Path, **overrides: Any) -> Settings:
    """Settings for a data directory. Raises ``SettingsError`` with one line that names file or variable."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(data_dir=data_dir.absolute(), **given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"setting {name}: {first['msg']} (in {data_dir / FILE_NAME} or CPE_MANAGER_{name.upper()})"
        raise SettingsError(message) from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{data_dir / FILE_NAME}: {error}") from error
