"""Device log-ins by name, from a TOML file that only its owner can read.

::

    [credentials.core-ios]
    username = "backup"
    password_file = "core-ios.password"     # or password = "...", or password_env = "CORE_IOS_PASSWORD"
    enable_password = "..."                 # or enable_password_file, enable_password_env
    private_key_file = "core-ios.key"       # OpenSSH form; besides or instead of a password
    snmp_community = "..."                  # SNMP v2c; or snmp_community_file, snmp_community_env
    snmp_user = "monitor"                   # SNMP v3, always authenticated and private; goes before v2c
    snmp_auth_password = "..."              # 8 characters or more; _file and _env as above
    snmp_auth_protocol = "SHA"              # MD5, SHA, SHA-224, SHA-256, SHA-384, SHA-512
    snmp_priv_password = "..."              # 8 characters or more; _file and _env as above
    snmp_priv_protocol = "AES"              # DES, AES, AES-192 (from SHA-224 on), AES-256 (from SHA-256 on)

Relative paths are looked for in systemd's ``$CREDENTIALS_DIRECTORY`` first, then beside the file. The environment
variables ``CPE_MANAGER_CREDENTIAL_<NAME>_PASSWORD``, ``..._ENABLE_PASSWORD``, ``..._SNMP_COMMUNITY``,
``..._SNMP_AUTH_PASSWORD`` and ``..._SNMP_PRIV_PASSWORD`` go before all of these; ``<NAME>`` is the name in capitals
with everything but letters and digits turned into ``_``.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cpe_manager.domain.errors import CredentialMissing, SettingsError
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.snmp import AUTH_PROTOCOLS, PRIV_PROTOCOLS, SHORTEST_PASSWORD, SnmpAccess

SECRETS: Final = ("password", "enable_password", "snmp_community", "snmp_auth_password", "snmp_priv_password")
SNMP: Final = ("snmp_user", "snmp_auth_protocol", "snmp_priv_protocol")
KEYS: Final = frozenset(
    {"username", "private_key_file", *SNMP, *(name + suffix for name in SECRETS for suffix in ("", "_env", "_file"))}
)
LONGER_HASHES: Final[Mapping[str, frozenset[str]]] = {
    "AES-192": frozenset({"SHA-224", "SHA-256", "SHA-384", "SHA-512"}),
    "AES-256": frozenset({"SHA-256", "SHA-384", "SHA-512"}),
}
"""Where the hash gives fewer octets than the cipher wants, vendors disagree on how to stretch the key."""
MAX_BYTES: Final = 4 * 1024 * 1024
_AT_LEAST: Final = f"{SHORTEST_PASSWORD} characters or more"
_TOML_PLACE: Final = re.compile(r"at line (\d+), column (\d+)")


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[int, int, int]
    entries: Mapping[str, Mapping[str, str]]


class CredentialFile:
    """``ports.sessions.Credentials`` over a file, which is read again when it changes on disk.

    A file that has become unreadable, too open or wrong fails the devices that need it with ``CredentialMissing``;
    going on with what it said before could use a log-in that was withdrawn.
    """

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._env = os.environ if env is None else env
        self._loaded: _Loaded | None = None

    def check(self) -> None:
        """Read the file. Raises ``SettingsError`` with one line that says what to do."""
        self._entries()

    def names(self) -> tuple[str, ...]:
        """Raises ``SettingsError`` when the file cannot be used."""
        return tuple(sorted(self._entries()))

    def get(self, ref: str) -> Credential:
        try:
            entries = self._entries()
            if ref not in entries:
                raise CredentialMissing(f"no credential {ref!r}; known: {', '.join(sorted(entries)) or 'none'}")
            return self._credential(ref, entries[ref])
        except SettingsError as error:
            raise CredentialMissing(f"credential {ref!r}: {error}") from error

    def _entries(self) -> Mapping[str, Mapping[str, str]]:
        found = self._stat(self._path, "credentials")
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._loaded is None or self._loaded.stamp != stamp:
            entries = _checked(_parse(self._read(self._path, "credentials"), self._path), self._path)
            self._loaded = _Loaded(stamp, entries)
        return self._loaded.entries

    def _credential(self, ref: str, entry: Mapping[str, str]) -> Credential:
        key_file = entry.get("private_key_file")
        credential = Credential(
            username=entry["username"],
            password=self._secret(ref, entry, "password"),
            enable_password=self._secret(ref, entry, "enable_password"),
            private_key=self._read(self._locate(key_file), "private key") if key_file else "",
            snmp=self._snmp(ref, entry),
        )
        if not credential.password and not credential.private_key:
            raise SettingsError("has neither a password nor a private key; give it one")
        return credential

    def _snmp(self, ref: str, entry: Mapping[str, str]) -> SnmpAccess | None:
        access = SnmpAccess(
            community=self._secret(ref, entry, "snmp_community"),
            user=entry.get("snmp_user", ""),
            auth_password=self._secret(ref, entry, "snmp_auth_password"),
            auth_protocol=entry.get("snmp_auth_protocol", "SHA"),
            priv_password=self._secret(ref, entry, "snmp_priv_password"),
            priv_protocol=entry.get("snmp_priv_protocol", "AES"),
        )
        if access.user:
            for kind, text in (("auth", access.auth_password), ("priv", access.priv_password)):
                if len(text) < SHORTEST_PASSWORD:
                    raise SettingsError(f"has an snmp_user, so it needs snmp_{kind}_password, {_AT_LEAST}")
        return access if access.user or access.community else None

    def _secret(self, ref: str, entry: Mapping[str, str], kind: str) -> str:
        override = self._env.get(f"CPE_MANAGER_CREDENTIAL_{_folded(ref)}_{kind.upper()}")
        if override is not None:
            return override
        if variable := entry.get(f"{kind}_env"):
            if variable not in self._env:
                raise SettingsError(f"environment variable {variable} ({kind}_env) is not set")
            return self._env[variable]
        if name := entry.get(f"{kind}_file"):
            # Editors and echo end a file with a newline that is no part of the password.
            return self._read(self._locate(name), kind).removesuffix("\n").removesuffix("\r")
        return entry.get(kind, "")

    def _locate(self, name: str) -> Path:
        directory = self._directory()
        if directory and not Path(name).is_absolute() and (directory / name).exists():
            return directory / name
        return self._path.parent / name

    def _directory(self) -> Path | None:
        name = self._env.get("CREDENTIALS_DIRECTORY")
        return Path(name) if name else None

    def _stat(self, path: Path, what: str) -> os.stat_result:
        try:
            found = path.stat()
        except OSError as error:
            raise SettingsError(f"{what} file {path}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError(f"{what} file {path} is not a regular file")
        directory = self._directory()
        # systemd guards its own directory, by access lists that show up as group bits.
        guarded = directory is not None and path.is_relative_to(directory)
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and not guarded:
            mode = stat.S_IMODE(found.st_mode)
            raise SettingsError(f"{what} file {path} is open to others (mode {mode:04o}); run: chmod 600 {path}")
        if found.st_size > MAX_BYTES:
            raise SettingsError(f"{what} file {path} is larger than {MAX_BYTES // 2**20} MB")
        return found

    def _read(self, path: Path, what: str) -> str:
        self._stat(path, what)
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"{what} file {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            # Without its cause: the exception carries the bytes.
            raise SettingsError(f"{what} file {path} is not UTF-8 text") from None


def _folded(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _parse(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Without its cause and words: both may quote the line, and the line may hold a password.
        place = _TOML_PLACE.search(str(error))
        where = f"line {place[1]}, column {place[2]}" if place else "its end"
    raise SettingsError(f"credentials file {path} is not valid TOML at {where}")


def _checked(document: Mapping[str, Any], path: Path) -> dict[str, Mapping[str, str]]:
    for key in document:
        if key != "credentials":
            raise SettingsError(f"credentials file {path}: {key!r} is unknown; write [credentials.<name>] tables")
    tables = document.get("credentials", {})
    if not isinstance(tables, dict):
        raise SettingsError(f"credentials file {path}: credentials is not a table of tables")
    variables: dict[str, str] = {}
    for name, entry in tables.items():
        _check_entry(entry, f"credentials file {path}: [credentials.{name}]")
        other = variables.setdefault(_folded(name), name)
        if other != name:
            raise SettingsError(
                f"credentials file {path}: {other!r} and {name!r} share their environment variable; rename one"
            )
    return tables


def _check_entry(entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise SettingsError(f"{where} is not a table")
    for key, value in entry.items():
        if key not in KEYS:
            raise SettingsError(f"{where} has an unknown key {key!r}; known: {', '.join(sorted(KEYS))}")
        if not isinstance(value, str):
            raise SettingsError(f"{where}: {key} is not text; put it in quotes")
    if not entry.get("username"):
        raise SettingsError(f"{where} has no username")
    for kind in SECRETS:
        given = [key for key in (kind, f"{kind}_env", f"{kind}_file") if key in entry]
        if len(given) > 1:
            raise SettingsError(f"{where} has {' and '.join(given)}; keep one of them")
    _check_snmp(entry, where)


def _check_snmp(entry: Mapping[str, str], where: str) -> None:
    auth, priv = entry.get("snmp_auth_protocol", "SHA"), entry.get("snmp_priv_protocol", "AES")
    for kind, given, known in (("auth", auth, AUTH_PROTOCOLS), ("priv", priv, PRIV_PROTOCOLS)):
        if given not in known:
            raise SettingsError(f"{where} has an unknown snmp_{kind}_protocol {given!r}; known: {', '.join(known)}")
    if auth not in LONGER_HASHES.get(priv, AUTH_PROTOCOLS):
        raise SettingsError(f"{where}: {priv} needs one of {', '.join(sorted(LONGER_HASHES[priv]))}, not {auth}")
