"""The operator's platforms by name, from a TOML file in the data directory.

::

    [platforms.edge-gent]
    kind = "frr"
    address = "10.255.0.1"
    credential = "edge"                    # a name in credentials.toml
    host_key = "SHA256:..."                # or the public key: ssh-ed25519 AAAA...

    [platforms.bras]
    kind = "command"
    command = ["/usr/local/lib/bras-hook", "--region", "west"]
    seconds = 30                           # what a call may take, 10 unless it is said

    [platforms.orchestrator]
    kind = "http"
    url = "https://orchestrator.example/cpe-manager"
    token_file = "orchestrator.token"      # or token_env = "ORCHESTRATOR_TOKEN"

The file holds no secret. It is read again when it changes; platforms whose entry stays the same keep their session.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from cpe_manager.adapters.http_posts import HttpPosts, plain_text_allowed, read_url
from cpe_manager.adapters.platform.frr_edge import FrrEdge, FrrOptions, Vtysh
from cpe_manager.adapters.platform.hook import DEADLINE, Caller, CommandCaller, Hook, HttpCaller
from cpe_manager.adapters.platform.vtysh import Static
from cpe_manager.domain.errors import CredentialMissing, InputError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import Platform
from cpe_manager.ports.sessions import Sessions
from cpe_manager.ports.shell import Target

_COMMON: Final = {"kind": str}
_KEYS: Final[Mapping[str, Mapping[str, type]]] = {
    "frr": {
        "address": str,
        "port": int,
        "credential": str,
        "host_key": str,
        "vtysh": str,
        "source": str,
        "distance": int,
        "tag": int,
        "save": bool,
        "session_seconds": int,
    },
    "command": {"command": list, "seconds": int},
    "http": {"url": str, "token_file": str, "token_env": str, "ca_file": str, "seconds": int},
}
_NEEDED: Final = {"frr": ("address", "credential", "host_key"), "command": ("command",), "http": ("url",)}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_PUBLIC_KEY: Final = re.compile(r"(?:ssh-|ecdsa-)[a-z0-9-]+ [A-Za-z0-9+/]+={0,3}(?: .*)?")
_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}")
_MAX_BYTES: Final = 1024 * 1024
_SECONDS: Final = ("seconds", 1, 300)
_PLACE: Final = re.compile(r"\(at line (\d+)")
_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Stamp:
    changed: int
    size: int
    inode: int


class PlatformFile:
    """``ports.platform.Platforms`` over a file; one that does not exist has none.

    Once it was read, a change that is wrong is told in the log and leaves the platforms as they were: a slip of the
    pen must not take fail-over from all lines. ``check`` is what tells it to whoever starts or asks.
    """

    def __init__(self, path: Path, sessions: Sessions, clock: Clock, env: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._sessions = sessions
        self._clock = clock
        self._env = os.environ if env is None else env
        self._stamp: _Stamp | None = None
        self._entries: dict[str, Entry] | None = None
        self._made: dict[str, Platform] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def check(self) -> None:
        """Read the file. Raises ``InputError`` with file, line and reason."""
        self._take(self._read())

    def get(self, name: str) -> Platform:
        """To be called in the event loop that the platform is used in."""
        entries = self._known()
        if name not in entries:
            raise InputError(f"no platform {name!r} in {self._path}; known: {', '.join(sorted(entries)) or 'none'}")
        if name not in self._made:
            self._made[name] = self._make(name, entries[name])
        return self._made[name]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._known()))

    async def close(self) -> None:
        platforms, self._made = list(self._made.values()), {}
        await asyncio.gather(*(platform.close() for platform in platforms), *self._endings, return_exceptions=True)

    def _known(self) -> dict[str, Entry]:
        stamp = self._found()
        if self._entries is None:
            self._take(self._read())
        elif stamp != self._stamp:
            try:
                self._take(self._read())
            except InputError as error:
                _log.error("platforms stay as they were: %s", error)
            self._stamp = stamp
        assert self._entries is not None
        return self._entries

    def _found(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(error.strerror or "cannot be read", file=str(self._path)) from error
        return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> tuple[_Stamp | None, dict[str, Entry]]:
        stamp = self._found()
        return stamp, ({} if stamp is None else read_file(self._path))

    def _take(self, read: tuple[_Stamp | None, dict[str, Entry]]) -> None:
        self._stamp, entries = read
        before, self._entries = self._entries or {}, entries
        for name in [name for name in self._made if entries.get(name) != before.get(name)]:
            ending = asyncio.get_running_loop().create_task(self._made.pop(name).close(), name=f"platform {name}: end")
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def _make(self, name: str, entry: Entry) -> Platform:
        kinds: Mapping[str, Callable[[str, Entry], Platform]] = {
            "frr": self._frr,
            "command": lambda name, entry: _hook(name, entry, CommandCaller(name, tuple(entry["command"]))),
            "http": self._http,
        }
        return kinds[entry["kind"]](name, entry)

    def _frr(self, name: str, entry: Entry) -> Platform:
        target = Target(
            device_id=f"platform:{name}",
            name=name,
            host=entry["address"],
            port=entry.get("port", 22),
            family="frr_linux",
            credential_ref=entry["credential"],
            pinned_keys=(entry["host_key"],),
            connect_timeout=4.0,
            command_timeout=8.0,
            session_timeout=float(entry.get("session_seconds", 3600)),
        )
        static = Static(entry.get("distance", 1), entry.get("tag", 0))
        options = FrrOptions(static, entry.get("vtysh", "auto"), entry.get("source", ""), entry.get("save", False))
        return FrrEdge(self._sessions, target, self._clock, options)

    def _http(self, name: str, entry: Entry) -> Platform:
        ca_file = self._path.parent / entry["ca_file"] if "ca_file" in entry else None
        # An operator's own orchestrator has a private address as a rule; who writes this file decides.
        posts = HttpPosts(private=True, ca_file=ca_file)
        return _hook(name, entry, HttpCaller(name, entry["url"], posts, token=self._token(name, entry)))

    def _token(self, name: str, entry: Entry) -> str:
        if variable := entry.get("token_env"):
            if variable not in self._env:
                raise CredentialMissing(f"platform {name!r}: environment variable {variable} (token_env) is not set")
            return str(self._env[variable])
        if "token_file" not in entry:
            return ""
        path = self._path.parent / entry["token_file"]
        directory = self._env.get("CREDENTIALS_DIRECTORY")
        if directory and not Path(entry["token_file"]).is_absolute() and (Path(directory) / path.name).exists():
            path = Path(directory, path.name)
        try:
            token: str = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialMissing(f"platform {name!r}: token file {path} cannot be read") from error
        return token


def read_file(path: Path) -> dict[str, Entry]:
    """The entries of a platform file. Raises ``InputError`` with file, line and reason."""
    try:
        found = path.stat()
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            # It names commands that run with our rights.
            raise InputError(f"others may write to it; run: chmod go-w {path}", file=str(path))
        if found.st_size > _MAX_BYTES:
            raise InputError("larger than 1 MB", file=str(path))
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place else len(text.splitlines())
        raise InputError(f"not valid TOML: {error}", file=str(path), line=line) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path)) from error
    judge = _Judge(path, text)
    for key in document:
        if key != "platforms":
            raise judge.wrong(f"{key!r} is unknown; write [platforms.<name>] tables", "", key)
    tables = document.get("platforms", {})
    if not isinstance(tables, dict):
        raise judge.wrong("platforms is not a table of tables", "", "platforms")
    for name, entry in tables.items():
        judge.check(name, entry)
    return dict(tables)


def _hook(name: str, entry: Entry, caller: Caller) -> Hook:
    return Hook(name, caller, seconds=float(entry.get("seconds", DEADLINE)))


@dataclass(frozen=True, slots=True)
class _Judge:
    """Looks at entries, and finds the lines of what is wrong with them."""

    path: Path
    text: str

    def wrong(self, reason: str, name: str, key: str = "") -> InputError:
        return InputError(reason, file=str(self.path), line=self._line(name, key))

    def _line(self, name: str, key: str) -> int | None:
        """Of a key in a table, else of the table, else none: TOML has more ways to write one than are known here."""
        lines = self.text.splitlines()
        header = re.compile(rf"\s*\[\s*platforms\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*\]")
        start = next((number for number, line in enumerate(lines) if header.match(line)), None) if name else -1
        if start is None:
            return None
        wanted = re.compile(rf"\s*\[?[\"']?{re.escape(key)}[\"']?\s*[\].=]") if key else None
        for number in range(start + 1, len(lines) if wanted else 0):
            if wanted and wanted.match(lines[number]):
                return number + 1
            if name and lines[number].lstrip().startswith("["):
                break
        return start + 1 if name else None

    def check(self, name: str, entry: Any) -> None:
        if not _NAME.fullmatch(name):
            raise self.wrong(f"{name!r} is no name: letters, digits, dot, dash and underscore, 63 at most", name)
        if not isinstance(entry, dict):
            raise self.wrong(f"platforms.{name} is not a table", name)
        kind = str(entry.get("kind", ""))
        if kind not in _KEYS:
            raise self.wrong(f"kind is one of {', '.join(_KEYS)}, not {kind!r}", name, "kind")
        known = {**_COMMON, **_KEYS[kind]}
        for key, value in entry.items():
            if key not in known:
                raise self.wrong(f"{key!r} is unknown for {kind}; known: {', '.join(sorted(known))}", name, key)
            if type(value) is not known[key]:
                raise self.wrong(f"{key} is {_WORDS[known[key]]}, not {value!r}", name, key)
        for key in _NEEDED[kind]:
            if not entry.get(key):
                raise self.wrong(f"has no {key}", name, "kind")
        {"frr": self._frr, "command": self._command, "http": self._http}[kind](name, entry)

    def _numbers(self, name: str, entry: Entry, *bounds: tuple[str, int, int]) -> None:
        for number, least, most in bounds:
            if number in entry and not least <= entry[number] <= most:
                raise self.wrong(f"{number} is from {least} to {most}, not {entry[number]}", name, number)

    def _frr(self, name: str, entry: Entry) -> None:
        key = entry["host_key"]
        if not _FINGERPRINT.fullmatch(key) and not _PUBLIC_KEY.fullmatch(key):
            raise self.wrong(
                "host_key is a fingerprint (SHA256:...) or a public key (ssh-ed25519 AAAA...); ssh-keyscan shows them",
                name, "host_key",
            )  # fmt: skip
        self._numbers(
            name,
            entry,
            ("port", 1, 65535),
            ("distance", 1, 254),
            ("tag", 0, 2**32 - 1),
            ("session_seconds", 60, 86_400),
        )
        if entry.get("vtysh", "auto") not in get_args(Vtysh):
            raise self.wrong(f"vtysh is one of {', '.join(get_args(Vtysh))}", name, "vtysh")
        if entry.get("source") and not _SOURCE.fullmatch(entry["source"]):
            raise self.wrong("source is an address or an interface of the edge", name, "source")

    def _command(self, name: str, entry: Entry) -> None:
        self._numbers(name, entry, _SECONDS)
        argv = entry["command"]
        if not all(isinstance(word, str) for word in argv):
            raise self.wrong("command is a list of words in quotes", name, "command")
        program = Path(argv[0])
        if not program.is_absolute():
            raise self.wrong(f"command: write the whole path of {argv[0]!r}", name, "command")
        if not program.is_file() or not os.access(program, os.X_OK):
            raise self.wrong(f"command: {program} is no program that can be run here", name, "command")

    def _http(self, name: str, entry: Entry) -> None:
        self._numbers(name, entry, _SECONDS)
        try:
            read_url(entry["url"])
        except InputError as error:
            raise self.wrong(f"url: {error.reason}", name, "url") from error
        if not plain_text_allowed(entry["url"]):
            raise self.wrong("url: without TLS only this machine itself may be asked; write https://", name, "url")
        if "token_file" in entry and "token_env" in entry:
            raise self.wrong("has token_file and token_env; keep one of them", name, "token_env")
        if "ca_file" in entry and not (self.path.parent / entry["ca_file"]).is_file():
            raise self.wrong(f"ca_file: {entry['ca_file']} does not exist", name, "ca_file")


_WORDS: Final = {str: "text in quotes", int: "a whole number", bool: "true or false", list: "a list in brackets"}
